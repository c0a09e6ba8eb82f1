"""A network that tells hidden places from seen ones, walked through in an order: an autoregression."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Size, Tensor, nn

from pyrogen.nets.causal import Causal, Place, Walk
from pyrogen.noise import even_times


class OneByOne(Causal):
    """What a network says of each place when it sees those before it in an order alone, at a pass for each place.

    Any order will do, and it is trained in all: by what it says of places that are hidden by chance.

    Args:
        net: what is seen, ``(N, 2 channels, *pixels)``, 0 where it is hidden, and which numbers are; and the share of places
            that are hidden with a condition, ``(N, 1 + condition)``: to ``(N, channels, *pixels)``.
        shape: ``(channels, *pixels)``.
        places: in their order.
    """

    cells: Tensor

    def __init__(self, net: nn.Module, shape: Sequence[int], places: Sequence[Place]) -> None:
        super().__init__()
        self.net, self.shape, self.places = net, Size(shape), places
        cells = torch.zeros(len(places), *shape)
        for cell, place in zip(cells, places, strict=True):
            cell.unsqueeze(0)[place.elements] = 1
        self.register_buffer("cells", cells, persistent=False)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """All places, each by a pass of its own."""
        known = self.cells.cumsum(0) - self.cells
        seen = known.unsqueeze(1).expand(-1, len(x), *self.shape)
        told = None if condition is None else condition.repeat(len(self.places), 1)
        said = self.tell(x.repeat(len(self.places), *[1] * len(self.shape)), seen.flatten(0, 1), told)
        each = said.unflatten(0, (len(self.places), len(x)))
        # numbers of a place that is drawn as a whole share it; those that are drawn apart have their own
        out: Tensor = (each * self.cells.unsqueeze(1)).sum(0)
        return out

    def begin(self, x: Tensor, condition: Tensor | None = None) -> Walk:
        """As the contract says: a pass for each place."""
        seen = x.new_zeros(1, *self.shape)

        def at(place: Place) -> Tensor:
            out = self.tell(x, seen.expand(len(x), *self.shape), condition)
            seen[place.elements] = 1
            return out[place.window]

        return at

    def tell(self, x: Tensor, seen: Tensor, condition: Tensor | None = None) -> Tensor:
        """The outputs at all places, of ``(N, *shape)`` of which ``seen`` is 1 where they are, and 0 elsewhere."""
        share = 1 - seen.flatten(1).mean(1, keepdim=True)
        told = share if condition is None else torch.cat([share, condition], 1)
        out: Tensor = self.net(torch.cat([x * seen, seen], 1), told)
        return out

    def hide(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen where i places are hidden by chance, ``(N, *shape)`` of 0 and 1; and i, ``(N,)``.

        i is from 1 to all, spread evenly over a batch.
        """
        many = len(self.places)
        hidden = (even_times(x) * many).long().clamp(max=many - 1) + 1
        rank = torch.rand(len(x), many, device=x.device).argsort(1).argsort(1)
        left = (rank >= hidden.unsqueeze(1)).to(x)
        return (left @ self.cells.flatten(1)).unflatten(1, self.shape), hidden
