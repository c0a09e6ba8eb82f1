"""Distances between the distributions of samples and of data, from rows of features."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from pyrogen.inference.quality.measure import Direction, Measure
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
        return self._of_blocks(made, real, torch.tensor([[True]]))[0]

    def repeated(self, made: Tensor, real: Tensor, train: Tensor | None, masks: Tensor) -> Tensor:
        """From sums over each two blocks, which are computed once."""
        return self._of_blocks(made, real, masks)

    def _of_blocks(self, made: Tensor, real: Tensor, masks: Tensor) -> Tensor:
        """MMD² of the blocks that each mask keeps, ``(R, blocks)``."""
        found = torch.zeros(len(masks), dtype=torch.float64)
        for weight, a, b in ((1, made, made), (1, real, real), (-2, made, real)):
            sums, pairs = self._sums(a.double(), b.double(), masks.shape[1], a is b)
            found += weight * torch.stack([sums[left][:, left].sum() / pairs[left][:, left].sum() for left in masks])
        return found

    def _sums(self, a: Tensor, b: Tensor, blocks: int, same: bool) -> tuple[Tensor, Tensor]:
        """Σ k(aᵢ, bⱼ) over each two blocks, ``(blocks, blocks)``, and of how many pairs; without i = j of the same."""
        sums, pairs = a.new_zeros(blocks, blocks), a.new_zeros(blocks, blocks)
        block = torch.arange(len(b)) % blocks
        for i in range(blocks):
            part = a[i::blocks]
            k = (part @ b.T / a.shape[1] + 1) ** self.degree
            sums[i].index_add_(0, block, k.sum(0))
            pairs[i] = len(part) * torch.bincount(block, minlength=blocks)
            if same:
                sums[i, i] -= ((part.square().sum(1) / a.shape[1] + 1) ** self.degree).sum()
                pairs[i, i] -= len(part)
        return sums, pairs


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean, and A with AᵀA the covariance, of as few rows as can be."""
    rows = x.double()
    mean = rows.mean(0)
    return mean, torch.linalg.qr((rows - mean) / (len(rows) - 1) ** 0.5, mode="r").R
