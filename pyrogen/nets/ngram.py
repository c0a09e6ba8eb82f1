"""Networks over the last few places of a sequence: n-grams."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pyrogen.nets.sequences import Body, SequenceNet, Step, SummaryBody
from pyrogen.registry import choice


@choice("sequence")
@dataclass(frozen=True)
class NGram(SequenceNet):
    """A hidden layer over the last places alone: of a language model a neural n-gram, the plain rival of what remembers.

    A whole sequence is summed up by the mean over its places.
    Reference: Bengio et al. 2003, A neural probabilistic language model.

    Args:
        width: hidden units.
        order: n: a word follows from the n − 1 before it.
    """

    width: int = 64
    order: int = 2

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.width < 1 or self.order < 2:
            raise ValueError(f"NGram(width={self.width}, order={self.order}): needs 1 unit or more, and order >= 2.")

    def backward_looking(self, inputs: int, length: int) -> Body:
        """A layer over the last order − 1 vectors."""
        return _Last(inputs, self)

    def summary(self, length: int) -> SummaryBody:
        """The mean of such a layer."""
        return _Mean(self)


class _Last(Body):
    any_length = True

    def __init__(self, inputs: int, made: NGram) -> None:
        super().__init__()
        self.back = made.order - 2
        self.layer = nn.Linear((made.order - 1) * inputs, made.width)

    def forward(self, h: Tensor) -> Tensor:
        padded = torch.cat([torch.zeros_like(h[:, :1]).expand(-1, self.back, -1), h], 1)
        return self._layer(padded.unfold(1, self.back + 1, 1).flatten(2))

    def begin(self) -> Step:
        seen: list[Tensor] = []

        def step(h: Tensor) -> Tensor:
            seen.append(h)
            last = [torch.zeros_like(h)] * (self.back + 1 - len(seen)) + seen[-self.back - 1 :]
            return self._layer(torch.stack(last, -1).flatten(1))

        return step

    def _layer(self, h: Tensor) -> Tensor:
        return torch.relu(self.layer(h))


class _Mean(SummaryBody):
    any_length = True

    def __init__(self, made: NGram) -> None:
        super().__init__()
        self.size = made.width
        self.last = _Last(made.width, made)

    def forward(self, h: Tensor, count: Tensor) -> Tensor:
        there = (torch.arange(h.shape[1], device=h.device) < count[:, None]).unsqueeze(-1)
        found = self.last(h)
        return torch.where(there, found, torch.zeros_like(found)).sum(1) / count.unsqueeze(-1)
