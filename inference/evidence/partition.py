"""log Z of an energy model by annealed importance sampling, and log p(x) with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyrogen.base import HasPartition, Model
from pyrogen.inference.evidence.annealing import (
    HALF_PATH,
    PATH,
    PILOT,
    REVERSE,
    START,
    Advance,
    Schedule,
    even_schedule,
    geometric_schedule,
    pilot_rungs,
    sigmoid_schedule,
    spread_of,
    weighed,
)
from pyrogen.inference.evidence.estimator import EXACT_BLOCK, Estimates
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.seeds import derived

LOG_PARTITION = "of the model: all data share it and its error, which no number of data makes smaller"
LOWER = "log p(x) with the log Z of chains that go back from exact draws of the model: a lower bound in expectation"


def too_large(what: str, limit: str) -> str:
    """The sentence for a log Z that cannot be enumerated."""
    return (
        f"log Z of {what} cannot be enumerated (that takes {limit}); annealed chains estimate it with an error bar, as "
        "log_partition(model) does, and log p(x) with it: score by estimator=AIS()."
    )


@dataclass(frozen=True)
class LogPartition:
    """An estimate of log Z in nats.

    Attributes:
        value: log Ẑ, whose expectation is at most log Z.
        error: its Monte-Carlo error, from the spread of the chains' weights.
        ess: how many of the chains are effective.
        half: the same by half the temperatures, with its error; None where that was not asked for.
        upper: by chains that go back from exact draws, with its error, at least log Z in expectation; None where there
            are none, or the model refuses them.
    """

    value: float
    error: float
    ess: float
    half: tuple[float, float] | None = None
    upper: tuple[float, float] | None = None


@dataclass(frozen=True)
class Ladder:
    """Chains of an energy model that climb from its base, or go back.

    Attributes:
        model: whose.
        temperatures: T.
        chains: C.
        schedule: of the temperatures, as of :class:`pyrogen.inference.AIS`.
        seed: of the draws.
    """

    model: Any
    temperatures: int
    chains: int
    schedule: Schedule
    seed: int

    def log_partition(self, doubling: bool, advance: Advance) -> LogPartition:
        """log Z₀ and the log of the mean weight of the chains; also by half the temperatures, and back from exact draws."""
        with evaluating(self.model):
            betas, start = self._betas(advance), float(self.model.base_log_partition())
            found = self._weighed(betas, self.model.base_states, PATH, advance)
            half = self._weighed(_half(betas), self.model.base_states, HALF_PATH, advance) if doubling else None
            back = self._weighed_back(betas.flip(0), advance) if self.model.enumerable else None
        return LogPartition(
            start + found[0],
            found[1],
            found[2],
            None if half is None else (start + half[0], half[1]),
            None if back is None else (start - back[0], back[1]),
        )

    def transitions(self, doubling: bool) -> int:
        """How many transitions of all chains that takes."""
        half = self.temperatures // 2 if doubling else 0
        back = self.temperatures if self.model.enumerable else 0
        return pilot_rungs(self.temperatures) * (self.schedule == "even") + self.temperatures + half + back

    def _weighed(self, betas: Tensor, begin: Any, place: int, advance: Advance) -> tuple[float, float, float]:
        """The log of the mean weight, its error and its ESS."""
        with self._seeded(place):
            return self._followed(betas, begin(self.chains), advance)

    def _weighed_back(self, betas: Tensor, advance: Advance) -> tuple[float, float, float] | None:
        """The same from exact draws; None where the model has none after all, as where its mass leaves a grid."""
        with self._seeded(REVERSE):
            try:
                states = self.model.exact_states(self.chains)
            except ValueError:
                return None
            return self._followed(betas, states, advance)

    def _followed(self, betas: Tensor, states: Tensor, advance: Advance) -> tuple[float, float, float]:
        found = weighed(self._follow(betas.tolist(), states, advance).unsqueeze(1))
        value, error, ess = (float(found[k][0]) for k in ("log_evidence", "mc_se", "ess"))
        return value, error, ess

    def _follow(self, levels: Sequence[float], states: Tensor, advance: Advance) -> Tensor:
        """Σ_t log f_t(s) − log f_{t−1}(s), s before its transition at t, ``(C,)`` in float64."""
        total = torch.zeros(len(states), dtype=torch.float64, device=states.device)
        for low, high in pairwise(levels):
            lift, states = self.model.climb(states, low, high)
            total += lift
            advance(1)
        return total

    def _betas(self, advance: Advance) -> Tensor:
        betas = sigmoid_schedule(self.temperatures)
        if self.schedule == "geometric":
            with self._seeded(START):
                states = self.model.base_states(self.chains)
                small = 1e-3
                spread = float(self.model.climb(states, 0.0, small)[0].std()) / small
            return geometric_schedule(self.temperatures, min(1 / max(spread, 1.0), 0.5))
        return self._even(betas, advance) if self.schedule == "even" else betas

    def _even(self, betas: Tensor, advance: Advance) -> Tensor:
        """The temperatures in strides over which log f varies alike, as a pilot run finds them."""
        rungs = pilot_rungs(self.temperatures)
        progress = np.linspace(0, 1, rungs + 1)
        levels = np.interp(progress, np.linspace(0, 1, len(betas)), betas.numpy())
        spreads = []
        with self._seeded(PILOT):
            states = self.model.base_states(self.chains)
            for low, high in pairwise(levels.tolist()):
                lift, states = self.model.climb(states, low, high)
                spreads.append(spread_of(lift.double().unsqueeze(1)) / (high - low))
                advance(1)
        return even_schedule(self.temperatures, levels, np.array([*spreads, spreads[-1]]), progress)

    def _seeded(self, place: int) -> Any:
        (state,) = derived(self.seed, place)
        return seeded(state, self.model.device)


def scored(model: HasPartition, x: Tensor, found: LogPartition, seed: int) -> Estimates:
    """log f(x) − log Ẑ of every datum, with the one error that all share, and with that of log f(x) where it has one."""
    assert isinstance(model, Model)
    with evaluating(model), seeded(derived(seed, PATH, 1)[0], x.device):
        parts = [model.log_unnormalized(part) for part in x.split(EXACT_BLOCK)]
    log_f, own = (torch.cat(t).double().cpu().numpy() for t in zip(*parts, strict=True))
    variables: Estimates = {
        "log_evidence": (("datum",), log_f - found.value),
        "mc_se": (("datum",), np.hypot(own, found.error)),
        "ess": (("datum",), np.full(len(x), found.ess)),
        "log_partition": ((), np.array(found.value), {"description": LOG_PARTITION}),
        "log_partition_se": ((), np.array(found.error), {"description": LOG_PARTITION}),
    }
    if found.half is not None:
        variables["half"] = ("datum",), log_f - found.half[0]
        variables["half_se"] = ("datum",), np.hypot(own, found.half[1])
    if found.upper is not None:
        variables["lower"] = ("datum",), log_f - found.upper[0], {"description": LOWER}
        variables["lower_se"] = ("datum",), np.hypot(own, found.upper[1])
        variables["upper"], variables["upper_se"] = variables["log_evidence"], variables["mc_se"]
    return variables


def _half(betas: Tensor) -> Tensor:
    last = len(betas) - 1
    return betas[torch.linspace(0, last, last // 2 + 1).round().long()]
