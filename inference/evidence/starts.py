"""Where the chains of a datum start: as far apart as the modes are that the prior leads to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pyrogen.inference.evidence.latent_space import LatentSpace, Point
from pyrogen.inference.evidence.metric import Metric
from pyrogen.inference.evidence.warm_up import Rungs, WarmUp, Wishes

START, SCOUTING = 0, 4  # places of the random draws
SCOUTS = 32  # of each datum: a mode to which a tenth of the prior leads is missed by all of them in 3 cases of 100
SCOUTED = 16  # transitions of a scout
BELOW = 10.0  # nats below the best scout, and one more for each coordinate, from which on a place is no part of p(z|x)


@dataclass(frozen=True)
class Starts:
    """Where chains start.

    Attributes:
        z: ``(chain, datum, size)``.
        inside: which of these are places of p(z|x), as far as scouts know, ``(chain, datum)``.
    """

    z: Tensor
    inside: Tensor


def starts(space: LatentSpace, rungs: Rungs, wishes: Wishes, guided: bool, advance: Callable[[int], None]) -> Starts:
    """Half of the chains of each temperature from the prior, half, where it has a density, from the guide.

    Chains that are to find all modes by themselves, with no other temperatures to help, do not start at the prior's draws
    but where these lead: scouts go from there by a few transitions towards p(z|x), and each chain takes the one that is
    furthest, in the sum of distances, from where the others start. So a mode that the guide does not know gets as many
    chains as the one that it knows, and R̂ tells.

    Args:
        space: of a block of data.
        rungs: the temperatures.
        wishes: how to sample.
        guided: whether the guide has a density.
        advance: is told of the scouts' transitions.
    """
    z = space.draw(rungs.count * wishes.chains, START)
    if guided:
        encoded = space.draw(len(z), START, init="guide")
        z[1::2] = torch.where(encoded.isfinite().all(-1, keepdim=True), encoded, z)[1::2]
    if rungs.count > 1:
        return Starts(z, torch.zeros_like(z[..., 0], dtype=torch.bool))
    with space.seeded(SCOUTING):
        scouts, metric = _scout(space, wishes, advance)
    least = scouts.log_density(1.0).amax(0) - (BELOW + space.size)
    z = _apart(z, scouts, least, metric, guided)
    return Starts(z, (space.at(z).log_density(1.0) >= least) & least.isfinite())


def scouting(wishes: Wishes) -> int:
    """How many transitions of scouts come before the warm-up."""
    return SCOUTED if wishes.temperatures == 1 else 0


def _scout(space: LatentSpace, wishes: Wishes, advance: Callable[[int], None]) -> tuple[Point, Metric]:
    sent = replace(wishes, chains=SCOUTS, warm_up=SCOUTED, leapfrogs=None)
    scouts, kernel = WarmUp(space, Rungs.of(space, sent), sent, space.draw(SCOUTS, SCOUTING)).run(advance)
    return scouts, kernel.metric


def _apart(z: Tensor, scouts: Point, least: Tensor, metric: Metric, guided: bool) -> Tensor:
    """The starts that are not the guide's, each moved to the scout furthest from all the others so far.

    Of data whose scouts are all lost they stay; scouts of a density below the least, ``(datum,)``, are not taken.
    """
    outside = scouts.log_density(1.0) < least
    places = metric.coordinates(scouts.z)
    taken = [*metric.coordinates(z)[1::2]] if guided else []
    moved = z.clone()
    for chain in range(0, len(z), 2 if guided else 1):
        gaps = torch.zeros_like(scouts.lift)
        for other in taken:
            gaps += (places - other).norm(dim=-1)
        which = gaps.masked_fill(outside, -torch.inf).argmax(0, keepdim=True)
        index = which.unsqueeze(-1).expand(-1, -1, z.shape[-1])
        taken.append(places.gather(0, index)[0])
        moved[chain] = torch.where(least.isfinite().unsqueeze(-1), scouts.z.gather(0, index)[0], z[chain])
    return moved
