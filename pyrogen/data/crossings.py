"""People who meet at a crossing and avoid one another, simulated: nobody ever touches anybody, and what they do is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pyrogen.data.source import SPLITS, Source
from pyrogen.data.trajectories import FUTURE, PAST, source_of
from pyrogen.registry import choice

MOST = 4  # people: one from each side
STEP, FINER = 0.4, 2  # seconds of a step, and how many parts of it are simulated
SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}


@dataclass(frozen=True)
class Crossing:
    """The law of the scenes: straight walks to goals beyond the crossing, and pushes apart where two would meet.

    Two to four people come from different sides and would be at the middle at about the same time, shortly after the past has
    ended. With r and w the place and velocity of j relative to i, they are nearest in t = −r·w / w² seconds, m = r + w t
    apart. Where that is less than ``room``, and t less than ``horizon``, i is pushed by −a m′/‖m′‖ and j the other way; with
    m′ = m + c h w⊥/‖w‖, where h is +1 or −1 with equal chances for a whole scene: of two who would meet exactly, h says who
    passes first. So there are two futures of many pasts, all people of a scene agree on one, and none of them can be told
    from the past, which is straight. Beside it everyone returns to their own speed towards their goal, (u − v) / τ.
    Scenes in which two come nearer than ``least`` are left out.

    Args:
        room: metres that people keep.
        horizon: seconds that they look ahead.
        push: a, in m/s².
        bias: c, in metres.
        patience: τ, in seconds.
        gait: standard deviation of what steps add to places, in metres.
        least: metres, nearer than which nobody comes.
        meeting: from when to when one would be at the middle, in seconds; the past ends at 2.8.
    """

    room: float = 1.0
    horizon: float = 2.4
    push: float = 1.6
    bias: float = 0.5
    patience: float = 0.8
    gait: float = 0.01
    least: float = 0.5
    meeting: tuple[float, float] = (5.0, 6.8)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Scenes, ``(n, 4, 20, 2)`` in metres, NaN of whom there is none."""
        found = torch.empty(0, MOST, PAST + FUTURE, 2)
        while len(found) < n:
            found = torch.cat([found, self._tried(n - len(found) + MOST, generator)])
        return found[:n]

    def _tried(self, n: int, generator: torch.Generator | None) -> Tensor:
        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand(*shape, generator=generator)

        # scenes stand last, where torch is quick: places are (2, people, n), and pairs of people (people, people, n)
        sides = torch.rand(MOST, n, generator=generator).argsort(0)
        angle = sides * math.pi / 2 + uniform(-0.3, 0.3, MOST, n) + uniform(0, 2 * math.pi, n)
        speed, arrival = uniform(1.0, 1.5, MOST, n), uniform(*self.meeting, MOST, n)
        heading = torch.stack([angle.cos(), angle.sin()])
        velocity = speed * heading
        place = uniform(-0.3, 0.3, 2, MOST, n) - arrival * velocity
        goal = place + 100 * heading
        there = torch.arange(MOST).unsqueeze(1) < torch.randint(2, MOST + 1, (n,), generator=generator)
        pairs = there & there.unsqueeze(1) & ~torch.eye(MOST, dtype=torch.bool).unsqueeze(2)
        side = (torch.randint(2, (n,), generator=generator) * 2 - 1).float()
        walked, nearest = [], torch.full((n,), math.inf)
        for part in range((PAST + FUTURE) * FINER):
            if part % FINER == 0:
                walked.append(place)
            pull = (speed * normalize(goal - place, dim=0) - velocity) / self.patience
            velocity = velocity + STEP / FINER * (pull - self._pushes(place, velocity, pairs, side))
            place = place + STEP / FINER * velocity
            apart = (place.unsqueeze(1) - place.unsqueeze(2)).norm(dim=0)
            nearest = nearest.minimum(apart.masked_fill(~pairs, math.inf).flatten(0, 1).amin(0))
        scenes = torch.stack(walked).permute(3, 2, 0, 1)
        scenes = scenes + self.gait * torch.randn(scenes.shape, generator=generator)
        return scenes.masked_fill(~there.T[:, :, None, None], math.nan)[nearest >= self.least]

    def _pushes(self, place: Tensor, velocity: Tensor, pairs: Tensor, side: Tensor) -> Tensor:
        """a Σ_j m′/‖m′‖ of each i, ``(2, people, n)``."""
        r, w = (t.unsqueeze(1) - t.unsqueeze(2) for t in (place, velocity))  # [:, i, j] of j relative to i
        square = w.square().sum(0).clamp(min=1e-6)
        time = -(r * w).sum(0) / square
        miss = r + w * time
        across = torch.stack([-w[1], w[0]]) / square.sqrt()
        meet = pairs & (time > 0) & (time < self.horizon) & (miss.norm(dim=0) < self.room)
        return self.push * (normalize(miss + self.bias * side * across, dim=0) * meet).sum(2)


@choice("data", "crossings")
def crossings(n: int = 2000) -> Source:
    """Two to four people who meet at a crossing: what they do in 4.8 s given 3.2 s, in steps of .4 s; none touches another.

    Args:
        n: how many scenes, of which 70, 10 and 20 % are train, valid and test.
    """
    if n < 10:
        raise ValueError(f"crossings(n={n}): takes 10 scenes or more, to have some of each split.")
    whole = Crossing().sample(n, torch.Generator().manual_seed(0)).numpy()
    ends = [round(n * sum(list(SHARES.values())[:k])) for k in range(len(SPLITS) + 1)]
    found = {
        split: [scene[~torch.from_numpy(scene).isnan().flatten(1).any(1).numpy()] for scene in whole[a:b]]
        for split, a, b in zip(SPLITS, ends[:-1], ends[1:], strict=True)
    }
    return source_of("crossings", "drawn from pyrogen.data.crossings.Crossing with a fixed seed", found)
