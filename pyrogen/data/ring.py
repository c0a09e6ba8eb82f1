"""Eight Gaussians on a circle: the smallest test of whether a generator covers its modes, with exact answers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice


class Ring:
    """The exact density: p(x) = 1/K Σₖ N(x; μₖ, σ²I), with the K means evenly spaced on a circle.

    Attributes:
        modes: the means, ``(K, 2)``.
        sigma: standard deviation of each mode.
    """

    def __init__(self, count: int = 8, radius: float = 1.0, sigma: float = 0.01) -> None:
        angles = 2 * math.pi * torch.arange(count) / count
        self.modes = radius * torch.stack([angles.cos(), angles.sin()], -1)
        self.sigma = sigma

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Exact draws ``(n, 2)`` and the modes they come from ``(n,)``."""
        mode = torch.randint(len(self.modes), (n,), generator=generator)
        return self.modes[mode] + self.sigma * torch.randn(n, 2, generator=generator), mode

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: ``(..., 2)`` to ``(...)``."""
        squared = (x.unsqueeze(-2) - self.modes.to(x)).square().sum(-1)
        scale = math.log(len(self.modes) * 2 * math.pi * self.sigma**2)
        return torch.logsumexp(-squared / (2 * self.sigma**2), -1) - scale

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Number of the nearest mode and the distance to it, each ``(...)`` for x ``(..., 2)``."""
        distance, mode = (x.unsqueeze(-2) - self.modes.to(x)).norm(dim=-1).min(-1)
        return mode, distance

    def coverage(self, x: Tensor) -> dict[str, float]:
        """How well samples ``(n, 2)`` cover the modes; a sample within 3σ of its nearest mode is of high quality.

        Returns:
            ``modes``, those with at least 20 high-quality samples; ``high_quality``, the fraction of such samples
            (0.989 for exact ones); ``kl`` = KL(histogram of nearest modes ‖ uniform) in nats; ``samples``, n.
        """
        mode, distance = self.nearest(x)
        good = distance <= 3 * self.sigma
        share = torch.bincount(mode, minlength=len(self.modes)).double() / len(x)
        return {
            "modes": int((torch.bincount(mode[good], minlength=len(self.modes)) >= 20).sum()),
            "high_quality": float(good.double().mean()),
            "kl": float(torch.special.xlogy(share, share * len(self.modes)).sum()),
            "samples": len(x),
        }


@choice("data", "ring")
def ring() -> Source:
    """Eight narrow Gaussians on a circle in the plane, with an exact oracle."""
    generator = torch.Generator().manual_seed(0)
    sizes = (10_000, 1_000, 2_500)
    return Source(
        name="ring",
        reference="Srivastava et al. 2017, VEEGAN; drawn from pyrogen.data.ring.Ring with a fixed seed",
        kinds=("real",),
        levels=None,
        splits={s: Ring().sample(n, generator) for s, n in zip(SPLITS, sizes, strict=True)},
    )
