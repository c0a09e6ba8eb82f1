"""Classes and bits on grids, drawn one place after the other."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Size, Tensor

from pyrogen.distributions.autoregressive import Autoregressive
from pyrogen.distributions.finite import OneHot, product
from pyrogen.distributions.tempered import COLDEST, HasTemperature


class OneHotImage(TorchDistribution, HasTemperature):
    """Independent classes at the pixels of a grid, as one-hot vectors along the channels.

    Shapes: logits ``(..., K, H, W)``; event ``(K, H, W)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, logits: Tensor) -> None:
        self.pixels = OneHot(logits=logits.movedim(-3, -1)).to_event(2)
        super().__init__(logits.shape[:-3], logits.shape[-3:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> OneHotImage:
        """The same for another batch shape."""
        logits = self.pixels.base_dist.logits.movedim(-1, -3)
        return OneHotImage(logits.expand(Size(batch_shape) + self.event_shape))

    def at(self, temperature: float) -> OneHotImage:
        """Every class at a temperature."""
        return OneHotImage(self.pixels.base_dist.logits.movedim(-1, -3) / max(temperature, COLDEST))

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ over pixels of log softmax(l)_z."""
        log_p: Tensor = self.pixels.log_prob(value.movedim(-3, -1))
        return log_p

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Each class by itself."""
        z: Tensor = self.pixels.sample(Size(sample_shape)).movedim(-1, -3)
        return z


class OnGrid(TorchDistribution, HasTemperature):
    """A distribution of a grid as one of vectors: the bits, or the one-hot vector, of each place lie together.

    Shapes: event ``(H W C,)``.

    Args:
        grid: over ``(C, H, W)``.
        support: of the vectors.
        values: what a bit, or a place, can hold, ``(states, numbers)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    has_enumerate_support = True
    support: constraints.Constraint = constraints.real_vector

    def __init__(self, grid: Autoregressive, support: constraints.Constraint, values: Tensor) -> None:
        self.grid, self.support, self.values = grid, support, values
        super().__init__(grid.batch_shape, Size([grid.event_shape.numel()]), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> OnGrid:
        """The same for another batch shape."""
        return OnGrid(self.grid.expand(batch_shape), self.support, self.values)

    def at(self, temperature: float) -> OnGrid:
        """Every place at a temperature, given those before it."""
        return OnGrid(self.grid.at(temperature), self.support, self.values)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of the grid, in nats."""
        c, h, w = self.grid.event_shape
        return self.grid.log_prob(value.unflatten(-1, (h, w, c)).movedim(-1, -3))

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Place after place."""
        return self.grid.sample(Size(sample_shape)).movedim(-3, -1).flatten(-3)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All states, the first place the slowest: ``(states, 1, ..., H W C)``, or with the batch shape in the middle.

        Raises:
            ValueError: there are too many.
        """
        slots = self.event_shape.numel() // self.values.shape[-1]
        states = product(self.values, slots).reshape(-1, *[1] * len(self.batch_shape), *self.event_shape)
        return states.expand(-1, *self.batch_shape, -1) if expand else states
