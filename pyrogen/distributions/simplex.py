"""Distributions of proportions: points of the simplex, with the density of their first K − 1 coordinates."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import Transform
from torch.nn.functional import pad

from pyrogen.axes import Axis
from pyrogen.distributions.transformed import spread


class AdditiveLogRatio(Transform):
    """z = softmax(x₁, …, x_{K−1}, 0), log |det ∂z/∂x| = Σₖ log zₖ.

    Reference: Aitchison & Shen 1980, Logistic-normal distributions.
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        # what underflows would have no logarithm
        return pad(x, (0, 1)).softmax(-1).clamp(min=torch.finfo(x.dtype).tiny)

    def _inverse(self, y: Tensor) -> Tensor:
        log_y = y.log()
        return log_y[..., :-1] - log_y[..., -1:]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Σₖ log zₖ."""
        return y.log().sum(-1)

    def forward_shape(self, shape: Any) -> torch.Size:
        """One coordinate more."""
        return torch.Size([*shape[:-1], shape[-1] + 1])

    def inverse_shape(self, shape: Any) -> torch.Size:
        """One coordinate fewer."""
        return torch.Size([*shape[:-1], shape[-1] - 1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AdditiveLogRatio)

    __hash__ = Transform.__hash__


class RelaxedOneHot(dist.RelaxedOneHotCategorical):
    """z = softmax((l + g) / τ), g standard Gumbel: towards one-hot vectors of probabilities softmax(l) as τ falls to 0.

    Should not be confused with Pyro's own, whose draws underflow to 0 and sum to 1 less nearly than its support demands.

    Shapes: logits ``(..., K)``; event ``(K,)``.
    Reference: Maddison et al. 2017, arXiv:1611.00712; Jang et al. 2017, arXiv:1611.01144.
    """

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Draws inside the simplex."""
        z = super().rsample(sample_shape).clamp(min=torch.finfo(self.logits.dtype).tiny)
        return z / z.sum(-1, keepdim=True)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """The same without gradients."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    @property
    def mean(self) -> Tensor:
        """The mean of 128 draws from points that are spread evenly, as there is no closed form."""
        u = spread(self.event_shape[0], dtype=self.logits.dtype, device=self.logits.device)
        gumbel = -(-u.log()).log()
        z = (self.logits + gumbel.reshape(len(u), *[1] * len(self.batch_shape), -1)) / self.temperature
        return z.softmax(-1).mean(0)


def refuse_one_part(axis: Axis, latent_size: int) -> None:
    """Refuse a simplex that is one point.

    Raises:
        ValueError: there is one part.
    """
    if latent_size < 2:
        raise ValueError(
            f"the {axis.axes[0]} {type(axis).__name__} divides a whole into latent_size parts, and latent_size={latent_size} "
            "leaves nothing to divide; use latent_size >= 2, or prior='StandardNormal' with posterior='DiagonalNormal'."
        )
