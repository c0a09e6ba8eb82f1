"""Steps like the last one: a compiled step repeated with the least of Python, while nobody else touches the model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pyrogen.base import Batch
from pyrogen.inference.replay.entry import Entry, tensors_of
from pyrogen.inference.replay.update import Update

AHEAD = 32  # steps whose rates are made at once


class Again:
    """What a compiled step that moves the parameters itself does once more, for batches alike.

    Nothing of the model is looked at in between: whose tensors they are, and in which modes its modules. So it is made anew
    wherever something else may have run.

    Args:
        entry: of the step.
        read: what the step reads of the model.
        update: what is in it.

    Attributes:
        entry: as given.
        outputs: of the last step, as the entry's compiled recording gives them.
    """

    def __init__(self, entry: Entry, read: Sequence[Tensor], update: Update) -> None:
        self.entry, self.update, self.outputs = entry, update, list[Tensor]()
        self.read, self.kept = [*read], [home[name] for home, name in entry.kept]
        self.steps = update.steps(entry.moved)
        self.rates: list[Tensor] = []

    def __call__(self, batch: Batch) -> list[Tensor]:
        """The step's terms, in the entry's order."""
        assert self.entry.compiled is not None
        if not self.rates:
            # of many steps at once: a tensor from Python takes as long as a small kernel
            self.rates = [*reversed(self.update.rates(self.steps, AHEAD))]
            self.steps = [steps + AHEAD for steps in self.steps]
        self.outputs = self.entry.compiled([*self.read, *tensors_of(batch).values(), *self.kept, self.rates.pop()])
        self.entry.replays += 1
        return self.outputs[: len(self.entry.terms)]
