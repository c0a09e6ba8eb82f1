"""What is known of a step for one kind of batch, and a batch as the tensors that a recording reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from pyrogen.base import Batch
from pyrogen.inference.replay.recording import Recording
from pyrogen.inference.replay.snapshot import Place

CHECKED = 3  # the first replays, all of which are checked
# replays at least before the first check of a later epoch, and between those after it, which take as long as 10 to 30 replays
EARLY, APART = 50, 500
SHOWN = "shown/"

Replayed = Callable[[Sequence[Tensor]], list[Tensor]]


@dataclass
class Entry:
    """What is known of the step for one kind of batch.

    Attributes:
        worth: whether it is recorded at all.
        traced: the recording.
        compiled: the same by Inductor, or captured, or both.
        terms: names of what the loss gives.
        moved: which of all that may have a gradient have one.
        still: the others.
        moves: whether what is compiled moves the parameters too.
        kept: where the optimizer keeps what it knows of these.
        exact: whether the recording agrees with the eager step to the bit.
        replays: how many there were.
        checks: how many of them were checked.
        checked_at: the last that was.
        epoch: of that one.
    """

    worth: bool
    traced: Recording | None = None
    compiled: Replayed | None = None
    terms: list[str] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    still: list[int] = field(default_factory=list)
    moves: bool = False
    kept: list[Place] = field(default_factory=list)
    exact: bool = False
    replays: int = 0
    checks: int = 0
    checked_at: int = 0
    epoch: int = 0

    @property
    def fastest(self) -> Replayed:
        """What is replayed."""
        recording = self.compiled or self.traced
        assert recording is not None
        return recording

    def due(self, epoch: int) -> bool:
        """Whether the next replay is to be checked."""
        if self.checks < CHECKED:
            return True
        apart = EARLY if self.checks == CHECKED else APART
        return self.epoch != epoch and self.replays - self.checked_at >= apart


def tensors_of(batch: Batch) -> dict[str, Tensor]:
    """All tensors of a batch, by name."""
    plain = {name: t for name, t in vars(batch).items() if isinstance(t, Tensor)}
    return plain | {f"{SHOWN}{name}": t for name, t in (batch.shown or {}).items()}


def batch_of(tensors: Mapping[str, Tensor]) -> Batch:
    """The batch of such tensors."""
    shown = {name.removeprefix(SHOWN): t for name, t in tensors.items() if name.startswith(SHOWN)}
    return Batch(**{name: t for name, t in tensors.items() if not name.startswith(SHOWN)}, shown=shown or None)
