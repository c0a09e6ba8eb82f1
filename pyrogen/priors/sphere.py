"""The prior over directions."""

from __future__ import annotations

import torch
from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Distribution, Prior
from pyrogen.distributions.sphere import UniformOnSphere, refuse_two_points
from pyrogen.registry import choice


@choice("prior")
class HypersphericalUniform(Prior):
    """The uniform distribution on the unit sphere, p(z) = Γ(d/2) / 2 π^(d/2) for ‖z‖ = 1.

    Shapes: event ``(latent_size,)``; latent_size is d, the sphere has one dimension less.
    Reference: Davidson et al. 2018, arXiv:1804.00891; Xu & Durrett 2018, arXiv:1808.10805.
    """

    support = constraints.sphere
    like: Tensor

    def __init__(self) -> None:
        super().__init__()

    def size(self, latent_size: int) -> None:
        """Take the latent size."""
        refuse_two_points(self, latent_size)
        self.register_buffer("like", torch.zeros(latent_size), persistent=False)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The uniform distribution."""
        return UniformOnSphere(self.like)
