"""What a model of sequences believes of its hidden states: so far, in the light of all, and of what is to come."""

from __future__ import annotations

from typing import Any, get_args

import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import Model
from pyrogen.capabilities import HasStates
from pyrogen.inference.evidence.particle_filter import Moment, Proposal, follow
from pyrogen.inference.evidence.smc import Crowd
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import taken, verb
from pyrogen.memory import enough_memory

LEVELS = (0.05, 0.5, 0.95)


@verb
def filter_states(
    model: Model, x: Any, *, particles: int = 1000, proposal: Proposal = "prior", seed: int = 0
) -> xr.Dataset:
    """The state at each step given the sequence up to it, p(z_t | x_≤t), by a particle filter.

    Reference: Gordon, Salmond & Smith 1993.

    Args:
        model: one that hides a state at each step.
        x: data ``(B, C, T)``, or a split.
        particles: of each sequence.
        proposal: what they are drawn from, "prior" or "guide".
        seed: of the draws.

    Returns:
        ``mean`` and ``sd`` over ``(datum, step, state)``; ``ess``, the effective number of particles, over ``(datum, step)``.

    Raises:
        ValueError: the model hides no states, or the data do not fit.
    """
    _, x, _, _ = taken(model, x)
    moments = _followed(model, x, particles, proposal, seed)
    weights = [moment.log_weights.softmax(0) for moment in moments]
    beliefs = [_moments(m.states.z.double(), w.unsqueeze(-1)) for m, w in zip(moments, weights, strict=True)]
    found = _dataset([mean for mean, _ in beliefs], [sd for _, sd in beliefs])
    found["ess"] = ("datum", "step"), torch.stack([1 / w.square().sum(0) for w in weights], -1).cpu().numpy()
    return found


@verb
def smooth_states(
    model: Model,
    x: Any,
    *,
    particles: int = 500,
    trajectories: int = 100,
    proposal: Proposal = "prior",
    seed: int = 0,
) -> xr.Dataset:
    """The state at each step given the whole sequence, p(z_t | x₁ … x_T), by simulating backward through a particle filter.

    A trajectory takes a particle of the last step by its weight, and then, from each step to the one before, one by its
    weight times p(z_{t+1} | z_t): draws of p(z | x), which early states do not share as those of the filter's survivors do.
    Reference: Godsill, Doucet & West 2004, Monte Carlo smoothing for nonlinear time series.

    Args:
        model: one that hides a state at each step.
        x: data ``(B, C, T)``, or a split.
        particles: of each sequence.
        trajectories: drawn backward.
        proposal: what particles are drawn from, "prior" or "guide".
        seed: of the draws.

    Returns:
        ``mean`` and ``sd`` over ``(datum, step, state)``, and ``draw`` over ``(sample, datum, step, state)``.

    Raises:
        ValueError: as of :func:`filter_states`.
    """
    if trajectories < 2:
        raise ValueError(f"trajectories={trajectories}: a standard deviation needs at least 2.")
    _, x, _, _ = taken(model, x)
    moments = _followed(model, x, particles, proposal, seed)
    assert isinstance(model, HasStates)
    with evaluating(model), seeded(seed, x.device), enough_memory("lower particles or trajectories"):
        drawn = _backward(model, moments, trajectories)
    spread = drawn.double()
    found = _dataset([*spread.mean(0).unbind(1)], [*spread.std(0).unbind(1)])
    found["draw"] = ("sample", "datum", "step", "state"), drawn.cpu().numpy()
    return found


@verb
def forecast(model: Model, x: Any, known: int, *, particles: int = 1000, seed: int = 0) -> xr.Dataset:
    """What follows the first steps of sequences, p(x_t | x_≤known): particles that have seen these go on by themselves.

    Args:
        model: one that hides a state at each step.
        x: data ``(B, C, T)``, or a split, of which only the first ``known`` steps are looked at.
        known: how many steps.
        particles: of each sequence.
        seed: of the draws.

    Returns:
        ``draw`` over ``(sample, datum, channel, step)``, the steps from ``known`` on, and ``quantile`` of it over
        ``(level, datum, channel, step)``.

    Raises:
        ValueError: as of :func:`filter_states`, or there is nothing known, or nothing to come.
    """
    _, x, _, _ = taken(model, x)
    length = x.shape[-1]
    if not 1 <= known < length:
        raise ValueError(f"known={known}: of {length} steps 1 to {length - 1} can be known.")
    (*_, last) = _followed(model, x, particles, "prior", seed, known)
    assert isinstance(model, HasStates)
    chain, drawn = model.chain(), []
    with evaluating(model), seeded(seed, x.device):
        z = last.states.take(_chosen(last.log_weights, particles)).z
        for step in range(known, length):
            z = chain.following(z.unsqueeze(-2), step).sample().squeeze(-2)
            drawn.append(model.emission(z).sample())
    ahead = torch.stack(drawn, -1)
    levels = torch.tensor(LEVELS, dtype=ahead.dtype, device=ahead.device)
    dims = "datum", "channel", "step"
    return xr.Dataset(
        {
            "draw": (("sample", *dims), ahead.cpu().numpy()),
            "quantile": (("level", *dims), ahead.quantile(levels, 0).cpu().numpy()),
        },
        coords={"step": range(known, length), "level": list(LEVELS)},
    )


def _followed(
    model: Model, x: Tensor, particles: int, proposal: Proposal, seed: int, known: int | None = None
) -> list[Moment]:
    """The particles at all steps, or the known ones: one population, which resamples when half of it is idle."""
    if not isinstance(model, HasStates):
        raise ValueError(f"{type(model).__name__} hides no state at each step; take a 'vae-sequential'.")
    if particles < 2:
        raise ValueError(f"particles={particles}: a filter needs at least 2.")
    if proposal not in get_args(Proposal):
        raise ValueError(f"proposal={proposal!r}: choose 'prior' or 'guide'.")
    crowd = Crowd(1, particles, len(x), x.device)
    with evaluating(model), seeded(seed, x.device), enough_memory("lower particles, or give fewer data"):
        return list(follow(model, x[..., :known], None, crowd, proposal))


def _backward(model: HasStates, moments: list[Moment], trajectories: int) -> Tensor:
    """Draws of all states, ``(trajectory, datum, T, L)``."""
    chain, moment = model.chain(), moments[-1]
    states = [moment.states.take(_chosen(moment.log_weights, trajectories)).z]
    for step in range(len(moments) - 1, 0, -1):
        moment = moments[step - 1]
        ahead = chain.following(moment.states.z.unsqueeze(-2), step)
        # of each particle and datum, each trajectory's density: (particle, datum, trajectory)
        came = ahead.log_prob(states[-1].transpose(0, 1)).double()
        log_weights = (moment.log_weights.unsqueeze(-1) + came).movedim(0, -1)
        chosen = torch.distributions.Categorical(logits=log_weights).sample().T
        states.append(moment.states.take(chosen).z)
    return torch.stack(states[::-1], 2)


def _chosen(log_weights: Tensor, n: int) -> Tensor:
    """``n`` particles by their weights, ``(n, datum)``."""
    return torch.distributions.Categorical(logits=log_weights.T).sample((n,))


def _moments(z: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    mean = (weights * z).sum(0)
    return mean, (weights * (z - mean).square()).sum(0).sqrt()


def _dataset(means: list[Tensor], sds: list[Tensor]) -> xr.Dataset:
    dims = "datum", "step", "state"
    named = {"mean": means, "sd": sds}
    return xr.Dataset({name: (dims, torch.stack(each, 1).cpu().numpy()) for name, each in named.items()})
