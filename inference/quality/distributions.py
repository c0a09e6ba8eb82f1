"""Distances between the distributions of samples and of data, from rows of features."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from pyrogen.inference.quality.measure import BLOCKS, Direction, Measure
from pyrogen.registry import choice


@choice("measure", "frechet")
class Frechet(Measure):
    """The Fréchet distance of normal distributions that are fitted to samples and to data.

    |m₁ − m₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁ Σ₂)^½, of which the last trace is ‖A₁ A₂ᵀ‖₊, the sum of singular values, for any
    A with AᵀA = Σ. Its bias falls with the number of rows as 1/N, so that only distances of as many compare.
    Reference: Heusel et al. 2017, arXiv:1706.08500; Chong & Forsyth 2020, arXiv:1911.07023, on the bias.
    """

    better: ClassVar[Direction] = "lower"
    order = 10
    says = "How far means and covariances of features are from those of data."
    above = "features are distributed otherwise"
    below = "features are distributed more like the data's than those of other data"

    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """The distance, in squared units of the features."""
        (m1, a1), (m2, a2) = _moments(made), _moments(real)
        together = torch.linalg.svdvals(a1 @ a2.T).sum()
        return (m1 - m2).square().sum() + a1.square().sum() + a2.square().sum() - 2 * together


@choice("measure", "kernel")
class Kernel(Measure):
    """The unbiased squared maximum mean discrepancy under a polynomial kernel k(a, b) = (aᵀb/D + 1)^degree.

    E k(a, a′) + E k(b, b′) − 2 E k(a, b), a ≠ a′ and b ≠ b′: as often below 0 as above it for data against data, whatever
    their number.
    Reference: Bińkowski et al. 2018, Demystifying MMD GANs, arXiv:1801.01401.

    Args:
        degree: of the polynomial; 3 compares moments up to the third.
    """

    better: ClassVar[Direction] = "lower"
    order = 11
    says = "How far moments of features up to the third are from those of data."
    above = "features are distributed otherwise"
    below = "features are distributed more like the data's than those of other data"

    def __init__(self, degree: int = 3) -> None:
        if degree < 1:
            raise ValueError(f"degree={degree}: a polynomial kernel needs a degree of 1 or more.")
        self.degree = degree

    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """MMD², without units if the features have none."""
        return self._left(made, real, 1, ())[0]

    def without(self, made: Tensor, real: Tensor, train: Tensor | None = None, blocks: int = BLOCKS) -> Tensor:
        """From sums over each two blocks, which are computed once."""
        return self._left(made, real, blocks, range(blocks))

    def _left(self, made: Tensor, real: Tensor, blocks: int, out: range | tuple[()]) -> Tensor:
        """MMD² without each block of ``out``, or, where it is empty, of all."""
        mean = {}
        for name, a, b in (("made", made, made), ("real", real, real), ("both", made, real)):
            sums, pairs = self._sums(a.double(), b.double(), blocks, a is b)
            mean[name] = _less(sums, out) / _less(pairs, out)
        return mean["made"] + mean["real"] - 2 * mean["both"]

    def _sums(self, a: Tensor, b: Tensor, blocks: int, same: bool) -> tuple[Tensor, Tensor]:
        """Σ k(aᵢ, bⱼ) over each two blocks, ``(blocks, blocks)``, and of how many pairs; without i = j of the same."""
        sums, pairs = a.new_zeros(blocks, blocks), a.new_zeros(blocks, blocks)
        for i in range(blocks):
            part = a[i::blocks]
            k = (part @ b.T / a.shape[1] + 1) ** self.degree
            own = ((part * part).sum(1) / a.shape[1] + 1) ** self.degree
            for j in range(blocks):
                alike = same and i == j
                sums[i, j] = k[:, j::blocks].sum() - (own.sum() if alike else 0)
                pairs[i, j] = len(part) * (len(b[j::blocks]) - alike)
        return sums, pairs


def _less(sums: Tensor, out: range | tuple[()]) -> Tensor:
    """The total of ``(B, B)`` less the row and the column of each block that is left out, ``(len(out),)``; else the total."""
    total = sums.sum()
    return torch.stack([total - sums[b].sum() - sums[:, b].sum() + sums[b, b] for b in out] or [total])


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean, and A with AᵀA the covariance, of as few rows as can be."""
    rows = x.double()
    mean = rows.mean(0)
    return mean, torch.linalg.qr((rows - mean) / (len(rows) - 1) ** 0.5, mode="r").R
