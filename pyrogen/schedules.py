"""Settings of a model that change while it is trained, computed from the step that training has reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_step: ContextVar[Tensor | None] = ContextVar("step", default=None)


@contextmanager
def training_at(step: Tensor | None) -> Iterator[None]:
    """Let schedules inside stand at a step of training, a scalar tensor; at their ends for None."""
    token = _step.set(step)
    try:
        yield
    finally:
        _step.reset(token)


def geometric(start: float, end: float, steps: int, like: Tensor) -> Tensor:
    """start^(1−f) end^f with f = min(1, t / steps) at step t: a scalar tensor like ``like``.

    Outside of training, where there is no step, it is ``end``: what is validated, scored and drawn from is the model that
    training leads to. It has no state, so that a resumed run, whose steps go on, is where it would have been; and it is
    computed from a tensor, because a number would be fixed where a step is recorded.

    Args:
        start: the value at step 0.
        end: the value from step ``steps`` on.
        steps: 0: always ``end``.
        like: a tensor of the device and dtype wanted.
    """
    step = _step.get()
    if step is None or not steps:
        return like.new_full((), end)
    left = 1 - (step.to(like) / steps).clamp(max=1)
    return end * (start / end) ** left
