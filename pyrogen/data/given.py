"""What holds x, or x and y, in memory, as arrays: arrays, tensors, tables of pandas and data sets of torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pyrogen.data.table import LABELS


class Given(NamedTuple):
    """Arrays of what was given: x ``(N, ...)``, y where it held one, and the names of a DataFrame's columns that are x."""

    x: np.ndarray
    y: np.ndarray | None = None
    columns: tuple[str, ...] = ()


def x_and_y(given: Any, columns: Sequence[str] = (), y: Any = None) -> Given:
    """Arrays of what holds x, or x and y.

    Args:
        given: a ``pandas.DataFrame``, a ``torch.utils.data.Dataset``, or x alone.
        columns: the names of a DataFrame's columns that are x, and in what order they are wanted; none: all but the label.
        y: what is said beside it, in whose place no column of a DataFrame is taken.

    Raises:
        ValueError: it is no data, or a DataFrame with other columns or with what is no number.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(given, pandas.DataFrame):
        return _of_table(given, columns, y, pandas)
    if isinstance(given, Dataset):
        return _of_dataset(given)
    return Given(array_of(given))


def array_of(given: Any) -> np.ndarray:
    """A NumPy array of a tensor, a series or anything like an array, in the machine's own order of bytes.

    Raises:
        ValueError: it is none.
    """
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        return given.float().numpy() if given.dtype in (torch.bfloat16, torch.float16) else given.numpy()
    if isinstance(given, (str, Path, dict)) or callable(given) or not hasattr(given, "__len__"):
        raise ValueError(
            f"expected data, got {type(given).__name__}: pass an array, a tensor, a DataFrame, a torch Dataset, a data set "
            "or its name."
        )
    rows = [np.shape(row) for row in given] if isinstance(given, (list, tuple)) else []
    other = next((i for i, shape in enumerate(rows) if shape != rows[0]), None)
    if other is not None:
        raise ValueError(
            f"row 0 has shape {rows[0]} and row {other} {rows[other]}; expected rows of one shape: cut sequences into "
            "windows of one length, or say missing=True, by which what is behind the ends of numbers (channels, T) was not "
            "observed, or pass tokens, filled up with -1 there, by kind='tokens'."
        )
    try:
        found = np.asarray(given)
        # of what is no word among words, as NaN, NumPy would make one
        found = np.asarray(given, dtype=object) if rows and found.dtype.kind == "U" else found
    except (ValueError, TypeError) as error:
        raise ValueError(f"{type(given).__name__} is no array of numbers ({error}); pass a NumPy array.") from error
    return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder("="))


def longest(given: Any) -> int:
    """The length of the longest of several sequences, ``(channels, T)`` each; 0 of what holds none."""
    shapes = _shapes(given)
    return max((shape[1] for shape in shapes), default=0) if all(len(shape) == 2 for shape in shapes) else 0


def filled(given: Any, length: int) -> Any:
    """Sequences of unequal lengths, ``(channels, T)`` each, as one array with NaN, what was not observed, behind their ends.

    Of a model with states that move on by themselves what is behind an end is integrated out, and costs nothing.

    Args:
        given: a list of them, or an array; anything else is given back as it is.
        length: of the array at least.
    """
    shapes, length = _shapes(given), max(length, longest(given))
    if not longest(given) or len({shape[0] for shape in shapes}) > 1 or {shape[1] for shape in shapes} == {length}:
        return given
    rows = [array_of(row) for row in given]
    if any(row.dtype.kind not in "biuf" for row in rows):
        return given
    found = np.full((len(rows), rows[0].shape[0], length), np.nan)
    for place, row in zip(found, rows, strict=True):
        place[:, : row.shape[1]] = row
    return found


def _shapes(given: Any) -> set[tuple[int, ...]]:
    if isinstance(given, (np.ndarray, Tensor)):
        return {tuple(given.shape[1:])}
    return {np.shape(row) for row in given} if isinstance(given, (list, tuple)) else set()


def tensor_of(given: Any) -> Tensor:
    """The same as a tensor of numbers.

    Raises:
        ValueError: it is none, or holds names.
    """
    found = array_of(given)
    if found.dtype.kind not in "biuf":
        raise ValueError(
            f"expected numbers, got {found.dtype}; a model knows classes by their numbers: pass run.data.like(x, y), which "
            "knows their names."
        )
    return torch.from_numpy(np.ascontiguousarray(found))


def _of_table(given: Any, columns: Sequence[str], y: Any, pandas: Any) -> Given:
    names = list(map(str, given.columns))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"column {twice!r} is in the DataFrame twice; name each once.")
    named = [c for c in given.columns if str(c).lower() in LABELS and str(c) not in columns]
    if y is None and len(named) > 1:
        raise ValueError(f"columns {', '.join(map(repr, named))} could all be the label; pass it as y_train.")
    if y is not None and not columns:  # a column of such a name may be x, unless it is y once more
        told = list(map(str, array_of(y).tolist()))
        named = [c for c in named if list(map(str, array_of(given[c]).tolist())) == told]
    table = given.drop(columns=named)
    by_name = {str(c): c for c in table.columns}
    odd = sorted(set(columns) ^ set(by_name)) if columns else []
    if odd:
        raise ValueError(
            f"the columns of the DataFrame are not those of the training data: {', '.join(map(repr, odd[:5]))} "
            f"{'is' if len(odd) == 1 else 'are'} in one of them alone; pass the same columns, in any order."
        )
    table = table[[by_name[name] for name in columns or by_name]]
    words = [c for c in table.columns if not pandas.api.types.is_numeric_dtype(table[c])]
    if words:
        raise ValueError(f"column {words[0]!r} of the DataFrame holds no numbers; encode it, or leave it out.")
    kinds = {t.kind for t in table.dtypes}
    # said outright: of truth values, or whole numbers that may be missing, beside others pandas makes objects
    if not kinds <= set("biu") or bool(table.isna().any(axis=None)):
        x = table.to_numpy(np.float64, na_value=np.nan)
    else:
        x = table.to_numpy(bool if kinds == {"b"} else np.int64)
    # whole numbers below 0 count nothing
    x = x.astype(np.float64) if x.dtype.kind == "i" and x.size and x.min() < 0 else x
    label = array_of(given[named[0]]) if named and y is None else None
    return Given(x, label, tuple(map(str, table.columns)))


def _of_dataset(dataset: Any) -> Given:
    if not hasattr(dataset, "__len__"):
        raise ValueError(f"{type(dataset).__name__} is a stream without a length; pass its data as an array.")
    if len(dataset) == 0:
        raise ValueError(f"{type(dataset).__name__} is empty; pass a data set with data.")
    items = [dataset[i] for i in range(len(dataset))]
    rows = [item if isinstance(item, (tuple, list)) else (item,) for item in items]
    if len(rows[0]) > 2:
        raise ValueError(f"{type(dataset).__name__} gives {len(rows[0])} things a datum; expected x, or x and y.")
    try:
        # a label may be a number or a name, and a picture one of PIL, which no array of data is
        cells = [[array_of(cell) if isinstance(cell, Tensor) else np.asarray(cell) for cell in row] for row in rows]
        found = [np.stack(column) for column in zip(*cells, strict=True)]
    except ValueError as error:
        raise ValueError(
            f"the data of {type(dataset).__name__} have not all one shape ({error}); resize them."
        ) from error
    return Given(found[0], found[1] if len(found) > 1 else None)
