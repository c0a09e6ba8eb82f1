"""Masked networks, whose outputs see only the inputs before them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class MaskedLinear(nn.Linear):
    """A linear layer whose weights are multiplied by a fixed mask."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        # it follows from the sizes, so it is rebuilt rather than saved
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(W ⊙ M) x + b."""
        return linear(x, self.weight * self.mask, self.bias)


class MaskedMLP(nn.Module):
    """The network of MADE: the parameters of element d depend on elements 1…d−1 only.

    Hidden units have degrees that repeat 1…D−1; a unit sees units of lower or equal degree, an output of element d those
    of lower degree than d.

    Shapes: ``(N, D)`` to ``(N, parameters, D)``. Reference: Germain et al. 2015, arXiv:1502.03509.

    Args:
        size: D.
        hidden: widths of the hidden layers.
        parameters: numbers for each element.
    """

    def __init__(self, size: int, hidden: Sequence[int], parameters: int) -> None:
        super().__init__()
        degrees = torch.arange(1, size + 1)
        layers: list[nn.Module] = []
        before = degrees
        for width in hidden:
            after = torch.arange(width) % max(size - 1, 1) + 1
            layers += [MaskedLinear(after[:, None] >= before[None, :]), nn.ReLU()]
            before = after
        outputs = degrees.repeat(parameters)
        layers += [MaskedLinear(outputs[:, None] > before[None, :]), nn.Unflatten(1, (parameters, size))]
        self.net = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The parameters of every element."""
        h: Tensor = self.net(x)
        return h
