"""A tempered sequential Monte Carlo sampler."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from pyrogen.inference.evidence.annealing import (
    FEWEST_CHAINS,
    PATH,
    Advance,
    AnnealedEstimator,
    Schedule,
    pilot_transitions,
    weighed,
)
from pyrogen.inference.evidence.estimator import Estimates
from pyrogen.inference.evidence.latent_space import Init, LatentSpace
from pyrogen.registry import choice


@choice("estimator")
@dataclass(frozen=True)
class SMC(AnnealedEstimator):
    """A tempered sequential Monte Carlo sampler: the path of AIS, on which light particles give way to heavy ones.

    log p(x) ≥ E[log 1/G Σ_g Π_r 1/P Σ_i w_i], over G populations of P particles; each multiplies the mean weights that it
    gathered between resamplings r. A population resamples, systematically and for each datum by itself, when the effective
    size of its weights falls below P/2.

    The error is that of the mean over independent populations, widened for their small number: families within one, by which
    Lee & Whiteley (2018) tell it, die out on long paths. Beside ``log_evidence`` and ``mc_se`` it gives ``ess`` of the
    populations, ``incremental_ess``, the least over temperatures of P (Σ Wᵢ uᵢ)² / Σ Wᵢ uᵢ² with the increments u of the
    weights, and ``resampled``, how often a population did so.

    Reference: Del Moral, Doucet & Jasra 2006; increments: Zhou, Johansen & Aston 2016, arXiv:1303.3123.

    Args:
        temperatures: T.
        particles: P a population and datum.
        populations: G.
        init: where particles start, "prior" or "guide".
        schedule: of the temperatures: "even", in strides over which the weights vary alike, as a pilot run finds them;
            "sigmoid", as Wu et al.; or "geometric" for narrow likelihoods, such as a generator's small noise.
        leapfrogs: steps of a trajectory, each with one gradient.
        acceptance: what each datum's step size aims at, in a pilot run of its own.
    """

    temperatures: int = 200
    particles: int = 16
    populations: int = 16
    init: Init = "prior"
    schedule: Schedule = "even"
    leapfrogs: int = 10
    acceptance: float = 0.65

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        self.check(particles=2, populations=FEWEST_CHAINS, temperatures=1)

    def transitions(self) -> int:
        """Pilot and path."""
        return pilot_transitions(self.temperatures) + self.temperatures - 1

    def block(self, space: LatentSpace, advance: Advance) -> Estimates:
        """The mean over populations, each the product of its mean weights between resamplings."""
        path = self.path(space, advance)
        crowd = Crowd(self.populations, self.particles, space.data, space.x.device)
        run = path.from_base(self.populations * self.particles, PATH, crowd.resample)
        found = {
            **weighed(crowd.log_evidence(run.log_weights)),
            "incremental_ess": crowd.incremental_ess.amin(0).cpu().numpy(),
            "resampled": crowd.resampled.mean(0).cpu().numpy(),
            **path.dynamics(run),
        }
        return {name: (("datum",), value) for name, value in found.items()}


class Takable(Protocol):
    """What particles are, one beside the other."""

    def take(self: Held, chosen: Tensor) -> Held:
        """Other particles in place of these: ``chosen[i, n]`` is the one that datum n has in place i."""


Held = TypeVar("Held", bound=Takable)


class Crowd:
    """Populations that lie side by side along the chains, and what each has gathered so far.

    Args:
        populations: how many.
        particles: of each.
        data: how many.
        device: where they are.
        threshold: share of the particles below which the effective number makes a population resample.

    Attributes:
        size: particles of all populations.
        incremental_ess: the least so far, ``(population, datum)``.
        resampled: how often, ``(population, datum)``.
    """

    def __init__(
        self, populations: int, particles: int, data: int, device: torch.device, threshold: float = 0.5
    ) -> None:
        self._shape, self._threshold, self.size = (populations, particles), threshold, populations * particles
        self._gathered = torch.zeros(populations, data, dtype=torch.float64, device=device)
        self.incremental_ess = torch.full_like(self._gathered, particles)
        self.resampled = torch.zeros_like(self._gathered)
        self._before = torch.zeros(populations, particles, data, dtype=torch.float64, device=device)
        self._places = torch.arange(populations * particles, device=device).view(populations, particles, 1)

    def look(self, log_weights: Tensor) -> None:
        """Remember how uneven a step made the weights, ``(population × particle, datum)``: each once, the last one too."""
        weights, particles = log_weights.unflatten(0, self._shape), self._shape[1]
        normal = self._before.log_softmax(1)
        increments = (weights - self._before).masked_fill(self._before.isneginf(), 0.0)  # of what weighs nothing
        evenness = (2 * (normal + increments).logsumexp(1) - (normal + 2 * increments).logsumexp(1)).exp()
        evenness = evenness.nan_to_num(nan=0.0)  # where no particle is left
        self.incremental_ess = torch.minimum(self.incremental_ess, particles * evenness)
        self._before = weights

    def resample(self, log_weights: Tensor, point: Held) -> tuple[Tensor, Held]:
        """Look at weights, and draw anew where they have become too uneven; both are ``(population × particle, datum)``."""
        self.look(log_weights)
        weights, particles = log_weights.unflatten(0, self._shape), self._shape[1]
        uneven = (2 * weights.logsumexp(1) - (2 * weights).logsumexp(1)).exp() < self._threshold * particles
        if uneven.any():
            chosen = torch.where(uneven.unsqueeze(1), systematic(weights) + self._places[:, :1], self._places)
            point = point.take(chosen.flatten(0, 1))
            self._gathered += torch.where(uneven, _log_mean(weights), 0.0)
            self.resampled += uneven
            weights = torch.where(uneven.unsqueeze(1), 0.0, weights)
        self._before = weights
        return weights.flatten(0, 1), point

    def log_evidence(self, log_weights: Tensor) -> Tensor:
        """Each population's log-evidence, ``(population, datum)``, from its last weights."""
        return self._gathered + _log_mean(log_weights.unflatten(0, self._shape))


def systematic(log_weights: Tensor) -> Tensor:
    """Whom each place takes after, ``(population, particle, datum)``: quantiles of the weights at one even comb.

    Each population and datum shifts its comb by one uniform number, so that the expected number of heirs is P W.
    """
    ladder = log_weights.softmax(1).cumsum(1).movedim(1, -1).contiguous()
    shift = torch.rand_like(ladder[..., :1])
    particles = ladder.shape[-1]
    comb = (shift + torch.arange(particles, device=ladder.device)) / particles
    return torch.searchsorted(ladder, comb).clamp(max=particles - 1).movedim(-1, 1)


def _log_mean(weights: Tensor) -> Tensor:
    return weights.logsumexp(1) - math.log(weights.shape[1])
