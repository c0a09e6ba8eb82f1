"""People who walk, as data: what they do next, given what they have done, in windows of a few seconds.

A datum is a window of a scene with everybody who is there all the time: y is where they have been, ``(A, 8, 2)``, and x where
they go, ``(A, 12, 2)``, in the unit of the file, which is metres mostly. A is that of the fullest window; whoever is missing
in the others is NaN, in x and y. So all people of a scene are drawn together, and networks leave out who is not there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pyrogen.data.source import SPLITS, Source
from pyrogen.data.table import number_of
from pyrogen.data.text import read_lines

KIND = "paths"
FILES = (".csv", ".txt")
PAST, FUTURE = 8, 12  # steps
COLUMNS = ("frame", "agent", "x", "y")
SHARES = (0.8, 0.9)  # of the frames of a file, where training and validation end

Window = np.ndarray  # (people, steps, 2)


def read(path: Path) -> Source:
    """A user's own paths: a ``.csv`` or ``.txt`` file of four columns, frame, agent, x and y, with or without a header.

    Frames are whole numbers, a step apart each, agents numbers or names; a line is one place of one of them, in any order.
    Columns stand between commas, or between blanks. Train, valid and test are windows of the first 80 % of the frames, of the
    next 10 % and of the last, so that none is in two of them.

    Raises:
        ValueError: a line that is none of four columns, or holds what is no number, an agent who is seen only once, or twice
            in one frame, or a split without a window; the line is named.
    """
    frames, agents, places = _parsed(path)
    cuts = np.searchsorted(np.unique(frames), frames) / len(np.unique(frames))
    part = np.searchsorted(np.array(SHARES), cuts, side="right")
    found = {}
    for k, split in enumerate(SPLITS):
        rows = part == k
        found[split] = windows(frames[rows], agents[rows], places[rows])
        if not found[split]:
            raise ValueError(
                f"{path}: the {split} part, frames {_span(frames, rows)}, has nobody who is there for {PAST + FUTURE} frames "
                "on end; record longer, or leave out who stays shorter and number frames without gaps."
            )
    return source_of(path.stem, f"file {path}", found)


def told_by_names(path: Path) -> bool:
    """Whether a file is a table with exactly the columns of paths, in a header."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open("rb") as file:
        return tuple(_cells(file.readline().decode("utf-8-sig", "replace").lower())) == COLUMNS


def windows(frames: np.ndarray, agents: np.ndarray, places: np.ndarray, least: int = 1) -> list[Window]:
    """Whoever is there in all of 20 frames on end, for each of the windows, which begin a frame apart.

    Frames follow one another as they do in the file, whatever their numbers are.

    Args:
        frames: of each row, ``(R,)``.
        agents: of each row.
        places: ``(R, 2)``.
        least: people of a window; those with fewer are left out.
    """
    steps = PAST + FUTURE
    if not len(frames):
        return []
    _, time = np.unique(frames, return_inverse=True)
    starts: dict[int, list[Window]] = {}
    for agent in np.unique(agents):
        rows = np.flatnonzero(agents == agent)
        rows = rows[np.argsort(time[rows], kind="stable")]
        at = time[rows]
        for i in range(len(rows) - steps + 1):
            if at[i + steps - 1] - at[i] == steps - 1:
                starts.setdefault(int(at[i]), []).append(places[rows[i : i + steps]])
    return [np.stack(starts[start]) for start in sorted(starts) if len(starts[start]) >= least]


def source_of(name: str, reference: str, found: Mapping[str, Sequence[Window]]) -> Source:
    """Raw data of the windows of each split."""
    people = max(len(window) for part in found.values() for window in part)
    return Source(
        name=name,
        reference=reference,
        kinds=(KIND,),
        levels=None,
        splits={split: _cut(_padded(part, people)) for split, part in found.items()},
    )


def _cut(whole: Tensor) -> tuple[Tensor, Tensor]:
    """x and y, the future and the past."""
    return whole[:, :, PAST:].contiguous(), whole[:, :, :PAST].contiguous()


def _padded(found: Iterable[Window], people: int) -> Tensor:
    rows = list(found)
    whole = torch.full((len(rows), people, PAST + FUTURE, 2), math.nan)
    for row, window in zip(whole, rows, strict=True):
        row[: len(window)] = torch.from_numpy(window)
    return whole


# -- files -----------------------------------------------------------------------------------------------------------


def _parsed(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lines = [(n, _cells(line)) for n, line in enumerate(read_lines(path), 1) if line.strip()]
    if lines and not any(_value(cell) is not None for cell in lines[0][1]):
        lines.pop(0)  # a header
    if not lines:
        raise ValueError(f"{path} holds no paths; expected lines of {', '.join(COLUMNS)}.")
    names: dict[str, int] = {}
    seen: dict[tuple[float, int], int] = {}
    rows, times = [], np.zeros(len(lines))
    for k, (n, cells) in enumerate(lines):
        if len(cells) != len(COLUMNS):
            raise ValueError(f"{path}: line {n} has {len(cells)} columns; expected {', '.join(COLUMNS)}.")
        values = [_value(cells[i]) for i in (0, 2, 3)]
        for column, cell, value in zip(("frame", "x", "y"), (cells[0], *cells[2:]), values, strict=True):
            if value is None:
                raise ValueError(f"{path}: line {n} holds {column} {cell!r}; expected a finite number.")
        frame, x, y = (float(value) for value in values if value is not None)
        if not frame.is_integer():
            raise ValueError(f"{path}: line {n} holds frame {cells[0]!r}; expected a whole number.")
        agent = names.setdefault(_agent(cells[1]), len(names))
        if (other := seen.setdefault((frame, agent), n)) != n:
            raise ValueError(
                f"{path}: line {n} has agent {cells[1]!r} in frame {cells[0]} again, after line {other}; leave one out."
            )
        times[k] = frame
        rows.append((agent, x, y))
    table = np.array(rows)
    agents = table[:, 0].astype(int)
    _refuse_seen_once(path, agents, list(names), [n for n, _ in lines])
    return times, agents, table[:, 1:].astype(np.float32)


def _refuse_seen_once(path: Path, agents: np.ndarray, names: Sequence[str], lines: Sequence[int]) -> None:
    once = np.flatnonzero(np.bincount(agents) == 1)
    if len(once):
        line = lines[int(np.flatnonzero(agents == once[0])[0])]
        more = f", and so are {len(once) - 1} others" if len(once) > 1 else ""
        raise ValueError(
            f"{path}: line {line} is all there is of agent {names[once[0]]!r}{more}; a path has two places or more, so "
            "remove the line."
        )


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")] if "," in line else line.split()


def _agent(cell: str) -> str:
    """1 and 1.0 are the same, and numbers of many digits are not."""
    return cell if _value(cell) is None else f"{Decimal(cell).normalize():f}"


def _value(cell: str) -> float | None:
    value = number_of(cell)
    return value if value is not None and math.isfinite(value) else None


def _span(frames: np.ndarray, rows: np.ndarray) -> str:
    return f"{frames[rows].min():g} to {frames[rows].max():g}" if rows.any() else "none"
