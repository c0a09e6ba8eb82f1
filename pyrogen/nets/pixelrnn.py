"""The recurrent networks of PixelRNN: row by row, or along the diagonals from both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, cast, get_args

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import pad

from pyrogen.nets.causal import Causal, Place, Walk, raster
from pyrogen.nets.causal_conv import (
    CausalConv2d,
    PixelHead,
    check_image,
    check_kernel,
    hidden_groups,
    input_groups,
    output_groups,
)

Recurrence = Literal["row", "diagonal"]
Step = Callable[[Tensor, int, int], Tensor]


class PixelRNNNet(Causal):
    """A masked convolution, then layers of convolutional LSTMs over the image with residual connections.

    A row LSTM goes down the rows, each state from the three above it; it sees a triangle. A diagonal BiLSTM goes along
    the diagonals from the left and from the right, each state from the neighbour beside and the one above; it sees all.

    Shapes: ``(N, C, H, W)`` to ``(N, channels, H, W)``. Reference: van den Oord et al. 2016, arXiv:1601.06759.

    Args:
        shape: (C, H, W).
        channels: numbers for each pixel, one parameter of all channels of x after the other.
        split: whether the channels of a pixel are drawn one after the other.
        recurrence: "row" or "diagonal".
        width: hidden units at a pixel; the residual stream has twice as many.
        layers: of LSTMs.
        kernel: side of the first kernel, odd.

    Raises:
        ValueError: another recurrence.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: int,
        split: bool,
        recurrence: Recurrence = "row",
        width: int = 16,
        layers: int = 2,
        kernel: int = 7,
    ) -> None:
        super().__init__()
        check_image(shape)
        check_kernel(layers, kernel)
        if recurrence not in get_args(Recurrence):
            raise ValueError(f"recurrence={recurrence!r}: choose 'row' or 'diagonal'.")
        self.shape, self.places = Size(shape), raster(shape, split)
        inner, r = hidden_groups(width, shape[0] if split else 1), kernel // 2
        stream, make = inner.repeat(2), _RowLSTM if recurrence == "row" else _DiagonalBiLSTM
        self.first = CausalConv2d(input_groups(shape[0], split), stream, r, r, r, "before")
        self.layers = nn.ModuleList(make(stream, inner) for _ in range(layers))
        self.head = PixelHead(stream, output_groups(channels, shape[0], split))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The parameters of every pixel."""
        h: Tensor = self.first(x)
        for layer in self.layers:
            h = layer(h)
        out: Tensor = self.head(h)
        return out

    def begin(self, x: Tensor, condition: Tensor | None = None) -> Walk:
        """As the contract says: each layer keeps its states."""
        first, head = self.first.begin(x), self.head.point()
        layers = [layer.begin(x) for layer in cast(Sequence[_RowLSTM | _DiagonalBiLSTM], self.layers)]

        def at(place: Place) -> Tensor:
            i, j = place.pixel
            h = first(i, j)
            for layer in layers:
                h = layer(h, i, j)
            return head(h)

        return at


class _RowLSTM(nn.Module):
    def __init__(self, stream: Tensor, inner: Tensor) -> None:
        super().__init__()
        self.width = len(inner)
        self.read = CausalConv2d(stream, inner.repeat(4), left=1)
        self.carry = nn.Conv1d(self.width, 4 * self.width, 3, padding=1, bias=False)
        self.out = CausalConv2d(inner, stream)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.read(x)
        h = c = x.new_zeros(len(x), self.width, x.shape[-1])
        rows = []
        for row in gates.unbind(2):
            h, c = cell(row + self.carry(h), c)
            rows.append(h)
        out: Tensor = x + self.out(torch.stack(rows, 2))
        return out

    def begin(self, x: Tensor) -> Step:
        read, out, seen = self.read.at(), self.out.point(), self.read.seen(x)
        h, c, above = (x.new_zeros(len(x), self.width, x.shape[-1]) for _ in range(3))
        carried, current = self.carry(h), 0

        def at(value: Tensor, row: int, column: int) -> Tensor:
            nonlocal h, c, carried, above, current
            if row != current:
                carried, above, current = self.carry(h), c, row
                h, c = torch.zeros_like(h), torch.zeros_like(c)
            self.read.put(seen, value, row, column)
            new, c[:, :, column] = cell(read(seen, row, column) + carried[:, :, column], above[:, :, column])
            h[:, :, column] = new
            return value + out(new)

        return at


class _Diagonal(nn.Module):
    """An LSTM whose state at a pixel follows from those to its left and above."""

    def __init__(self, inputs: Tensor, inner: Tensor) -> None:
        super().__init__()
        self.width = len(inner)
        self.read = CausalConv2d(inputs, inner.repeat(4))
        self.beside = CausalConv2d(inner, inner.repeat(4))
        self.above = nn.Conv2d(self.width, 4 * self.width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The states of all pixels: those on one diagonal at once."""
        n, _, height, width = x.shape
        gates = skewed(self.read(x))
        inside = skewed(x.new_ones(1, 1, height, width))
        h = c = x.new_zeros(n, self.width, height, 1)
        columns = []
        for column, here in zip(gates.split(1, 3), inside.split(1, 3), strict=True):
            h, c = cell(column + self.beside(h) + pad(self.above(h), (0, 0, 1, -1)), c)
            h, c = h * here, c * here
            columns.append(h)
        return unskewed(torch.cat(columns, 3), width)

    def step(self) -> Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
        """A function of the input at a pixel, the states beside and above it, and the cell beside it."""
        read, beside, above = self.read.point(), self.beside.point(), self.above.weight[:, :, 0, 0].T

        def one(value: Tensor, left: Tensor, up: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
            return cell(read(value) + beside(left) + up @ above, c)

        return one


class _DiagonalBiLSTM(nn.Module):
    def __init__(self, stream: Tensor, inner: Tensor) -> None:
        super().__init__()
        anywhere = torch.zeros_like(inner)  # whole rows above are known to every group
        self.rightward, self.leftward = _Diagonal(stream, inner), _Diagonal(torch.zeros_like(stream), anywhere)
        self.out, self.down = CausalConv2d(inner, stream), CausalConv2d(anywhere, stream)

    def forward(self, x: Tensor) -> Tensor:
        # what comes from the right has seen what follows in its row, so it is told to the next one
        back = pad(self.leftward(x.flip(3)).flip(3), (0, 0, 1, -1))
        out: Tensor = x + self.out(self.rightward(x)) + self.down(back)
        return out

    def begin(self, x: Tensor) -> Step:
        n, width, units, stream = len(x), x.shape[3], self.rightward.width, self.out.weight.shape[0]
        right, left, out, down = self.rightward.step(), self.leftward.step(), self.out.point(), self.down.point()
        # a column more, of zeros, is what lies beside the image
        read, above, back, h, c = (x.new_zeros(n, k, width + 1) for k in (stream, *[units] * 4))
        current = 0

        def at(value: Tensor, row: int, column: int) -> Tensor:
            nonlocal h, c, above, current
            if row != current:
                above, h, c, current = h, torch.zeros_like(h), torch.zeros_like(c), row
                kept = c[:, :, -1]
                for j in reversed(range(width)):
                    back[:, :, j], kept = left(read[:, :, j], back[:, :, j + 1], back[:, :, j], kept)
            read[:, :, column] = value
            new, c[:, :, column] = right(value, h[:, :, column - 1], above[:, :, column], c[:, :, column - 1])
            h[:, :, column] = new
            return value + out(new) + down(back[:, :, column])

        return at


def cell(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """h and c of an LSTM: c ← σ(f) c + σ(i) tanh(g), h = σ(o) tanh(c)."""
    o, f, i, g = gates.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def skewed(x: Tensor) -> Tensor:
    """Each row moved one column further than the one above it, ``(N, C, H, W)`` to ``(N, C, H, W + H − 1)``."""
    height, width = x.shape[2:]
    return pad(x, (0, height)).flatten(2)[:, :, :-height].unflatten(2, (height, width + height - 1))


def unskewed(x: Tensor, width: int) -> Tensor:
    """The image back from what :func:`skewed` made."""
    height = x.shape[2]
    return pad(x.flatten(2), (0, height)).unflatten(2, (height, width + height))[..., :width]
