"""What data are drawn from, where it is known exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Law(ABC):
    """A distribution of x, or of x and the y that it depends on, with the log p that a model of it is compared with.

    Attributes:
        conditional: whether it is one of x given y alone, so that there is no log p(x).
    """

    conditional: bool = False

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draws of x, ``(n, *x_shape)``, and of y, ``(n, *y_shape)``."""

    @abstractmethod
    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x|y), or where no y is told log p(x), in nats: ``(..., *x_shape)`` to ``(...)``, float64."""
