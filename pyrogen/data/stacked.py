"""Three random digits as the colour channels of one picture: a thousand modes, named by a classifier of single digits."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.data import digits, vision
from pyrogen.data.oracle import Namer, Oracle
from pyrogen.data.source import PHOTO_KINDS, SPLITS, Source
from pyrogen.registry import choice

CHANNELS, CLASSES = ("red", "green", "blue"), 10


class StackedModes(Oracle):
    """The modes of stacked pictures: number 100 r + 10 g + b of the classes of red, green and blue.

    Channels are independent, so that the share of a mode in the law is w_r w_g w_b with the shares w of single classes. A
    sample is of high quality where the classifier recognizes all three. One that errs spreads real data over more modes
    than they have: measure real test data beside samples.

    Reference: Metz et al. 2017, Unrolled generative adversarial networks, arXiv:1611.02163.

    Args:
        taught_on: the data set of single pictures, on which a classifier is to be trained.
        shares: of single classes among those that were stacked for training, ``(10,)`` float64.
        namer: that classifier, of x ``(N, 1, H, W)`` in [0, 1].
    """

    good = "recognized by the judge in all three channels"

    def __init__(self, taught_on: str, shares: Tensor, namer: Namer | None = None) -> None:
        self.taught_on, self.shares, self.namer = taught_on, shares, namer
        self.weights = torch.einsum("i,j,k->ijk", shares, shares, shares).flatten()

    def taught(self, namer: Namer) -> StackedModes:
        """The oracle that asks this classifier."""
        return StackedModes(self.taught_on, self.shares, namer)

    def place(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mode that the classifier names, and whether it recognizes each channel; x is ``(N, 3, H, W)`` in [0, 1]."""
        if self.namer is None:
            raise ValueError(
                f"modes of stacked pictures are named by a classifier of {self.taught_on!r}; pass one to taught(), or ask "
                "the metric mode-coverage, which trains it."
            )
        single = x.flatten(0, 1).unsqueeze(1)
        names = self.namer.names(single).reshape(-1, len(CHANNELS))
        return mode_of(names), self.namer.recognizes(single).reshape(-1, len(CHANNELS)).all(1)


def mode_of(classes: Tensor) -> Tensor:
    """The number of the mode of three classes: ``(N, 3)`` to ``(N,)``."""
    places: Tensor = CLASSES ** torch.arange(len(CHANNELS) - 1, -1, -1)
    return (classes * places).sum(-1)


@choice("data", "stacked-mnist")
def stacked_mnist() -> Source:
    """Three random MNIST digits as red, green and blue, 28 × 28 pixels: a thousand modes; y is the three classes."""
    return _stacked("stacked-mnist", vision.mnist(), (50_000, 5_000, 26_000))


@choice("data", "stacked-digits")
def stacked_digits() -> Source:
    """Three random bundled digits as red, green and blue, 8 × 8 pixels: a thousand modes; y is the three classes."""
    return _stacked("stacked-digits", digits.digits(), (10_000, 1_000, 10_000))


def _stacked(name: str, single: Source, sizes: tuple[int, ...]) -> Source:
    """Pictures of which each channel is drawn with replacement from single ones of the same split, by a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    splits, counts = {}, {}
    for split, n in zip(SPLITS, sizes, strict=True):
        x, y = single.splits[split]
        assert y is not None
        rows = torch.randint(len(x), (n, len(CHANNELS)), generator=generator)
        splits[split] = (torch.as_tensor(x)[rows, 0], y[rows])
        counts[split] = torch.bincount(y, minlength=CLASSES).double()
    return Source(
        name=name,
        reference=f"Metz et al. 2017, arXiv:1611.02163; stacked from {single.name!r} by a fixed seed ({single.reference})",
        kinds=PHOTO_KINDS,
        levels=single.levels,
        splits=splits,
        class_names=tuple(f"{channel} digit" for channel in CHANNELS),
        oracle=StackedModes(single.name, counts["train"] / counts["train"].sum()),
    )
