"""Networks whose outputs at an element depend on the elements before it only, and how they are walked through."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Size, Tensor, nn


@dataclass(frozen=True)
class Place:
    """What is drawn in one step: one channel of one pixel, or all of them together.

    Args:
        pixel: its place, one number for each dimension after the channels.
        channel: which one; None: all.
    """

    pixel: tuple[int, ...]
    channel: int | None = None

    @property
    def window(self) -> tuple[slice, ...]:
        """The pixel as slices of ``(N, channels, *pixels)``."""
        return (slice(None), slice(None), *(slice(i, i + 1) for i in self.pixel))

    @property
    def channels(self) -> slice:
        """What is drawn of the pixel's channels."""
        return slice(None) if self.channel is None else slice(self.channel, self.channel + 1)

    @property
    def elements(self) -> tuple[slice, ...]:
        """What is drawn, as slices of ``(N, channels, *pixels)``."""
        return (slice(None), self.channels, *self.window[2:])


Walk = Callable[[Place], Tensor]


class Causal(nn.Module, ABC):
    """A network of which the outputs at a place depend on the inputs at the places before it only.

    Shapes: ``(N, *shape)`` and a condition ``(N, size)`` to ``(N, channels, *shape[1:])``.

    Attributes:
        shape: of one input, channels first.
        places: all places, in the order in which they are drawn.
    """

    shape: Size
    places: Sequence[Place]

    @abstractmethod
    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The outputs at all places at once."""

    def begin(self, x: Tensor, condition: Tensor | None = None) -> Walk:
        """A function of each place in turn that gives the outputs there, ``(N, channels, *ones)``.

        Whoever walks writes into ``x`` what is at a place before asking for the next. By default everything is computed
        anew at each place; networks that remember what does not change any more are faster, and say the same.
        """
        return lambda place: self(x, condition)[place.window]


def permutation(order: Sequence[int] | None, size: int) -> list[int]:
    """An order of so many elements; None: as they are in memory.

    Raises:
        ValueError: it is no permutation.
    """
    numbers = list(range(size)) if order is None else [int(d) for d in order]
    if sorted(numbers) != list(range(size)):
        shown = f"{numbers[:8]}"[:-1] + (", …]" if len(numbers) > 8 else "]")
        raise ValueError(
            f"an order names each of the {size} elements 0 to {size - 1} once, and {shown} does not; "
            f"torch.randperm({size}).tolist() is one."
        )
    return numbers


def places_of(shape: Size, order: Sequence[int]) -> list[Place]:
    """Elements as places, each alone, in an order of their numbers in memory."""
    pixels = shape[1:].numel()
    cells = list(itertools.product(*map(range, shape[1:])))
    return [Place(cells[d % pixels], d // pixels) for d in order]


def raster(shape: Sequence[int], split: bool) -> list[Place]:
    """The pixels of an image row by row, each at once or, ``split``, channel after channel."""
    channels: Sequence[int | None] = range(shape[0]) if split else [None]
    return [Place((i, j), c) for i in range(shape[1]) for j in range(shape[2]) for c in channels]
