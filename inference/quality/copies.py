"""Whether samples repeat what a model was trained on."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from pyrogen.inference.quality.measure import BLOCKS, Direction, Measure
from pyrogen.registry import choice

ROWS = 100  # samples whose distances to all data are held at once


@choice("measure", "memorization")
class Memorization(Measure):
    """The share of samples that copy training data: by how few of them the nearest datum is one that was held out.

    1 − (T + M)/M · P(nearest of T training data and M others is of these). Whatever samples look like, blurred ones too,
    each datum is equally likely to be the nearest as long as nobody knows which ones were trained on, and the number is 0 on
    average; it is c where a share c are copies. Samples that are merely nearer to training data than other data are, as in
    the test of Meehan et al., may be nearer to any data.
    Reference: Platzer & Reutterer 2021, Holdout-based empirical assessment of mixed-type synthetic data; Meehan et al. 2020,
    A non-parametric test to detect data-copying in generative models, arXiv:2004.05675.
    """

    better: ClassVar[Direction] = "lower"
    reads: ClassVar[Literal["features", "x", "pictures"]] = "x"
    order = 50
    says = "The share of samples that copy training data: these are the nearest more often than others of their number."
    above = "training data are copied"
    below = "samples are nearer to data that were held out than to those of the training"

    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """The share, by Euclidean distances of x."""
        return self._left(made, real, train, 1, ())[0]

    def without(self, made: Tensor, real: Tensor, train: Tensor | None = None, blocks: int = BLOCKS) -> Tensor:
        """From the nearest of each block, which are looked for once."""
        return self._left(made, real, train, blocks, range(blocks))

    def least_error(self, value: float, made: Tensor, real: Tensor, train: Tensor | None = None) -> float:
        """What chance does that decides which data are trained on: √(Σⱼ wⱼ² T/M), w the shares of samples nearest to each.

        Samples that are all alike have one nearest datum, of which nothing can be told.
        """
        pool = torch.cat([real, _known(train)]).flatten(1).double()
        nearest = torch.cat([torch.cdist(part.flatten(1).double(), pool).argmin(1) for part in made.split(ROWS)])
        shares = torch.bincount(nearest).double() / len(made)
        return float(shares.square().sum() * (len(pool) - len(real)) / len(real)) ** 0.5

    def _left(self, made: Tensor, real: Tensor, train: Tensor | None, blocks: int, out: range | tuple[()]) -> Tensor:
        """The share without each block of ``out``, or, where it is empty, of all."""
        train, points = _known(train), made.flatten(1).double()
        pools = [_nearest(points, pool.flatten(1).double(), blocks) for pool in (real, train)]
        found = []
        for b in out or (None,):
            left = torch.arange(blocks) != (blocks if b is None else b)
            rows = left[torch.arange(len(points)) % blocks]
            sizes = [sum(len(pool[i::blocks]) for i in range(blocks) if left[i]) for pool in (real, train)]
            near = [d[rows][:, left] for d, _ in pools]
            least = torch.minimum(*(d.amin(1) for d in near))
            # of data that are equally near each is as likely to be the one
            ties = [
                torch.where(d == least.unsqueeze(1), count[rows][:, left], 0).sum(1)
                for d, (_, count) in zip(near, pools, strict=True)
            ]
            held = (ties[0] / (ties[0] + ties[1])).mean()
            found.append(1 - held * sum(sizes) / sizes[0])
        return torch.stack(found)


def _known(train: Tensor | None) -> Tensor:
    if train is None:
        raise ValueError("memorization asks which samples repeat training data, and was told of none; pass train=.")
    return train


def _nearest(points: Tensor, pool: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
    """How far the nearest of each block is, and how many are equally near, ``(N, blocks)`` each."""
    distances, counts = [], []
    for b in range(blocks):
        d = torch.cdist(points, pool[b::blocks])
        distances.append(d.amin(1))
        counts.append((d == distances[-1].unsqueeze(1)).sum(1))
    return torch.stack(distances, 1), torch.stack(counts, 1).double()
