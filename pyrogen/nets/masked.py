"""Masked networks, whose outputs see only the inputs before them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import linear, relu

from pyrogen.nets.causal import Causal, Place, Walk, permutation, places_of


class MaskedMLP(nn.Module):
    """The network of MADE: the parameters of element d depend on the elements before it only, in each of some orders.

    Hidden units have degrees that repeat 1…D−1, or are spread over them where a layer has fewer units; a unit sees units of
    lower or equal degree, an output of an element those of lower degree than the element's place in the order. All orders
    share the weights, each has masks of its own.

    Shapes: ``(N, *shape)`` to ``(N, parameters shape[0], *shape[1:])``. Reference: Germain et al. 2015, arXiv:1502.03509.

    Args:
        shape: of one datum; D numbers in all.
        hidden: widths of the hidden layers.
        parameters: numbers for each element.
        orders: of the elements, each a permutation of their numbers in memory; None: as they are.

    Raises:
        ValueError: an order that is no permutation.
    """

    def __init__(
        self,
        shape: Sequence[int],
        hidden: Sequence[int],
        parameters: int,
        orders: Sequence[Sequence[int] | None] = (None,),
    ) -> None:
        super().__init__()
        self.shape, self.parameters_each = Size(shape), parameters
        size = self.shape.numel()
        self.orders = [permutation(order, size) for order in orders]
        widths = [size, *hidden, parameters * size]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.degrees = [_degrees(width, max(size - 1, 1)) for width in hidden]
        first = torch.stack([torch.tensor(order).argsort() + 1 for order in self.orders])
        below = [first, *(d.expand(len(first), -1) for d in self.degrees)]
        for n, (low, high) in enumerate(zip(below, [*below[1:], first.repeat(1, parameters)], strict=True)):
            low, high = low[:, None, :], high[:, :, None]
            mask = high > low if n == len(hidden) else high >= low
            # they follow from the sizes, so they are rebuilt rather than saved: a run keeps their hash
            self.register_buffer(f"mask{n}", mask, persistent=False)

    def forward(self, x: Tensor, which: int = 0) -> Tensor:
        """The parameters of every element, in one of the orders."""
        h = x.flatten(1)
        *inner, (weight, bias) = self._layers(which)
        for w, b in inner:
            h = relu(linear(h, w, b))
        return linear(h, weight, bias).reshape(len(x), self.parameters_each * self.shape[0], *self.shape[1:])

    def begin(self, x: Tensor, which: int = 0) -> Walk:
        """A walk in one of the orders: of each hidden unit the value is computed once, when all that it sees is known."""
        *inner, (weight, bias) = self._layers(which)
        hidden = [x.new_zeros(len(x), w.shape[0]) for w, _ in inner]
        units = [[(d == s).nonzero().flatten().to(x.device) for d in self.degrees] for s in range(self.shape.numel())]
        pixels, channels, flat = self.shape[1:].numel(), self.shape[0], x.view(len(x), self.shape.numel())
        weight, bias = (t.unflatten(0, (self.parameters_each, -1)) for t in (weight, bias))
        number = {
            place: d for d, place in zip(self.orders[which], places_of(self.shape, self.orders[which]), strict=True)
        }
        steps = iter(units)

        def at(place: Place) -> Tensor:
            below = flat
            for values, known, (w, b) in zip(hidden, next(steps), inner, strict=True):
                if len(known):
                    values[:, known] = relu(linear(below, w[known], b[known]))
                below = values
            d = number[place]
            out = x.new_zeros(len(x), self.parameters_each, channels)
            out[:, :, d // pixels] = linear(below, weight[:, d], bias[:, d])
            return out.reshape(len(x), self.parameters_each * channels, *[1] * len(place.pixel))

        return at

    def _layers(self, which: int) -> list[tuple[Tensor, Tensor]]:
        masks = (self.get_buffer(f"mask{n}")[which] for n in range(len(self.layers)))
        return [
            (layer.weight * mask, layer.bias)
            for layer, mask in zip(cast(Sequence[nn.Linear], self.layers), masks, strict=True)
        ]


def _degrees(width: int, highest: int) -> Tensor:
    """Of each unit of a layer, from 1 to the highest: whoever is last reads all before it, however few units there are."""
    units = torch.arange(width)
    if width >= highest:
        return units % highest + 1
    return highest - (units.flip(0) * (highest - 1)).div(max(width - 1, 1), rounding_mode="floor")


class Ordered(Causal):
    """A masked network in one of its orders.

    Args:
        net: the network.
        which: the order's number.
    """

    def __init__(self, net: MaskedMLP, which: int = 0) -> None:
        super().__init__()
        self.net, self.which = net, which
        self.shape, self.places = net.shape, places_of(net.shape, net.orders[which])

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The parameters of every element."""
        out: Tensor = self.net(x, self.which)
        return out

    def begin(self, x: Tensor, condition: Tensor | None = None) -> Walk:
        """As the contract says."""
        return self.net.begin(x, self.which)
