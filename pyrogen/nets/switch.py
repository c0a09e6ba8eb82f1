"""A yes or no that is a part of a module's state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Switch(nn.Module):
    """It is saved and loaded as a tensor, and asked without one: to look at a tensor is to wait for its device.

    Args:
        on: what it is at first.

    Attributes:
        on: what it is.
    """

    state: Tensor

    def __init__(self, on: bool = False) -> None:
        super().__init__()
        self.register_buffer("state", torch.tensor(on))
        self.on = on

    def turn(self, on: bool) -> None:
        """Let it be so."""
        self.state.fill_(on)
        self.on = on

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self.on = bool(self.state)
