"""What a measure of samples is, and the error of whatever compares two samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from torch import Tensor

BLOCKS = 20  # that are left out in turn

Direction = Literal["lower", "higher", "equal"]


class Measure(ABC):
    """A number that compares samples with data.

    A class under ``@choice("measure", "name")`` is all that a new one needs. What a number means is only known beside its
    floor, what data give against other data of the same number: :func:`pyrogen.inference.quality.assess.assess` has both.

    Attributes:
        better: whether good samples make it "lower" or "higher", or bring it to where it is of data, "equal".
        reads: rows of "features", x as it is, or "pictures", which is x that has them.
        order: when it is told: what comes first has the smallest number.
        says: what it measures, in a sentence.
        above: what it says of samples that it is above its floor.
        below: and below.
    """

    axes: ClassVar[tuple[str, ...]] = ("measure",)
    better: ClassVar[Direction]
    reads: ClassVar[Literal["features", "x", "pictures"]] = "features"
    order: ClassVar[int] = 60
    says: ClassVar[str]
    above: ClassVar[str]
    below: ClassVar[str]

    @abstractmethod
    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """The number, a scalar in float64.

        Args:
            made: samples, ``(N, ...)``.
            real: data that the model was not trained on, ``(M, ...)``.
            train: data that it was trained on, ``(T, ...)``, of which most measures ask nothing.
        """

    def without(self, made: Tensor, real: Tensor, train: Tensor | None = None, blocks: int = BLOCKS) -> Tensor:
        """The number without one block after the other, ``(blocks,)``: block b is the rows b, b + blocks, ... of all three.

        Measures override it where that is had for less than by beginning anew.
        """
        parts = zip(*(kept(len(rows), blocks) for rows in (made, real, made if train is None else train)), strict=True)
        return torch.stack([self.value(made[a], real[b], None if train is None else train[c]) for a, b, c in parts])

    def least_error(self, value: float, made: Tensor, real: Tensor, train: Tensor | None = None) -> float:
        """What the error is not below, where all blocks agree by chance; 0 of what is no share."""
        return 0.0


def kept(n: int, blocks: int) -> Iterator[Tensor]:
    """Which of n rows are left, ``(n,)``, without one block after the other."""
    block = torch.arange(n) % blocks
    return (block != b for b in range(blocks))


def jackknife(without: Tensor) -> float:
    """The standard error of a number from what it is without each of B blocks, ``(B,)``.

    √((B − 1)/B Σ_b (θ_b − θ̄)²): a block holds as large a part of the samples as of the data, so that blocks are independent
    and alike. Its square is on average no less than the variance (Efron & Stein 1981, The jackknife estimate of variance),
    and up to twice it where the number has no slope, as distances have none at the floor. It holds for nearest neighbours,
    of which the bootstrap makes too many ties (Shao & Wu 1989, A general theory for jackknife variance estimation; Abadie &
    Imbens 2008, On the failure of the bootstrap for matching estimators).
    """
    b = len(without)
    return float(without.double().var(correction=0) * (b - 1)) ** 0.5


def share_error(value: float, n: int) -> float:
    """The standard deviation of a share's posterior Beta(k + ½, n − k + ½), k = value · n, which is 0 for none."""
    a, b = value * n + 0.5, (1 - value) * n + 0.5
    return float((a * b / ((a + b) ** 2 * (a + b + 1))) ** 0.5)
