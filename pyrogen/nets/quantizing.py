"""Autoencoders whose codes are grids of entries of codebooks, on one level or two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from pyrogen.nets.batch_dims import lowered
from pyrogen.nets.codebook import Codebook


class Residual(nn.Module):
    """h + W₂ relu(W₁ * relu(h)).

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread, self.mix = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 1)

    def forward(self, h: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        out: Tensor = h + self.mix(relu(self.spread(relu(h))))
        return out


def down(channels: int, width: int, times: int) -> nn.Sequential:
    """Strided convolutions that halve an image so many times, then a residual block."""
    layers: list[nn.Module] = []
    for _ in range(times):
        layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(channels, width, 3, padding=1), Residual(width))


def up(channels: int, width: int, outputs: int, times: int) -> nn.Sequential:
    """A residual block, then transposed convolutions that double an image so many times."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), Residual(width), nn.ReLU()]
    for _ in range(times - 1):
        layers += [nn.ConvTranspose2d(width, width, 4, 2, 1), nn.ReLU()]
    last = nn.ConvTranspose2d(width, outputs, 4, 2, 1) if times else nn.Conv2d(width, outputs, 3, padding=1)
    return nn.Sequential(*layers, last)


class Quantizer(nn.Module, ABC):
    """An encoder, a codebook for each level, and a decoder.

    Attributes:
        grids: (H, W) of each level, the top one first.
        books: their codebooks.
    """

    grids: Sequence[tuple[int, int]]
    books: nn.ModuleList

    def book(self, number: int) -> Codebook:
        """The codebook of a level."""
        found = self.books[number]
        assert isinstance(found, Codebook)
        return found

    @abstractmethod
    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What is encoded at each place, ``(N, H, W, size)``, and its code as a one-hot vector ``(N, H, W, K)``, by level."""

    @abstractmethod
    def decode(self, vectors: Sequence[Tensor]) -> Tensor:
        """The features of a likelihood from the vectors of every level, ``(N, H, W, size)`` each."""


def through(e: Tensor, vectors: Tensor) -> Tensor:
    """The vectors, with the gradient of what they stand for: the straight-through estimator."""
    return e + (vectors - e).detach()


class OneLevel(Quantizer):
    """The networks of VQ-VAE.

    Reference: van den Oord et al. 2017, arXiv:1711.00937.

    Args:
        x_shape: (C, H, W).
        outputs: channels of the decoder's output.
        times: how often sides are halved.
        width: channels of the networks.
        book: the codebook.
    """

    def __init__(self, x_shape: Sequence[int], outputs: int, times: int, width: int, book: Codebook) -> None:
        super().__init__()
        self.grids = [(x_shape[1] >> times, x_shape[2] >> times)]
        self.books = nn.ModuleList([book])
        size = book.vectors.shape[1]
        self.encoder = nn.Sequential(down(x_shape[0], width, times), nn.ReLU(), nn.Conv2d(width, size, 1))
        self.decoder = up(size, width, outputs, times)

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """One level."""
        e = lowered(self.encoder, x).movedim(1, -1).contiguous()
        return [(e, self.book(0).nearest(e))]

    def decode(self, vectors: Sequence[Tensor]) -> Tensor:
        """The features, ``(N, outputs, H, W)``."""
        return lowered(self.decoder, vectors[0].movedim(-1, 1).contiguous())


class TwoLevels(Quantizer):
    """The networks of VQ-VAE-2: the bottom level is read beside the top one's code, and both are decoded together.

    Reference: Razavi et al. 2019, arXiv:1906.00446.

    Args:
        x_shape: (C, H, W).
        outputs: channels of the decoder's output.
        times: how often sides are halved for the bottom level; once more for the top one.
        width: channels of the networks.
        books: the codebooks, the top one first.
    """

    def __init__(
        self, x_shape: Sequence[int], outputs: int, times: int, width: int, books: tuple[Codebook, Codebook]
    ) -> None:
        super().__init__()
        self.grids = [(x_shape[1] >> n, x_shape[2] >> n) for n in (times + 1, times)]
        self.books = nn.ModuleList(books)
        size = books[0].vectors.shape[1]
        self.lower = down(x_shape[0], width, times)
        self.upper = nn.Sequential(nn.ReLU(), down(width, width, 1), nn.ReLU(), nn.Conv2d(width, size, 1))
        self.below = up(size, width, width, 1)
        self.join = nn.Conv2d(2 * width, size, 1)
        self.raised = nn.ConvTranspose2d(size, size, 4, 2, 1)
        self.decoder = up(2 * size, width, outputs, times)

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The top level, and the bottom one given it."""
        h = lowered(self.lower, x)
        e = lowered(self.upper, h).movedim(1, -1).contiguous()
        hot = self.book(0).nearest(e)
        coarse = through(e, hot @ self.book(0).vectors.detach()).movedim(-1, 1).contiguous()
        told = lowered(self.below, coarse)
        finer = lowered(self.join, torch.cat([relu(h), relu(told)], 1)).movedim(1, -1).contiguous()
        return [(e, hot), (finer, self.book(1).nearest(finer))]

    def decode(self, vectors: Sequence[Tensor]) -> Tensor:
        """The features, ``(N, outputs, H, W)``."""
        top, bottom = (v.movedim(-1, 1).contiguous() for v in vectors)
        return lowered(self.decoder, torch.cat([lowered(self.raised, top), bottom], 1))


def halvings_of(x_shape: Sequence[int], factor: int, levels: int) -> int:
    """How often an image is halved where a code stands for ``factor`` pixels a side, and twice as many a level further up.

    Raises:
        ValueError: it is no image, the factor no power of 2, or the grid does not divide the image.
    """
    times, widest = factor.bit_length() - 1, factor * 2 ** (levels - 1)
    if factor < 1 or factor != 1 << times:
        raise ValueError(
            f"factor={factor}: convolutions halve sides, so a code stands for 1, 2, 4, 8, … pixels a side."
        )
    if len(x_shape) != 3 or x_shape[1] % widest or x_shape[2] % widest:
        places = f"{widest} × {widest} pixels" if widest > 1 else "a pixel"
        raise ValueError(
            f"a code stands for {places} (factor={factor}, {levels} level{'s' if levels > 1 else ''}), which do not divide "
            f"x_shape={tuple(x_shape)}; use images (C, H, W) of sides that are multiples of {widest}, or another factor."
        )
    return times
