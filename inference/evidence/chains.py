"""Chains that draw from p(z|x): they start far apart, find their dynamics while they warm up, and then draw."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.inference.evidence.latent_space import LatentSpace
from pyrogen.inference.evidence.starts import scouting, starts
from pyrogen.inference.evidence.warm_up import Rungs, WarmUp, Wishes

WARMING, DRAWING = 2, 3  # places of the random draws


@dataclass(frozen=True)
class Trace:
    """What the chains left, all on the processor.

    Attributes:
        z: positions, ``(chain, draw, datum, size)``.
        log_joint: log p(x, z) of the unconstrained z, ``(chain, draw, datum)``.
        acceptance: probability of each transition's acceptance.
        energy: the Hamiltonian.
        diverging: whose trajectory lost itself.
        step_size: ``(datum,)``, in the coordinates of the metric.
        steps: gradients of each transition, ``(draw,)``.
        starts: where they started, ``(chain, datum, size)``; nan where that is no place of p(z|x).
        swaps: the least share of exchanges between neighbouring temperatures that were accepted, ``(datum,)``; nan where
            there is one.
    """

    z: Tensor
    log_joint: Tensor
    acceptance: Tensor
    energy: Tensor
    diverging: Tensor
    step_size: Tensor
    steps: Tensor
    starts: Tensor
    swaps: Tensor


def transitions(wishes: Wishes) -> int:
    """How many :func:`sample` tells of for each block of data."""
    return scouting(wishes) + wishes.warm_up + wishes.draws


def sample(space: LatentSpace, wishes: Wishes, guided: bool, advance: Callable[[int], None]) -> Trace:
    """Start, warm up and draw.

    Args:
        space: of a block of data, whose base is the prior.
        wishes: how.
        guided: whether half of the chains start at draws of the guide.
        advance: is told of transitions.
    """
    if not space.size:
        return _nowhere(space, wishes)
    rungs = Rungs.of(space, wishes)
    began = starts(space, rungs, wishes, guided, advance)
    with space.seeded(WARMING):
        point, kernel = WarmUp(space, rungs, wishes, began.z).run(advance)
    kept: list[tuple[Tensor, ...]] = []
    cold = slice(-wishes.chains, None)
    swapped, lengths = torch.zeros_like(rungs.betas[1:]), []
    with space.seeded(DRAWING):
        for i in range(wishes.draws):
            length = kernel.length()
            moved = kernel.move(space, point, length)
            point, accepted = rungs.swap(moved.point, i)
            swapped += accepted
            lengths.append(length)
            last = point.log_density(1.0), moved.acceptance, moved.energy, moved.diverged
            kept.append((point.z[cold].cpu(), *(t[cold].cpu() for t in last)))
            advance(1)
    z, log_joint, acceptance, energy, diverging = (torch.stack(t, 1) for t in zip(*kept, strict=True))
    turns = (wishes.draws + 1 - torch.arange(len(swapped), device=swapped.device) % 2) // 2  # of every other pair
    met = turns > 0
    rate = (swapped[met] / turns[met, None]).amin(0) if met.any() else swapped.new_full((space.data,), math.nan)
    step = kernel.step[cold][0].cpu()
    found = began.z.masked_fill(~began.inside.unsqueeze(-1), math.nan)[cold].cpu()
    return Trace(z, log_joint, acceptance, energy, diverging, step, torch.tensor(lengths), found, rate.cpu())


def _nowhere(space: LatentSpace, wishes: Wishes) -> Trace:
    """The trace of a space without coordinates, where all latents are discrete: draws given nothing are independent."""
    z = torch.zeros(wishes.chains, wishes.draws, space.data, 0)
    log_joint = space.by_state(z[0, :1].to(space.x))[1].logsumexp(1).cpu().expand(z.shape[:3])
    none = torch.full((space.data,), math.nan, dtype=torch.float64)
    zero = torch.zeros_like(log_joint)
    still = torch.zeros(wishes.draws).long()
    return Trace(z, log_joint, zero + 1, zero - log_joint, zero > 0, none, still, z[:, 0], none)
