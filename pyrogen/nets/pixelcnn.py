"""The convolutional networks of PixelCNN, plain and gated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import pad, relu

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


class PixelCNNNet(Causal):
    """Masked convolutions with residual blocks: h ↦ h + W₃ relu(W₂ * relu(W₁ relu(h)) + V y).

    What lies up and to the right at more than the slope of its kernels is never seen: the blind spot, which
    :class:`GatedPixelCNNNet` has not.

    Shapes: ``(N, C, H, W)`` to ``(N, channels, H, W)``. Reference: van den Oord et al. 2016, arXiv:1601.06759.

    Args:
        shape: (C, H, W).
        channels: numbers for each pixel, one parameter of all channels of x after the other.
        split: whether the channels of a pixel are drawn one after the other.
        width: hidden channels; the residual stream has twice as many.
        layers: residual blocks.
        kernel: side of the first kernel, odd; those of the blocks are 3.
        condition: numbers that y is read as; 0: there is none.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: int,
        split: bool,
        width: int = 32,
        layers: int = 5,
        kernel: int = 7,
        condition: int = 0,
    ) -> None:
        super().__init__()
        check_image(shape)
        check_kernel(layers, kernel)
        self.shape, self.places = Size(shape), raster(shape, split)
        groups = shape[0] if split else 1
        inner, r = hidden_groups(width, groups), kernel // 2
        stream, outputs = inner.repeat(2), output_groups(channels, shape[0], split)
        self.first = CausalConv2d(input_groups(shape[0], split), stream, r, r, r, "before")
        self.blocks = nn.ModuleList(_Residual(inner, stream, condition) for _ in range(layers))
        self.head = PixelHead(stream, outputs)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The parameters of every pixel."""
        h: Tensor = self.first(x)
        for block in self.blocks:
            h = block(h, condition)
        out: Tensor = self.head(h)
        return out

    def begin(self, x: Tensor, condition: Tensor | None = None) -> Walk:
        """As the contract says: each layer keeps what it read at the pixels before."""
        first, head = self.first.begin(x), self.head.point()
        blocks = [block.begin(x, condition) for block in cast(Sequence[_Residual], self.blocks)]

        def at(place: Place) -> Tensor:
            i, j = place.pixel
            h = first(i, j)
            for block in blocks:
                h = block(h, i, j)
            return head(h)

        return at


class _Residual(nn.Module):
    def __init__(self, inner: Tensor, stream: Tensor, condition: int) -> None:
        super().__init__()
        self.reduce, self.expand = CausalConv2d(stream, inner), CausalConv2d(inner, stream)
        self.spread = CausalConv2d(inner, inner, 1, 1, 1)
        self.told = told(condition, len(inner))

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        inner = self.spread(relu(self.reduce(relu(h))))
        if self.told is not None:
            inner = inner + self.told(condition)[..., None, None]
        out: Tensor = h + self.expand(relu(inner))
        return out

    def begin(self, x: Tensor, condition: Tensor | None) -> Callable[[Tensor, int, int], Tensor]:
        reduce, spread, expand = self.reduce.point(), self.spread.at(), self.expand.point()
        seen, bias = self.spread.seen(x), 0.0 if self.told is None else self.told(condition)

        def at(h: Tensor, row: int, column: int) -> Tensor:
            self.spread.put(seen, relu(reduce(relu(h))), row, column)
            return h + expand(relu(spread(seen, row, column) + bias))

        return at


class GatedPixelCNNNet(Causal):
    """Two stacks of gated convolutions, g(h) = tanh(h₁) σ(h₂): one of the rows above, one of the pixels to the left.

    v_l = g(u_l) with u_l = W * v_{l−1} + V y over the map moved down by one row, and h_l = h_{l−1} + U g(K * h_{l−1} + L u_l)
    along the row. Together they see all that is before a pixel, within the reach of their kernels: there is no blind spot.

    Shapes: ``(N, C, H, W)`` to ``(N, channels, H, W)``. Reference: van den Oord et al. 2016, arXiv:1606.05328.

    Args:
        shape: (C, H, W).
        channels: numbers for each pixel, one parameter of all channels of x after the other.
        split: whether the channels of a pixel are drawn one after the other.
        width: hidden channels of each stack.
        layers: how many.
        kernel: side of the first kernel, odd; those of the others are 3.
        condition: numbers that y is read as; 0: there is none.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: int,
        split: bool,
        width: int = 32,
        layers: int = 5,
        kernel: int = 7,
        condition: int = 0,
    ) -> None:
        super().__init__()
        check_image(shape)
        check_kernel(layers, kernel)
        self.shape, self.places = Size(shape), raster(shape, split)
        read, inner = input_groups(shape[0], split), hidden_groups(width, shape[0] if split else 1)
        self.layers = nn.ModuleList(
            _Gated(inner if n else read, inner, 1 if n else kernel // 2, n == 0, shape[1], condition)
            for n in range(layers)
        )
        self.head = PixelHead(inner, output_groups(channels, shape[0], split))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The parameters of every pixel."""
        v, h = pad(x, (0, 0, 1, -1)), x
        for layer in self.layers:
            v, h = layer(v, h, condition)
        out: Tensor = self.head(h)
        return out

    def begin(self, x: Tensor, condition: Tensor | None = None) -> Walk:
        """As the contract says: the rows above are read once for each row, and each layer keeps what it read along it."""
        n, c, _, width = x.shape
        walks = [layer.begin(x, condition) for layer in cast(Sequence[_Gated], self.layers)]
        head, current = self.head.point(), -1

        def at(place: Place) -> Tensor:
            nonlocal current
            i, j = place.pixel
            if i != current:
                current = i
                v = x[:, :, i - 1 : i] if i else x.new_zeros(n, c, 1, width)
                for down, _ in walks:
                    v = down(v, i)
            h = x[:, :, i, j]
            for _, along in walks:
                h = along(h, i, j)
            return head(h)

        return at


class _Gated(nn.Module):
    def __init__(self, inputs: Tensor, inner: Tensor, reach: int, first: bool, rows: int, condition: int) -> None:
        super().__init__()
        both = inner.repeat(2)
        anywhere = torch.zeros_like(both)  # whole rows above are known to every group
        self.first = first
        # of one row nothing is above
        self.down = CausalConv2d(torch.zeros_like(inputs), anywhere, reach, reach, reach, "all") if rows > 1 else None
        self.link = CausalConv2d(anywhere, both) if rows > 1 else None
        self.told = told(condition, len(both))
        self.along = CausalConv2d(inputs, both, left=reach, sees="before" if first else "upto")
        self.out = CausalConv2d(inner, inner)

    def forward(self, v: Tensor, h: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        row, bias = self.along(h), self._bias(condition)
        if self.down is None or self.link is None:
            row = row if bias is None else row + bias
        else:
            u = self.down(v) if bias is None else self.down(v) + bias
            row, v = row + self.link(u), gate(u)
        new = self.out(gate(row))
        return v, new if self.first else h + new

    def begin(
        self, x: Tensor, condition: Tensor | None
    ) -> tuple[Callable[[Tensor, int], Tensor], Callable[[Tensor, int, int], Tensor]]:
        along = self.along.begin(x) if self.first else None
        seen, at, out = self.along.seen(x), self.along.at(), self.out.point()
        above = None if self.down is None else self.down.seen(x)
        bias = self._bias(condition)
        linked = x.new_zeros(len(x), 2 * self.out.weight.shape[0], x.shape[3])

        def down(v: Tensor, row: int) -> Tensor:
            nonlocal linked
            if self.down is None or self.link is None or above is None:
                linked = linked if bias is None else linked + bias[..., 0]
                return v
            margin = self.down.left
            above[:, :, self.down.above + row, margin : margin + v.shape[-1]] = v[:, :, 0]
            u = self.down.row(above, row) if bias is None else self.down.row(above, row) + bias
            linked = self.link(u)[:, :, 0]
            return gate(u)

        def step(h: Tensor, row: int, column: int) -> Tensor:
            if along is not None:
                return out(gate(along(row, column) + linked[:, :, column]))
            self.along.put(seen, h, row, column)
            return h + out(gate(at(seen, row, column) + linked[:, :, column]))

        return down, step

    def _bias(self, condition: Tensor | None) -> Tensor | None:
        return None if self.told is None else self.told(condition)[..., None, None]


def gate(h: Tensor) -> Tensor:
    """tanh(h₁) σ(h₂) of the two halves of the channels."""
    a, b = h.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)


def told(condition: int, width: int) -> nn.Linear | None:
    """The bias of ``width`` channels that y gives; None where there is no y."""
    return nn.Linear(condition, width, bias=False) if condition else None
