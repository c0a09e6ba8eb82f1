"""Whether samples repeat what a model was trained on."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from pyrogen.inference.quality.measure import Direction, Measure, Reads, distances, kept
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
    reads: ClassVar[Reads] = "x"
    held_out: ClassVar[bool] = True
    order = 50
    says = "The share of samples that copy training data: these are the nearest more often than others of their number."
    above = "training data are copied"
    below = "samples are nearer to data that were held out than to those of the training"

    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """The share, by Euclidean distances of x."""
        return self._of_blocks(made, real, _known(train), torch.tensor([[True]]))[0]

    def repeated(self, made: Tensor, real: Tensor, train: Tensor | None, masks: Tensor) -> Tensor:
        """From the nearest of each block, which are looked for once."""
        return self._of_blocks(made, real, _known(train), masks)

    def least_error(self, value: float, made: Tensor, real: Tensor, train: Tensor | None = None) -> float:
        """What chance does that decides which data are trained on.

        √((Σⱼ wⱼ² − 1/P) P/(P − 1) T/M), the standard deviation over all choices of M of P = T + M data, w the shares of
        samples that each is the nearest of. Samples that are all alike have one nearest datum, of which nothing can be told.
        """
        pool = torch.cat([real, _known(train)]).flatten(1).double()
        nearest = torch.cat([torch.cdist(part.flatten(1).double(), pool).argmin(1) for part in made.split(ROWS)])
        shares = torch.bincount(nearest).double() / len(made)
        uneven = max(0.0, float(shares.square().sum()) - 1 / len(pool))
        return math.sqrt(uneven * len(pool) / (len(pool) - 1) * (len(pool) - len(real)) / len(real))

    def _of_blocks(self, made: Tensor, real: Tensor, train: Tensor, masks: Tensor) -> Tensor:
        """The share of the blocks that each mask keeps, ``(R, blocks)``."""
        points, blocks = made.flatten(1).double(), masks.shape[1]
        nearest, counts, sizes = zip(
            *(_nearest(points, pool.flatten(1).double(), blocks) for pool in (real, train)), strict=True
        )
        found = []
        for left in masks:
            rows = kept(len(points), left)
            near = [d[rows][:, left] for d in nearest]
            least = torch.minimum(*(d.amin(1) for d in near)).unsqueeze(1)
            # of data that are equally near each is as likely to be the one
            held, trained = (
                torch.where(d == least, count[rows][:, left], 0).sum(1) for d, count in zip(near, counts, strict=True)
            )
            m, t = (float(size[left].sum()) for size in sizes)
            found.append(1 - (held / (held + trained)).mean() * (m + t) / m)
        return torch.stack(found)


def _known(train: Tensor | None) -> Tensor:
    if train is None:
        raise ValueError("memorization asks which samples repeat training data, and was told of none; pass train=.")
    return train


def _nearest(points: Tensor, pool: Tensor, blocks: int) -> tuple[Tensor, Tensor, Tensor]:
    """How far the nearest of each block is, how many are equally near, ``(N, blocks)`` each, and the blocks' sizes."""
    least, counts, parts = [], [], [pool[b::blocks] for b in range(blocks)]
    for part in parts:
        d = distances(points, part)
        least.append(d.amin(1))
        counts.append((d == least[-1].unsqueeze(1)).sum(1))
    sizes = torch.tensor([len(part) for part in parts])
    return torch.stack(least, 1), torch.stack(counts, 1).double(), sizes
