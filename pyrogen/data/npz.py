"""Data of the user's own: a NumPy ``.npz`` or ``.npy`` file, read without pickle and checked array by array."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from pyrogen.data import arrays as own
from pyrogen.data.arrays import NAMES
from pyrogen.data.source import Source

ROLES = {"x": "x", "data": "x", "image": "x", "images": "x", "features": "x"}
ROLES |= {"y": "y", "label": "y", "labels": "y", "target": "y", "targets": "y"}
PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
PARTS |= {"valid": "valid", "val": "valid", "validation": "valid", "dev": "valid"}


def read(path: Path, missing: bool = False, sequence: bool = False) -> Source:
    """The array ``x_train`` and, where they are there, ``x_valid``, ``x_test``, ``y_train``, ``y_valid``, ``y_test``.

    A ``.npy`` file holds ``x_train`` alone. What the values mean is said in :func:`pyrogen.data.arrays.read`. Real numbers
    are standardized by default. The file is read as a whole: images that are larger than memory are streamed
    from a folder of them. NaN is refused unless it stands for what is ``missing``. Of ``sequence`` rows are sequences, no
    images.

    Raises:
        ValueError: the file or an array in it is not what was expected.
    """
    found = {"x_train": _one(path)} if path.suffix.lower() == ".npy" else _open(path)
    return own.read(found, path.stem, str(path), f"file {path}", missing, sequence)


def _one(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read ({reason}); expected a plain array of numbers.") from error


def _open(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            zipped = zipfile.is_zipfile(file)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}).") from error
    if not zipped and path.suffix.lower() == ".npz":
        raise ValueError(f"{path} is not an .npz file; write one by numpy.savez(path, x_train=...).")
    if not zipped:
        raise ValueError(
            f"{path} is nothing that data are read from: .npz and .npy files of arrays, .csv tables, .txt texts, MIDI files, "
            "and folders of images or of MIDI files."
        )
    name = "the archive"
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
            arrays = {}
            for name in (n for n in NAMES if n in names):
                arrays[name] = np.asarray(archive[name])
    except (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: {name} cannot be read ({reason}); expected plain arrays of numbers.") from error
    meant = {n: _meant(n) for n in names if n not in NAMES}
    strange = [n for n, right in meant.items() if right or n.startswith(("x_", "y_"))]
    if "x_train" not in arrays or strange:
        renamed = [f"{n} to {right}" for n, right in meant.items() if right]
        raise ValueError(
            f"{path} holds {', '.join(names) or 'nothing'}; expected x_train, and perhaps {', '.join(NAMES[1:])}"
            f"{'; rename ' + ', '.join(renamed) if renamed else ''}."
        )
    return arrays


def _meant(name: str) -> str | None:
    """The name in whose place another is often written: ``x_val``, ``X_train``, ``train_images``."""
    words = re.findall("[a-z]+", name.lower())
    if len(words) == 1:
        for role in ("x", "y"):
            words = [role, name.lower().removeprefix(role)] if name.lower()[1:] in PARTS else words
        words = [*words, "train"] if words[0] in ROLES else words
    roles, parts = ([table[w] for w in words if w in table] for table in (ROLES, PARTS))
    return f"{roles[0]}_{parts[0]}" if len(words) == 2 and len(roles) == len(parts) == 1 else None
