"""Mixtures of Gaussians with exact answers: a ring and a grid in the plane, and three of one dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pyrogen.data.law import Law
from pyrogen.data.oracle import Oracle
from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice, unknown

SIZES = (10_000, 1_000, 2_500)
REACH = 10  # standard deviations beyond the outermost means, outside of which there are 1e-23 of the mass
# means, scales and weights
ON_THE_LINE = {
    "two": ((-2.0, 2.0), (0.5, 0.5), (0.5, 0.5)),
    "unequal": ((-1.5, 1.5), (0.4, 0.7), (0.7, 0.3)),
    "three": ((-3.0, 0.0, 3.0), (0.4, 0.4, 0.4), (1 / 3, 1 / 3, 1 / 3)),
}


class Mixture(Oracle, Law):
    """p(x) = Σₖ wₖ N(x; μₖ, σₖ² I) in any dimension D; of one dimension also its distribution function and W₁.

    A sample is of high quality within 3σₖ of its nearest mean; so are P(χ²_D ≤ 9) of exact ones: 0.997 of one dimension,
    0.989 of two. Numbers are computed in the precision of x.

    Attributes:
        modes: μ, ``(K, D)``.
        scales: σ, ``(K,)``.
        weights: w, ``(K,)``.

    Args:
        modes: μ, ``(K, D)``.
        scales: σₖ, or one for all.
        weights: wₖ; None: all alike.

    Raises:
        ValueError: the shapes do not fit, a scale is not positive, or the weights do not add up to 1.
    """

    least = 20
    good = "within 3σ of a mode"

    def __init__(self, modes: Tensor, scales: float | Sequence[float], weights: Sequence[float] | None = None) -> None:
        count = len(modes)
        self.modes = modes
        self.scales = torch.as_tensor(scales, dtype=torch.float64).expand(count)
        self.weights = torch.full((count,), 1 / count, dtype=torch.float64)
        self._alike = weights is None
        if weights is not None:
            self.weights = torch.as_tensor(weights, dtype=torch.float64)
        if modes.dim() != 2 or self.weights.shape != (count,):
            raise ValueError(
                f"modes of shape (K, D) and K weights are expected; got {tuple(modes.shape)} and {tuple(self.weights.shape)}."
            )
        if not (self.scales > 0).all() or not (self.weights > 0).all() or abs(float(self.weights.sum()) - 1) > 1e-9:
            raise ValueError("scales are positive, and weights too, with the sum 1; divide the weights by their sum.")

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Exact draws ``(n, D)`` and the modes they come from ``(n,)``."""
        if self._alike:
            mode = torch.randint(len(self.modes), (n,), generator=generator)
        else:
            mode = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.modes.shape[1], generator=generator)
        return self.modes[mode] + self.scales[mode].to(noise).unsqueeze(1) * noise, mode

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x), or given modes y log N(x; μ_y, σ_y² I), in nats: ``(..., D)`` to ``(...)``."""
        squared = (x.unsqueeze(-2) - self.modes.to(x)).square().sum(-1)
        variance = self.scales.square()
        each = -squared / (2 * variance).to(x) - (self.modes.shape[1] / 2 * (2 * math.pi * variance).log()).to(x)
        if y is not None:
            return each.gather(-1, y.unsqueeze(-1)).squeeze(-1)
        return torch.logsumexp(self.weights.log().to(x) + each, -1)

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Number of the nearest mode and the distance to it, each ``(...)`` for x ``(..., D)``."""
        distance, mode = (x.unsqueeze(-2) - self.modes.to(x)).norm(dim=-1).min(-1)
        return mode, distance

    def place(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest mode, and whether it is within 3σ."""
        mode, distance = self.nearest(x)
        return mode, distance <= 3 * self.scales.to(distance)[mode]

    def cdf(self, x: Tensor) -> Tensor:
        """F(x) = Σₖ wₖ Φ((x − μₖ)/σₖ): ``(...)`` to the same, float64; of one dimension."""
        scores = (x.double().unsqueeze(-1) - self._line()) / self.scales
        return (self.weights * torch.special.ndtr(scores)).sum(-1)

    def quantile(self, u: Tensor) -> Tensor:
        """F⁻¹(u) for u in (0, 1), by bisection to float64's last digits: ``(...)`` to the same; of one dimension."""
        low, high = (torch.full_like(u, end, dtype=torch.float64) for end in self.ends)
        for _ in range(80):
            middle = (low + high) / 2
            below = self.cdf(middle) < u
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2

    @property
    def ends(self) -> tuple[float, float]:
        """An interval with all but 1e-23 of the mass, of one dimension."""
        means = self._line()
        return float((means - REACH * self.scales).min()), float((means + REACH * self.scales).max())

    def quadrature(self, n: int = 4001) -> tuple[Tensor, Tensor]:
        """Points ``(n, 1)`` and weights ``(n,)`` in float64 for ∫ f(x) dx ≈ Σᵢ wᵢ f(xᵢ), by the trapezoidal rule.

        Its error falls faster than any power of n for what falls off smoothly with p; of one dimension.
        """
        points = torch.linspace(*self.ends, n, dtype=torch.float64)
        weights = torch.full_like(points, float(points[1] - points[0]))
        weights[[0, -1]] /= 2
        return points.unsqueeze(1), weights

    def wasserstein(self, other: Mixture, n: int = 40_001) -> float:
        """W₁ = ∫ |F(x) − G(x)| dx to another mixture, by quadrature with an error of order 1/n²; both of one dimension."""
        (a, b), (c, d) = self.ends, other.ends
        points = torch.linspace(min(a, c), max(b, d), n, dtype=torch.float64)
        return float(torch.trapezoid((self.cdf(points) - other.cdf(points)).abs(), points))

    def _line(self) -> Tensor:
        if self.modes.shape[1] != 1:
            raise ValueError(
                f"distribution functions, quantiles and W₁ are of one dimension, and this mixture has {self.modes.shape[1]}; "
                "take one of Mixture(modes of shape (K, 1), ...)."
            )
        return self.modes[:, 0].double()


def ring_mixture(count: int = 8, radius: float = 1.0, sigma: float = 0.01) -> Mixture:
    """Equal Gaussians evenly spaced on a circle."""
    angles = 2 * math.pi * torch.arange(count) / count
    return Mixture(radius * torch.stack([angles.cos(), angles.sin()], -1), sigma)


def grid_mixture(count: int = 5, spacing: float = 2.0, sigma: float = 0.05) -> Mixture:
    """Equal Gaussians at the corners of count × count squares around 0."""
    places = spacing * (torch.arange(count) - (count - 1) / 2)
    return Mixture(torch.cartesian_prod(places, places), sigma)


def line_mixture(of: str = "two") -> Mixture:
    """A mixture of one dimension by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if of not in ON_THE_LINE:
        raise unknown("mixture of one dimension", of, ON_THE_LINE)
    means, scales, weights = ON_THE_LINE[of]
    return Mixture(torch.tensor(means).unsqueeze(1), scales, weights)


@choice("data", "ring")
def ring() -> Source:
    """Eight narrow Gaussians on a circle in the plane, with an exact oracle."""
    return _source("ring", "Srivastava et al. 2017, VEEGAN; drawn from ring_mixture", ring_mixture())


@choice("data", "grid")
def grid() -> Source:
    """Twenty-five narrow Gaussians on a 5 × 5 grid in the plane, with an exact oracle."""
    return _source("grid", "Srivastava et al. 2017, VEEGAN; drawn from grid_mixture", grid_mixture())


@choice("data", "mixture-1d")
def mixture_1d(of: str = "two") -> Source:
    """Numbers from two or three Gaussians, whose density, distribution function and W₁ are known.

    Args:
        of: "two" alike, "unequal" ones of 0.7 and 0.3, or "three".
    """
    return _source("mixture-1d", f"drawn from line_mixture({of!r})", line_mixture(of))


def _source(name: str, reference: str, law: Mixture) -> Source:
    generator = torch.Generator().manual_seed(0)
    return Source(
        name=name,
        reference=f"{reference} of pyrogen.data.mixtures with a fixed seed",
        kinds=("real",),
        levels=None,
        splits={split: law.sample(n, generator) for split, n in zip(SPLITS, SIZES, strict=True)},
        oracle=law,
        law=law,
    )
