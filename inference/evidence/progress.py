"""A bar for work that takes a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0


@contextmanager
def track(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """Show on the terminal how far work is, if it takes longer than two seconds; elsewhere show nothing.

    Args:
        total: units of work.
        label: what is being done.

    Yields:
        A function that is told how many units were just done.
    """
    if not sys.stderr.isatty():
        yield lambda units: None
        return
    # imported here: 0.1 s that only long work on a terminal pays for
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task, began = bar.add_task(label, total=total), time.monotonic()

    def advance(units: int) -> None:
        if not bar.live.is_started and time.monotonic() - began > PATIENCE:
            bar.start()
        bar.advance(task, units)

    try:
        yield advance
    finally:
        bar.stop()
