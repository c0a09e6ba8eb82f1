"""A particle filter: sequential Monte Carlo over the steps of a sequence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.capabilities import HasStates
from pyrogen.inference.evidence.annealing import FEWEST_CHAINS, weighed
from pyrogen.inference.evidence.estimator import Estimates, Estimator, joined
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.request import instead
from pyrogen.inference.evidence.smc import Crowd
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice
from pyrogen.seeds import derived

Proposal = Literal["prior", "guide"]
# particles of all data that move at once: memory grows neither with them nor with T
AT_ONCE = 200_000
DATA_AT_ONCE = 64


@dataclass(frozen=True)
class States:
    """Particles of the state at a step.

    Attributes:
        z: ``(particle, datum, L)``.
    """

    z: Tensor

    def take(self, chosen: Tensor) -> States:
        """Other particles in place of these: ``chosen[i, n]`` is the one that datum n has in place i."""
        return States(self.z.gather(0, chosen.unsqueeze(-1).expand(*chosen.shape, self.z.shape[-1])))


class Moment(NamedTuple):
    """Particles that have seen x up to a step, before they resample: with their weights they stand for p(z_t | x_≤t).

    Attributes:
        states: of the particles.
        log_weights: since the last resampling, ``(particle, datum)`` in float64.
    """

    states: States
    log_weights: Tensor


@choice("estimator")
@dataclass(frozen=True)
class ParticleFilter(Estimator):
    """Sequential Monte Carlo over time: particles move from state to state, and those that foresaw x_t have heirs.

    Z = Π_r 1/P Σ_i Π_t p(x_t|z_t) p(z_t|z_{t−1}) / q(z_t|z_{t−1}, x), the products over the steps between resamplings r,
    has E Z = p(x), and so log p(x) ≥ E[log 1/G Σ_g Z_g], over G populations of P particles. A population resamples,
    systematically and for each sequence by itself, when the effective size of its weights falls below ``threshold`` P. Never
    to resample is importance sampling; with the guide as proposal, IWAE(k = P G).

    Should not be confused with :class:`~pyrogen.inference.evidence.smc.SMC`, whose particles go from the prior to the
    posterior of all latents by temperatures.

    The error is that of the mean over independent populations. Beside ``log_evidence`` and ``mc_se`` it gives ``ess`` of the
    populations, ``incremental_ess``, the least over steps, and ``resampled``, how often a population did so.

    References: Gordon, Salmond & Smith 1993; the guide as proposal: Maddison et al. 2017, Filtering variational objectives,
    arXiv:1705.09279.

    Args:
        particles: P a population and sequence.
        populations: G.
        proposal: what particles are drawn from: the "prior" transition, or the "guide", which has seen x.
        threshold: share of P below which the effective number makes a population resample; 0: never.
    """

    memory: ClassVar[str] = "lower particles or populations"

    particles: int = 100
    populations: int = 16
    proposal: Proposal = "prior"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        for name, least in {"particles": 1, "populations": FEWEST_CHAINS}.items():
            if getattr(self, name) < least:
                raise ValueError(f"ParticleFilter({name}={getattr(self, name)}): needs {name} >= {least}.")
        if self.proposal not in get_args(Proposal):
            raise ValueError(f"ParticleFilter(proposal={self.proposal!r}): choose 'prior' or 'guide'.")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"ParticleFilter(threshold={self.threshold}): it is a share, from 0 to 1.")

    @property
    def bound(self) -> str:
        """Lower."""
        return "lower"

    def attributes(self) -> dict[str, Any]:
        """The settings."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The log of the mean over populations, of one block of data after the other."""
        if not isinstance(model, HasStates):
            raise ValueError(
                f"{type(model).__name__} hides no state at each step for particles to follow, as 'vae-sequential' does; "
                f"{instead(model)}."
            )
        model.check(x, y)
        rows = max(1, min(DATA_AT_ONCE, AT_ONCE // (self.particles * self.populations)))
        parts: list[Estimates] = []
        with evaluating(model), track(len(x) * x.shape[-1], "filtering") as advance:
            for start in range(0, len(x), rows):
                part = x[start : start + rows]
                crowd = Crowd(self.populations, self.particles, len(part), x.device, self.threshold)
                (state,) = derived(seed, start // rows)
                with seeded(state, x.device):
                    for moment in follow(model, part, crowd, self.proposal):
                        advance(len(part))
                        log_weights = moment.log_weights
                found = {
                    **weighed(crowd.log_evidence(log_weights)),
                    "incremental_ess": crowd.incremental_ess.amin(0).cpu().numpy(),
                    "resampled": crowd.resampled.mean(0).cpu().numpy(),
                }
                parts.append({name: (("datum",), value) for name, value in found.items()})
        return joined(parts)


def follow(model: HasStates, x: Tensor, crowd: Crowd, proposal: Proposal) -> Iterator[Moment]:
    """The particles at each step.

    Args:
        model: what the particles are states of, in evaluation mode.
        x: data ``(B, C, T)``.
        crowd: of the populations.
        proposal: what they are drawn from.
    """
    chains = [model.chain(), *([] if proposal == "prior" else [model.guided(x)])]
    shape = crowd.size, len(x)
    log_weights, states = torch.zeros(shape, dtype=torch.float64, device=x.device), None
    for step, seen in enumerate(x.unbind(-1)):
        if states is None:
            ahead = [chain.first.expand(shape) for chain in chains]
        else:
            log_weights, states = crowd.resample(log_weights, states)
            ahead = [chain.following(states.z.unsqueeze(-2), step) for chain in chains]
        z = ahead[-1].sample()
        if len(ahead) == 2:
            log_weights = log_weights + (ahead[0].log_prob(z) - ahead[1].log_prob(z)).double().reshape(shape)
        states = States(z.reshape(*shape, -1))
        log_weights = log_weights + model.emission(states.z).log_prob(seen).double()
        yield Moment(states, log_weights)
