"""Convolutions that look up and to the left, whole and at one pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu


class CausalConv2d(nn.Module):
    """A convolution whose kernel ends at its own row, and sees of that row what is before a pixel, or up to it.

    Of the pixel itself an output of group g sees inputs of groups below g ("before"), or up to g ("upto"): what is in group g
    knows the first g channels of a pixel at most. "all" sees every column of its row, for maps that are moved down by one.

    Shapes: ``(N, inputs, H, W)`` to ``(N, outputs, H, W)``. Reference: van den Oord et al. 2016, arXiv:1601.06759.

    Args:
        inputs: the group of each input channel, ``(inputs,)``.
        outputs: the group of each output channel, ``(outputs,)``.
        above: rows above its own.
        left: columns to the left.
        right: columns to the right, of the rows above.
        sees: "before", "upto" or "all".
    """

    mask: Tensor | None

    def __init__(
        self,
        inputs: Tensor,
        outputs: Tensor,
        above: int = 0,
        left: int = 0,
        right: int = 0,
        sees: Literal["before", "upto", "all"] = "upto",
    ) -> None:
        super().__init__()
        self.above, self.left, self.right = above, left, right
        mask = torch.ones(len(outputs), len(inputs), above + 1, left + 1 + right, dtype=torch.bool)
        if sees != "all":
            low, high = inputs[None, :], outputs[:, None]
            mask[:, :, above, left] = low < high if sees == "before" else low <= high
            mask[:, :, above, left + 1 :] = False
        seen = mask.flatten(1).sum(1).clamp(min=1)
        # outputs as large as the inputs that are seen: masks leave of a kernel less than its size says
        bound = (3 / seen).sqrt()
        self.weight = nn.Parameter((2 * torch.rand(mask.shape) - 1) * bound[:, None, None, None])
        self.bias = nn.Parameter(torch.zeros(len(outputs)))
        # it follows from the sizes, so it is rebuilt rather than saved: a run keeps its hash
        self.register_buffer("mask", None if bool(mask.all()) else mask, persistent=False)

    @property
    def kernel(self) -> Tensor:
        """The weights that count, ``(outputs, inputs, above + 1, left + 1 + right)``."""
        return self.weight if self.mask is None else self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """All pixels."""
        margins = (self.left, self.right, self.above, 0)
        # without margins pad would copy
        return conv2d(pad(x, margins) if any(margins) else x, self.kernel, self.bias)

    def begin(self, x: Tensor) -> Callable[[int, int], Tensor]:
        """A function of each pixel in turn that gives the outputs there, ``(N, outputs)``, of a map that is still written."""
        seen, at = self.seen(x), self.at()
        before = (0, 0)

        def one(row: int, column: int) -> Tensor:
            nonlocal before
            # what was not known of the pixel before is by now, and of this one its first channels may be
            for i, j in (before, (row, column)):
                self.put(seen, x[:, :, i, j], i, j)
            before = row, column
            return at(seen, row, column)

        return one

    def seen(self, x: Tensor) -> Tensor:
        """Zeros for a map of its inputs as large as that of ``x``, with the margin that the kernel reads."""
        height, width = self.above + x.shape[2], self.left + x.shape[3] + self.right
        return x.new_zeros(len(x), self.weight.shape[1], height, width)

    def put(self, seen: Tensor, value: Tensor, row: int, column: int) -> None:
        """Write one pixel, ``(N, inputs)``, into a map with margins."""
        seen[:, :, self.above + row, self.left + column] = value

    def at(self) -> Callable[[Tensor, int, int], Tensor]:
        """A function of a map with margins, a row and a column that gives the outputs there, ``(N, outputs)``."""
        kernel, rows, columns = self.kernel.flatten(1).T.contiguous(), *self.weight.shape[2:]

        def one(seen: Tensor, row: int, column: int) -> Tensor:
            read = seen[:, :, row : row + rows, column : column + columns]
            return torch.addmm(self.bias, read.flatten(1), kernel)

        return one

    def row(self, seen: Tensor, row: int) -> Tensor:
        """The outputs of one row of a map with margins, ``(N, outputs, 1, W)``."""
        return conv2d(seen[:, :, row : row + self.above + 1], self.kernel, self.bias)

    def point(self) -> Callable[[Tensor], Tensor]:
        """A kernel of one pixel as a function of the inputs there, ``(N, inputs)`` to ``(N, outputs)``."""
        kernel = self.kernel.flatten(1).T.contiguous()
        return lambda h: torch.addmm(self.bias, h, kernel)


class PixelHead(nn.Module):
    """Two convolutions of one pixel each, from the last hidden layer to the parameters: W₂ relu(W₁ relu(h)).

    Args:
        inner: the group of each hidden channel.
        outputs: the group of each parameter.
    """

    def __init__(self, inner: Tensor, outputs: Tensor) -> None:
        super().__init__()
        self.hidden, self.out = CausalConv2d(inner, inner), CausalConv2d(inner, outputs)

    def forward(self, h: Tensor) -> Tensor:
        """All pixels."""
        out: Tensor = self.out(relu(self.hidden(relu(h))))
        return out

    def point(self) -> Callable[[Tensor], Tensor]:
        """A function of the hidden layer at one pixel, ``(N, inputs)`` to ``(N, outputs, 1, 1)``."""
        hidden, last = self.hidden.point(), self.out.point()
        return lambda h: last(relu(hidden(relu(h))))[..., None, None]


def hidden_groups(width: int, groups: int) -> Tensor:
    """Which of the groups each of ``width`` hidden channels belongs to: as many in each as can be.

    Raises:
        ValueError: there are fewer channels than groups.
    """
    if width < groups:
        raise ValueError(f"width={width} hidden channels cannot be told apart by {groups} channels of x; use more.")
    return torch.arange(width) * groups // width


def input_groups(channels: int, split: bool) -> Tensor:
    """The group of each channel of x: its own number where channels are drawn one after the other."""
    return torch.arange(channels) if split else torch.zeros(channels, dtype=torch.long)


def output_groups(outputs: int, channels: int, split: bool) -> Tensor:
    """The group of each of so many parameters, one of all channels after the other."""
    return input_groups(channels, split).repeat(math.ceil(outputs / channels)) if split else torch.zeros(outputs)


def check_image(shape: Sequence[int]) -> None:
    """Refuse what is no image.

    Raises:
        ValueError: data that are not of shape (C, H, W).
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(
            f"a PixelCNN reads images, x_shape=(C, H, W), and got x_shape={tuple(shape)}; 'made' and 'nade' take vectors."
        )


def check_kernel(layers: int, kernel: int) -> None:
    """Refuse networks that cannot be built.

    Raises:
        ValueError: no layers, or an even kernel.
    """
    if layers < 1 or kernel < 3 or kernel % 2 == 0:
        raise ValueError(f"layers={layers} and kernel={kernel}: needs a layer, and an odd kernel of 3 or more.")
