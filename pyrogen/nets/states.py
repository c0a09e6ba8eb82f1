"""Networks of state space models: what sequences say of the state at each step, and what a state says of its step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Size, Tensor, nn

from pyrogen.nets.batch_dims import BatchDims
from pyrogen.nets.sequences import SequenceNet

Looks = Literal["ahead", "back", "both"]


class StepEncoder(nn.Module):
    """Features of each step from the sequence up to it, from it on, or both ways, by bodies that look back.

    Shapes: ``(N, C, T)`` to ``(N, features, T, L)``.
    Reference: Krishnan, Shalit & Sontag 2017, arXiv:1609.09869, who compare what a guide looks at.

    Args:
        shape: (C, T).
        net: what the bodies are made by.
        features: numbers of a step for each of its state.
        states: L.
        looks: "ahead", from a step to the end; "back", from the beginning to it; or "both".

    Raises:
        ValueError: it looks elsewhere.
    """

    def __init__(self, shape: Sequence[int], net: SequenceNet, features: int, states: int, looks: Looks) -> None:
        super().__init__()
        if looks not in get_args(Looks):
            raise ValueError(f"looks={looks!r}: choose 'ahead', 'back' or 'both'.")
        self.states, self.looks = states, looks
        self.read = nn.Linear(shape[0], net.width)
        self.onward = net.backward_looking(net.width, shape[1]) if looks != "ahead" else None
        self.backward = net.backward_looking(net.width, shape[1]) if looks != "back" else None
        self.head = nn.Linear((2 + (looks == "both")) * net.width, features * states)

    def forward(self, x: Tensor) -> Tensor:
        """The features."""
        h = self.read(x.mT)
        seen = [h]  # the step itself as it is: what remembers is bounded
        if self.onward is not None:
            seen.append(self.onward(h))
        if self.backward is not None:
            seen.append(self.backward(h.flip(1)).flip(1))
        told: Tensor = self.head(torch.cat(seen, -1))
        return told.unflatten(-1, (-1, self.states)).transpose(1, 2)


class StepDecoder(nn.Module):
    """The same network at each step.

    Shapes: states side by side, ``(N, T L)``, to ``(N, channels, T)``.

    Args:
        net: ``(N, L)`` to ``(N, channels)``.
        states: L.
        channels: what it gives.
        length: T.
    """

    def __init__(self, net: nn.Module, states: int, channels: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.step = BatchDims(net, Size([states]), Size([channels]), "decoder of a step")

    def forward(self, z: Tensor) -> Tensor:
        """What it gives at each step."""
        given: Tensor = self.step(z.unflatten(-1, (self.length, -1)))
        return given.mT
