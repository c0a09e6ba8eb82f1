"""A particle filter: sequential Monte Carlo over the steps in which latents come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.capabilities import HasSteps
from pyrogen.inference.evidence.annealing import FEWEST_CHAINS, weighed
from pyrogen.inference.evidence.estimator import Estimates, Estimator, joined
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.request import instead
from pyrogen.inference.evidence.smc import Crowd
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice
from pyrogen.seeds import derived

Proposal = Literal["prior", "guide"]
# numbers of the particles of all data that move at once: memory grows neither with them nor with T
AT_ONCE = 400_000
DATA_AT_ONCE = 64


@dataclass(frozen=True)
class States:
    """Particles of the latents at a step.

    Attributes:
        z: ``(particle, datum, *)``.
    """

    z: Tensor

    def take(self, chosen: Tensor) -> States:
        """Other particles in place of these: ``chosen[i, n]`` is the one that datum n has in place i."""
        return States(self.z[chosen, torch.arange(chosen.shape[1], device=chosen.device)])


class Moment(NamedTuple):
    """Particles at a step, before they resample: with their weights they stand, of states, for p(z_t | x_≤t).

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
    systematically and for each datum by itself, when the effective size of its weights falls below ``threshold`` P. Never
    to resample is importance sampling; with the guide as proposal, IWAE(k = P G). Of a diffusion the steps are those of its
    noise, z_T first, and heirs go to particles that the model finds likely: where weights are uneven it is a tighter bound
    than as many weights of IWAE, but of a handful of steps it may be a looser one.

    Should not be confused with :class:`~pyrogen.inference.evidence.smc.SMC`, whose particles go from the prior to the
    posterior of all latents by temperatures.

    The error is that of the mean over independent populations. Beside ``log_evidence`` and ``mc_se`` it gives ``ess`` of the
    populations, ``incremental_ess``, the least over steps, and ``resampled``, how often a population did so.

    References: Gordon, Salmond & Smith 1993; the guide as proposal: Maddison et al. 2017, Filtering variational objectives,
    arXiv:1705.09279.

    Args:
        particles: P a population and datum.
        populations: G.
        proposal: what particles are drawn from: the "prior" transition, or the "guide", which has seen x.
        threshold: share of P below which the effective number makes a population resample; 0: never.
    """

    bound: ClassVar[str | None] = "lower"
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

    def attributes(self) -> dict[str, Any]:
        """The settings."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The log of the mean over populations, of one block of data after the other."""
        if not isinstance(model, HasSteps):
            raise ValueError(
                f"{type(model).__name__} has no latents one after the other for particles to follow, as 'vae-sequential' and "
                f"'vdm' do; {instead(model)}."
            )
        model.check(x, y)
        rows = max(1, min(DATA_AT_ONCE, AT_ONCE // (self.particles * self.populations * model.step_size)))
        parts: list[Estimates] = []
        with evaluating(model), torch.no_grad(), track(len(x), "filtering") as advance:
            for start in range(0, len(x), rows):
                part, told = x[start : start + rows], None if y is None else y[start : start + rows]
                crowd = Crowd(self.populations, self.particles, len(part), x.device, self.threshold)
                (state,) = derived(seed, start // rows)
                with seeded(state, x.device):
                    for moment in follow(model, part, told, crowd, self.proposal):
                        log_weights = moment.log_weights
                advance(len(part))
                found = {
                    **weighed(crowd.log_evidence(log_weights)),
                    "incremental_ess": crowd.incremental_ess.amin(0).cpu().numpy(),
                    "resampled": crowd.resampled.mean(0).cpu().numpy(),
                }
                parts.append({name: (("datum",), value) for name, value in found.items()})
        return joined(parts)


def follow(model: HasSteps, x: Tensor, y: Tensor | None, crowd: Crowd, proposal: Proposal) -> Iterator[Moment]:
    """The particles at each step.

    Args:
        model: what the particles are latents of, in evaluation mode.
        x: data ``(B, *x_shape)``.
        y: what they are told.
        crowd: of the populations.
        proposal: what they are drawn from.
    """
    shape = torch.Size((crowd.size, len(x)))
    log_weights, states = torch.zeros(shape, dtype=torch.float64, device=x.device), None
    for move in model.moves(x, y, proposal == "guide"):
        if states is not None:
            log_weights, states = crowd.resample(log_weights, states)
        z, gained = move(None if states is None else states.z, shape)
        states, log_weights = States(z), log_weights + gained
        yield Moment(states, log_weights)
    crowd.look(log_weights)  # of the last step too, after which there is nothing to resample for
