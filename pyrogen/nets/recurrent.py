"""LSTMs over sequences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pyrogen.nets.sequences import Body, SequenceNet, Step, SummaryBody
from pyrogen.registry import choice

State = tuple[Tensor, Tensor]


@choice("sequence")
@dataclass(frozen=True)
class LSTM(SequenceNet):
    """Long short-term memory; a whole sequence is summed up by the last states of two that read it from either end.

    Reference: Hochreiter & Schmidhuber 1997, Long short-term memory.

    Args:
        width: hidden units.
        layers: one upon the other.
    """

    width: int = 64
    layers: int = 1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.width < 1 or self.layers < 1:
            raise ValueError(f"LSTM(width={self.width}, layers={self.layers}): needs 1 unit or more, and 1 layer.")

    def backward_looking(self, inputs: int, length: int) -> Body:
        """An LSTM."""
        return _Forward(inputs, self.width, self.layers)

    def summary(self, length: int) -> SummaryBody:
        """Two LSTMs."""
        return _BothWays(self.width, self.layers)


class _Forward(Body):
    any_length = True

    def __init__(self, inputs: int, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(inputs if not k else width, width) for k in range(layers))

    def forward(self, h: Tensor) -> Tensor:
        for layer in self.layers:
            h, _ = layer(h)
        return h

    def begin(self) -> Step:
        states: list[State | None] = [None] * len(self.layers)

        def step(h: Tensor) -> Tensor:
            h = h.unsqueeze(1)
            for k, layer in enumerate(self.layers):
                h, states[k] = layer(h, states[k])
            return h[:, 0]

        return step


class _BothWays(SummaryBody):
    """One LSTM from the first place to the last that is there, and one from there to the first."""

    any_length = True

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.size = 2 * width
        self.onward, self.back = (_Forward(width, width, layers) for _ in range(2))

    def forward(self, h: Tensor, count: Tensor) -> Tensor:
        last = (count - 1)[:, None, None].expand(-1, 1, h.shape[-1])
        turned = (last - torch.arange(h.shape[1], device=h.device)[:, None]).clamp(min=0)
        ends = [lstm(x).gather(1, last) for lstm, x in ((self.onward, h), (self.back, h.gather(1, turned)))]
        return torch.cat(ends, -1)[:, 0]


class _Layer(nn.Module):
    """c_t = σ(f_t) c_{t−1} + σ(i_t) tanh g_t and h_t = σ(o_t) tanh c_t, the gates (i, f, g, o) linear in x_t and h_{t−1}."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.read, self.recall = nn.Linear(inputs, 4 * width), nn.Linear(width, 4 * width, bias=False)

    def forward(self, h: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """What all places of ``(N, T, inputs)`` show, and the state after them, from the state before, 0 at first."""
        before = h.new_zeros(1, len(h), self.width)
        # torch's own wants a bias of what it recalls, too
        weights = [self.read.weight, self.recall.weight, self.read.bias, torch.zeros_like(self.read.bias)]
        shown, last, cell = torch.lstm(h, state or (before, before), weights, True, 1, 0.0, self.training, False, True)
        return shown, (last, cell)
