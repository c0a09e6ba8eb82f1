"""What probes read from a run's codes or hidden units, on the page that explains the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyrogen.inference.pages.panel import PROBED, Panel, of_finding
from pyrogen.inference.runs.probes import read_probes


def probes(folder: str | Path) -> Iterator[Panel]:
    """The table of accuracies with their errors, and the picture of how they grow with the labels."""
    caption = (
        "The share of test data whose class a probe names, against the labelled data of each class that taught it; bars "
        "are one standard error, the dashed line is guessing."
    )
    yield from of_finding(PROBED, "probes", caption, *read_probes(folder))
