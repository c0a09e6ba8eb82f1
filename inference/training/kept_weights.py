"""Weights of a model that are kept beside the last ones: the best, of the lowest validation loss, and averaged ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Model


class KeptWeights:
    """The best and the averaged weights of a model in training.

    Args:
        model: the model.
        decay: of the exponential moving average, or None for no average.
    """

    def __init__(self, model: Model, decay: float | None) -> None:
        self.model, self.decay = model, decay
        self.best: dict[str, Tensor] = {}
        self.ema = {} if decay is None else self.copied()
        self.begin_stage()

    def begin_stage(self) -> None:
        """Losses of another stage are not compared with those before."""
        self.best_loss, self.best_epoch = math.inf, 0

    def select(self, loss: float | None, epoch: int) -> None:
        """Keep the weights as they are if no loss was lower."""
        if loss is not None and loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
            self.best = self.copied()

    def average(self, steps: int) -> None:
        """Move the average towards the weights as they are after so many steps."""
        if self.decay is not None and self.ema:
            decay = min(self.decay, (1 + steps) / (10 + steps))  # so that the start is soon forgotten
            weights = self.model.state_dict()
            floats = [k for k, v in weights.items() if v.is_floating_point()]
            torch._foreach_lerp_([self.ema[k] for k in floats], [weights[k] for k in floats], 1 - decay)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The averaged weights in the model's place."""
        if not self.ema:
            yield
            return
        last = self.copied()
        self.model.load_state_dict(self.ema)
        try:
            yield
        finally:
            self.model.load_state_dict(last)

    def copied(self) -> dict[str, Tensor]:
        """The weights as they are: the state dict itself would go on changing with the model."""
        return {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def tensors(self) -> dict[str, Tensor]:
        """All of them, as a checkpoint keeps them."""
        return {f"{name}/{k}": v for name, kept in self.by_name().items() for k, v in kept.items()}

    def by_name(self) -> dict[str, dict[str, Tensor]]:
        """Both, by the names under which a run is loaded with them."""
        return {"best": self.best, "ema": self.ema}

    def restore(self, best: Mapping[str, Tensor], ema: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        device = self.model.device
        self.best, self.ema = ({k: v.to(device) for k, v in kept.items()} for kept in (best, ema))
        self.best_loss, self.best_epoch = float(facts["best_loss"]), int(facts["best_epoch"])
