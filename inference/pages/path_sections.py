"""What a report shows of models of people's paths: fans of forecasts, and their worth beside going straight on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyrogen.data import Data
from pyrogen.data.trajectories import KIND
from pyrogen.figures import path_plots
from pyrogen.inference.pages.panel import SAMPLES, SCORES, History, Panel
from pyrogen.inference.quality.forecasts import DRAWS, TOUCHING, drawn, forecasts, head, spaced, worth

PICTURED, JUDGED = 6, 300  # scenes


def fans(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Pasts, what followed, and what might have."""
    if data.kind != KIND or model.condition is None or data.test.y is None:
        return
    part = spaced(data.test, PICTURED)
    assert part.y is not None
    caption = (
        f"Test scenes: where people have been, where they went, and {DRAWS} draws of where they might have gone, all people "
        "of a scene together."
    )
    yield Panel(SAMPLES, caption, "paths", path_plots.scenes(part.y, part.x, drawn(model, part, DRAWS)))


def rows(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The worth of forecasts, beside going straight on."""
    if data.kind != KIND or model.condition is None:
        return
    part = spaced(data.test, JUDGED)
    found = forecasts(model, data, part)
    yield Panel(SCORES, worth(part, TOUCHING), table=[head(TOUCHING), *(row.cells() for row in found)])
