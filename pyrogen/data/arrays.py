"""Arrays of the user's own, checked one by one and read as raw data: from a file, or in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyrogen.data.label import Named, channels_last, number
from pyrogen.data.source import LARGEST_COUNT, SPLITS, Source, cut, within_a_turn
from pyrogen.kinds import IMAGE_KINDS

NAMES = ("x_train", "x_valid", "x_test", "y_train", "y_valid", "y_test", "levels")

Arrays = Mapping[str, np.ndarray]


class Meaning(NamedTuple):
    """What values can be: of themselves, only by one wish that names it, with how many grey levels, and what was guessed."""

    kinds: tuple[str, ...]
    wished: tuple[str, ...] = ()
    levels: int | None = None
    guess: str = ""


def read(
    arrays: Arrays, name: str, where: str, reference: str, missing: bool = False, sequence: bool = False
) -> Source:
    """Raw data of arrays called as in :data:`NAMES`; ``where`` is how errors name them.

    A missing valid or test split is cut from train, a tenth each. Whole numbers are binary if there are only 0 and 1; of
    images ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)`` up to 255 they are grey levels (256, unless ``levels`` says
    otherwise), and else counts. Floats are binary, grey in [0, 1], real, or by ``kind="angle"`` radians; numbers above 0 are,
    by ``kind="positive"``, just that. Only images are binarized unasked. Images become ``(N, C, H, W)``. Labels are read by
    :func:`pyrogen.data.label.number`. Of ``sequence`` x is no images but sequences, ``(N, C, T)``, or ``(N, T)``, which
    become ``(N, 1, T)``.

    Raises:
        ValueError: an array is not what was expected.
    """
    if "x_train" not in arrays:
        raise ValueError(
            f"{where}: there is no x_train, got {', '.join(arrays) or 'nothing'}; pass the data, (N, ...)."
        )
    x = {s: _values(where, f"x_{s}", arrays, missing) for s in SPLITS if f"x_{s}" in arrays}
    if sequence:
        x = {split: _steps(where, f"x_{split}", values) for split, values in x.items()}
    for split, values in x.items():
        first = x["train"]
        if values.shape[1:] != first.shape[1:] or _whole(values) != _whole(first):
            raise ValueError(
                f"{where}: x_{split} holds {values.dtype} of shape {values.shape[1:]} a row, but x_train {first.dtype} "
                f"of shape {first.shape[1:]}; the splits must agree."
            )
    labels = _labels(where, arrays, x, missing)
    meaning = _meaning(where, x, arrays, _pictures(x["train"]) and not sequence)
    image = meaning.kinds[0] != "real" and not sequence
    if x["train"].ndim == 4 and channels_last(list(x.values())):
        x = {split: np.ascontiguousarray(np.moveaxis(values, -1, 1)) for split, values in x.items()}
    splits = {s: (_tensor(v, image), labels.y.get(s)) for s, v in x.items()}
    return Source(
        name=name,
        reference=reference,
        kinds=meaning.kinds,
        levels=meaning.levels,
        splits=completed(where, splits),
        own=True,
        class_names=labels.names,
        wished=meaning.wished,
        guess=labels.guess,
        guess_of_kind=meaning.guess,
    )


def _values(where: str, name: str, arrays: Arrays, missing: bool) -> np.ndarray:
    values = arrays[name]
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{where}: {name} holds {values.dtype}; expected numbers.")
    if values.ndim < 2 or values.size == 0:
        problem = "is empty" if values.size == 0 else "has no dimension but the rows'"
        raise ValueError(f"{where}: {name} {problem}, its shape is {values.shape}; expected (N, D) or (N, C, H, W).")
    if _whole(values):
        if max(-int(values.min()), int(values.max())) > LARGEST_COUNT:
            raise ValueError(
                f"{where}: {name} holds whole numbers from {values.min()} to {values.max()}; expected grey levels from "
                f"0 to 255, counts up to {LARGEST_COUNT:,}, or floats for real data."
            )
        return values.astype(np.uint8 if values.min() >= 0 and values.max() <= 255 else np.int32)
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    if np.isinf(rounded).any() or np.isnan(rounded).all() or (np.isnan(rounded).any() and not missing):
        raise ValueError(
            f"{where}: {name} holds NaN or infinite values; remove or impute them first, or load with missing=True, where "
            "NaN is what was not observed, for likelihood='Masked'."
        )
    # vectors are rounded after they were standardized: a mean far larger than the deviation would leave nothing
    return values.astype(np.float64) if values.ndim == 2 and values.dtype.itemsize > 4 else rounded


def _labels(where: str, arrays: Arrays, x: Arrays, missing: bool) -> Named:
    y = {s: arrays[f"y_{s}"] for s in SPLITS if f"y_{s}" in arrays}
    for split, values in y.items():
        if split not in x:
            raise ValueError(f"{where}: y_{split} labels a split that is not there; add x_{split}, or remove it.")
        if values.shape[:1] != (len(x[split]),):
            raise ValueError(
                f"{where}: y_{split} has shape {values.shape}; expected one label for each of {len(x[split])} rows of "
                f"x_{split}."
            )
    bare = [s for s in x if s not in y]
    if y and bare:
        raise ValueError(
            f"{where} holds y_{next(iter(y))} and no y_{bare[0]}, though it holds x_{bare[0]}; add y_{bare[0]}, or remove "
            f"x_{bare[0]} to have it cut from train."
        )
    return number(where, y, missing)


def _steps(where: str, name: str, values: np.ndarray) -> np.ndarray:
    """Rows that are sequences, with a dimension for their channels."""
    if values.ndim > 3:
        raise ValueError(
            f"{where}: {name} has shape {values.shape}, and sequences have (N, C, T) or (N, T); leave sequence=True out."
        )
    return values[:, None] if values.ndim == 2 else values


def _meaning(where: str, x: Arrays, arrays: Arrays, pictures: bool) -> Meaning:
    whole = _whole(x["train"])
    # rounded, for doubles that were scaled to [0, 1] and came out 2e-16 above
    low = min(np.nanmin(v).astype(np.float32).item() for v in x.values())
    high = max(np.nanmax(v).astype(np.float32).item() for v in x.values())
    positive = ("positive",) if low > 0 else ()
    if "levels" in arrays:
        levels = arrays["levels"]
        if not (whole and low >= 0 and _whole(levels) and levels.ndim == 0 and max(2, high + 1) <= levels <= 256):
            raise ValueError(
                f"{where}: levels is {levels}; expected one whole number above {high:g}, the largest in x, up to 256, and "
                f"x of whole numbers from 0; the least is {low:g}."
            )
        if levels > 2:
            return Meaning((*IMAGE_KINDS, "counts"), ("real", *positive), int(levels))
    if all(((v == 0) | (v == 1) | np.isnan(v)).all() for v in x.values()):
        return Meaning(("binary", "real", "counts"), (), 2)
    if whole and low < 0:
        return Meaning(("real",), guess="whole numbers, some below 0, are real numbers")
    if whole and high > 255:
        return Meaning(("counts", "real"), positive)
    if whole and pictures:
        return Meaning(
            (*IMAGE_KINDS, "counts"), ("real", *positive), 256, f"whole numbers up to {high:g} are 256 grey levels"
        )
    if whole:
        return Meaning(
            ("counts", "real"), (*IMAGE_KINDS, *positive), 256, f"whole numbers up to {high:g} are no grey levels"
        )
    others = (*positive, *(("angle",) if within_a_turn(low, high) else ()))
    if low < 0 or high > 1:
        return Meaning(("real", *others))
    if pictures:
        guess = "numbers from 0 to 1 are grey values"
        if x["train"].ndim == 3:
            guess += " of images (N, H, W); of sequences (N, C, T) say sequence=True"
        return Meaning(("unit", "binary", "real", *others), guess=guess)
    return Meaning(("unit", "real", *others), ("binary",), guess="numbers from 0 to 1 are of kind 'unit'")


def _pictures(values: np.ndarray) -> bool:
    """Whether rows are shaped as images: (H, W), (C, H, W) or (H, W, C)."""
    return values.ndim == 4 or (values.ndim == 3 and min(values.shape[1:]) > 1)


def _tensor(values: np.ndarray, image: bool) -> Tensor:
    """Rows as a tensor; only what is ``image``-like gains a channel."""
    x = torch.from_numpy(values)
    return x.unsqueeze(1) if x.dim() == 3 and image and _pictures(values) else x


def completed(where: str, splits: dict[str, tuple[Tensor, Tensor | None]]) -> dict[str, tuple[Tensor, Tensor | None]]:
    """All three splits: of train a tenth each is cut for valid and test where they are missing.

    Raises:
        ValueError: train has too few rows.
    """
    missing = [s for s in SPLITS if s not in splits]
    if not missing:
        return splits
    x, y = splits["train"]
    if len(x) <= len(missing):
        raise ValueError(
            f"{where}: x_train has {len(x)} rows, too few to cut {' and '.join(missing)} from; add x_{missing[0]}."
        )
    tenth = max(1, len(x) // 10)
    cuts = cut(len(x), len(x) - tenth * len(missing), *[tenth] * len(missing))
    parts = {s: (x[rows], None if y is None else y[rows]) for s, rows in zip(["train", *missing], cuts, strict=True)}
    return {**splits, **parts}


def _whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "biu"
