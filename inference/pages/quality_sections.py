"""How good a run's samples are, on the page that explains the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from pyrogen.data import Data
from pyrogen.figures import quality_plots
from pyrogen.inference.pages.panel import QUALITY, Panel, of_finding
from pyrogen.inference.quality.assess import compare
from pyrogen.inference.quality.quality import Quality
from pyrogen.inference.runs.quality import read_quality
from pyrogen.kinds import is_picture

BESIDE = 8


def quality(folder: str | Path, model: Any, data: Data | None) -> Iterator[Panel]:
    """The measures beside their floors, and the first samples that were measured beside data and training data."""
    found, stale = read_quality(folder)
    caption = (
        "How many standard errors each measure is from its floor, what data give against other data; within the band samples "
        "are not told from data. Red is worse than data."
    )
    yield from of_finding(QUALITY, "quality", caption, found, stale)
    if (
        found is not None
        and data is not None
        and is_picture(data.x_shape)
        and found.results.attrs.get("weights") == "last"
    ):
        yield from _pictures(found, model, data)


def _pictures(found: Quality, model: Any, data: Data) -> Iterator[Panel]:
    a = found.results.attrs
    seen = compare(model, data, BESIDE, int(a["seed"]), str(a["split"]), a["draws"])
    distances = torch.cdist(seen.made.flatten(1).double(), seen.train.flatten(1).double())
    figure = quality_plots.beside_data(seen.made, seen.other, seen.train[distances.argmin(1)], seen.data.kind)
    caption = (
        f"The first {BESIDE} of what was measured, below each the nearest of {len(seen.train)} training data, and data of "
        f"split {a['split']}."
    )
    yield Panel(QUALITY, caption, "quality-samples", figure)
