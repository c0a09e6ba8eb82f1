"""Ways back from noise to data through a diffusion, as choices: with chance or without, in many steps or few."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from pyrogen.distributions.ode import check_tolerance, solved
from pyrogen.noise import NoiseSchedule, alpha, earlier, sigma
from pyrogen.registry import choice

Signal = Callable[[Tensor, Tensor], Tensor]
"""û(z, γ), the data that are seen in noisy ones: ``(N, *x_shape)`` and a number, to ``(N, *x_shape)``."""


class Sampler(ABC):
    """A way from z_T to z₀, which keeps no more than one z on the way: its memory is the same for any number of steps."""

    axes: ClassVar[tuple[str, ...]] = ("sampler",)

    @abstractmethod
    def walk(self, z: Tensor, noise: NoiseSchedule, steps: int, signal: Signal) -> Tensor:
        """z₀ from z_T, both ``(N, *x_shape)``.

        Args:
            z: z_T.
            noise: γ(t).
            steps: T of the model.
            signal: û.
        """


@choice("sampler")
@dataclass(frozen=True)
class Ancestral(Sampler):
    """Each step is drawn from p(z_j|z_i), so that samples have the law that is scored, if all T steps are taken.

    Reference: Ho et al. 2020, Denoising diffusion probabilistic models, arXiv:2006.11239.

    Args:
        steps: how many, even in t; None: the T of the model.
    """

    steps: int | None = None

    def __post_init__(self) -> None:
        """Refuse no steps."""
        _need_steps("Ancestral", self.steps)

    def walk(self, z: Tensor, noise: NoiseSchedule, steps: int, signal: Signal) -> Tensor:
        """One normal after the other."""
        for later, before in _stops(noise, self.steps or steps, z):
            mean, scale = earlier(z, signal(z, later), before, later)
            z = mean + scale * torch.randn_like(mean)
        return z


@choice("sampler")
@dataclass(frozen=True)
class DDIM(Sampler):
    """Each step keeps the noise that the network sees, z_j = α_j û + σ_j ε̂, without chance: few steps are enough.

    It is Euler's way along the differential equation of :class:`ProbabilityFlow`, in z/α over σ/α. What it makes has another
    law than the model's bound is of. Reference: Song et al. 2021, Denoising diffusion implicit models, arXiv:2010.02502.

    Args:
        steps: how many, even in t; None: the T of the model.
    """

    steps: int | None = 20

    def __post_init__(self) -> None:
        """Refuse no steps."""
        _need_steps("DDIM", self.steps)

    def walk(self, z: Tensor, noise: NoiseSchedule, steps: int, signal: Signal) -> Tensor:
        """Step by step."""
        for later, before in _stops(noise, self.steps or steps, z):
            u = signal(z, later)
            z = alpha(before) * u + sigma(before) / sigma(later) * (z - alpha(later) * u)
        return z


@choice("sampler")
@dataclass(frozen=True)
class ProbabilityFlow(Sampler):
    """The differential equation whose z have the laws of a diffusion, dz/dγ = ½ α (α z − û), solved in steps that adapt.

    Reference: Song et al. 2021, Score-based generative modeling through stochastic differential equations, arXiv:2011.13456.

    Args:
        tolerance: of the solver, relative and absolute.
    """

    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse what no solver keeps."""
        check_tolerance(self.tolerance)

    def walk(self, z: Tensor, noise: NoiseSchedule, steps: int, signal: Signal) -> Tensor:
        """By Dormand and Prince."""

        def slope(gamma: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (flow(state[0], signal(state[0], gamma), gamma),)

        return solved(slope, (z,), noise.high, noise.low, self.tolerance)[0]


def flow(z: Tensor, u: Tensor, gamma: Tensor) -> Tensor:
    """dz/dγ of the probability flow."""
    return 0.5 * alpha(gamma) * (alpha(gamma) * z - u)


def _stops(noise: NoiseSchedule, steps: int, like: Tensor) -> list[tuple[Tensor, Tensor]]:
    """γ_i and γ_j of each step, from noise to data."""
    gamma: Tensor = noise(torch.linspace(1, 0, steps + 1, device=like.device, dtype=like.dtype))
    return list(pairwise(gamma))


def _need_steps(who: str, steps: int | None) -> None:
    if steps is not None and steps < 1:
        raise ValueError(f"{who}(steps={steps}): from noise to data it takes 1 step or more.")
