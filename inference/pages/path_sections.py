"""What a report shows of models of people's paths: fans of forecasts, and their worth beside going straight on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyrogen.data import Data, Split
from pyrogen.data.trajectories import KIND
from pyrogen.figures import path_plots
from pyrogen.inference.pages.panel import SAMPLES, SCORES, History, Panel
from pyrogen.inference.quality.forecasts import DRAWS, TOUCHING, drawn, forecasts, head, worth

PICTURED = 6  # scenes


def fans(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Pasts, what followed, and what might have."""
    if data.kind != KIND or model.condition is None:
        return
    part = _spread(data.test)
    caption = (
        f"Test scenes: where people have been, where they went, and {DRAWS} draws of where they might have gone, all people "
        "of a scene together."
    )
    yield Panel(SAMPLES, caption, "paths", path_plots.scenes(part.y, part.x, drawn(model, part, DRAWS)))


def rows(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The worth of forecasts, beside going straight on."""
    if data.kind != KIND or model.condition is None:
        return
    found = forecasts(model, data)
    yield Panel(SCORES, worth(data.test, TOUCHING), table=[head(TOUCHING), *(row.cells() for row in found)])


def _spread(part: Split) -> Split:
    """A few scenes, evenly spaced: those that follow one another are nearly the same."""
    chosen = list(range(0, len(part), max(1, len(part) // PICTURED)))[:PICTURED]
    x, *y = part[chosen]
    return Split(x, *y, part.name, part.view)
