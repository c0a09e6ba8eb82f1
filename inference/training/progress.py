"""What is seen of a training while it runs: a bar on a terminal or in a notebook, a line now and then elsewhere."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

INTERVAL = 10.0  # seconds between two lines
REDRAWN = 0.25  # seconds between two pictures of a notebook's bar
BOARD = "tensorboard"  # the folder of its event files in a run's


class Display:
    """Shows nothing; the displays below show what they are told."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def stage(self, name: str, steps: int, done: int) -> None:
        """A stage of so many steps begins, of which some are done."""

    def advance(self, steps: int) -> None:
        """So many steps were done since."""

    def epoch(self, number: int, of: int, terms: str) -> None:
        """An epoch of the stage has ended with these terms."""

    def say(self, text: str) -> None:
        """A remark on how the training is computed."""


def display(progress: bool | None, first: bool) -> Display:
    """How a training is shown.

    Args:
        progress: False shows nothing, True a bar; None a bar on a terminal or in a notebook, and lines elsewhere.
        first: whether this process is the one that speaks for all.
    """
    if progress is False or not first:
        return Display()
    if _in_notebook():
        return Notebook()
    return Bar() if progress or sys.stderr.isatty() else Lines()


class Bar(Display):
    """A bar on the terminal."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[terms]}"),
        )
        self.bar = Progress(*columns, console=Console(stderr=True))

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bar.stop()

    def stage(self, name: str, steps: int, done: int) -> None:
        """A bar below those of the stages before."""
        self.task = self.bar.add_task(name, total=steps, completed=done, terms="")

    def advance(self, steps: int) -> None:
        """Move the bar on."""
        self.bar.advance(self.task, steps)

    def epoch(self, number: int, of: int, terms: str) -> None:
        """Write the terms behind the bar."""
        self.bar.update(self.task, terms=terms)

    def say(self, text: str) -> None:
        """Write above the bar."""
        self.bar.console.print(text, style="dim", markup=False)


class Lines(Display):
    """A line an epoch, at most one every ten seconds, and always the last; for log files.

    Args:
        interval: seconds between two lines.
        clock: what tells the seconds.
    """

    def __init__(self, interval: float = INTERVAL, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval, self.clock = interval, clock
        self.name, self.held, self.printed = "", "", clock()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._print()  # of a training that ended early, too

    def stage(self, name: str, steps: int, done: int) -> None:
        """Remember whose epochs these are."""
        self._print()
        self.name = name

    def epoch(self, number: int, of: int, terms: str) -> None:
        """Print the epoch, or hold it until it is the last."""
        self.held = f"{self.name}: epoch {number} of {of}  {terms}"
        if number >= of or self.clock() - self.printed >= self.interval:
            self._print()

    def _print(self) -> None:
        if self.held:
            print(self.held, file=sys.stderr, flush=True)
            self.held, self.printed = "", self.clock()


class Notebook(Display):
    """A bar in the cell's output, which needs IPython and nothing else."""

    def __init__(self) -> None:
        from IPython.display import display as show

        self.name, self.terms, self.steps, self.done, self.drawn = "training", "", 1, 0, 0.0
        self.handle: Any = show(self._picture(), raw=True, display_id=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._draw()

    def stage(self, name: str, steps: int, done: int) -> None:
        """Begin the bar of a stage in the place of the one before."""
        self.name, self.steps, self.done = name, max(1, steps), done
        self._draw()

    def advance(self, steps: int) -> None:
        """Move the bar on."""
        self.done += steps
        if time.monotonic() - self.drawn > REDRAWN:
            self._draw()

    def epoch(self, number: int, of: int, terms: str) -> None:
        """Write the terms behind the bar."""
        self.terms = terms

    def _draw(self) -> None:
        self.handle.update(self._picture(), raw=True)
        self.drawn = time.monotonic()

    def _picture(self) -> dict[str, str]:
        text = f"{self.done}/{self.steps}  {self.terms}"
        bar = f'<progress value="{self.done}" max="{self.steps}"></progress>'
        return {"text/plain": f"{self.name} {text}", "text/html": f"{html.escape(self.name)} {bar} {html.escape(text)}"}


class Board:
    """TensorBoard event files, where they are wished for."""

    def __init__(self, folder: Path | None) -> None:
        self.writer: Any = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder / BOARD))

    def __enter__(self) -> Board:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.writer is not None:
            self.writer.close()

    def write(self, numbers: Mapping[str, float], epoch: int) -> None:
        """The numbers of an epoch."""
        if self.writer is not None:
            for name, value in numbers.items():
                self.writer.add_scalar(name, value, epoch)
            self.writer.flush()


def _in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook; IPython in a terminal is a terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
