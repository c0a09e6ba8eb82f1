"""Networks that read corrupted inputs while they train."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Corruption = Literal["normal", "mask", "salt"]


class Noisy(nn.Module):
    """A network that reads corrupted inputs while it trains, and the inputs themselves in evaluation mode.

    "normal": x + a ε with ε ~ N(0, I). "mask": each element is 0 with probability a. "salt": each element is, with
    probability a, 0 or 1 by a fair coin.

    Shapes: those of the network. Reference: Vincent et al. 2010, Stacked denoising autoencoders, section 3.3.

    Args:
        net: the network.
        amount: a.
        corruption: "normal", "mask" or "salt".

    Raises:
        ValueError: a corruption that means nothing.
    """

    def __init__(self, net: nn.Module, amount: float, corruption: Corruption = "normal") -> None:
        super().__init__()
        if corruption not in ("normal", "mask", "salt"):
            raise ValueError(f"corruption={corruption!r}: choose 'normal', 'mask' or 'salt'.")
        if not 0 <= amount < math.inf or (corruption != "normal" and amount > 1):
            most = "" if corruption == "normal" else ", as a probability at most 1"
            raise ValueError(f"noise={amount} of corruption={corruption!r} must be finite and at least 0{most}.")
        self.net, self.amount, self.corruption = net, amount, corruption

    def forward(self, x: Tensor, *condition: Tensor) -> Tensor:
        """The network's outputs; a condition is left as it is."""
        outputs: Tensor = self.net(self.corrupt(x) if self.training else x, *condition)
        return outputs

    def corrupt(self, x: Tensor) -> Tensor:
        """x with fresh noise."""
        if self.corruption == "normal":
            return x + self.amount * torch.randn_like(x)
        hit = torch.rand_like(x) < self.amount
        value = torch.zeros_like(x) if self.corruption == "mask" else (torch.rand_like(x) < 0.5).to(x.dtype)
        return torch.where(hit, value, x)

    def extra_repr(self) -> str:
        """The noise."""
        return f"amount={self.amount}, corruption={self.corruption!r}"
