"""No prior: the flat measure of plain autoencoders, and what is fitted to their codes afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Blueprint, Distribution, Prior
from pyrogen.registry import choice


class FlatOver(dist.ImproperUniform):
    """It scores 0 everywhere; what is drawn from it comes from ``draw()``."""

    def __init__(self, draw: Callable[[], Distribution], event_shape: torch.Size, batch_shape: Any = ()) -> None:
        self.draw = draw
        super().__init__(constraints.real_vector, torch.Size(batch_shape), event_shape)

    def expand(self, batch_shape: Any, _instance: Any = None) -> FlatOver:
        """The same for another batch shape."""
        return FlatOver(self.draw, self.event_shape, batch_shape)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws of the fitted distribution."""
        return self.draw().sample(torch.Size(sample_shape) + self.batch_shape)


@choice("prior")
class Flat(Prior):
    """The improper prior p(z) ∝ 1, which leaves the codes alone.

    It demands a point-mass posterior: the pair is then the plain autoencoder. It has no samples of its own; once training
    ends, a normal distribution is fitted to the codes, N(z; mean, covariance), and generated data start there.

    Shapes: event ``(latent_size,)``. Reference (ex-post density): Ghosh et al. 2020, arXiv:1903.12436.
    """

    proper = False
    loc: Tensor
    scale_tril: Tensor
    fitted: Tensor

    def __init__(self) -> None:
        super().__init__()

    def build(self, plan: Blueprint) -> None:
        """Take the latent size."""
        self.register_buffer("loc", torch.zeros(plan.latent_size))
        self.register_buffer("scale_tril", torch.eye(plan.latent_size))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The improper distribution: it scores 0 everywhere and cannot be sampled."""
        return FlatOver(self.generator, self.loc.shape)

    @torch.no_grad()
    def conclude(self, z: Tensor) -> None:
        """Fit the normal distribution to the codes, ``(N, latent_size)``."""
        if len(z) < 2:
            raise ValueError(f"a normal distribution needs at least 2 codes to be fitted to; got {len(z)}.")
        wide = z.double()
        centered = wide - wide.mean(0)
        covariance = centered.mT @ centered / (len(z) - 1)
        # a code that never moves has no variance; the ridge keeps the factor finite
        ridge = 1e-6 * covariance.diagonal().mean().clamp(min=1e-12)
        covariance += ridge * torch.eye(len(covariance), dtype=wide.dtype, device=wide.device)
        self.loc.copy_(wide.mean(0))
        self.scale_tril.copy_(torch.linalg.cholesky(covariance))
        self.fitted.fill_(True)

    def generator(self) -> Distribution:
        """The fitted normal distribution.

        Raises:
            ValueError: nothing has been fitted yet.
        """
        if not self.fitted:
            raise ValueError(
                "the Flat prior cannot be sampled before a distribution is fitted to the codes: train the model by "
                "fit(...), or call model.conclude(x) on training data."
            )
        return dist.MultivariateNormal(self.loc, scale_tril=self.scale_tril)
