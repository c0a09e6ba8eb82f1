"""Data from known laws, for what autoencoders are meant to find: curves with their tangents and scores, and a dictionary."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice

# of the laws themselves: models are made from small seeds, and one would begin with the very numbers that it is to find
SEED = 20_001


class Curve(ABC):
    """A manifold of one dimension and noise around it, x = c(t) + τ ε with t uniform on [0, 1].

    Integrals over t are taken by the midpoint rule. Data on the curve itself, τ = 0, have no density of their own.

    Attributes:
        size: of x, D.
        noise: τ.
        nodes: the points of the midpoint rule, ``(2000, D)`` float64.
    """

    size: int
    noise: float = 0.0

    def __init__(self) -> None:
        self.times = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
        self.nodes = self.points(self.times)

    @abstractmethod
    def points(self, t: Tensor) -> Tensor:
        """c(t): ``(...)`` to ``(..., D)``."""

    @abstractmethod
    def velocities(self, t: Tensor) -> Tensor:
        """c′(t): ``(...)`` to ``(..., D)``."""

    def tangents(self, x: Tensor) -> Tensor:
        """c′(t) / ‖c′(t)‖ at the nodes nearest to x: ``(N, D)`` to the same, float64."""
        nearest = torch.cdist(x.double(), self.nodes).argmin(1)
        return normalize(self.velocities(self.times[nearest]), dim=-1)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, ``(n, D)``."""
        on = self.points(torch.rand(n, generator=generator))
        return on + self.noise * torch.randn(n, self.size, generator=generator) if self.noise else on

    def log_prob(self, x: Tensor, sigma: float) -> Tensor:
        """log ∫₀¹ N(x; c(t), (τ² + σ²) I) dt, the log-density of data with noise σ added, in nats: ``(N, D)`` to ``(N,)``."""
        constant = math.log(len(self.nodes)) + 0.5 * self.size * math.log(2 * math.pi * self._variance(sigma))
        return torch.logsumexp(self._exponents(x, sigma), -1) - constant

    def score(self, x: Tensor, sigma: float) -> Tensor:
        """∇ log p(x) = (E[c(t) | x] − x) / (τ² + σ²) of data with noise σ added: ``(N, D)`` to the same, float64.

        Reference: Robbins 1956 (Tweedie's formula); Miyasawa 1961.
        """
        return (self._exponents(x, sigma).softmax(-1) @ self.nodes - x.double()) / self._variance(sigma)

    def _variance(self, sigma: float) -> float:
        return self.noise**2 + sigma**2

    def _exponents(self, x: Tensor, sigma: float) -> Tensor:
        return -torch.cdist(x.double(), self.nodes).square() / (2 * self._variance(sigma))


class Spiral(Curve):
    """A spiral in the plane, c(t) = r(t) (cos 3πt, sin 3πt) with r(t) = 0.3 + 1.2 t.

    Reference: Alain & Bengio 2014, What regularized auto-encoders learn from the data-generating distribution,
    arXiv:1211.4246, figure 5.
    """

    size = 2
    inner, slope, speed = 0.3, 1.2, 3 * math.pi

    def points(self, t: Tensor) -> Tensor:
        """c(t)."""
        radius, angle = self.inner + self.slope * t, self.speed * t
        return torch.stack([radius * angle.cos(), radius * angle.sin()], -1)

    def velocities(self, t: Tensor) -> Tensor:
        """c′(t)."""
        around, angle = self.speed * (self.inner + self.slope * t), self.speed * t
        cos, sin = angle.cos(), angle.sin()
        return torch.stack([self.slope * cos - around * sin, self.slope * sin + around * cos], -1)


class Circle(Curve):
    """A circle of radius 2 in a plane that is tilted against the axes of 16 dimensions, with noise 0.1 in all of them."""

    size, noise, radius = 16, 0.1, 2.0

    def __init__(self) -> None:
        raw = torch.randn(self.size, 2, generator=torch.Generator().manual_seed(SEED))
        self.plane = torch.linalg.qr(raw).Q
        super().__init__()

    def points(self, t: Tensor) -> Tensor:
        """c(t)."""
        angle = 2 * math.pi * t
        return self.radius * torch.stack([angle.cos(), angle.sin()], -1) @ self.plane.T.to(t)

    def velocities(self, t: Tensor) -> Tensor:
        """c′(t)."""
        angle = 2 * math.pi * t
        return 2 * math.pi * self.radius * torch.stack([-angle.sin(), angle.cos()], -1) @ self.plane.T.to(t)


class SparseModel:
    """A sparse linear model, x = D s + σ ε: with probability p an entry of s is ± (1 + |N(0, 1)|) / 2, else it is 0.

    D has more columns, the K atoms, than rows; they are drawn evenly on the unit sphere. Reference: Olshausen & Field 1996.

    Attributes:
        dictionary: D, ``(size, atoms)``, columns of length 1.

    Args:
        size: of x.
        atoms: K.
        active: p.
        sigma: standard deviation of the noise.
    """

    def __init__(self, size: int = 16, atoms: int = 24, active: float = 0.08, sigma: float = 0.02) -> None:
        raw = torch.randn(size, atoms, generator=torch.Generator().manual_seed(SEED))
        self.dictionary = normalize(raw, dim=0)
        self.active, self.sigma = active, sigma

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws ``(n, size)``."""
        size, atoms = self.dictionary.shape
        on = torch.rand(n, atoms, generator=generator) < self.active
        signs = torch.randint(2, (n, atoms), generator=generator) * 2 - 1
        heights = (1 + torch.randn(n, atoms, generator=generator).abs()) / 2
        noise = torch.randn(n, size, generator=generator)
        return (on * signs * heights) @ self.dictionary.T + self.sigma * noise


SIZES = (5_000, 500, 1_000)


@choice("data", "spiral")
def spiral() -> Source:
    """Points on a spiral in the plane, whose tangents and whose score under noise are known."""
    return _source(
        "spiral", "Alain & Bengio 2014, arXiv:1211.4246; drawn from pyrogen.data.procedural.Spiral", Spiral()
    )


@choice("data", "circle")
def circle() -> Source:
    """A noisy circle in 16 dimensions, whose tangents are known."""
    return _source("circle", "drawn from pyrogen.data.procedural.Circle", Circle())


@choice("data", "sparse-dictionary")
def sparse_dictionary() -> Source:
    """Sparse combinations of 24 known atoms in 16 dimensions."""
    reference = "Olshausen & Field 1996; drawn from pyrogen.data.procedural.SparseModel"
    return _source("sparse-dictionary", reference, SparseModel())


def _source(name: str, reference: str, law: Curve | SparseModel) -> Source:
    generator = torch.Generator().manual_seed(0)
    splits = {s: (law.sample(n, generator), None) for s, n in zip(SPLITS, SIZES, strict=True)}
    return Source(name=name, reference=f"{reference} with a fixed seed", kinds=("real",), levels=None, splits=splits)
