"""Independent sources that were mixed: what independent component analysis tells apart, unless they are normal."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyrogen.data.law import Law
from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice

SEED = 20_003  # of the law itself, away from those of models
SIZES = (5_000, 500, 1_000)


class MixedSources(Law):
    """x = A s of independent sources s with mean 0 and variance 1, log p(x) = Σᵢ log p(sᵢ) − log |det A|.

    Of Laplace sources A is known from x but for the order, the signs and the scales of its columns; of normal ones every
    A R with a rotation R makes the same x. A = U diag(λ) Vᵀ has singular values from 1/√2 to √2.

    Reference: Comon 1994, Independent component analysis, a new concept?

    Attributes:
        mixing: A, ``(sources, sources)``.

    Args:
        law: of the sources, "laplace" or "normal".
        sources: how many.

    Raises:
        ValueError: another law, or fewer than 2 sources.
    """

    def __init__(self, law: str = "laplace", sources: int = 4) -> None:
        if law not in ("laplace", "normal") or sources < 2:
            raise ValueError(f"law={law!r}, sources={sources}: sources are 'laplace' or 'normal', and 2 or more.")
        generator = torch.Generator().manual_seed(SEED)
        u, v = (torch.linalg.qr(torch.randn(sources, sources, generator=generator)).Q for _ in range(2))
        self.law, self.mixing = law, u @ torch.diag(torch.logspace(-0.5, 0.5, sources, base=2)) @ v.T

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """x, ``(n, sources)``, and its sources s, the same."""
        size = len(self.mixing)
        if self.law == "normal":
            s = torch.randn(n, size, generator=generator)
        else:
            # the difference of two exponentials
            first, second = (-torch.rand(n, size, generator=generator).clamp_min(1e-12).log() for _ in range(2))
            s = (first - second) / math.sqrt(2)
        return s @ self.mixing.T, s

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x) in nats, ``(..., sources)`` to ``(...)``, float64; sources that are told leave nothing to chance."""
        mixing = self.mixing.to(x.device).double()
        s = torch.linalg.solve(mixing, x.double().unsqueeze(-1)).squeeze(-1)
        if self.law == "normal":
            each = -0.5 * s.square() - 0.5 * math.log(2 * math.pi)
        else:
            each = -math.sqrt(2) * s.abs() - 0.5 * math.log(2)
        return each.sum(-1) - torch.linalg.slogdet(mixing).logabsdet


@choice("data", "mixed-sources")
def mixed_sources(law: str = "laplace", sources: int = 4) -> Source:
    """Sums of independent sources, Laplace or normal, by a known matrix.

    Args:
        law: of the sources, "laplace" or "normal".
        sources: how many.
    """
    known, generator = MixedSources(law, sources), torch.Generator().manual_seed(0)
    return Source(
        name="mixed-sources",
        reference="Comon 1994; drawn from pyrogen.data.mixed_sources.MixedSources with a fixed seed",
        kinds=("real",),
        levels=None,
        splits={split: (known.sample(n, generator)[0], None) for split, n in zip(SPLITS, SIZES, strict=True)},
        law=known,
    )
