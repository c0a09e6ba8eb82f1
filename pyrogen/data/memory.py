"""The one door for data in memory: arrays, tensors, tables of pandas and data sets of torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pyrogen.conditions import UNKNOWN
from pyrogen.data import arrays as own
from pyrogen.data.dataset import MEMORY, Data, Wishes, load, prepare
from pyrogen.data.resize import resize
from pyrogen.data.source import tenths
from pyrogen.data.split import Split, draw_split
from pyrogen.data.table import LABELS
from pyrogen.data.view import choose
from pyrogen.registry import unknown


def from_arrays(
    x_train: Any,
    y_train: Any = None,
    x_valid: Any = None,
    y_valid: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    *,
    name: str = "arrays",
    kind: str | Sequence[str] | None = None,
    binarization: str | None = None,
    dequantization: bool | None = None,
    seed: int = 0,
    standardize: bool | None = None,
    size: int | None = None,
    labels: int | None = None,
    missing: bool = False,
    levels: int | None = None,
    sequence: bool = False,
) -> Data:
    """A data set of what is in memory; splits that are not given are cut from train, a tenth each.

    Each x, ``(N, ...)``, is a NumPy array, a tensor, a ``pandas.DataFrame`` of numbers, whose column ``label``, ``class``
    or ``y`` is y if no y is given, or a ``torch.utils.data.Dataset`` of x or (x, y). What the values mean is said in
    :func:`pyrogen.data.arrays.read`, and the other arguments in :func:`pyrogen.data.load`.

    Args:
        x_train: the data; ``levels`` is their number of grey levels, where they are whole numbers.

    Raises:
        ValueError: what is no data, or wishes that contradict one another or the data.
    """
    given = {"train": (x_train, y_train), "valid": (x_valid, y_valid), "test": (x_test, y_test)}
    found: dict[str, np.ndarray] = {} if levels is None else {"levels": np.asarray(levels)}
    for split, (x, y) in given.items():
        if x is not None:
            x, inner = _x_and_y(x)
            found[f"x_{split}"] = x
            y = inner if y is None else y
        if y is not None:
            found[f"y_{split}"] = _array(y)
    source = own.read(found, name, name, "arrays in memory", missing, sequence)
    source = source if size is None else resize(source, size)
    wishes = Wishes(
        kind=kind,
        binarization=binarization,
        dequantization=dequantization,
        seed=seed,
        standardize=standardize,
        size=size,
        labels=labels,
        missing=missing,
        sequence=sequence,
    )
    return prepare(source, MEMORY, wishes)


def as_data(given: Any, kinds: Sequence[str] | None = None) -> Data:
    """A data set of whatever is one: Data, a name or path, a split, arrays, ``(x, y)``, or a mapping of ``x_train`` ...

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(given, Data):
        return given
    if isinstance(given, (str, Path)):
        return load(given, kind=kinds)
    if isinstance(given, Split):
        return _of_split(given)
    if isinstance(given, Mapping):
        strange = next((name for name in given if name not in own.NAMES), None)
        if strange is not None:
            raise unknown("array", strange, own.NAMES)
        return from_arrays(**{"x_train": None, **given}, kind=kinds)
    if isinstance(given, tuple) and len(given) == 2:
        return from_arrays(*given, kind=kinds)
    return from_arrays(given, kind=kinds)


def as_split(given: Any, y: Tensor | None, kinds: Sequence[str], standardized: bool = False) -> Split:
    """Data in memory as they are to be scored: numbers as they are, whole numbers of images as the first of ``kinds``.

    Raises:
        ValueError: they are no data, or none of such a kind, or an array of raw values, where what is read is standardized.
    """
    if standardized and not isinstance(given, (Tensor, Dataset)):
        raise ValueError(
            f"the model was trained on standardized data, and {type(given).__name__} holds raw ones; pass "
            "run.data.like(x), or a tensor of what the model reads."
        )
    x, inner = _x_and_y(given)
    told = inner if y is None else y
    labels = None if told is None else torch.as_tensor(told)
    if x.dtype.kind not in "biu" or x.size == 0 or x.max() <= 1 or {"levels", "counts", "tokens"} & set(kinds[:1]):
        return Split(torch.from_numpy(x.astype(np.float32)), labels, "own")
    found = {"x_train": x, "x_valid": x[:1], "x_test": x[:1]}
    source = own.read(found, "arrays", "arrays", "arrays in memory")
    view = choose(source, tuple(kinds), None, None, 0, False)
    return draw_split(source.splits["train"][0], labels, "own", view)


def _of_split(split: Split) -> Data:
    """A split cut in three, seen as before."""
    whole = split.take(len(split))
    rows = tenths(len(whole), f"{split!r} has {len(whole)} rows")
    parts = {
        name: Split(
            whole.x[index],
            None if whole.y is None else whole.y[index],
            name,
            whole.view,
            None if whole.raw is None or name != "train" else whole.raw[index],
        )
        for name, index in rows.items()
    }
    left = parts["train"].y
    labels = None if left is None or left.is_floating_point() or left.dim() != 1 else int((left > UNKNOWN).sum())
    return Data(
        name=split.data_name,
        train=parts["train"],
        valid=parts["valid"],
        test=parts["test"],
        kind=split.kind,
        x_shape=split.x_shape,
        binarization=split.binarization,
        dequantization=split.dequantization,
        levels=split.levels,
        seed=split.view.seed,
        reference=f"{split.name} of {split.data_name}, in memory",
        source=MEMORY,
        standardize=split.view.scale is not None,
        class_names=split.view.class_names,
        labels=labels if left is not None and labels != len(left) else None,
        missing=split.view.missing,
        guessed=split.view.guess,
        paired=split.view.paired,
    )


def _x_and_y(given: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Arrays of what holds x, or x and y."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(given, pandas.DataFrame):
        named = [c for c in given.columns if str(c).lower() in LABELS]
        if len(named) > 1:
            raise ValueError(f"columns {', '.join(map(repr, named))} could all be the label; pass it as y_train.")
        table = given.drop(columns=named)
        words = [c for c in table.columns if not pandas.api.types.is_numeric_dtype(table[c])]
        if words:
            raise ValueError(f"column {words[0]!r} of the DataFrame holds no numbers; encode it, or leave it out.")
        # of truth values beside numbers pandas makes objects
        truths = [c for c in table.columns if pandas.api.types.is_bool_dtype(table[c])]
        if len(truths) < len(table.columns):
            table = table.astype(dict.fromkeys(truths, np.uint8))
        x = table.to_numpy() if all(t.kind in "biu" for t in table.dtypes) else table.to_numpy(np.float64)
        # whole numbers below 0 count nothing
        x = x.astype(np.float64) if x.dtype.kind == "i" and x.size and x.min() < 0 else x
        return x, _array(given[named[0]]) if named else None
    if isinstance(given, Dataset):
        return _of_dataset(given)
    return _array(given), None


def _of_dataset(dataset: Any) -> tuple[np.ndarray, np.ndarray | None]:
    if not hasattr(dataset, "__len__"):
        raise ValueError(f"{type(dataset).__name__} is a stream without a length; pass its data as an array.")
    if len(dataset) == 0:
        raise ValueError(f"{type(dataset).__name__} is empty; pass a data set with data.")
    items = [dataset[i] for i in range(len(dataset))]
    rows = [item if isinstance(item, (tuple, list)) else (item,) for item in items]
    if len(rows[0]) > 2:
        raise ValueError(f"{type(dataset).__name__} gives {len(rows[0])} things a datum; expected x, or x and y.")
    try:
        columns = [np.stack([_array(row[i]) for row in rows]) for i in range(len(rows[0]))]
    except ValueError as error:
        raise ValueError(
            f"the data of {type(dataset).__name__} have not all one shape ({error}); resize them."
        ) from error
    return columns[0], columns[1] if len(columns) == 2 else None


def _array(given: Any) -> np.ndarray:
    """A NumPy array of a tensor, a series or anything like an array."""
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        return given.float().numpy() if given.dtype in (torch.bfloat16, torch.float16) else given.numpy()
    if given is None or isinstance(given, (str, Path, Data, dict)) or callable(given):
        raise ValueError(
            f"expected data, got {type(given).__name__}: pass an array, a tensor, a DataFrame, a torch Dataset, a data set "
            "or its name."
        )
    rows = [np.shape(row) for row in given] if isinstance(given, (list, tuple)) else []
    other = next((i for i, shape in enumerate(rows) if shape != rows[0]), None)
    if other is not None:
        raise ValueError(
            f"row 0 has shape {rows[0]} and row {other} {rows[other]}; expected rows of one shape: cut sequences into "
            "windows of one length, or pass tokens, filled up with -1 behind their ends, by kind='tokens'."
        )
    try:
        found = np.asarray(given)
        # of what is no word among words, as NaN, NumPy would make one
        return np.asarray(given, dtype=object) if rows and found.dtype.kind == "U" else found
    except (ValueError, TypeError) as error:
        raise ValueError(f"{type(given).__name__} is no array of numbers ({error}); pass a NumPy array.") from error
