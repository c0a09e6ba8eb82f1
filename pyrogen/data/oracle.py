"""What is known exactly of data with modes: where each of some samples belongs, and whether it is as data are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import torch
from torch import Tensor

STATISTICS = ("modes", "high_quality", "kl")


class Namer(Protocol):
    """A classifier of single pictures, as an oracle asks it."""

    def names(self, x: Tensor) -> Tensor:
        """The class of each, ``(N,)``."""

    def recognizes(self, x: Tensor) -> Tensor:
        """Of which it is sure, ``(N,)``."""


class Oracle(ABC):
    """The modes of a law, and what tells how samples cover them.

    Two ways to fail are told apart: a sample *between* modes is of no high quality (averaging), and a mode without samples
    is not covered (dropping).

    Attributes:
        weights: the share of each mode in the law itself, ``(modes,)``, of sum 1.
        least: how many samples of high quality cover a mode.
        good: when a sample is of high quality, in words.
        taught_on: the data set on which a classifier must be trained before the oracle can answer; "" of most.
    """

    weights: Tensor
    least: int = 1
    good: str
    taught_on: str = ""

    @abstractmethod
    def place(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The number of the mode that each of x is nearest to, and whether it is of high quality there, both ``(n,)``.

        x is ``(n, *x_shape)`` in raw units, images in [0, 1].
        """

    def taught(self, namer: Namer) -> Oracle:
        """The oracle that asks this classifier, where it needs one."""
        return self

    def coverage(self, x: Tensor) -> dict[str, float]:
        """How well samples ``(n, *x_shape)`` cover the modes.

        Returns:
            ``modes``, those with at least ``least`` samples of high quality; ``high_quality``, the share of such samples;
            ``kl`` = KL(shares of the nearest modes ‖ weights) in nats, which K modes raise by (K − 1)/2n on average even
            for exact samples; ``samples``, n.
        """
        return self.counted(*self.place(x))

    def counted(self, mode: Tensor, good: Tensor) -> dict[str, float]:
        """The same of samples that were placed."""
        count = len(self.weights)
        share = torch.bincount(mode, minlength=count).double() / len(mode)
        return {
            "modes": int((torch.bincount(mode[good], minlength=count) >= self.least).sum()),
            "high_quality": float(good.double().mean()),
            "kl": float((torch.special.xlogy(share, share) - torch.special.xlogy(share, self.weights.double())).sum()),
            "samples": len(mode),
        }
