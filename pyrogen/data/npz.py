"""Data of the user's own: a NumPy ``.npz`` file, read without pickle and checked array by array."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pyrogen.data.source import IMAGE_KINDS, LARGEST_COUNT, SPLITS, Source, cut, within_a_turn

NAMES = ("x_train", "x_valid", "x_test", "y_train", "y_valid", "y_test", "levels")

Arrays = Mapping[str, np.ndarray]


def read(path: Path, missing: bool = False) -> Source:
    """The array ``x_train`` and, where they are there, ``x_valid``, ``x_test``, ``y_train``, ``y_valid``, ``y_test``.

    A missing valid or test split is cut from train, a tenth each. Whole numbers are grey levels (256, unless a number
    ``levels`` says otherwise), counts if some are above 255, or binary if there are only 0 and 1; floats are binary, grey in
    [0, 1], real, or by ``kind="angle"`` radians. Images
    ``(N, H, W)`` and ``(N, H, W, C)`` become ``(N, C, H, W)``. Real vectors ``(N, D)`` are standardized by default. The
    file is read as a whole: images that are larger than memory are streamed from a folder of them. NaN is refused unless it
    stands for what is ``missing``.

    Raises:
        ValueError: the file or an array in it is not what was expected.
    """
    arrays = _open(path)
    x = {s: _values(path, f"x_{s}", arrays, missing) for s in SPLITS if f"x_{s}" in arrays}
    for split, values in x.items():
        first = x["train"]
        if values.shape[1:] != first.shape[1:] or _whole(values) != _whole(first):
            raise ValueError(
                f"{path}: x_{split} holds {values.dtype} of shape {values.shape[1:]} a row, but x_train {first.dtype} "
                f"of shape {first.shape[1:]}; the splits must agree."
            )
    y = {s: _labels(path, f"y_{s}", arrays, len(x[s])) if f"y_{s}" in arrays else None for s in x}
    orphans = [f"y_{s}" for s in SPLITS if f"y_{s}" in arrays and s not in x]
    if orphans:
        raise ValueError(f"{path}: {orphans[0]} labels a split that is not there; add x{orphans[0][1:]}, or remove it.")
    kinds, levels = _kinds(path, x, arrays)
    splits = {s: (_tensor(v, image=kinds[0] != "real"), y[s]) for s, v in x.items()}
    return Source(path.stem, f"file {path}", kinds, levels, _completed(path, splits), table=True)


def _open(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not an .npz file; write one by numpy.savez(path, x_train=...).")
    name = "the archive"
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(file.files)
            arrays = {}
            for name in (n for n in NAMES if n in names):
                arrays[name] = np.asarray(file[name])
    except (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: {name} cannot be read ({reason}); expected plain arrays of numbers.") from error
    strange = [n for n in names if n.startswith(("x_", "y_")) and n not in NAMES]
    if "x_train" not in arrays or strange:
        raise ValueError(
            f"{path} holds {', '.join(names) or 'nothing'}; expected x_train, and perhaps {', '.join(NAMES[1:])}."
        )
    return arrays


def _values(path: Path, name: str, arrays: Arrays, missing: bool) -> np.ndarray:
    values = arrays[name]
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{path}: {name} holds {values.dtype}; expected numbers.")
    if values.ndim < 2 or values.size == 0:
        problem = "is empty" if values.size == 0 else "has no dimension but the rows'"
        raise ValueError(f"{path}: {name} {problem}, its shape is {values.shape}; expected (N, D) or (N, C, H, W).")
    if _whole(values):
        if values.min() < 0 or values.max() > LARGEST_COUNT:
            raise ValueError(
                f"{path}: {name} holds whole numbers from {values.min()} to {values.max()}; expected grey levels from "
                f"0 to 255, counts up to {LARGEST_COUNT:,}, or floats for real data."
            )
        return values.astype(np.uint8 if values.max() <= 255 else np.int32)
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    if np.isinf(rounded).any() or np.isnan(rounded).all() or (np.isnan(rounded).any() and not missing):
        raise ValueError(
            f"{path}: {name} holds NaN or infinite values; remove or impute them first, or load with missing=True, where NaN "
            "is what was not observed, for likelihood='Masked'."
        )
    # vectors are rounded after they were standardized: a mean far larger than the deviation would leave nothing
    return values.astype(np.float64) if values.ndim == 2 and values.dtype.itemsize > 4 else rounded


def _labels(path: Path, name: str, arrays: Arrays, rows: int) -> Tensor:
    labels = arrays[name]
    real = labels.dtype.kind == "f" and labels.ndim > 1 and np.isfinite(labels).all()
    if not real and (labels.dtype.kind not in "biu" or (labels.size and labels.min() < 0)):
        raise ValueError(
            f"{path}: {name} holds {labels.dtype}; expected labels, whole numbers from 0, or rows of finite real numbers."
        )
    if labels.shape[:1] != (rows,):
        raise ValueError(
            f"{path}: {name} has shape {labels.shape}; expected one label for each of {rows} rows of x{name[1:]}."
        )
    return torch.from_numpy(labels.astype(np.float32 if real else np.int64))


def _kinds(path: Path, x: Arrays, arrays: Arrays) -> tuple[tuple[str, ...], int | None]:
    whole = _whole(x["train"])
    # rounded, for doubles that were scaled to [0, 1] and came out 2e-16 above
    low = min(np.nanmin(v).astype(np.float32).item() for v in x.values())
    high = max(np.nanmax(v).astype(np.float32).item() for v in x.values())
    if "levels" in arrays:
        levels = arrays["levels"]
        if not (whole and _whole(levels) and levels.ndim == 0 and max(2, high + 1) <= levels <= 256):
            raise ValueError(
                f"{path}: levels is {levels}; expected one whole number above {high:g}, the largest in x, up to 256."
            )
        if levels > 2:
            return (*IMAGE_KINDS, "counts"), int(levels)
    if all(((v == 0) | (v == 1) | np.isnan(v)).all() for v in x.values()):
        return ("binary", "real", "counts"), 2
    if whole:
        return ((*IMAGE_KINDS, "counts"), 256) if high <= 255 else (("counts",), None)
    angle = ("angle",) if within_a_turn(low, high) else ()
    return (("unit", "binary", "real", *angle), None) if low >= 0 and high <= 1 else (("real", *angle), None)


def _tensor(values: np.ndarray, image: bool) -> Tensor:
    """Rows with channels first; only what is ``image``-like gains a channel."""
    x = torch.from_numpy(values)
    if x.dim() == 4 and x.shape[-1] in (1, 3) and x.shape[1] not in (1, 3):
        return x.movedim(-1, 1).contiguous()
    if x.dim() == 3 and image and min(x.shape[1:]) > 1:
        return x.unsqueeze(1)
    return x


def _completed(path: Path, splits: dict[str, tuple[Tensor, Tensor | None]]) -> dict[str, tuple[Tensor, Tensor | None]]:
    missing = [s for s in SPLITS if s not in splits]
    if not missing:
        return splits
    x, y = splits["train"]
    if len(x) <= len(missing):
        raise ValueError(
            f"{path}: x_train has {len(x)} rows, too few to cut {' and '.join(missing)} from; add x_{missing[0]}."
        )
    tenth = max(1, len(x) // 10)
    cuts = cut(len(x), len(x) - tenth * len(missing), *[tenth] * len(missing))
    parts = {s: (x[rows], None if y is None else y[rows]) for s, rows in zip(["train", *missing], cuts, strict=True)}
    return {**splits, **parts}


def _whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "biu"
