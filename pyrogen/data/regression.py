"""Regression data from known laws: x given y, with an exact p(x|y) to compare with whatever a model says of it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from pyrogen.data.law import Law
from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice

SIZES = (10_000, 1_000, 6_000)


class Regression(Law):
    """How x depends on y, exactly: x ``(n, D)`` and y ``(n, E)``."""

    conditional = True

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x|y) in nats: ``(..., D)`` and ``(..., E)`` to ``(...)``, float64.

        Raises:
            ValueError: no y.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} is a law of x given y, and got no y.")
        return self.given(x, y)

    @abstractmethod
    def given(self, x: Tensor, y: Tensor) -> Tensor:
        """log p(x|y)."""


class Heteroscedastic(Regression):
    """Noise that depends on y: x = sin πy + σ(y) ε, with y uniform on [−1, 1] and σ(y) = ⅕ eʸ.

    One σ for all is too large on the left and too small on the right. Reference: Nix & Weigend 1994, Estimating the mean and
    variance of the target probability distribution.
    """

    def mean(self, y: Tensor) -> Tensor:
        """sin πy."""
        return (math.pi * y).sin()

    def scale(self, y: Tensor) -> Tensor:
        """σ(y)."""
        return 0.2 * y.exp()

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draws of x and y, each ``(n, 1)``."""
        y = 2 * torch.rand(n, 1, generator=generator) - 1
        return self.mean(y) + self.scale(y) * torch.randn(n, 1, generator=generator), y

    def given(self, x: Tensor, y: Tensor) -> Tensor:
        """log N(x; sin πy, σ(y)²)."""
        wide = y.double()
        return _log_normal(x.double() - self.mean(wide), self.scale(wide)).squeeze(-1)


class InverseSine(Regression):
    """Bishop's inverse problem: y = f(x) + σ ε with f(x) = x + 0.3 sin 2πx, to be solved for x, uniform on [0, 1].

    In the middle three x explain one y, so that their mean explains none. Bishop's noise is uniform; normal noise gives
    p(x|y) ∝ N(y; f(x), σ²) a logarithm everywhere on [0, 1]. Reference: Bishop 1994, Mixture density networks, section 5.

    Args:
        sigma: σ.
        nodes: of the Gauss–Legendre rule that integrates over x.
    """

    def __init__(self, sigma: float = 0.05, nodes: int = 300) -> None:
        self.sigma = sigma
        places, weights = np.polynomial.legendre.leggauss(nodes)
        self.nodes, self.log_weights = torch.from_numpy((places + 1) / 2), torch.from_numpy(np.log(weights / 2))

    def forward(self, x: Tensor) -> Tensor:
        """f(x), same shape."""
        return x + 0.3 * (2 * math.pi * x).sin()

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draws of x and y, each ``(n, 1)``."""
        x = torch.rand(n, 1, generator=generator)
        return x, self.forward(x) + self.sigma * torch.randn(n, 1, generator=generator)

    def given(self, x: Tensor, y: Tensor) -> Tensor:
        """log N(y; f(x), σ²) / ∫₀¹ N(y; f(x′), σ²) dx′; −∞ outside [0, 1]."""
        x, y = x.double(), y.double()
        sigma = torch.as_tensor(self.sigma, dtype=torch.float64)
        each = _log_normal(y - self.forward(self.nodes.to(y.device)), sigma) + self.log_weights.to(y.device)
        inside = _log_normal(y - self.forward(x), sigma).squeeze(-1) - each.logsumexp(-1)
        return torch.where(((x >= 0) & (x <= 1)).squeeze(-1), inside, -torch.inf)


class Arm(Regression):
    """An arm of two joints in the plane: y is where its hand is to be, x the two angles, found by a coin's choice of elbow.

    The hand is at y = a (cos x₁, sin x₁) + b (cos(x₁ + x₂), sin(x₁ + x₂)). Two x reach each y, mirror images with elbow up
    and elbow down; each is taken with probability ½ and normal noise of the joints, ε ~ N(0, σ² [[1, ρ], [ρ, 1]]), which
    mostly cancels at the hand. So p(x|y) = ½ N(x; up(y), Σ) + ½ N(x; down(y), Σ), while their mean reaches too far.
    References: Bishop 1994, Mixture density networks, section 6; noise that cancels: Scholz & Schöner 1999.

    Args:
        lengths: a and b, of upper arm and forearm.
        bends: the least and the largest |x₂|.
        turn: the hand's direction is uniform on [−turn, turn].
        sigma: σ.
        correlation: ρ.
    """

    def __init__(
        self,
        lengths: tuple[float, float] = (0.8, 0.5),
        bends: tuple[float, float] = (0.8, 2.2),
        turn: float = 1.0,
        sigma: float = 0.05,
        correlation: float = -0.9,
    ) -> None:
        self.lengths, self.bends, self.turn, self.sigma, self.correlation = lengths, bends, turn, sigma, correlation
        self.root = sigma * torch.tensor(
            [[1.0, 0.0], [correlation, math.sqrt(1 - correlation**2)]], dtype=torch.float64
        )

    def forward(self, x: Tensor) -> Tensor:
        """Where the hand is: angles ``(..., 2)`` to points ``(..., 2)``."""
        (a, b), (shoulder, elbow) = self.lengths, x.unbind(-1)
        reach = shoulder + elbow
        return torch.stack([a * shoulder.cos() + b * reach.cos(), a * shoulder.sin() + b * reach.sin()], -1)

    def inverse(self, y: Tensor) -> Tensor:
        """Both angles that reach a point, elbow up and elbow down: ``(..., 2)`` to ``(..., 2, 2)``."""
        a, b = self.lengths
        cosine = (y.square().sum(-1) - a**2 - b**2) / (2 * a * b)
        bend = cosine.clamp(-1, 1).acos()
        beyond = torch.atan2(b * bend.sin(), a + b * bend.cos())
        direction = torch.atan2(y[..., 1], y[..., 0])
        return torch.stack([torch.stack([direction - s * beyond, s * bend], -1) for s in (1, -1)], -2)

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draws of x and y, each ``(n, 2)``."""
        low, high = self.bends
        bend = low + (high - low) * torch.rand(n, generator=generator)
        turn = self.turn * (2 * torch.rand(n, generator=generator) - 1)
        hand = self.forward(torch.stack([torch.zeros_like(bend), bend], -1))
        y = hand.norm(dim=-1, keepdim=True) * torch.stack([turn.cos(), turn.sin()], -1)
        elbow = torch.randint(2, (n,), generator=generator)
        noise = torch.randn(n, 2, generator=generator) @ self.root.T.float()
        return self.inverse(y)[torch.arange(n), elbow] + noise, y

    def given(self, x: Tensor, y: Tensor) -> Tensor:
        """The log of half of each elbow's normal, angles that differ by a turn being the same."""
        away = (x.double().unsqueeze(-2) - self.inverse(y.double()) + math.pi).remainder(2 * math.pi) - math.pi
        surprise = torch.linalg.solve_triangular(self.root.to(x.device), away.mT, upper=False)
        volume = math.log(2 * math.pi) + float(self.root.diagonal().log().sum())
        return torch.logsumexp(-surprise.square().sum(-2) / 2, -1) - volume - math.log(2)


# by what data sets are loaded by
LAWS: Mapping[str, Callable[[], Law]] = {"heteroscedastic": Heteroscedastic, "inverse-sine": InverseSine, "arm": Arm}


@choice("data", "heteroscedastic")
def heteroscedastic() -> Source:
    """One number given another, with noise that grows with it: a known mean and a known standard deviation."""
    return _source("heteroscedastic", "after Nix & Weigend 1994", ("real",))


@choice("data", "inverse-sine")
def inverse_sine() -> Source:
    """Bishop's inverted sine: of one number given another, of which up to three fit; p(x|y) is known."""
    return _source("inverse-sine", "after Bishop 1994, Mixture density networks, section 5", ("real",))


@choice("data", "arm")
def arm() -> Source:
    """The two angles of an arm given where its hand is to be, with either elbow; both solutions and p(x|y) are known."""
    return _source("arm", "after Bishop 1994, Mixture density networks, section 6", ("real", "angle"))


def _source(name: str, reference: str, kinds: tuple[str, ...]) -> Source:
    law, generator = LAWS[name](), torch.Generator().manual_seed(0)
    return Source(
        name=name,
        reference=f"{reference}; drawn from pyrogen.data.regression.{type(law).__name__} with a fixed seed",
        kinds=kinds,
        levels=None,
        splits={s: law.sample(n, generator) for s, n in zip(SPLITS, SIZES, strict=True)},
        law=law,
    )


def _log_normal(deviation: Tensor, scale: Tensor) -> Tensor:
    return -(deviation / scale).square() / 2 - scale.log() - math.log(2 * math.pi) / 2
