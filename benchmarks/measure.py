"""Timing side by side: contestants take turns, so that what else the machine does hits all of them alike."""

from __future__ import annotations

import gc
import hashlib
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]

# Called outside the clock, returns what runs inside it.
Prepare = Callable[[], Callable[[], object]]


class Seconds(float):
    """What a contestant returns that knows better than the clock around it how long its work took."""


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        low, median, high = np.quantile(list(values), [0.25, 0.5, 0.75])
        return cls(float(median), float(low), float(high))

    def text(self, digits: int = 2) -> str:
        return f"{self.median:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Section:
    """One table of results, with what was measured and how."""

    title: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def pin(cores: int) -> str:
    """Keep this process, and all threads that libraries will start in it, on so many cores; which, in words.

    What is not torch's cannot be told how many threads to use: on one core it gains nothing by more.
    """
    if not hasattr(os, "sched_setaffinity"):
        return "no core in particular, for this system pins no process"
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    if len(chosen) < cores:
        raise SystemExit(f"{cores} cores were asked for, and this process may use {len(chosen)}.")
    os.sched_setaffinity(0, chosen)
    return f"core{'s' * (cores > 1)} {' and '.join(map(str, chosen))}"


def clock_for(threads: int) -> Callable[[], float]:
    """The clock by which so many threads are timed."""
    return time.process_time if threads == 1 else time.perf_counter


def interleave(
    contestants: Mapping[str, Prepare], rounds: int, threads: int = 0, clock: Callable[[], float] | None = None
) -> dict[str, list[float]]:
    """Seconds of each contestant in each round, after one round that does not count; the order rotates.

    With one thread they are seconds of processor time, which others on the machine can hardly lengthen, unless another clock
    is given.
    """
    clock = clock or clock_for(threads)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(-1, rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            go = contestants[name]()
            gc.collect()
            started = clock()
            result = go()
            passed = result if isinstance(result, Seconds) else clock() - started
            if turn >= 0:
                seconds[name].append(passed)
    return seconds


def ratios(over: list[float], under: list[float]) -> Spread:
    """Quotients within each round."""
    return Spread.of(a / b for a, b in zip(over, under, strict=True))


def verdict(value: float, bar: float, unit: str = "") -> str:
    return f"≤ {bar:g}{unit}: {'met' if value <= bar else 'MISSED'}"


def kept(script: str, name: str) -> Path:
    """The file that keeps a score so that an interrupted measurement goes on: of this script, by these sources, no other's.

    Args:
        script: ``__file__`` of what measures; all that is fixed in it is part of the key.
        name: of the score, with an ending, and all that is not fixed.
    """
    source, folders = Path(script), ("pyrogen", "models", "inference")
    commit, changed = _git("rev-parse", "HEAD"), _git("diff", "HEAD", "--", *folders)
    of = hashlib.sha256("\n".join((source.read_text(encoding="utf-8"), commit, changed)).encode()).hexdigest()[:12]
    file = ROOT / "build" / source.stem / f"{Path(name).stem}-{of}{Path(name).suffix}"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def circumstances() -> str:
    """Machine, versions, commit, date and what else keeps the machine busy, in one line."""
    parts = [f"{_cpu()}, {os.cpu_count()} cores", f"Python {platform.python_version()}"]
    parts += [f"{name} {version(name)}" for name in ("torch", "pyro-ppl")]
    return "; ".join(
        [*parts, f"commit {_commit()}", time.strftime("%Y-%m-%d %H:%M"), f"load {os.getloadavg()[0]:.1f} before"]
    )


def _cpu() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _commit() -> str:
    changed = _git("status", "--porcelain", "--", "pyrogen", "models", "inference")
    return (_git("rev-parse", "--short", "HEAD") or "unknown") + (" with uncommitted changes" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()
