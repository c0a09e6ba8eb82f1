"""The one door for data in memory: arrays, tensors, tables of pandas and data sets of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pyrogen.base import Model
from pyrogen.conditions import UNKNOWN
from pyrogen.data import arrays as own
from pyrogen.data.dataset import MEMORY, Data, Wishes, digest_of, load, prepare
from pyrogen.data.given import array_of, filled, longest, tensor_of, x_and_y
from pyrogen.data.resize import resize
from pyrogen.data.source import SPLITS, tenths
from pyrogen.data.split import Split, draw_split
from pyrogen.data.view import View, choose
from pyrogen.kinds import is_shown, kind_of
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
    or ``y`` is y if no y is given, and else no x only if it is that y, and whose columns may stand in another order in each
    split, or a
    ``torch.utils.data.Dataset`` of x or (x, y). What the values mean is said in :func:`pyrogen.data.arrays.read`, and the
    other arguments in :func:`pyrogen.data.load`.

    Args:
        x_train: the data; ``levels`` is their number of grey levels, where they are whole numbers. With ``missing`` it may be
            a list of sequences of unequal lengths, ``(channels, T)`` each: what is behind the end of a shorter one was not
            observed, NaN, as the likelihood ``Masked`` scores it.

    Raises:
        ValueError: what is no data, or wishes that contradict one another or the data.
    """
    if missing:
        length = max(map(longest, (x_train, x_valid, x_test)))
        x_train, x_valid, x_test = (filled(x, length) for x in (x_train, x_valid, x_test))
    given = {"train": (x_train, y_train), "valid": (x_valid, y_valid), "test": (x_test, y_test)}
    found: dict[str, np.ndarray] = {} if levels is None else {"levels": np.asarray(levels)}
    columns: tuple[str, ...] = ()
    for split, (x, y) in given.items():
        if x is not None:
            held = x_and_y(x, columns, y)
            found[f"x_{split}"], columns = held.x, columns or held.columns
            y = held.y if y is None else y
        if y is not None:
            found[f"y_{split}"] = array_of(y)
    source = replace(own.read(found, name, name, "arrays in memory", missing, sequence), columns=columns)
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


def as_data(given: Any, kinds: Sequence[str] | None = None, as_they_are: bool = False) -> Data:
    """A data set of whatever is one: Data, a name or path, a split, arrays, ``(x, y)``, or a mapping of ``x_train`` ...

    Args:
        given: the data.
        kinds: of data, of which arrays are read as the first that they can be.
        as_they_are: whether arrays are neither read as a kind nor standardized: tensors of any shape and type as they are,
            and other numbers as torch's default floats.

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
        named = {"x_train": None, **given}
    else:
        pair = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
        named = dict(zip(("x_train", "y_train"), pair, strict=True))
    return _as_they_are(named) if as_they_are else from_arrays(**named, kind=kinds)


def _as_they_are(named: Mapping[str, Any]) -> Data:
    """What is in memory in three splits, called as in :data:`pyrogen.data.arrays.NAMES`, with nothing done to it."""
    given: dict[str, tuple[Tensor, Tensor | None]] = {}
    for name in SPLITS:
        x, y = named.get(f"x_{name}"), named.get(f"y_{name}")
        if x is not None or name == "train":
            if not isinstance(x, Tensor):
                x, inner, _ = x_and_y(x)
                y = inner if y is None else y
            given[name] = _numbers(x, f"x_{name}"), None if y is None else _numbers(y, f"y_{name}")
    for name, (data, told) in given.items():
        if told is not None and len(told) != len(data):
            raise ValueError(
                f"arrays: y_{name} has {len(told)} rows; expected one for each of {len(data)} rows of x_{name}."
            )
    splits = own.completed("arrays", given)
    values = torch.cat([data.flatten() for data, _ in splits.values()])
    missing = values.is_floating_point() and bool(values.isnan().any())
    kind = "real" if missing else kind_of(values)
    kind = "counts" if kind == "levels" and not is_shown(given["train"][0].shape[1:]) else kind
    view = View(kind=kind, data_name="arrays", missing=missing)
    train, valid, test = (Split(*splits[name], name, view) for name in SPLITS)
    return Data(
        name="arrays",
        train=train,
        valid=valid,
        test=test,
        kind=view.kind,
        x_shape=train.x_shape,
        binarization="none",
        dequantization=False,
        levels=None,
        seed=0,
        reference="arrays in memory, as they are",
        source=MEMORY,
        sha256={name: digest_of(*splits[name]) for name in SPLITS},
        missing=missing,
    )


def _numbers(given: Any, name: str) -> Tensor:
    """A tensor as it is, and other numbers as torch's default floats; y of whole numbers stays so."""
    if isinstance(given, Tensor):
        found = given.detach().cpu()
        found = found.float() if found.dtype in (torch.bfloat16, torch.float16) else found
    else:
        found = tensor_of(given)
        whole = name.startswith("y") and not found.is_floating_point()
        found = found.long() if whole else found.to(torch.get_default_dtype())
    if found.dim() == 0 or len(found) == 0:
        raise ValueError(f"arrays: {name} holds no rows; expected data (N, ...).")
    return found


def as_split(given: Any, y: Tensor | None, model: Model) -> Split:
    """Data in memory as a model scores them: numbers as they are, whole numbers of images as the first of its kinds.

    The columns of a DataFrame are those of the table that it was trained on, in whatever order they stand.

    A program of one's own takes all of them as they are, as in :func:`as_data`.

    Raises:
        ValueError: they are no data, or none of such a kind, or an array of raw values, where what is read is standardized,
            or a DataFrame of other columns.
    """
    kinds = tuple(model.kinds)
    if model.standardized and not isinstance(given, (Tensor, Dataset)):
        raise ValueError(
            f"the model was trained on standardized data, and {type(given).__name__} holds raw ones; pass "
            "run.data.like(x), or a tensor of what the model reads."
        )
    x, inner, _ = x_and_y(given, model.columns, y)
    told = inner if y is None else y
    labels = None if told is None else tensor_of(told)
    if model.as_they_are:
        return Split(_numbers(x, "x"), labels, "own")
    if (
        x.dtype.kind not in "biu"
        or x.size == 0
        or x.max() <= 1
        or {"levels", "counts", "positive", "tokens"} & set(kinds[:1])
    ):
        return Split(torch.from_numpy(x.astype(np.float32)), labels, "own")
    found = {"x_train": x, "x_valid": x[:1], "x_test": x[:1]}
    source = own.read(found, "arrays", "arrays", "arrays in memory")
    view = choose(source, kinds, None, None, 0, False)
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
        columns=split.view.columns,
    )
