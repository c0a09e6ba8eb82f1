"""The dynamics of chains are found while they warm up, for each datum by itself, and then frozen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.inference.evidence.hmc import Leapfrog, Moved
from pyrogen.inference.evidence.latent_space import LatentSpace, Point
from pyrogen.inference.evidence.metric import Metric

SCALE = 1  # place of the random draws
START_DRAWS = 32  # of the prior, whose slopes give the first metric
FIRST_FIT, FITS = 8, 1.5  # transitions before the first new metric, and by which factor later ones wait longer
SETTLED = 0.8  # share of the warm-up after which the metric is frozen, and only step sizes move
SEARCHING = 16  # steps of a trajectory at most, as long as the metric is not found
LONGEST = 64
MANY = 4
SHORT = 0.2  # of a step that a quarter may lack
FIRST_STEP = 0.5


@dataclass(frozen=True)
class Wishes:
    """How to sample.

    Attributes:
        draws: of each chain.
        chains: of each datum.
        warm_up: transitions that no draw is taken from.
        leapfrogs: steps of a trajectory; None: as the warm-up finds.
        acceptance: what each datum's step size aims at.
        temperatures: how many inverse temperatures the chains are at, of which only the last is kept.
    """

    draws: int
    chains: int
    warm_up: int
    leapfrogs: int | None
    acceptance: float
    temperatures: int


@dataclass(frozen=True)
class Rungs:
    """Inverse temperatures of each datum, from the prior's 0 to 1; chains of one temperature lie side by side.

    Attributes:
        betas: ``(temperature, datum)`` in float64.
        chains: at each.
    """

    betas: Tensor
    chains: int

    @classmethod
    def of(cls, space: LatentSpace, wishes: Wishes) -> Rungs:
        """0, then in equal ratios from where log p(x|z) varies by one nat to 1."""
        count = wishes.temperatures
        if count == 1:
            return cls(torch.ones(1, space.data, dtype=torch.float64, device=space.x.device), wishes.chains)
        spread = space.at(space.draw(START_DRAWS, SCALE)).lift_spread()
        first = 1 / spread.clamp(min=2)
        along = torch.linspace(1, 0, count - 1, dtype=torch.float64, device=spread.device)
        return cls(torch.cat([torch.zeros_like(first).unsqueeze(0), first ** along.unsqueeze(1)]), wishes.chains)

    @property
    def count(self) -> int:
        """Of temperatures."""
        return len(self.betas)

    @property
    def beta(self) -> float | Tensor:
        """Of each chain and datum, where they differ."""
        return 1.0 if self.count == 1 else self.spread(self.betas)

    def spread(self, values: Tensor) -> Tensor:
        """What belongs to temperatures, ``(temperature, ...)``, for all their chains, ``(chain, ...)``."""
        return values.repeat_interleave(self.chains, 0)

    def mean(self, values: Tensor) -> Tensor:
        """What belongs to chains, averaged over those of each temperature."""
        return values.unflatten(0, (self.count, self.chains)).mean(1)

    def swap(self, point: Point, turn: int) -> tuple[Point, Tensor]:
        """Exchange places between every other pair of neighbouring temperatures, each with its like, by Metropolis.

        Returns:
            The chains, and for each pair of temperatures the share that was exchanged, ``(temperature − 1, datum)``.
        """
        shares = torch.zeros_like(self.betas[1:])
        if self.count == 1:
            return point, shares
        lift = point.lift.unflatten(0, (self.count, self.chains))
        places = (
            torch.arange(len(point.z), device=lift.device).view(self.count, self.chains, 1).repeat(1, 1, lift.shape[2])
        )
        chance = torch.rand_like(lift[1:])
        for i in range(turn % 2, self.count - 1, 2):
            ratio = (self.betas[i] - self.betas[i + 1]) * (lift[i + 1] - lift[i])
            accepted = chance[i].log() < ratio
            places[i : i + 2] = torch.where(accepted, places[i : i + 2].flip(0), places[i : i + 2])
            shares[i] = accepted.double().mean(0)
        return point.take(places.flatten(0, 1)), shares


@dataclass(frozen=True)
class Kernel:
    """A transition of all chains.

    Attributes:
        longest: steps of a trajectory.
        metric: A.
        step: step sizes, ``(chain, datum)``.
        beta: the temperatures at which they move.
    """

    longest: int
    metric: Metric
    step: Tensor
    beta: float | Tensor

    def length(self) -> int:
        """Steps of the next trajectory: where they are many, any number from half, lest narrow directions come back."""
        return (
            self.longest if self.longest < MANY else int(torch.randint((self.longest + 1) // 2, self.longest + 1, ()))
        )

    def move(self, space: LatentSpace, point: Point, length: int) -> Moved:
        """One transition."""
        return Leapfrog([length], self.metric).move(space, point, self.beta, self.step)


class WarmUp:
    """Finds metric, step sizes and the length of trajectories.

    The metric is fitted again after 8, 12, 18, ... transitions, to all chains of a datum and temperature in the later half
    of those so far. Step sizes follow log ε ← log ε + (accepted − wished) / √i, i counted from the last metric, and are
    frozen at their mean over the last tenth. A trajectory is a quarter of a period of the widest direction long.

    Args:
        space: of a block of data.
        rungs: the temperatures.
        wishes: how.
        z: where the chains start, ``(chain, datum, size)``.
    """

    def __init__(self, space: LatentSpace, rungs: Rungs, wishes: Wishes, z: Tensor) -> None:
        self.space, self.rungs, self.wishes = space, rungs, wishes
        self.point = space.at(z)
        self._visited: list[Point] = []
        self._log_step = torch.full_like(rungs.betas, math.log(FIRST_STEP))
        draws = space.at(space.draw(START_DRAWS, SCALE))
        width = Metric.between_quantiles(draws.z)
        at_rungs = [Metric.of(draws.z, draws.slope(beta.expand_as(draws.lift)), width) for beta in rungs.betas]
        self._metrics, self._width = at_rungs, 1.0

    def run(self, advance: Callable[[int], None]) -> tuple[Point, Kernel]:
        """Where the chains are then, and the frozen transition."""
        total = self.wishes.warm_up
        settled, fit, since = int(SETTLED * total), FIRST_FIT, 0
        log_steps = []
        for i in range(total):
            if i == fit and i <= settled:
                self._fit()
                fit, since = math.ceil(FITS * fit), 0
            kernel = self._kernel(SEARCHING)
            moved = kernel.move(self.space, self.point, kernel.length())
            self.point, _ = self.rungs.swap(moved.point, i)
            accepted = self.rungs.mean(moved.telling(self.wishes.acceptance))
            since += 1
            self._log_step = (self._log_step + (accepted - self.wishes.acceptance) / math.sqrt(since)).clamp(min=-20)
            log_steps.append(self._log_step)
            if i < settled:
                self._visited.append(self.point)
            advance(1)
        last = log_steps[-max(1, total // 10) :]
        if last:
            self._log_step = torch.stack(last).mean(0)
        return self.point, self._kernel(LONGEST, quarters=True)

    def _fit(self) -> None:
        recent = self._visited[len(self._visited) // 2 :]
        pairs = ((p.z, p.slope(self.rungs.beta)) for p in recent)
        z, slope = (torch.stack(t).unflatten(1, (self.rungs.count, -1)) for t in zip(*pairs, strict=True))
        draws = [(z[:, k].flatten(0, 1), slope[:, k].flatten(0, 1)) for k in range(self.rungs.count)]
        self._metrics = [Metric.of(*pair, before) for pair, before in zip(draws, self._metrics, strict=True)]
        self._width = self._metrics[-1].width(draws[-1][0])

    def _kernel(self, longest: int, quarters: bool = False) -> Kernel:
        """The transition so far; with ``quarters`` trajectories go no further than one, since longer ones come back."""
        step, quarter = self._log_step.exp(), math.pi / 2 * self._width
        # data differ; a trajectory too long costs some time, one too short most of it
        needed = math.ceil(quarter / float(step[-1].quantile(0.25)) - SHORT)
        length = self.wishes.leapfrogs or min(max(1, needed), longest)
        if quarters and self.wishes.leapfrogs is None:
            step = step.clamp(max=quarter / max(1, length - SHORT))
        metric = self._metrics[0]
        if self.rungs.count > 1:
            factors = torch.stack([m.factor for m in self._metrics])
            metric = Metric(self.rungs.spread(factors), metric.dense)
        return Kernel(length, metric, self.rungs.spread(step), self.rungs.beta)
