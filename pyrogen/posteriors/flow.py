"""A posterior that is an autoregressive flow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import pyro.distributions as dist
import torch
from pyro.distributions import transforms
from pyro.nn import ConditionalAutoRegressiveNN
from torch import Tensor, nn
from torch.distributions import Transform

from pyrogen.axes import Blueprint, Distribution, Posterior
from pyrogen.distributions.bounds import scale_of
from pyrogen.distributions.splines import BINS, SplineAutoregressive
from pyrogen.distributions.transformed import AffineAutoregressive, Transformed
from pyrogen.registry import choice


@choice("posterior")
class FlowPosterior(Posterior):
    """An inverse autoregressive flow, z = μ + σ ⊙ f_L ∘ … ∘ f₁(ε; h), ε ~ N(0, I), with μ, σ and h from the encoder.

    Coordinate i of f_l depends on coordinates before i only; each layer turns the order around. A draw and its own density
    take one pass; the density at any other z takes latent_size passes.

    Shapes: features ``(..., 2 latent_size + context)`` are μ, log σ² and h; event ``(latent_size,)``, of at least 2.
    Reference: Kingma et al. 2016, arXiv:1606.04934; splines: Durkan et al. 2019, arXiv:1906.04032.

    Args:
        transform: "affine_autoregressive" (IAF) or "spline_autoregressive", which bends between −3 and 3.
        layers: number of layers.
        hidden: width of the two hidden layers of each one's network; at least latent_size.
        context: size of h.
    """

    def __init__(
        self,
        transform: Literal["affine_autoregressive", "spline_autoregressive"] = "affine_autoregressive",
        layers: int = 2,
        hidden: int = 64,
        context: int = 16,
    ) -> None:
        super().__init__()
        if transform not in ("affine_autoregressive", "spline_autoregressive"):
            raise ValueError(
                f"FlowPosterior(transform={transform!r}): choose 'affine_autoregressive' or 'spline_autoregressive'."
            )
        if min(layers, hidden, context) < 1:
            raise ValueError(
                f"FlowPosterior(layers={layers}, hidden={hidden}, context={context}): each must be positive."
            )
        self.transform, self.layers, self.hidden, self.context = transform, layers, hidden, context

    def build(self, plan: Blueprint) -> None:
        """Create the networks of the layers."""
        super().build(plan)
        d = plan.latent_size
        if d < 2:
            raise ValueError(
                f"FlowPosterior conditions coordinates of z on one another, and latent_size={d} has one; use "
                "latent_size >= 2, or posterior='MixtureOfGaussians'."
            )
        if self.hidden < d:
            raise ValueError(f"FlowPosterior(hidden={self.hidden}) cannot order latent_size={d}; use hidden >= {d}.")
        sizes = [1, 1] if self.transform == "affine_autoregressive" else [BINS, BINS, BINS - 1, BINS]
        orders = torch.LongTensor(range(d)), torch.LongTensor(range(d)[::-1])
        self.networks = nn.ModuleList(
            ConditionalAutoRegressiveNN(d, self.context, [self.hidden, self.hidden], sizes, orders[layer % 2])
            for layer in range(self.layers)
        )

    def width(self, latent_size: int) -> int:
        """2 latent_size + context."""
        return 2 * latent_size + self.context

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The standard normal pushed through the layers, then scaled and moved."""
        d = self.latent_size
        loc, log_variance, context = features.split([d, d, self.context], -1)
        # made anew at each call: what they remember of a draw cannot outlive its parameters
        flow = [self._layer(network, context) for network in self.networks]
        flow.append(transforms.AffineTransform(loc, scale_of(log_variance), event_dim=1))
        return Transformed(dist.Normal(torch.zeros_like(loc), torch.ones_like(loc)).to_event(1), flow)

    def _layer(self, network: nn.Module, context: Tensor) -> Transform:
        given = partial(network, context=context)
        if self.transform == "affine_autoregressive":
            return AffineAutoregressive(given)
        return SplineAutoregressive(self.latent_size, given)
