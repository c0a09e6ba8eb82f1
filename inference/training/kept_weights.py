"""Weights of a model that are kept beside the last ones: the best, of the lowest validation loss, and averaged ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.parametrizations import _SpectralNorm

from pyrogen.base import Model


class KeptWeights:
    """The best and the averaged weights of a model in training.

    Averaged are the parameters, and the real numbers beside them: the mean of a batch norm's statistics is, to first order,
    what the averaged weights would see, a codebook's vectors move with the codes that they stand for, the singular vectors of
    spectral norms are put back to length 1, and what never changes is its own mean. What has no mean is the model's own at
    any moment: switches, whole numbers, tensors that are not finite.

    Args:
        model: the model.
        decay: of the exponential moving average, or None for no average.
    """

    def __init__(self, model: Model, decay: float | None) -> None:
        self.model, self.decay = model, decay
        self.best: dict[str, Tensor] = {}
        self.means: dict[str, Tensor] = {}
        self._directions: list[Tensor] = []
        self.begin_stage()

    def begin(self) -> None:
        """Start the average at the weights as they are: when all is prepared, and nothing has been trained."""
        if self.decay is not None:
            self._average_from(self.copied())

    def begin_stage(self) -> None:
        """Losses of another stage are not compared with those before: what was best by those is not the best of this one."""
        self.best, self.best_loss, self.best_epoch = {}, math.inf, 0

    def select(self, loss: float | None, epoch: int) -> None:
        """Keep the weights that were validated, the averaged ones if there are any, unless a loss before was as low."""
        if loss is not None and loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
            self.best = _copied(self.ema or self.model.state_dict())

    def average(self, steps: int) -> None:
        """Move the average towards the weights as they are after so many steps."""
        if self.means:
            assert self.decay is not None
            decay = min(self.decay, (1 + steps) / (10 + steps))  # so that the start is soon forgotten
            weights = self.model.state_dict()
            torch._foreach_lerp_([*self.means.values()], [weights[k] for k in self.means], 1 - decay)
            if self._directions:
                torch._foreach_div_(self._directions, torch._foreach_norm(self._directions))

    @property
    def ema(self) -> dict[str, Tensor]:
        """The averaged weights; none where nothing is averaged."""
        return {k: self.means.get(k, v) for k, v in self.model.state_dict().items()} if self.means else {}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The averaged weights in the model's place, if there are any."""
        with self.placed(self.ema):
            yield

    @contextmanager
    def placed(self, weights: Mapping[str, Tensor]) -> Iterator[None]:
        """Other weights in the model's place; its own where there are none."""
        if not weights:
            yield
            return
        last = self.copied()
        self.model.load_state_dict(weights)
        try:
            yield
        finally:
            self.model.load_state_dict(last)

    def concluded(self, conclude: Callable[[], None]) -> dict[str, dict[str, Tensor]]:
        """Those that there are, by name, each after what an end asks for was done to it."""
        found = {name: kept for name, kept in self.by_name().items() if kept}
        for name, kept in found.items():
            with self.placed(kept):
                conclude()
                found[name] = self.copied()
        return found

    def copied(self) -> dict[str, Tensor]:
        """The weights as they are: the state dict itself would go on changing with the model."""
        return _copied(self.model.state_dict())

    def tensors(self) -> dict[str, Tensor]:
        """All of them, as a checkpoint keeps them."""
        return {f"{name}/{k}": v for name, kept in self.by_name().items() for k, v in kept.items()}

    def by_name(self) -> dict[str, dict[str, Tensor]]:
        """Both, by the names under which a run is loaded with them."""
        return {"best": self.best, "ema": self.ema}

    def restore(self, best: Mapping[str, Tensor], ema: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Put back what a checkpoint kept."""
        device = self.model.device
        self.best = {k: v.to(device) for k, v in best.items()}
        self._average_from({k: v.to(device) for k, v in ema.items()})
        self.best_loss, self.best_epoch = float(facts["best_loss"]), int(facts["best_epoch"])

    def _average_from(self, weights: Mapping[str, Tensor]) -> None:
        self.means = {
            k: v for k, v in weights.items() if (v.is_floating_point() or v.is_complex()) and v.isfinite().all()
        }
        named = self.model.named_modules(remove_duplicate=False)
        of_norms = {f"{name}.{vector}" for name, m in named if isinstance(m, _SpectralNorm) for vector in m._buffers}
        self._directions = [v for k, v in self.means.items() if k in of_norms]


def _copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in weights.items()}
