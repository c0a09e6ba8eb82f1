"""Normal posteriors."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.nn.functional import softplus

from pyrogen.axes import Distribution, Posterior
from pyrogen.registry import choice


@choice("posterior")
class DiagonalNormal(Posterior):
    """Independent normal coordinates, q(z|x) = N(z; μ(x), diag exp s(x)).

    Shapes: features ``(..., 2 latent_size)`` are μ and s = log σ²; event ``(latent_size,)``.
    Reference: Kingma & Welling 2014, arXiv:1312.6114.
    """

    def __init__(self) -> None:
        super().__init__()

    def width(self, latent_size: int) -> int:
        """2 latent_size."""
        return 2 * latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """N(μ, diag σ²)."""
        loc, log_variance = features.chunk(2, -1)
        return dist.Normal(loc, (0.5 * log_variance).exp()).to_event(1)


@choice("posterior")
class FullRankNormal(Posterior):
    """A normal with every correlation, q(z|x) = N(z; μ(x), L(x) L(x)ᵀ), L lower triangular.

    Shapes: features ``(..., d + d (d + 1) / 2)`` for d = latent_size; event ``(latent_size,)``. The diagonal of L is
    softplus(·) + 10⁻⁵.
    """

    def __init__(self) -> None:
        super().__init__()

    def width(self, latent_size: int) -> int:
        """d + d (d + 1) / 2."""
        return latent_size + latent_size * (latent_size + 1) // 2

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """N(μ, LLᵀ)."""
        d = self.latent_size
        loc, diagonal, below = features.split([d, d, d * (d - 1) // 2], -1)
        tril = torch.diag_embed(softplus(diagonal) + 1e-5)
        if d > 1:
            rows, columns = torch.tril_indices(d, d, -1, device=features.device)
            tril[..., rows, columns] = below
        return dist.MultivariateNormal(loc, scale_tril=tril)
