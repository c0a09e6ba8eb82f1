"""Data from known laws: curves with their tangents and scores, a dictionary, a surface of known dimension, white noise."""

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


class Surface:
    """A surface of two dimensions that spans four, and noise around it in all of 16.

    x = r Q (cos θ₁, sin θ₁, cos θ₂, sin θ₂) + τ ε with angles independent and uniform on (−w, w), ε ~ N(0, I), and the
    columns of Q orthonormal. Codes that may bend need two numbers for it, the principal components four.

    Attributes:
        dimension: of the surface.
        span: of the least flat space that holds it.
        size: of x, D.
        noise: τ.
        axes: Q, ``(size, span)``.
    """

    dimension, span, size = 2, 4, 16
    noise, radius, width = 0.1, 2.0, math.pi / 2

    def __init__(self) -> None:
        raw = torch.randn(self.size, self.span, generator=torch.Generator().manual_seed(SEED))
        self.axes = torch.linalg.qr(raw).Q

    @property
    def variances(self) -> tuple[float, float]:
        """Those of r cos θ and r sin θ: r² (½ + s − (sin w / w)²) and r² (½ − s) with s = sin 2w / 4w."""
        w, square = self.width, self.radius**2
        s = math.sin(2 * w) / (4 * w)
        return square * (0.5 + s - (math.sin(w) / w) ** 2), square * (0.5 - s)

    @property
    def variance(self) -> float:
        """The mean of the variances of x's numbers, 2/D (Var r cos θ + Var r sin θ) + τ²."""
        return self.dimension * sum(self.variances) / self.size + self.noise**2

    def points(self, angles: Tensor) -> Tensor:
        """The surface at pairs of angles: ``(..., 2)`` to ``(..., size)``."""
        on = torch.stack([angles.cos(), angles.sin()], -1).flatten(-2)
        return self.radius * on @ self.axes.T.to(on)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws ``(n, size)``."""
        angles = self.width * (2 * torch.rand(n, self.dimension, generator=generator) - 1)
        return self.points(angles) + self.noise * torch.randn(n, self.size, generator=generator)


class WhiteNoise:
    """Noise of as many numbers as the surface's and of their mean variance, without any structure: x ~ N(0, v I)."""

    def __init__(self) -> None:
        self.size, self.variance = Surface.size, Surface().variance

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws ``(n, size)``."""
        return math.sqrt(self.variance) * torch.randn(n, self.size, generator=generator)


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


@choice("data", "surface")
def surface() -> Source:
    """A curved surface of two dimensions that spans four, with noise in 16."""
    return _source("surface", "drawn from pyrogen.data.procedural.Surface", Surface())


@choice("data", "white-noise")
def white_noise() -> Source:
    """Noise in 16 dimensions of the variance that ``surface`` has, without any structure."""
    return _source("white-noise", "drawn from pyrogen.data.procedural.WhiteNoise", WhiteNoise())


def _source(name: str, reference: str, law: Curve | SparseModel | Surface | WhiteNoise) -> Source:
    generator = torch.Generator().manual_seed(0)
    splits = {s: (law.sample(n, generator), None) for s, n in zip(SPLITS, SIZES, strict=True)}
    return Source(name=name, reference=f"{reference} with a fixed seed", kinds=("real",), levels=None, splits=splits)
