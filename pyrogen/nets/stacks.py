"""Residual stacks of fully connected layers, which can be deep."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu


class Residual(nn.Module):
    """f(h) = h + V silu(U silu(h)).

    Args:
        width: of h, and of what is inside.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        """The next h."""
        out: Tensor = h + self.outer(silu(self.inner(silu(h))))
        return out


class BottomUp(nn.Module):
    """A residual stack that reads x, and of which every depth says a part of the features.

    Args:
        inputs: numbers of x.
        outputs: features.
        width: of the stack.
        depth: residual blocks.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Flatten(), nn.Linear(inputs, width))
        self.blocks = nn.ModuleList(Residual(width) for _ in range(depth))
        self.last = nn.Linear(width * (depth + 1), outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, *x_shape)`` to ``(N, outputs)``."""
        h = self.first(x)
        read = [h]
        for block in self.blocks:
            h = block(h)
            read.append(h)
        out: Tensor = self.last(silu(torch.cat(read, -1)))
        return out
