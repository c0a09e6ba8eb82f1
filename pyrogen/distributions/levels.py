"""Latents in levels, each drawn given those above it, as one joint distribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from pyrogen.axes import Distribution

Level = Callable[[int, Tensor], Distribution]


class Levels(TorchDistribution):
    """z = (z₁, …, z_L), the top level first, log p(z) = Σ_l log p(z_l | z_{<l}).

    Args:
        sizes: of the levels.
        level: number and the levels above to the distribution of the level.
        like: a tensor of the right device and dtype.
        batch: batch shape.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, sizes: Sequence[int], level: Level, like: Tensor, batch: Any = ()) -> None:
        self.sizes, self.level, self.like = tuple(sizes), level, like
        super().__init__(torch.Size(batch), torch.Size([sum(sizes)]), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Levels:
        """The same distribution for another batch shape."""
        return Levels(self.sizes, self.level, self.like, batch_shape)

    def log_probs(self, value: Tensor) -> list[Tensor]:
        """log p(z_l | z_{<l}) of each level, the top one first."""
        edges = [0, *accumulate(self.sizes)]
        parts = []
        for number, (start, stop) in enumerate(pairwise(edges)):
            log_p = self.level(number, value[..., :start]).log_prob(value[..., start:stop])
            parts.append(log_p.expand(torch.broadcast_shapes(self.batch_shape, log_p.shape)))
        return parts

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_l log p(z_l | z_{<l})."""
        return torch.stack(self.log_probs(value)).sum(0)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Level by level, from the top."""
        return self._descend(torch.Size(sample_shape) + self.batch_shape, lambda d, shape: d.expand(shape).rsample())

    @property
    def mean(self) -> Tensor:
        """The mean of each level at the means of those above: a code, not the mean of the joint distribution."""
        return self._descend(self.batch_shape, lambda d, shape: d.mean.expand(*shape, -1))

    def _descend(self, shape: torch.Size, take: Callable[[Distribution, torch.Size], Tensor]) -> Tensor:
        z = self.like.new_zeros(*shape, 0)
        for number in range(len(self.sizes)):
            z = torch.cat([z, take(self.level(number, z), shape)], -1)
        return z
