"""The batches of an epoch: which data are in each, in which order they come, and how many of their places are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Size, Tensor

from pyrogen.base import Batch, Model
from pyrogen.data import Split
from pyrogen.inference.programs.lengths import needed
from pyrogen.inference.training.processes import share

WASTED = 0.15  # of the places of all batches, at most, if that can be had with no more lengths than
LENGTHS = 8  # different ones: a step is recorded anew for each


class Batches:
    """The data of a split in batches, each datum once an epoch, shuffled.

    Sequences that end are put beside others of about their length, and their batch is cut to the least of a few lengths that
    loses none of their ends; these are the same in every epoch. Within that what is in a batch is random, and so is the order
    of batches, but that a last, smaller one stays the last: of sequences of a random length.

    Args:
        split: the data.
        size: data in a batch, of all processes.
        shares: how many processes share a batch.
        model: that reads them, of any length or not.
        late: whether x may be drawn by :meth:`drawn` only.
    """

    def __init__(self, split: Split, size: int, shares: int, model: Model, late: bool = False) -> None:
        self.split, self.size, self.data = split, size, len(split)
        rest = self.data % size
        # a batch norm cannot train on a share of one datum, so a last batch that gives such shares joins the one before
        joined = 0 < rest < 2 * shares and self.data > size
        self.count = self.data // size + (rest > 0 and not joined)
        self.full = self.count if rest == 0 else self.count - 1
        self.order = torch.empty(0, dtype=torch.long)
        self.places = split.x_shape[-1] if split.x_shape else 0
        self.needed = _needed(split, model) if self.full > 1 else None
        self.lengths = [self.places] if self.needed is None else lengths_for(self.needed, self.full, self.places)
        self.cuts = [self.places] * self.count
        self.late = late and len(self.lengths) == 1  # what is cut is drawn as a whole

    def __len__(self) -> int:
        return self.count

    def shuffle(self, generator: torch.Generator) -> None:
        """Begin an epoch; the order is the same in every process."""
        order = torch.randperm(self.data, generator=generator)
        if len(self.lengths) > 1:
            assert self.needed is not None
            order = order[self.needed[order].argsort(stable=True)]
            left = self.data - self.full * self.size
            at = int(torch.randint(self.full * self.size + 1, (), generator=generator))
            order, rest = torch.cat([order[:at], order[at + left :]]), order[at : at + left]
            # batches of one length exchange their data
            cuts = torch.tensor([self._length(batch) for batch in order.split(self.size)]).repeat_interleave(self.size)
            mixed = torch.randperm(len(order), generator=generator)
            order = order[mixed[cuts[mixed].argsort(stable=True)]]
            turns = torch.randperm(self.full, generator=generator)
            order = torch.cat([order.unflatten(0, (self.full, self.size))[turns].flatten(), rest])
        self.go_by(order)

    def go_by(self, order: Tensor) -> None:
        """Take the data of an epoch in an order, that of one which was begun before too."""
        self.order = order
        if len(self.lengths) > 1:
            self.cuts = [self._length(self.index(number)) for number in range(self.count)]

    def index(self, number: int) -> Tensor:
        """The data of a batch."""
        end = (number + 1) * self.size if number + 1 < self.count else self.data
        return self.order[number * self.size : end]

    def many(self, number: int) -> int:
        """How many data a batch has."""
        return self.size if number + 1 < self.count else self.data - number * self.size

    def length(self, number: int) -> int:
        """How many places of its data are read."""
        return self.cuts[number]

    def read(self, index: Tensor, length: int) -> Batch:
        """Some data, cut; undrawn where that comes late."""
        batch = self.split.undrawn(index) if self.late else self.split.batch(index)
        return batch if length == self.places else replace(batch, x=batch.x[..., :length].contiguous())

    def drawn(self, batch: Batch) -> Batch:
        """The batch as players see it."""
        return self.split.drawn(batch) if self.late else batch

    def uses(self, epochs: int, rank: int, shares: int) -> Mapping[Size, int]:
        """About how many batches of which shape are a process's in so many epochs."""
        uses: Counter[Size] = Counter()
        for many, length, times in self._typical():
            shape = [share(many, rank, shares), *self.split.x_shape]
            uses[Size(shape if length == self.places else [*shape[:-1], length])] += round(epochs * times)
        return uses

    @property
    def said(self) -> str:
        """How much of the batches is padding, as one line; empty of data without ends."""
        if not self.padding[1]:
            return ""
        now, before = (f"{100 * share:.0f} %" for share in self.padding)
        cut = f"batches are cut to {', '.join(map(str, self.lengths))}" if len(self.lengths) > 1 else "no batch is cut"
        return f"{now} of the places of all batches lie behind the ends; {cut} ({before} would if none were)"

    @property
    def padding(self) -> tuple[float, float]:
        """What share of the places of all batches lies behind the ends, and what would if none were cut; 0 without ends."""
        if self.needed is None:
            return 0.0, 0.0
        read = sum(many * length * times for many, length, times in self._typical())
        used = int(self.needed.sum())
        return 1 - used / read, 1 - used / (self.data * self.places)

    def _typical(self) -> list[tuple[int, int, float]]:
        """The batches of an epoch: how many data they have, of how many places, and about how many such batches there are."""
        left, smaller = self.data - self.full * self.size, self.count - self.full
        if len(self.lengths) == 1:
            return [(self.size, self.places, self.full), (left, self.places, smaller)]
        assert self.needed is not None
        full = Counter(_up(n, self.lengths) for n in tops(self.needed, self.full))
        # of all that lie side by side there the last one may be
        last = Counter(_up(n, self.lengths) for n in self.needed.sort().values[max(left - 1, 0) :].tolist())
        shares = {length: smaller * n / last.total() for length, n in last.items()}
        return [
            *((self.size, n, times) for n, times in full.items()),
            *((left, n, share) for n, share in shares.items()),
        ]

    def _length(self, index: Tensor) -> int:
        assert self.needed is not None
        return _up(int(self.needed[index].max()), self.lengths)


def _needed(split: Split, model: Model) -> Tensor | None:
    if not model.any_length:
        return None
    parts = [needed(model, split.kind, x) for x in split.chunks()]
    found = [part.cpu() for part in parts if part is not None]
    return torch.cat(found) if found else None


def tops(needed: Tensor, batches: int) -> list[int]:
    """The longest sequence of each of so many batches of about one length, the shortest first."""
    ends = torch.arange(1, batches + 1) * len(needed) // batches
    found: list[int] = needed.sort().values[ends - 1].tolist()
    return found


def lengths_for(needed: Tensor, batches: int, places: int) -> list[int]:
    """The fewest lengths to which batches can be cut so that no more is wasted than is to be, the last of them ``places``.

    For each number of lengths the best ones are found by dynamic programming over the longest sequences of the batches.

    Args:
        needed: places of each datum, ``(N,)``.
        batches: how many there are.
        places: of all data.
    """
    # of one place what looks back sees nothing, and weights of it would have no gradient
    least = min(2, places)
    values, counts = np.unique([*(max(n, least) for n in tops(needed, batches)), places], return_counts=True)
    many = counts.astype(float)
    many[-1] -= 1  # that of all data is a length, and no batch
    used = float(needed.double().mean()) * many.sum()
    before = np.concatenate([[0.0], many.cumsum()])
    # cost[j]: places of the batches up to values[j], of which that is the greatest length
    cost, ways = values * before[1:], [np.full(len(values), -1)]
    while 1 - used / cost[-1] > WASTED and len(ways) < min(LENGTHS, len(values)):
        # one more: batches behind values[i], and up to values[j], are cut to the latter
        grown = cost[:, None] + values * (before[None, 1:] - before[1:, None])
        grown[np.tril_indices(len(values))] = np.inf
        ways.append(grown.argmin(0))
        cost = grown.min(0)
    found, at = [], len(values) - 1
    for way in reversed(ways):
        found.append(int(values[at]))
        at = int(way[at])
    return found[::-1]


def _up(least: int, lengths: Sequence[int]) -> int:
    """The least of the lengths that is enough."""
    return next(length for length in lengths if length >= least)
