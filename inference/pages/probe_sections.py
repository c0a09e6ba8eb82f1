"""What probes read from a run's codes or hidden units, on the page that explains the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyrogen.inference.pages.panel import PROBED, Panel, of_finding
from pyrogen.inference.runs.probes import read_probes

SPARSITY = (
    "How sparse the numbers are, and how far each of them answers to one class alone: 1 is most. Hoyer and population are "
    "means over data, of how few numbers a datum has; lifetime and selectivity over numbers, of how few data or classes each "
    "answers to."
)


def probes(folder: str | Path) -> Iterator[Panel]:
    """Accuracies with their errors, as a table and as a picture of how they grow with the labels; how sparse codes are."""
    caption = (
        "The share of test data whose class a probe names, against the labelled data of each class that taught it; bars "
        "are one standard error, the dashed line is guessing."
    )
    found, stale = read_probes(folder)
    yield from of_finding(PROBED, "probes", caption, found, stale)
    if found is not None:
        yield Panel(PROBED, SPARSITY, table=found.sparsity_table())
