"""What probes read from a run's codes or hidden units, on the page that explains the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyrogen.inference.pages.panel import ADVICE, PROBED, Panel
from pyrogen.inference.runs.probes import read_probes


def probes(folder: str | Path) -> Iterator[Panel]:
    """The table of accuracies with their errors, and the picture of how they grow with the labels."""
    found, stale = read_probes(folder)
    if stale:
        yield Panel(ADVICE, f"{stale[0].upper()}{stale[1:]}.")
    if found is None:
        return
    yield Panel(PROBED, f"{found.verdict}\n\n{found.compared()}", table=found.table())
    caption = (
        "The share of test data whose class a probe names, against the labelled data of each class that taught it; bars "
        "are one standard error, the dashed line is guessing."
    )
    yield Panel(PROBED, caption, "probes", found.plot())
