"""Networks that read a condition beside their input."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Beside(nn.Module):
    """A network of vectors that reads a condition as further numbers: ``(N, *input)`` and ``(N, condition)``.

    Args:
        net: a network of ``(N, numbers of input + condition)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the network makes of both."""
        h: Tensor = self.net(torch.cat([x.flatten(1), condition.to(x)], 1))
        return h
