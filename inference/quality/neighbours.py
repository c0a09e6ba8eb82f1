"""Measures by nearest neighbours: which samples lie among the data, and which data have samples near."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from pyrogen.inference.latents.measured import share_error
from pyrogen.inference.quality.measure import Direction, Measure, distances, kept
from pyrogen.registry import choice

NEIGHBOURS = 5


def reach(among: Tensor, k: int) -> Tensor:
    """The distance of each row to its k-th nearest other, ``(N,)``, from all distances among them, ``(N, N)``."""
    return among.kthvalue(min(k + 1, len(among)), 1).values  # the first is the row itself


def covered(between: Tensor, among: Tensor, k: int) -> Tensor:
    """Which data have a sample nearer than their k-th nearest other datum, ``(M,)``.

    Args:
        between: distances of samples to data, ``(N, M)``.
        among: distances among the data, ``(M, M)``.
        k: which neighbour.
    """
    return within(between, among, k).any(0)


def within(between: Tensor, among: Tensor, k: int) -> Tensor:
    """Which samples are nearer to which data than these to their k-th nearest other datum, ``(N, M)``."""
    # where data repeat one another their reach is 0, and a sample there is as near as it can be
    return (between < reach(among, k)) | (between == 0)


def coverage(made: Tensor, real: Tensor, k: int = NEIGHBOURS) -> float:
    """The fraction of the data that have a sample nearer than their k-th nearest other datum, of ``(N, ...)`` each.

    1/M Σₘ 1[min_n ‖made_n − xₘ‖ < ‖xₘ − NN_k(xₘ)‖]: about 1 − 2⁻ᵏ of as many samples of the data's own distribution.
    Reference: Naeem et al. 2020, Reliable fidelity and diversity metrics for generative models, arXiv:2002.09797.
    """
    return float(Coverage(k).value(made, real))


class Neighbours(Measure):
    """A measure by distances to k-th nearest neighbours among the data, or, by ``turned``, among the samples.

    Args:
        k: which neighbour is the edge of a datum's ball.
    """

    turned: ClassVar[bool] = False
    is_share: ClassVar[bool] = True
    halved: ClassVar[bool] = True

    def __init__(self, k: int = NEIGHBOURS) -> None:
        if k < 1:
            raise ValueError(f"k={k}: the nearest neighbour is k=1, and there is none before it.")
        self.k = k

    @abstractmethod
    def read(self, between: Tensor, among: Tensor) -> Tensor:
        """The number from distances of points to centres, ``(P, C)``, and among these, ``(C, C)``."""

    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """The number, by Euclidean distances."""
        return self.read(*self._distances(made, real))

    def repeated(self, made: Tensor, real: Tensor, train: Tensor | None, masks: Tensor) -> Tensor:
        """From distances that are computed once."""
        between, among = self._distances(made, real)
        chosen = ((kept(len(between), mask), kept(len(among), mask)) for mask in masks)
        return torch.stack(
            [self.read(between[points][:, centres], among[centres][:, centres]) for points, centres in chosen]
        )

    def least_error(self, value: float, made: Tensor, real: Tensor, train: Tensor | None = None) -> float:
        """That of a share of so many."""
        n = min(len(made), len(real))
        return share_error(value * n, n) if self.is_share else 0.0

    def _distances(self, made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        points, centres = (x.detach().flatten(1).double() for x in ((real, made) if self.turned else (made, real)))
        return distances(points, centres), distances(centres, centres)


@choice("measure", "precision")
class Precision(Neighbours):
    """The share of samples within reach of a datum, its distance to its k-th nearest other datum.

    A generator that makes one good thing has all of it; what it lacks is recall.
    Reference: Kynkäänniemi et al. 2019, arXiv:1904.06991.

    Args:
        k: which neighbour is the edge of a datum's ball.
    """

    better: ClassVar[Direction] = "higher"
    order = 20
    says = "The share of samples that lie where data are."
    above = "samples keep to where data are dense"
    below = "samples lie where no data are"

    def __init__(self, k: int = 3) -> None:
        super().__init__(k)

    def read(self, between: Tensor, among: Tensor) -> Tensor:
        """The share of points in a ball."""
        return (between <= reach(among, self.k)).any(1).double().mean()


@choice("measure", "recall")
class Recall(Precision):
    """The share of data within reach of a sample, its distance to its k-th nearest other sample: precision, turned round.

    Few samples that lie far apart reach everything, which coverage does not believe.
    Reference: Kynkäänniemi et al. 2019, arXiv:1904.06991.

    Args:
        k: which neighbour is the edge of a sample's ball.
    """

    turned: ClassVar[bool] = True
    order = 30
    says = "The share of data that lie where samples are."
    above = "samples lie so far apart that they reach more than data do"
    below = "there are data where no samples are"


@choice("measure", "density")
class Density(Neighbours):
    """How many data have a sample within their reach, as a fraction of k: about 1 of data.

    1/(k N) Σₙ #{m: ‖made_n − xₘ‖ < ‖xₘ − NN_k(xₘ)‖}, which one stray datum does not raise as it raises precision.
    Reference: Naeem et al. 2020, arXiv:2002.09797.

    Args:
        k: which neighbour is the edge of a datum's ball.
    """

    better: ClassVar[Direction] = "higher"
    is_share: ClassVar[bool] = False
    order = 22
    says = "How densely data lie around samples; 1 if as densely as around data."
    above = "samples keep to where data are dense"
    below = "samples lie where no data are"

    def read(self, between: Tensor, among: Tensor) -> Tensor:
        """The mean number of balls that a point is in, over k."""
        return within(between, among, self.k).double().sum(1).mean() / self.k


@choice("measure", "coverage")
class Coverage(Neighbours):
    """The share of data with a sample within their reach, the distance to their k-th nearest other datum.

    About 1 − 2⁻ᵏ of data against as many data.
    Reference: Naeem et al. 2020, arXiv:2002.09797.

    Args:
        k: which neighbour is the edge of a datum's ball.
    """

    better: ClassVar[Direction] = "higher"
    order = 31
    says = "The share of data that have a sample near."
    above = "samples are spread more evenly over the data than data are"
    below = "there are data where no samples are"

    def read(self, between: Tensor, among: Tensor) -> Tensor:
        """The share of centres with a point in their ball."""
        return covered(between, among, self.k).double().mean()


@choice("measure", "mode-dropping")
class ModeDropping(Neighbours):
    """What of the data is missed: 1 − coverage, about 2⁻ᵏ of data.

    Not to be confused with mode averaging, which makes what does not exist; dropping leaves out what does.

    Args:
        k: which neighbour is the edge of a datum's ball.
    """

    better: ClassVar[Direction] = "lower"
    order = 32
    says = "The share of data that no sample is near."
    above = "there are data where no samples are"
    below = "samples are spread more evenly over the data than data are"

    def read(self, between: Tensor, among: Tensor) -> Tensor:
        """The share of centres without a point in their ball."""
        return 1 - covered(between, among, self.k).double().mean()


@choice("measure", "mode-averaging")
class ModeAveraging(Neighbours):
    """How far samples are from the nearest datum, in units of how far data are: 1 of data, more between modes.

    E minₘ ‖made − xₘ‖ / E min_{m′≠m} ‖xₘ − x_{m′}‖. Not to be confused with mode dropping: samples of one mode alone are as
    near to data as data are. Where distances mean little, as those of raw pixels, averages are nearer to data than these to
    one another, and it is below 1: ask it of features. Of data that are all repeated there is no such unit, and it is NaN.
    """

    better: ClassVar[Direction] = "equal"
    is_share: ClassVar[bool] = False
    halved: ClassVar[bool] = False
    order = 23
    says = "How far samples are from the nearest datum, in units of how far data are from one another."
    above = "samples lie between modes, or beside them"
    below = "samples are nearer to data than these to one another, as typical ones, averages and copies are"

    def __init__(self) -> None:
        super().__init__(1)

    def read(self, between: Tensor, among: Tensor) -> Tensor:
        """The ratio of mean distances."""
        return between.amin(1).mean() / reach(among, self.k).mean()
