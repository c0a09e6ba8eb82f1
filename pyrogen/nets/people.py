"""Networks of people who walk: each in a frame of their own, told of the others by pooling over their places."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pyrogen.nets.sequences import SequenceNet

SLOPE = 0.2  # of the leaky units


@dataclass(frozen=True)
class Crowd:
    """The people of all scenes of a batch, P of them, in a row; whoever is not there is not among them.

    Each has a frame of their own: its origin is where they were at the end of the past, its first axis leads where they had
    come to since its beginning. So a scene that is moved or turned is the same scene to a network.

    Attributes:
        there: who is, ``(N, A)``.
        scene: of each, ``(P,)``.
        past: of each in the coordinates of the data, ``(P, T, 2)``.
        first: those of whom a pair is told, ``(Q,)`` numbers of people.
        second: and of which other one in the same scene, ``(Q,)``.
    """

    there: Tensor
    scene: Tensor
    past: Tensor
    first: Tensor
    second: Tensor

    @classmethod
    def of(cls, past: Tensor) -> Crowd:
        """Those of ``(N, A, T, 2)``, NaN of whoever is not there."""
        there = ~past[..., 0, 0].isnan()
        number = torch.full_like(there, -1, dtype=torch.long)
        number[there] = torch.arange(int(there.sum()), device=past.device)
        both = there.unsqueeze(2) & there.unsqueeze(1)
        both &= ~torch.eye(there.shape[1], dtype=torch.bool, device=past.device)
        scene, first, second = both.nonzero(as_tuple=True)
        return cls(there, there.nonzero()[:, 0], past[there], number[scene, first], number[scene, second])

    @property
    def origin(self) -> Tensor:
        """Where each was at the end of the past, ``(P, 1, 2)``."""
        return self.past[:, -1:]

    @property
    def turn(self) -> Tensor:
        """The axes of each one's own frame as columns, ``(P, 2, 2)``: a rotation."""
        ahead = self.past[:, -1] - self.past[:, 0]
        length = ahead.norm(dim=-1, keepdim=True)
        # who stood still has the axes of the data
        cos, sin = torch.where(length > 1e-4, ahead / length.clamp(min=1e-4), ahead.new_tensor([1.0, 0.0])).unbind(-1)
        return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)

    def people(self, x: Tensor) -> Tensor:
        """The same of ``(..., N, A, T, 2)``: ``(..., P, T, 2)``."""
        return x[..., self.there, :, :]

    def scenes(self, paths: Tensor) -> Tensor:
        """Back again, ``(..., P, T, 2)`` to ``(..., N, A, T, 2)``, NaN of whoever is not there."""
        whole = paths.new_full((*paths.shape[:-3], *self.there.shape, *paths.shape[-2:]), torch.nan)
        whole[..., self.there, :, :] = paths
        return whole

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the people of each scene, ``(P,)`` to ``(N,)``."""
        total = values.new_zeros(len(self.there)).index_add(0, self.scene, values)
        return total / self.there.sum(1).clamp(min=1)


class Pooling(nn.Module):
    """What each is told of the others: of each one an MLP of their path in one's own frame, and the largest of each feature.

    Shapes: paths ``(P, T, 2)`` in the coordinates of the data to ``(P, width)``; 0 of who is alone.
    Reference: Gupta et al. 2018, arXiv:1803.10892, section 3.2, of whose pooling the MLP reads one place and a hidden state.

    Args:
        steps: T.
        width: of the features.
    """

    def __init__(self, steps: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.mlp = nn.Sequential(nn.Linear(2 * steps, 2 * width), nn.ReLU(), nn.Linear(2 * width, width), nn.ReLU())

    def forward(self, crowd: Crowd, paths: Tensor) -> Tensor:
        """The features."""
        own = (paths[crowd.second] - paths[crowd.first]) @ crowd.turn[crowd.first]
        features = self.mlp(own.flatten(1))
        where = crowd.first.unsqueeze(1).expand_as(features)
        return features.new_zeros(len(paths), self.width).scatter_reduce(0, where, features, "amax")


class PeopleNet(nn.Module):
    """Where people go, given where they have been and z, all of a scene told the same z.

    Each step is the last one of the past and what a network that has read the past, the others' pasts and z adds to it, which
    is nothing before it has learned: everybody goes straight on.

    Args:
        net: of the past, and of the future.
        past: steps that are told.
        future: steps that are made.
        latent_size: of z.
        pooling: whether anybody is told of others.
    """

    def __init__(self, net: SequenceNet, past: int, future: int, latent_size: int, pooling: bool) -> None:
        super().__init__()
        width = net.width
        self.future = future
        self.read, self.encoder = nn.Linear(2, width), net.backward_looking(width, past - 1)
        self.pooling = Pooling(past, width) if pooling else None
        self.told = nn.Linear(width + (width if pooling else 0) + latent_size, width)
        self.before, self.decoder = nn.Linear(2, width), net.backward_looking(width, future)
        self.step = nn.Linear(width, 2)
        nn.init.zeros_(self.step.weight)
        nn.init.zeros_(self.step.bias)

    def forward(self, z: Tensor, past: Tensor) -> Tensor:
        """``(K, N, latent_size)`` and ``(N, A, past, 2)`` to ``(K, N, A, future, 2)``: K draws, for which y is read once."""
        crowd = Crowd.of(past)
        walked = crowd.past.diff(dim=1) @ crowd.turn
        known = [self.encoder(self.read(walked))[:, -1]]
        if self.pooling is not None:
            known.append(self.pooling(crowd, crowd.past))
        known.append(z[:, crowd.scene].flatten(0, 1))
        draws, last = len(z), walked[:, -1]
        told = self.told(torch.cat([*(part.repeat(draws, 1) for part in known[:-1]), known[-1]], 1))
        last = last.repeat(draws, 1)
        go, made = self.decoder.begin(), []
        step = last
        for _ in range(self.future):
            step = last + self.step(go(torch.relu(told + self.before(step))))
            made.append(step)
        own = torch.stack(made, 1).cumsum(1).unflatten(0, (draws, -1))
        return crowd.scenes(crowd.origin + own @ crowd.turn.mT)


class PeopleCritic(nn.Module):
    """Whether people walk as people do, a score for each scene: the mean over its people, each told of the others.

    Args:
        net: of the paths.
        steps: of past and future together.
        pooling: whether anybody is told of others.
    """

    def __init__(self, net: SequenceNet, steps: int, pooling: bool) -> None:
        super().__init__()
        width = net.width
        self.read, self.encoder = nn.Linear(2, width), net.backward_looking(width, steps - 1)
        self.pooling = Pooling(steps, width) if pooling else None
        head = nn.Linear(2 * width if pooling else width, width)
        self.score = nn.Sequential(head, nn.LeakyReLU(SLOPE), nn.Linear(width, 1))

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        """``(N, A, future, 2)`` and ``(N, A, past, 2)`` to ``(N,)``."""
        crowd = Crowd.of(past)
        paths = torch.cat([crowd.past, crowd.people(x)], 1)
        known = [self.encoder(self.read(paths.diff(dim=1) @ crowd.turn))[:, -1]]
        if self.pooling is not None:
            known.append(self.pooling(crowd, paths))
        return crowd.mean(self.score(torch.cat(known, 1)).squeeze(1))
