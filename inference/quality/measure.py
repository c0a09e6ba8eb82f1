"""What a measure of samples is, and the error of whatever compares two samples."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

BLOCKS = 20  # of which parts are made

Direction = Literal["lower", "higher", "equal"]
Reads = Literal["features", "x", "pictures", "modes"]


class Measure(ABC):
    """A number that compares samples with data.

    A class under ``@choice("measure", "name")`` is all that a new one needs. What a number means is only known beside its
    floor, what data give against other data of the same number: :func:`pyrogen.inference.quality.assess.assess` has both.

    Attributes:
        better: whether good samples make it "lower" or "higher", or bring it to where it is of data, "equal".
        reads: rows of "features", x as it is, "pictures", which is x that has them, or what an oracle says of the
            "modes" that samples are in, see :func:`pyrogen.inference.quality.modes.placed`.
        order: when it is told: what comes first has the smallest number.
        says: what it measures, in a sentence.
        above: what it says of samples that it is above its floor.
        below: and below.
        held_out: whether the data that samples are compared with must be such that the model was not trained on.
        halved: whether its error is had from halves, and not from leaving out little, see :func:`standard_error`.
    """

    axes: ClassVar[tuple[str, ...]] = ("measure",)
    better: ClassVar[Direction]
    reads: ClassVar[Reads] = "features"
    order: ClassVar[int] = 60
    says: ClassVar[str]
    above: ClassVar[str]
    below: ClassVar[str]
    held_out: ClassVar[bool] = False
    halved: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()  # most have no settings, and say so

    @abstractmethod
    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """The number, a scalar in float64.

        Args:
            made: samples, ``(N, ...)``.
            real: data that the model was not trained on, ``(M, ...)``.
            train: data that it was trained on, ``(T, ...)``, of which most measures ask nothing.
        """

    def repeated(self, made: Tensor, real: Tensor, train: Tensor | None, masks: Tensor) -> Tensor:
        """The number of parts of all three, ``(R,)``: row i is in part r where ``masks[r, i % blocks]``.

        Measures override it where that is had for less than by beginning anew.

        Args:
            made: as in :meth:`value`.
            real: as there.
            train: as there.
            masks: ``(R, blocks)``, see :func:`parts`.
        """
        sides = (made, real) if train is None else (made, real, train)
        return torch.stack([self.value(*(side[kept(len(side), mask)] for side in sides)) for mask in masks])

    def least_error(self, value: float, made: Tensor, real: Tensor, train: Tensor | None = None) -> float:
        """What the error is not below, where all blocks agree by chance; 0 of what is no share."""
        return 0.0


def kept(n: int, mask: Tensor) -> Tensor:
    """Which of n rows a mask of blocks keeps, ``(n,)``."""
    return mask[torch.arange(n) % len(mask)]


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances of rows ``(N, F)`` and ``(M, F)`` in float64, ``(N, M)``, exactly 0 between rows that are the same.

    They come from a product of matrices, by far the fastest way, whose rounding alone would put repeated rows apart.
    """
    place = torch.unique(torch.cat([a, b]), dim=0, return_inverse=True)[1]
    same = place[: len(a), None] == place[None, len(a) :]
    return torch.cdist(a.double(), b.double()).masked_fill(same, 0.0)


def parts(halved: bool) -> Tensor:
    """Which of 20 blocks are in each part, ``(R, 20)``: all but one in turn, or 20 halves at random, and the other halves."""
    if not halved:
        return ~torch.eye(BLOCKS, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    chosen = torch.stack([torch.randperm(BLOCKS, generator=generator) < BLOCKS // 2 for _ in range(BLOCKS)])
    return torch.cat([chosen, ~chosen])


def standard_error(repeated: Tensor, halved: bool) -> float:
    """The standard error of a number from what it is of parts, ``(R,)``.

    A block holds as large a part of the samples as of the data, so that blocks are independent and alike. Without one of B
    after the other it is the jackknife's √((B − 1)/B Σ (θ_b − θ̄)²), whose square is on average no less than the variance,
    and up to twice it where the number has no slope, as distances have none at the floor. Numbers of nearest neighbours
    depend on so many data at once that it would be more; the standard deviation over halves overstates their variance at
    most twice, and by little away from the floor. The bootstrap fails there, for it makes ties.
    Reference: Efron & Stein 1981, The jackknife estimate of variance; Politis & Romano 1994, Large sample confidence regions
    based on subsamples; Abadie & Imbens 2008, On the failure of the bootstrap for matching estimators.
    """
    variance = float(repeated.double().var(correction=0))
    return math.sqrt(variance if halved else variance * (len(repeated) - 1))
