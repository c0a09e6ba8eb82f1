"""Measures of pictures, one by one: how sharp they are, and whether a checkerboard lies upon them."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from pyrogen.inference.quality.measure import Direction, Measure, Reads, kept
from pyrogen.registry import choice

HIGH = 0.25  # cycles a pixel; the highest frequency is ½
NYQUIST = 3 / 8  # from which on a frequency is that of a checkerboard


class OfPictures(Measure):
    """The mean of a number of each picture, in units of the mean of the data's: 1 of data."""

    better: ClassVar[Direction] = "equal"
    reads: ClassVar[Reads] = "pictures"

    @abstractmethod
    def of_each(self, x: Tensor) -> Tensor:
        """The number of each picture ``(N, C, H, W)`` in float64, ``(N,)``."""

    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """The ratio of the means."""
        return _ratio(self.of_each(made.double()), self.of_each(real.double()))

    def repeated(self, made: Tensor, real: Tensor, train: Tensor | None, masks: Tensor) -> Tensor:
        """From the number of each picture, which is computed once."""
        found, wanted = self.of_each(made.double()), self.of_each(real.double())
        return torch.stack([_ratio(found[kept(len(found), m)], wanted[kept(len(wanted), m)]) for m in masks])


@choice("measure", "sharpness")
class Sharpness(OfPictures):
    """The share of high frequencies, above a quarter of a cycle a pixel, in the energy of pictures, over the data's.

    Σ_{|f| > ¼} |x̂(f)|² / Σ_{f ≠ 0} |x̂(f)|², which is of how a picture varies and not of how much.
    """

    order = 40
    says = "The share of high frequencies in pictures, in units of the data's."
    above = "pictures are rougher than the data"
    below = "pictures are blurred"

    def of_each(self, x: Tensor) -> Tensor:
        """The share."""
        up, across = _frequencies(x)
        return _share(x, (up.square() + across.square()).sqrt() > HIGH)


@choice("measure", "edges")
class Edges(OfPictures):
    """The variance of the Laplacian, which is large at edges, over the data's.

    Var (4x − the four neighbours), of how much pictures vary as of how.
    Reference: Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy.
    """

    order = 41
    says = "The variance of the Laplacian of pictures, in units of the data's."
    above = "pictures are rougher than the data"
    below = "pictures are blurred"

    def of_each(self, x: Tensor) -> Tensor:
        """The variance, over all places inside of all channels."""
        laplacian = x.new_tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
        found = conv2d(x.flatten(0, 1).unsqueeze(1), laplacian[None, None])
        return found.reshape(len(x), -1).var(1, correction=0)


@choice("measure", "checkerboard")
class Checkerboard(OfPictures):
    """The share of frequencies that alternate from pixel to pixel, ⅜ of a cycle and more on an axis, over the data's.

    Upsampling by transposed convolutions leaves them wherever kernels overlap unevenly.
    Reference: Odena et al. 2016, Deconvolution and checkerboard artifacts.
    """

    order = 42
    says = "The share of frequencies in pictures that alternate from pixel to pixel, in units of the data's."
    above = "a pattern that alternates from pixel to pixel lies upon pictures"
    below = "what alternates from pixel to pixel in the data is missing"

    def of_each(self, x: Tensor) -> Tensor:
        """The share."""
        up, across = _frequencies(x)
        return _share(x, torch.maximum(up.abs(), across.abs()) >= NYQUIST)


def _ratio(found: Tensor, wanted: Tensor) -> Tensor:
    return found.mean() / wanted.mean().clamp_min(torch.finfo(wanted.dtype).tiny)


def _frequencies(x: Tensor) -> tuple[Tensor, Tensor]:
    """Cycles a pixel on both axes, ``(H, 1)`` and ``(1, W)``."""
    up, across = (torch.fft.fftfreq(n, dtype=x.dtype, device=x.device) for n in x.shape[-2:])
    return up.unsqueeze(1), across.unsqueeze(0)


def _share(x: Tensor, chosen: Tensor) -> Tensor:
    """The share of the energy of each picture about its mean that is at some frequencies; 0 of what is flat."""
    energy = torch.fft.fft2(x - x.mean((-2, -1), keepdim=True)).abs().square().sum(1)
    return (energy * chosen).sum((1, 2)) / energy.sum((1, 2)).clamp_min(torch.finfo(x.dtype).tiny)
