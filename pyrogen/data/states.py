"""Sequences of known laws: what is seen of a state that moves on by itself, linear and normal, or of a pendulum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.data.law import Law
from pyrogen.data.procedural import SEED
from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice

SIZES = (2_000, 200, 500)
LENGTH = 24
# of the law "linear-gaussian": a ninth of a turn a step and a little inward, of which one coordinate is seen
TURN, DAMPING, PUSH, NOISE = 2 * math.pi / 9, 0.95, 0.3, 0.5


@dataclass(frozen=True)
class Beliefs:
    """Normal distributions N(mean_t, covariance_t) of the state at each step.

    Covariances depend on no x, and are the same for all sequences.

    Attributes:
        mean: ``(..., T, L)`` float64.
        covariance: ``(T, L, L)`` float64.
    """

    mean: Tensor
    covariance: Tensor


class LinearGaussian(Law):
    """z₁ ~ N(m, P), z_t = A z_{t−1} + N(0, Q), x_t = C z_t + N(0, R): p(x) and the state are known by Kalman's recursion.

    Shapes: x ``(..., D, T)``. All in float64. References: Kalman 1960; smoothing: Rauch, Tung & Striebel 1965.

    Args:
        transition: A, L rows.
        push: Q, L rows.
        emission: C, D rows of L numbers.
        noise: R, D rows.
        mean: m, L numbers.
        covariance: P, L rows.
        length: T of what is drawn.
    """

    def __init__(
        self,
        transition: Sequence[Sequence[float]],
        push: Sequence[Sequence[float]],
        emission: Sequence[Sequence[float]],
        noise: Sequence[Sequence[float]],
        mean: Sequence[float],
        covariance: Sequence[Sequence[float]],
        length: int = LENGTH,
    ) -> None:
        made = (torch.tensor(m, dtype=torch.float64) for m in (transition, push, emission, noise, mean, covariance))
        self.transition, self.push, self.emission, self.noise, self.mean, self.covariance = made
        self.length = length

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Sequences ``(n, D, T)`` and their states ``(n, L, T)``, both float32."""

        def normal(covariance: Tensor) -> Tensor:
            drawn = torch.randn(n, len(covariance), generator=generator, dtype=torch.float64)
            return drawn @ torch.linalg.cholesky(covariance).T

        states = [self.mean + normal(self.covariance)]
        for _ in range(self.length - 1):
            states.append(states[-1] @ self.transition.T + normal(self.push))
        x = torch.stack([z @ self.emission.T + normal(self.noise) for z in states], -1)
        return x.float(), torch.stack(states, -1).float()

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x) = Σ_t log p(x_t | x_<t), whatever y."""
        return self._forward(x)[2]

    def filter(self, x: Tensor) -> Beliefs:
        """p(z_t | x_≤t)."""
        return self._forward(x)[0]

    def smooth(self, x: Tensor) -> Beliefs:
        """p(z_t | x₁, …, x_T)."""
        filtered, expected, _ = self._forward(x)
        mean, covariance = filtered.mean[..., -1, :], filtered.covariance[-1]
        means, covariances = [mean], [covariance]
        for t in range(x.shape[-1] - 2, -1, -1):
            ahead = expected.covariance[t + 1]
            gain = torch.linalg.solve(ahead, self.transition @ filtered.covariance[t]).T
            mean = filtered.mean[..., t, :] + (mean - expected.mean[..., t + 1, :]) @ gain.T
            covariance = filtered.covariance[t] + gain @ (covariance - ahead) @ gain.T
            means.append(mean)
            covariances.append(covariance)
        return Beliefs(torch.stack(means[::-1], -2), torch.stack(covariances[::-1]))

    def _forward(self, x: Tensor) -> tuple[Beliefs, Beliefs, Tensor]:
        """What is believed of the state after each x_t, and before it, and log p(x)."""
        mean, covariance = self.mean, self.covariance
        expected, filtered, total = [], [], torch.zeros(x.shape[:-2], dtype=torch.float64)
        for seen in x.detach().cpu().double().unbind(-1):
            expected.append((mean.expand(*x.shape[:-2], -1), covariance))
            spread = self.emission @ covariance @ self.emission.T + self.noise
            surprise = seen - mean @ self.emission.T
            root = torch.linalg.cholesky(spread)
            total = total + torch.distributions.MultivariateNormal(
                torch.zeros_like(surprise), scale_tril=root
            ).log_prob(surprise)
            gain = torch.cholesky_solve(self.emission @ covariance, root).T
            mean = mean + surprise @ gain.T
            covariance = covariance - gain @ spread @ gain.T
            filtered.append((mean, covariance))
            mean = mean @ self.transition.T
            covariance = self.transition @ covariance @ self.transition.T + self.push
        return _beliefs(filtered), _beliefs(expected), total


def turning(length: int = LENGTH) -> LinearGaussian:
    """The law of ``linear-gaussian``: a state in the plane that turns, is damped and pushed, in its stationary spread.

    A = ρ rotation(2π/9), Q = q² I, P = q²/(1 − ρ²) I, and C sees the first coordinate alone, with noise.
    """
    cos, sin = DAMPING * math.cos(TURN), DAMPING * math.sin(TURN)
    wide = PUSH**2 / (1 - DAMPING**2)
    return LinearGaussian(
        transition=[[cos, -sin], [sin, cos]],
        push=[[PUSH**2, 0.0], [0.0, PUSH**2]],
        emission=[[1.0, 0.0]],
        noise=[[NOISE**2]],
        mean=[0.0, 0.0],
        covariance=[[wide, 0.0], [0.0, wide]],
        length=length,
    )


@choice("data", "linear-gaussian")
def linear_gaussian() -> Source:
    """Sequences of 24 numbers: one coordinate, with noise, of a state that turns in the plane; log p(x) is known exactly."""
    law, generator = turning(), torch.Generator().manual_seed(SEED)
    return Source(
        name="linear-gaussian",
        reference="drawn from pyrogen.data.states.turning() with a fixed seed",
        kinds=("real",),
        levels=None,
        splits={s: (law.sample(n, generator)[0], None) for s, n in zip(SPLITS, SIZES, strict=True)},
        law=law,
    )


@choice("data", "pendulum")
def pendulum() -> Source:
    """Where the tip of a pendulum is, 24 times a quarter of a second apart, with noise: it swings, turns over, is pushed.

    ω ← ω − h (g sin θ + c ω) + noise and θ ← θ + h ω, in five small steps from one x_t = (sin θ, −cos θ) + noise to the next.
    """
    generator = torch.Generator().manual_seed(SEED)
    return Source(
        name="pendulum",
        reference="drawn from pyrogen.data.states.swing() with a fixed seed",
        kinds=("real",),
        levels=None,
        splits={s: (swing(n, generator), None) for s, n in zip(SPLITS, SIZES, strict=True)},
    )


def swing(n: int, generator: torch.Generator | None = None) -> Tensor:
    """Draws of ``pendulum``, ``(n, 2, 24)``: g = 4, c = 0.1, h = 0.05, pushes of 0.2 and noise of 0.1."""
    step, small = 0.05, 5
    angle = math.pi * (2 * torch.rand(n, generator=generator) - 1)
    speed = 2 * torch.randn(n, generator=generator)
    seen = []
    for _ in range(LENGTH):
        tip = torch.stack([angle.sin(), -angle.cos()], -1)
        seen.append(tip + 0.1 * torch.randn(n, 2, generator=generator))
        for _ in range(small):
            pushed = 0.2 * math.sqrt(step) * torch.randn(n, generator=generator)
            speed = speed - step * (4 * angle.sin() + 0.1 * speed) + pushed
            angle = angle + step * speed
    return torch.stack(seen, -1)


def _beliefs(each: Sequence[tuple[Tensor, Tensor]]) -> Beliefs:
    means, covariances = zip(*each, strict=True)
    return Beliefs(torch.stack(means, -2), torch.stack(covariances))
