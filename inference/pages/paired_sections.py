"""What a model makes of pictures that it is given, beside the answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyrogen.data import Data
from pyrogen.inference.pages.panel import SAMPLES, History, Panel
from pyrogen.inference.quality.side_by_side import AGAIN, BESIDE, given_and_made, shows_given


def answers(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What is given, what the model makes of it at several draws, and the truth."""
    part = data.test.spread(BESIDE)
    if shows_given(model, part) and model.paired:  # of domains that are not, their own section shows both ways
        caption = (
            f"Test data: y as the model is given it, what it makes of that at {AGAIN} draws, and the x that belongs to y. "
            "Where y leaves several answers open, draws should differ as they do."
        )
        yield Panel(SAMPLES, caption, "answers", given_and_made(model, part, data.kind))
