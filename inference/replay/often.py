"""Functions that are run so often that Python's share of them is worth leaving out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from pyrogen.inference.replay.recording import Recording, Unrecordable, kind_and_line, trace

HABIT = 300  # calls after which a recording, which takes as long as some hundreds, begins to pay
COMPILED = 10_000  # calls for which compiling, which takes some seconds and saves an eighth of each, pays

log = logging.getLogger("pyrogen")


class Recorded:
    """A function of tensors, recorded below Python once it has been called often with such shapes.

    It is recorded at one call and compared at the next. A recording that does not give the function's own answer there is
    not used, nor one that draws, nor is a function recorded whose course depends on values: then every call runs it as it is.

    Args:
        function: tensors to tensors, without side effects.
        calls: how many are to be expected with the shapes of the first, where that is known: if they are many, these are
            recorded at once, and from ``COMPILED`` on compiled by Inductor where they are computed on a CPU.
    """

    def __init__(self, function: Callable[..., list[Tensor]], calls: int = 0) -> None:
        self.function = function
        # by numbers that are known before the first call: were it by the clock, equal seeds would differ
        self.many, self.compiles = calls > HABIT, calls >= COMPILED
        self._calls: Counter[Any] = Counter()
        self._tried: dict[Any, Recording] = {}
        self._recordings: dict[Any, Recording] = {}

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """What the function returns."""
        shapes = tuple((t.shape, t.stride(), t.dtype) for t in inputs)
        recording = self._recordings.get(shapes)
        if recording is not None:
            return recording(inputs)
        values = self.function(*inputs)
        first = not self._calls
        self._calls[shapes] += 1
        if (first and self.many) or self._calls[shapes] == HABIT:
            self._record(shapes, inputs, first and self.compiles)
        elif shapes in self._tried and _same(values, self._tried[shapes](inputs)):
            self._recordings[shapes] = self._tried.pop(shapes)
        else:
            self._tried.pop(shapes, None)
        return values

    def _record(self, shapes: Any, inputs: Sequence[Tensor], compiles: bool) -> None:
        try:
            recording = trace(lambda given: self.function(*given), inputs)
        except Unrecordable:
            return
        if recording.draws:
            return
        self._tried[shapes] = recording
        if compiles and all(t.device.type == "cpu" for t in inputs):
            try:
                compiled = recording.compiled(inputs)
                compiled(inputs)
                self._tried[shapes] = compiled
            except Exception as error:  # of the compiler, or of what it made
                why = error if isinstance(error, Unrecordable) else f"what it made fails ({kind_and_line(error)})"
                log.warning("a function that is called often is replayed without Inductor: %s.", why)


def _same(values: Sequence[Tensor], again: Sequence[Tensor]) -> bool:
    return all(torch.allclose(a, b, rtol=1e-4, atol=1e-4, equal_nan=True) for a, b in zip(values, again, strict=True))
