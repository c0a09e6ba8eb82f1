"""How far a datum may be moved: balls around it, in the greatest change of an element or in Euclidean distance."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

from pyrogen.registry import unknown

LEAST = 1e-30  # below which a slope is none


class Ball(ABC):
    """All moves δ of a norm up to ε; each δ is ``(N, *x_shape)``, and norms are of each datum."""

    @abstractmethod
    def length(self, moves: Tensor) -> Tensor:
        """‖δ‖, ``(N,)``."""

    @abstractmethod
    def steepest(self, slopes: Tensor) -> Tensor:
        """The δ with ‖δ‖ = 1 along which a function of these slopes rises most; 0 where there is no slope."""

    @abstractmethod
    def shorten(self, moves: Tensor, epsilon: float) -> Tensor:
        """The nearest moves with ‖δ‖ ≤ ε."""

    @abstractmethod
    def inside(self, x: Tensor, epsilon: float, generator: Generator | None) -> Tensor:
        """Moves drawn uniformly from the ball."""

    @abstractmethod
    def surface(self, x: Tensor, epsilon: float, generator: Generator | None) -> Tensor:
        """Moves with ‖δ‖ = ε, in random directions."""


class Cube(Ball):
    """‖δ‖∞ = max |δᵢ|, the greatest change of an element."""

    def length(self, moves: Tensor) -> Tensor:
        """max |δᵢ|."""
        return moves.flatten(1).abs().amax(1)

    def steepest(self, slopes: Tensor) -> Tensor:
        """The sign of each slope."""
        return slopes.sign()

    def shorten(self, moves: Tensor, epsilon: float) -> Tensor:
        """Each element within −ε and ε."""
        return moves.clamp(-epsilon, epsilon)

    def inside(self, x: Tensor, epsilon: float, generator: Generator | None) -> Tensor:
        """Each element uniform on (−ε, ε)."""
        return epsilon * (2 * _uniform(x, x.shape, generator) - 1)

    def surface(self, x: Tensor, epsilon: float, generator: Generator | None) -> Tensor:
        """Each element −ε or ε."""
        return epsilon * (2 * _uniform(x, x.shape, generator).round() - 1)


class Sphere(Ball):
    """‖δ‖₂ = √Σ δᵢ², the Euclidean distance."""

    def length(self, moves: Tensor) -> Tensor:
        """√Σ δᵢ²."""
        return moves.flatten(1).norm(dim=1)

    def steepest(self, slopes: Tensor) -> Tensor:
        """The slopes themselves, at length 1."""
        # squares of small slopes would be 0
        largest = slopes.flatten(1).abs().amax(1).clamp_min(LEAST)
        even = slopes / _beside(largest, slopes)
        return even / _beside(self.length(even).clamp_min(LEAST), slopes)

    def shorten(self, moves: Tensor, epsilon: float) -> Tensor:
        """Longer ones in their direction, at length ε."""
        return moves * _beside((epsilon / self.length(moves).clamp_min(LEAST)).clamp_max(1.0), moves)

    def inside(self, x: Tensor, epsilon: float, generator: Generator | None) -> Tensor:
        """A direction at random, and a length of ε u^(1/D), u uniform."""
        lengths = _uniform(x, x.shape[:1], generator) ** (1 / x[0].numel())
        return self.surface(x, epsilon, generator) * _beside(lengths, x)

    def surface(self, x: Tensor, epsilon: float, generator: Generator | None) -> Tensor:
        """A direction at random."""
        where = x.device if generator is None else generator.device
        noise = torch.randn(x.shape, generator=generator, device=where, dtype=x.dtype).to(x.device)
        return epsilon * self.steepest(noise)


BALLS: dict[str, Ball] = {"inf": Cube(), "2": Sphere()}


def ball(norm: str) -> Ball:
    """The ball of a norm, "inf" or "2".

    Raises:
        ValueError: there is none of this name.
    """
    if norm not in BALLS:
        raise unknown("norm", norm, list(BALLS))
    return BALLS[norm]


def _uniform(x: Tensor, shape: torch.Size, generator: Generator | None) -> Tensor:
    where = x.device if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=where, dtype=x.dtype).to(x.device)


def _beside(values: Tensor, x: Tensor) -> Tensor:
    """One number a datum, ``(N,)``, beside ``(N, *x_shape)``."""
    return values.reshape(-1, *[1] * (x.dim() - 1))
