"""Labels as people write them, numbered from 0: names, truth values, 1 to K, one-hot rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyrogen.conditions import UNKNOWN
from pyrogen.registry import unknown

BLANK = "<blank>"
"""The word, number 0, that fills captions up to the length of the longest."""
# as they are written where a label is not there: Na, sodium, and the name Nan are labels
UNSAID = ("", "nan", "NaN", "NA", "<NA>", str(UNKNOWN), f"{UNKNOWN}.0")
# whole numbers up to the first in a y that is shaped as an image number its classes; up to the second they are grey levels
LARGEST_LAYOUT, LARGEST_GREY = 127, 255


class Named(NamedTuple):
    """Labels ``y`` of each split, what the numbers are called where they were given otherwise, and what was guessed."""

    y: dict[str, Tensor]
    names: tuple[str, ...] = ()
    guess: str = ""


def number(where: str, y: Mapping[str, np.ndarray], missing: bool = False) -> Named:
    """Labels of every split as numbers from 0, by the values of all splits together.

    ============================  ==================================================
    whole numbers from 0          themselves
    whole numbers from 1 up       in their order: K different ones are K classes
    names                         in alphabetical order
    truth values                  False is 0, True is 1
    rows with one 1, else 0       the column of the 1, if every column has one
    rows of other real numbers    themselves, float32
    images of grey levels         r / 255, float32
    images of larger numbers      themselves, float32
    ============================  ==================================================

    Where there is one label a datum, that of some may be unknown: −1, among names too, and "", None, NaN, "nan" or "NA", as
    tables have them, become :data:`pyrogen.conditions.UNKNOWN`, which is no class; which of them it was is said.

    Images have channels first, whichever way they come, and layouts, which are images of classes, have none.

    Args:
        where: what an error names.
        y: arrays ``(N,)`` or ``(N, ...)`` by the name of their split.
        missing: whether NaN among real numbers stands for what is not there.

    Raises:
        ValueError: an array holds neither labels nor rows of numbers.
    """
    if not y:
        return Named({})
    dimensions = {values.ndim for values in y.values()}
    if dimensions == {1}:
        return _one_each(where, y)
    y = {split: _plain(values) for split, values in y.items()}
    kinds = {values.dtype.kind for values in y.values()}
    if len(dimensions) > 1 or len({values.shape[1:] for values in y.values()}) > 1:
        raise ValueError(
            f"{where}: y has another shape in each split, {[v.shape for v in y.values()]}; they must agree."
        )
    for split, values in y.items():
        _check(where, split, values, missing)
    if dimensions == {2} and _one_hot(np.concatenate(list(y.values()))):
        chosen = {split: values.argmax(1) for split, values in y.items()}
        return Named(_tensors(chosen, np.int64), guess="one-hot rows are labels")
    if dimensions == {4} and channels_last(list(y.values())):
        y = {split: np.ascontiguousarray(np.moveaxis(values, -1, 1)) for split, values in y.items()}
    if "f" in kinds:
        return Named(_tensors(y, np.float32))
    largest = max(int(v.max(initial=0)) for v in y.values())
    if min(dimensions) > 2 and largest > LARGEST_GREY:
        return Named(_tensors(y, np.float32), guess=f"y is images of real numbers, which are whole up to {largest}")
    if min(dimensions) > 2 and largest > LARGEST_LAYOUT:
        grey = {split: values / np.float32(LARGEST_GREY) for split, values in y.items()}
        return Named(_tensors(grey, np.float32), guess="y is images of 256 grey levels")
    if all(values.ndim == 4 and values.shape[1] == 1 for values in y.values()):
        y = {split: values[:, 0] for split, values in y.items()}
    return Named(_tensors(y, np.int64))


def _one_each(where: str, y: Mapping[str, np.ndarray]) -> Named:
    """One label a datum, of which some may be unknown."""
    known = {split: np.array([not is_unknown(v) for v in values.tolist()], bool) for split, values in y.items()}
    found = _numbered(where, {split: _plain(values[known[split]]) for split, values in y.items()})
    hidden = [v for split, values in y.items() for v in values[~known[split]].tolist()]
    if not hidden:
        return found
    forms = {"empty" if v is None else str(v) or "empty" for v in hidden}
    said = f"{len(hidden)} labels that are {' or '.join(sorted(forms))}"
    classes = torch.cat(list(found.y.values())).unique()
    if len(classes) < 2:
        raise ValueError(
            f"{where}: y holds {'one class' if len(classes) else 'nothing'} beside {said}, and so unknown; number classes "
            "from 0, or leave y out."
        )
    filled = {split: torch.full((len(rows),), UNKNOWN) for split, rows in known.items()}
    for split, rows in known.items():
        filled[split][torch.from_numpy(rows)] = found.y[split]
    return Named(filled, found.names, "; ".join(filter(None, (found.guess, f"{said} are unknown"))))


def is_unknown(label: object) -> bool:
    """Whether a label says that there is none, in whatever form of NaN: pandas has several."""
    return label is None or str(label) in UNSAID


def _numbered(where: str, y: Mapping[str, np.ndarray]) -> Named:
    """One label a datum, all of them known."""
    kinds = {values.dtype.kind for values in y.values() if values.size}
    if kinds == {"U"}:
        return _in_order(y, "")
    for split, values in y.items():
        if values.size:  # what is empty may be of any type
            _check(where, split, values, missing=False)
    whole = {split: values.astype(np.int64) for split, values in y.items()}
    if kinds == {"b"}:
        return Named(_tensors(whole, np.int64), ("False", "True"))
    low = min((int(v.min()) for v in whole.values() if v.size), default=0)
    if low == 0:
        return Named(_tensors(whole, np.int64))
    return _in_order(whole, "labels without a 0 are numbered from it")


def channels_last(splits: Sequence[np.ndarray]) -> bool:
    """Whether images ``(N, ·, ·, ·)`` end in their channels: 1 or 3, or, of grey levels, 2 or 4 with transparency."""
    _, first, second, last = splits[0].shape
    if last not in (2, 4) or min(first, second) <= 4:
        return last in (1, 3) and first not in (1, 3)
    return all(values.dtype.kind in "biu" or not ((values < 0) | (values > 1)).any() for values in splits)


def number_as(
    where: str, y: np.ndarray, names: Sequence[str], classes: int | None, known: Tensor | None, missing: bool = False
) -> Tensor:
    """Further y, read as :func:`number` read that of the data: by the names that these gave to their classes.

    Args:
        where: what an error names.
        y: ``(N, ...)``, as people write it.
        names: what the labels 0, 1 ... of the data mean; of labels that were whole numbers without a 0, these.
        classes: how many the data have; None of real numbers.
        known: y of the data; None of data without.
        missing: whether NaN among real numbers stands for what is not there.

    Raises:
        ValueError: a class that is none of the data's, or a y of another shape or sort.
    """
    one_each = known is None or (known.dim() == 1 and not known.is_floating_point())
    # of several labels a datum the names are those of the columns
    classes = len(names) if names and (one_each or names[0] == BLANK) else classes
    if y.ndim == 1 and one_each:
        told = np.array([not is_unknown(label) for label in y.tolist()], bool)
        labels = torch.full((len(y),), UNKNOWN)
        labels[torch.from_numpy(told)] = torch.from_numpy(_looked_up(where, _plain(y[told]), names))
        return _among(where, labels, classes)
    y = _plain(y)
    real, whole = known is not None and known.is_floating_point(), y.dtype.kind in "biu"
    _check(where, "new", y.astype(np.float64) if real and whole else y, missing)
    if known is None:
        return torch.from_numpy(y.astype(np.int64 if whole else np.float32))
    if one_each and y.shape[1:] == (classes,) and bool(((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all()):
        return torch.from_numpy(y.argmax(1))
    turned = [y, *([np.moveaxis(y, -1, 1)] if y.ndim == 4 else [])]
    turned += [v[:, 0] for v in turned if v.ndim == 4 and v.shape[1] == 1]
    alike = next((v for v in turned if v.shape[1:] == known.shape[1:]), None)
    if alike is None or not (real or whole):
        what = "real numbers" if real else "whole numbers"
        raise ValueError(
            f"{where}: y is {what} of shape {tuple(known.shape[1:])} a datum; got {y.dtype} of {y.shape[1:]}."
        )
    if not real:
        return _among(where, torch.from_numpy(alike.astype(np.int64)), classes)
    # grey levels were divided; where y was real numbers a mask of 0 and 1 is one, and what goes beyond stays
    grey = whole and y.ndim > 2 and y.max(initial=0) > 1 and bool(((known >= 0) & (known <= 1)).all())
    return torch.from_numpy(alike.astype(np.float32) / np.float32(LARGEST_GREY if grey else 1))


def _among(where: str, labels: Tensor, classes: int | None) -> Tensor:
    """Labels, none of which is beyond the classes of the data."""
    if classes is not None and bool((labels >= classes).any()):
        raise ValueError(f"{where}: y holds {int(labels.max())}, and the classes of these data are 0 to {classes - 1}.")
    return labels


def _looked_up(where: str, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Numbers of labels that are all known: of names theirs, and of whole numbers, where these were renamed, likewise."""
    if labels.dtype.kind != "U":
        _check(where, "new", labels, missing=False)
        labels = labels.astype(np.int64)
        if not names or not all(name.isdecimal() for name in names):
            return labels
    if not names and len(labels):
        raise ValueError(f"{where}: y holds the name {str(labels[0])!r}, and the classes of these data are numbers.")
    known = {name: k for k, name in enumerate(names)}
    strange = next((label for label in map(str, labels.tolist()) if label not in known), None)
    if strange is not None:
        raise unknown("class", strange, names)
    return np.array([known[str(label)] for label in labels.tolist()], np.int64)


def _plain(values: np.ndarray) -> np.ndarray:
    """Objects and categories as the strings or numbers that they are."""
    if values.dtype.kind == "O":
        return values.astype(str) if all(isinstance(v, str) for v in values.flat) else np.array(values.tolist())
    return values


def _check(where: str, split: str, values: np.ndarray, missing: bool) -> None:
    fraction = values.dtype.kind == "f"
    usable = values.dtype.kind in "biu" or (
        fraction and not np.isinf(values).any() and (missing or not np.isnan(values).any())
    )
    labels = values.ndim == 1 or not fraction
    if usable and labels and values.size:
        usable = bool(values.min() >= 0) and not (fraction and (values != values.round()).any())
    if not usable:
        least = f", the least {values.min()}" if values.size and values.dtype.kind == "i" else ""
        raise ValueError(
            f"{where}: y_{split} holds {values.dtype}{least}; expected labels, whole numbers from 0, names, or "
            f"{UNKNOWN} where one is unknown, or rows of finite real numbers."
        )


def _one_hot(rows: np.ndarray) -> bool:
    # a column without a 1 speaks for attributes that are independent of one another
    whole = rows.shape[1] > 1 and bool(((rows == 0) | (rows == 1)).all())
    return whole and bool((rows.sum(1) == 1).all() and (rows.sum(0) > 0).all())


def _in_order(y: Mapping[str, np.ndarray], guess: str) -> Named:
    found = np.unique(np.concatenate(list(y.values())))
    return Named(
        {s: torch.from_numpy(np.searchsorted(found, v.astype(found.dtype)).astype(np.int64)) for s, v in y.items()},
        tuple(map(str, found.tolist())),
        guess,
    )


def _tensors(y: Mapping[str, np.ndarray], dtype: type) -> dict[str, Tensor]:
    return {split: torch.from_numpy(values.astype(dtype)) for split, values in y.items()}
