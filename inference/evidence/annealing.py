"""The annealed path from a base to p(x, z), and what all estimators that follow it share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.inference.evidence.estimator import Estimates, Estimator, joined
from pyrogen.inference.evidence.hmc import Leapfrog
from pyrogen.inference.evidence.latent_space import Init, LatentSpace, Point, latent_spaces
from pyrogen.inference.evidence.metric import Metric
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.weight_stream import FEWEST_OF_ERROR, WeightStream

BASE_DRAWS = 100
SCALE_DRAWS = 100
PILOT_CHAINS = 16
VISITED = 5  # places of each pilot chain that a metric is made of
WARM_UP = 10
FEWEST_CHAINS = FEWEST_OF_ERROR
GAIN = 0.5
WINDOW = 5
KEPT = 0.2  # of the temperatures that stay where the pilot run had them, whatever it measured

# Places of the random draws, so that no two parts of an estimate share any.
SCALE, START, PILOT, PATH, HALF_PATH, REVERSE, SIMULATION = range(7)

Schedule = Literal["even", "sigmoid", "geometric"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
Advance = Callable[[int], None]
Between = Callable[[Tensor, Point], tuple[Tensor, Point]]


def sigmoid_schedule(temperatures: int, steepness: float = 4.0) -> Tensor:
    """β₀ = 0 … β_T = 1 in float64: β_t = (σ(δ (2t/T − 1)) − σ(−δ)) / (σ(δ) − σ(−δ)), fine at both ends.

    Reference: Wu et al. 2017, arXiv:1611.04273.

    Args:
        temperatures: T.
        steepness: δ.
    """
    rungs = torch.sigmoid(steepness * torch.linspace(-1, 1, temperatures + 1, dtype=torch.float64))
    return (rungs - rungs[0]) / (rungs[-1] - rungs[0])


def geometric_schedule(temperatures: int, first: float) -> Tensor:
    """β₀ = 0, then β₁ = ``first`` … β_T = 1 in equal ratios, in float64, for likelihoods that weigh thousands of nats.

    Where noise on d latents' images is small, log p(x|z) varies by √(d/2) / β under f_β: equal ratios are equal strides.
    """
    ratios = torch.linspace(math.log(first), 0, temperatures, dtype=torch.float64)
    ratios[-1] = 0  # of one temperature, too
    return torch.cat([torch.zeros(1, dtype=torch.float64), ratios.exp()])


def even_schedule(temperatures: int, levels: np.ndarray, spreads: np.ndarray, progress: np.ndarray) -> Tensor:
    """β₀ = 0 … β_T = 1 in float64, in strides of equal length ∫ sd(lift) dβ: the least variance of log weights.

    Independent transitions give Var log w = Σ_t (β_t − β_{t−1})² Var_{β_t}(lift), which is least where all terms are equal.
    Reference: Gelman & Meng 1998, Simulating normalizing constants; Grosse et al. 2013, Annealing between distributions.

    Args:
        temperatures: T.
        levels: temperatures that a pilot run visited, 0 first and 1 last, ``(P,)``.
        spreads: the lift's standard deviation at each, ``(P,)``.
        progress: how far along its own schedule the pilot run was at each, from 0 to 1: a fifth of the temperatures
            stays with it, since a pilot run may miss where the lift varies.
    """
    lengths = np.concatenate([[0.0], np.cumsum(np.diff(levels) * (spreads[1:] + spreads[:-1]) / 2)])
    share = lengths / lengths[-1] if lengths[-1] > 0 else progress
    along = (1 - KEPT) * share + KEPT * progress
    return torch.from_numpy(np.interp(np.linspace(0, 1, temperatures + 1), along, levels))


def pilot_transitions(temperatures: int) -> int:
    """How many transitions the pilot run of a path makes: a tenth of the path's, between 50 and 100, and a warm-up."""
    return WARM_UP + pilot_rungs(temperatures)


def pilot_rungs(temperatures: int) -> int:
    """How many temperatures a pilot run visits."""
    return min(max(temperatures // 10, 50), 100)


def stay(log_weights: Tensor, point: Point) -> tuple[Tensor, Point]:
    """Nothing happens between two temperatures: plain importance sampling."""
    return log_weights, point


@dataclass(frozen=True)
class Annealed:
    """What chains bring home.

    Attributes:
        log_weights: Σ_t (β_t − β_{t−1}) lift(z_{t−1}), ``(chain, datum)`` in float64.
        acceptance: mean probability of acceptance, ``(datum,)``; nan where there was no transition.
    """

    log_weights: Tensor
    acceptance: Tensor


@dataclass(frozen=True)
class Path:
    """Temperatures with the dynamics at each, all frozen.

    Attributes:
        space: of a block of data.
        leapfrogs: the dynamics at the temperatures of the pilot run.
        nearest: which of them holds at each temperature, ``(T + 1,)``.
        betas: β₀ … β_T, up or down, ``(T + 1,)``.
        steps: step sizes, ``(T + 1, datum)``.
        advance: is told of transitions.
    """

    space: LatentSpace
    leapfrogs: Sequence[Leapfrog]
    nearest: Tensor
    betas: Tensor
    steps: Tensor
    advance: Advance

    @classmethod
    def tuned(
        cls,
        space: LatentSpace,
        betas: Tensor,
        leapfrogs: int,
        acceptance: float,
        advance: Advance,
        even: bool = False,
    ) -> Path:
        """Find metrics and step sizes in a pilot run of fewer temperatures.

        At each of them the metric is that of where the pilot's chains have just been, with the slopes of the temperature to
        come, and log ε moves by (accepted − wished) / 2. Dynamics that followed the chains themselves would make their
        weights invalid: these are frozen before they start.

        Args:
            space: of a block of data.
            betas: the temperatures.
            leapfrogs: steps of a trajectory.
            acceptance: the wished probability of acceptance.
            advance: is told of transitions.
            even: whether to set as many temperatures where the pilot run found that the weights vary, instead.
        """
        along = np.linspace(0, 1, len(betas))
        progress = np.linspace(0, 1, pilot_rungs(len(betas) - 1) + 1)[1:]
        levels = np.interp(progress, along, betas.numpy())
        log_step = torch.full((space.data,), -0.5, device=space.x.device)
        log_steps, dynamics = [], []
        with space.seeded(PILOT):
            metric = Metric.between_quantiles(space.draw(SCALE_DRAWS, SCALE))
            point = space.at(space.draw(PILOT_CHAINS, PILOT))
            spreads = [spread_of(point.lift)]
            visited = deque([point], maxlen=VISITED)
            for beta in [levels[0]] * WARM_UP + levels.tolist():
                z, slope = torch.cat([p.z for p in visited]), torch.cat([p.slope(beta) for p in visited])
                metric = Metric.of(z, slope, metric)
                dynamics.append(Leapfrog.quarters(leapfrogs, log_step.exp(), metric))
                moved = dynamics[-1].move(space, point, beta, log_step.exp())
                point = moved.point
                visited.append(point)
                spreads.append(spread_of(point.lift))
                log_step = log_step + GAIN * (moved.telling(acceptance).mean(0).to(log_step) - acceptance)
                log_steps.append(log_step)
                advance(1)
        if even:
            seen = np.concatenate([spreads[:1], _smooth(np.array(spreads[1 + WARM_UP :]))])
            visits = np.concatenate([[0.0], levels]), seen, np.concatenate([[0.0], progress])
            chosen = even_schedule(len(betas) - 1, *visits)
            betas, along = chosen, np.interp(chosen.numpy(), betas.numpy(), along)
        found = torch.stack(log_steps[WARM_UP:]).double().cpu().numpy()
        everywhere = np.stack([np.interp(along, progress, _smooth(column)) for column in found.T], -1)
        nearest = torch.from_numpy(np.abs(along[:, None] - progress).argmin(1))
        steps = torch.from_numpy(everywhere).exp().to(space.x.device)
        return cls(space, dynamics[WARM_UP:], nearest, betas, steps, advance)

    def coarser(self) -> Path:
        """The same with half the temperatures."""
        last = len(self.betas) - 1
        rungs = torch.linspace(0, last, last // 2 + 1).round().long()
        return replace(self, nearest=self.nearest[rungs], betas=self.betas[rungs], steps=self.steps[rungs])

    def reversed(self) -> Path:
        """The same from its end to its beginning."""
        turned = {name: getattr(self, name).flip(0) for name in ("nearest", "betas", "steps")}
        return replace(self, **turned)

    def from_base(self, chains: int, place: int, between: Between = stay) -> Annealed:
        """Follow the path with chains that start at draws of the base."""
        return self.follow(self.space.draw(chains, place), place, between)

    def follow(self, z: Tensor, place: int, between: Between = stay) -> Annealed:
        """Lead chains from temperature to temperature, and weigh them.

        At each temperature the weights grow by (β_t − β_{t−1}) lift(z), then the chains make a transition that leaves f_{β_t}
        unchanged; after the last there is nothing to move for. From exact draws of f_{β_0} the mean weight is
        Z_{β_T} / Z_{β_0} in expectation, whatever the transitions. Reference: Neal 2001, Annealed importance sampling.

        Args:
            z: where the chains start, ``(chain, datum, size)``.
            place: of their random draws.
            between: sees weights and chains at each temperature before they move, and may exchange chains.
        """
        levels, nearest = self.betas.tolist(), self.nearest.tolist()
        last = len(levels) - 1
        with self.space.seeded(place):
            point = self.space.at(z)
            log_weights = torch.zeros_like(point.lift)
            accepted = torch.zeros_like(point.lift[0])
            for t in range(1, last + 1):
                log_weights, point = between(log_weights + (levels[t] - levels[t - 1]) * point.lift, point)
                if t < last:
                    moved = self.leapfrogs[nearest[t]].move(self.space, point, levels[t], self.steps[t])
                    point = moved.point
                    accepted += moved.acceptance.mean(0)
                    self.advance(1)
        return Annealed(log_weights, accepted / (last - 1) if last > 1 else accepted + math.nan)

    def dynamics(self, run: Annealed) -> dict[str, np.ndarray]:
        """How a run along it went, per datum: mean acceptance, and the geometric mean of the step sizes."""
        steps = self.steps.log().mean(0).exp()
        return {"acceptance": run.acceptance.cpu().numpy(), "step_size": steps.cpu().numpy()}


def weighed(log_weights: Tensor) -> dict[str, np.ndarray]:
    """What independent log weights ``(chain, datum)`` say of each datum: log of their mean, its error, and their ESS."""
    stream = WeightStream.of(log_weights.cpu().numpy())
    found = {"log_evidence": stream.log_mean(), "mc_se": stream.standard_error()}
    return {**found, "ess": stream.effective_sample_size()}


def spread_of(lift: Tensor) -> float:
    """The lift's standard deviation over chains, between quantiles, in the root mean square over data."""
    finite = lift.masked_fill(~lift.isfinite(), torch.nan)
    low, high = torch.nanquantile(finite, torch.tensor([0.16, 0.84], dtype=lift.dtype, device=lift.device), dim=0)
    return float(((high - low) / 2).square().nanmean().sqrt().nan_to_num(nan=0.0))


def _smooth(column: np.ndarray) -> np.ndarray:
    kernel = np.ones(WINDOW)
    return np.convolve(column, kernel, "same") / np.convolve(np.ones_like(column), kernel, "same")


class AnnealedEstimator(Estimator):
    """An estimator that anneals one block of data after the other; its settings are those of its path."""

    bound: ClassVar[str | None] = "lower"
    memory: ClassVar[str] = "lower the number of chains (of particles, of populations)"

    temperatures: int
    init: Init
    schedule: Schedule
    leapfrogs: int
    acceptance: float

    def attributes(self) -> dict[str, Any]:
        """The settings."""
        settings = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return {k: int(v) if isinstance(v, bool) else v for k, v in settings.items()}

    @abstractmethod
    def transitions(self) -> int:
        """How many transitions of all chains a block takes."""

    @abstractmethod
    def block(self, space: LatentSpace, advance: Advance) -> Estimates:
        """The estimates of one block of data."""

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The estimates of all blocks, put together; blocks and what is evaluated at once have a fixed size."""
        with (
            latent_spaces(model, x, y, self.init, seed) as spaces,
            track(self.transitions() * len(spaces), type(self).__name__) as advance,
        ):
            parts = [self.block(space, advance) for space in spaces]
        return joined(parts)

    def path(self, space: LatentSpace, advance: Advance) -> Path:
        """The tuned path of these settings; a geometric one begins where the lift varies by one nat, an even one is found."""
        betas = sigmoid_schedule(self.temperatures)
        if self.schedule == "geometric":
            spread = space.at(space.draw(BASE_DRAWS, START)).lift_spread().max()
            betas = geometric_schedule(self.temperatures, min(1 / float(spread.clamp(min=1)), 0.5))
        return Path.tuned(space, betas, self.leapfrogs, self.acceptance, advance, self.schedule == "even")

    def check(self, **least: int) -> None:
        """Refuse settings that mean nothing; ``least`` gives each count's minimum.

        Raises:
            ValueError: one is too small, or the acceptance is no probability.
        """
        for name, minimum in {"leapfrogs": 1, **least}.items():
            if getattr(self, name) < minimum:
                raise ValueError(f"{type(self).__name__}({name}={getattr(self, name)}): needs {name} >= {minimum}.")
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"{type(self).__name__}(schedule={self.schedule!r}): choose 'even', 'sigmoid' or 'geometric'."
            )
        if not 0 < self.acceptance < 1:
            raise ValueError(f"{type(self).__name__}(acceptance={self.acceptance}): it lies between 0 and 1.")
