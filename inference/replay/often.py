"""Functions that are run so often that Python's share of them is worth leaving out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Size, Tensor

from pyrogen.inference.replay.recording import Recording, Unrecordable, trace

HABIT = 300  # calls after which a recording, which takes as long as some hundreds, begins to pay


class Recorded:
    """A function of one tensor, recorded below Python once it has been called often with one shape.

    A recording that does not give the function's own answer elsewhere is not used, nor is a function recorded whose course
    depends on values: then every call runs it as it is.

    Args:
        function: tensor to tensors, without side effects.
    """

    def __init__(self, function: Callable[[Tensor], list[Tensor]]) -> None:
        self.function = function
        self._calls: Counter[Size] = Counter()
        self._recordings: dict[Size, Recording] = {}

    def __call__(self, z: Tensor) -> list[Tensor]:
        """What the function returns."""
        recording = self._recordings.get(z.shape)
        if recording is not None:
            return recording([z])
        values = self.function(z)
        self._calls[z.shape] += 1
        if self._calls[z.shape] == HABIT:
            self._record(z, values)
        return values

    def _record(self, z: Tensor, values: list[Tensor]) -> None:
        try:
            recording = trace(lambda inputs: self.function(inputs[0]), [z.roll(1, 0) / 2])
        except Unrecordable:
            return
        again = recording([z])
        if all(torch.allclose(a, b, rtol=1e-4, atol=1e-4, equal_nan=True) for a, b in zip(values, again, strict=True)):
            self._recordings[z.shape] = recording
