"""Tables of the user's own: a ``.csv`` file of real vectors, with or without a header and labels."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from pyrogen.conditions import UNKNOWN
from pyrogen.data.label import Named, is_unknown, number
from pyrogen.data.source import LARGEST_COUNT, Source, tenths, within_a_turn
from pyrogen.registry import unknown

LABELS = ("label", "class", "y")
HOLES = ("", "nan", "na")
"""What stands for a number that is not there, in small letters."""
HEADLESS = "the first row holds numbers and is no header"
LARGEST = float(np.finfo(np.float32).max)

Lines = list[tuple[int, list[str]]]


def read(path: Path, missing: bool = False, label: str | None = None, columns: Sequence[str] = ()) -> Source:
    """Real vectors, one a row; a column named ``label``, ``class`` or ``y`` holds the labels, or the one named here.

    By ``kind="counts"`` they are whole numbers from 0, by ``kind="positive"`` numbers above 0, by ``kind="angle"`` radians,
    where the values can be.
    The first row is a header if a cell of it says something and none is a number. Labels are whole numbers from 0, or names,
    which are sorted and numbered; one that is empty, ``nan``, ``NA`` or −1 is unknown. Train, valid and test are 80, 10 and
    10 % of the rows, by a fixed permutation. With ``missing``, an empty cell, ``nan`` or ``NA`` is a number that was not
    observed.

    Raises:
        ValueError: the file is none, two columns have one name, or a value is no finite number; column and row are named.
    """
    header, lines = _parsed(path)
    for names, where in ((header, "its header"), (columns, "columns=")):
        twice = next((name for name, count in Counter(names).items() if count > 1 and name), None)
        if twice is not None:
            raise ValueError(f"{path}: {where} names column {twice!r} twice; name each once.")
    wanted = [_column(path, header, len(lines[0][1]), name) for name in columns]
    if label is None:
        named = [i for i, name in enumerate(header) if name.lower() in LABELS and i not in wanted]
    else:
        named = [_column(path, header, len(lines[0][1]), label)]
    if set(named) & set(wanted):
        raise ValueError(f"{path}: column {_name(header, named[0])} cannot be a label and a part of x; leave one out.")
    if len(named) > 1:
        raise ValueError(
            f"{path}: columns {', '.join(repr(header[i]) for i in named)} could all be the label; name one by label=."
        )
    if "" in header:
        raise ValueError(
            f"{path}: column {header.index('') + 1} has no name; name it, or remove it if it counts the rows."
        )
    kept = wanted or [i for i in range(len(lines[0][1])) if i not in named]
    if not kept:
        raise ValueError(f"{path} holds labels and nothing else; expected columns of numbers beside them.")
    values = np.array([[_number(path, header, row, i, cells[i], missing) for i in kept] for row, cells in lines])
    if np.isnan(values).all(0).any():
        column = kept[int(np.isnan(values).all(0).argmax())]
        raise ValueError(f"{path}: column {_name(header, column)} holds no number at all; remove it.")
    parts = tenths(len(lines), f"{path} has {len(lines)} rows")
    x = torch.from_numpy(values)
    labels = _labels(path, header, lines, named[0]) if named else Named({})
    y = labels.y.get("train")
    return Source(
        name=path.stem,
        reference=f"file {path}",
        kinds=("real", *_others(values)),
        levels=None,
        splits={s: (x[rows], None if y is None else y[rows]) for s, rows in parts.items()},
        own=True,
        columns=tuple(header[i] for i in kept) if header else (),
        class_names=labels.names,
        guess="; ".join(filter(None, ("" if header else HEADLESS, labels.guess))),
    )


def _others(values: np.ndarray) -> Iterator[str]:
    """What else than real numbers the values can be."""
    low, high = np.nanmin(values), np.nanmax(values)
    if (values == values.round()).all() and low >= 0 and high <= LARGEST_COUNT:
        yield "counts"
    if low > 0:
        yield "positive"
    if within_a_turn(low, high):
        yield "angle"


def _parsed(path: Path) -> tuple[list[str], Lines]:
    """The header, empty if there is none, and the other rows with their numbers in the file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [c.strip() for c in cells]) for cells in reader if any(c.strip() for c in cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read ({error}); expected comma-separated text in UTF-8.") from error
    if lines and len(lines[0][1]) == 1:
        for mark, said in ((";", "';'"), ("\t", "tabs")):
            if mark in lines[0][1][0]:
                raise ValueError(f"{path}: columns stand between {said}; save it with commas between them.")
    first = [c for c in lines[0][1] if c.lower() not in HOLES] if lines else []
    header = lines.pop(0)[1] if first and all(number_of(c) is None for c in first) else []
    if not lines:
        raise ValueError(f"{path} holds no rows of numbers.")
    width = len(header or lines[0][1])
    for row, cells in lines:
        if len(cells) != width:
            raise ValueError(f"{path}: row {row} has {len(cells)} columns; expected {width}, as in the first row.")
    return header, lines


def _number(path: Path, header: Sequence[str], row: int, column: int, cell: str, missing: bool) -> float:
    if missing and cell.lower() in HOLES:
        return math.nan
    value = number_of(cell)
    if value is not None and abs(value) <= LARGEST:
        return value
    raise ValueError(
        f"{path}: column {_name(header, column)}, row {row}, holds {cell!r}; expected a finite number. Remove or encode "
        "what is not numeric, impute what is missing or load with missing=True, and name a column of labels "
        f"{' or '.join(map(repr, LABELS))}."
    )


def _labels(path: Path, header: Sequence[str], lines: Lines, column: int) -> Named:
    cells = [cells[column] for _, cells in lines]
    values = [UNKNOWN if is_unknown(c) else number_of(c) for c in cells]
    named = None in values
    for (row, _), cell, value in zip(lines, cells, values, strict=True):
        if not named and not (value is not None and float(value).is_integer() and UNKNOWN <= value < 2**31):
            raise ValueError(
                f"{path}: column {_name(header, column)}, row {row}, holds {cell!r}; expected labels, whole numbers "
                f"from 0, names, or {UNKNOWN} or nothing where one is unknown; rename the column if it holds none."
            )
    # what is unknown stays as it is written
    told = [c if named or v is None or is_unknown(c) else int(v) for c, v in zip(cells, values, strict=True)]
    return number(str(path), {"train": np.array(told, object)})


def _column(path: Path, header: Sequence[str], width: int, wanted: str) -> int:
    """Where a column stands that is named, or without a header numbered from 1."""
    names = list(header) or [str(i + 1) for i in range(width)]
    if str(wanted) in names:
        return names.index(str(wanted))
    raise ValueError(f"{path}: {unknown('column', wanted, names)}")


def _name(header: Sequence[str], column: int) -> str:
    return repr(header[column]) if header else str(column + 1)


def number_of(cell: str) -> float | None:
    """The number that a cell of a table is, in the digits and signs of ASCII; None of what is none, as 1_000."""
    try:
        # Python takes underscores between digits, and digits of all scripts
        return float(cell) if cell.isascii() and "_" not in cell else None
    except ValueError:
        return None
