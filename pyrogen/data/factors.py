"""Data of independent factors, each of which is known for every datum."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice

SEED = 20_002  # of the law itself: models are made from small seeds, and one would begin with the numbers that it is to find
SIZES = (5_000, 500, 1_000)


class IndependentFactors:
    """Independent factors, evenly distributed, and a vector that they add up to: x = A s + σ ε.

    Each factor f takes the whole numbers 0 … levels − 1 with equal probability; s = (f − mean) / sd is the same at mean 0
    and variance 1. The columns of A are orthonormal times ``length``, so that all factors weigh the same: the covariance of
    x, and with it any method that knows second moments alone, says nothing of their directions, which only the
    independence of what is not normal does.

    Reference: Comon 1994, Independent component analysis, a new concept?

    Attributes:
        mixing: A, ``(size, factors)``.

    Args:
        factors: how many.
        levels: values of each.
        size: of x.
        length: of each column of A.
        sigma: σ, standard deviation of the noise.
    """

    def __init__(
        self, factors: int = 4, levels: int = 8, size: int = 16, length: float = 2.0, sigma: float = 0.3
    ) -> None:
        raw = torch.randn(size, factors, generator=torch.Generator().manual_seed(SEED))
        self.mixing = length * torch.linalg.qr(raw).Q
        self.factors, self.levels, self.sigma = factors, levels, sigma

    def scores(self, f: Tensor) -> Tensor:
        """s, the factors at mean 0 and variance 1: ``(N, factors)`` to the same."""
        sd = ((self.levels**2 - 1) / 12) ** 0.5
        return (f - (self.levels - 1) / 2) / sd

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """x, ``(n, size)``, and its factors, ``(n, factors)`` int64."""
        f = torch.randint(self.levels, (n, self.factors), generator=generator)
        noise = torch.randn(n, len(self.mixing), generator=generator)
        return self.scores(f) @ self.mixing.T + self.sigma * noise, f


@choice("data", "independent-factors")
def independent_factors() -> Source:
    """Vectors of 16 numbers that four independent factors of equal weight add up to; y is the factors."""
    law, generator = IndependentFactors(), torch.Generator().manual_seed(0)
    return Source(
        name="independent-factors",
        reference="Comon 1994; drawn from pyrogen.data.factors.IndependentFactors with a fixed seed",
        kinds=("real",),
        levels=None,
        splits={split: law.sample(n, generator) for split, n in zip(SPLITS, SIZES, strict=True)},
        class_names=tuple(f"factor {i + 1}" for i in range(law.factors)),
    )
