"""A posterior with a sharper peak and heavier tails than the normal."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
from torch import Tensor

from pyrogen.axes import Distribution, Posterior
from pyrogen.distributions.bounds import scale_of
from pyrogen.registry import choice


@choice("posterior")
class Laplace(Posterior):
    """Independent Laplace coordinates, q(z|x) = Πᵢ exp(−|zᵢ − μᵢ(x)| / bᵢ(x)) / 2bᵢ(x).

    Shapes: features ``(..., 2 latent_size)`` are μ and log b; event ``(latent_size,)``.
    Should not be confused with the Laplace approximation, a normal at the mode. Reference: Barello, Charles & Pillow 2018.
    """

    def __init__(self) -> None:
        super().__init__()

    def width(self, latent_size: int) -> int:
        """2 latent_size."""
        return 2 * latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """Laplace(μ, b)."""
        loc, log_scale = features.chunk(2, -1)
        return dist.Laplace(loc, scale_of(2 * log_scale)).to_event(1)
