"""A folder of images of the user's own, or of clips of them, prepared once as an array on disk, however many they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from pyrogen.data import images, store
from pyrogen.data.npz import PARTS
from pyrogen.data.source import PHOTO_KINDS, Source, tenths
from pyrogen.data.text import labelled
from pyrogen.files import below

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
# a part of the key of prepared arrays: raise it when they are prepared differently
VERSION = 1


def read(folder: Path, size: int | None = None, clips: bool = False, length: int | None = None) -> Source:
    """Every image below a folder, of one size, or cut to a centred square and resized to ``size`` × ``size``.

    If all are in sub-folders, of which there are several, the first sub-folder is the class. Pixels are grey if all files
    are, else RGB. Train, valid and test are 80, 10 and 10 % of the sorted relative paths, by a fixed permutation. Changed
    files are noticed by path, length and time of change, and are prepared again. Links are followed, and what is hidden is
    left out, see :func:`pyrogen.files.below`.

    Or every folder of images is a clip ``(T, C, H, W)`` of frames in the order of their names, 2 before 10, without a class.

    Args:
        folder: where the images are.
        size: of a side.
        clips: whether folders of images are clips.
        length: T, the first frames of each clip; None: all, as many in each.

    Raises:
        ValueError: no or too few images or clips, one that cannot be read, which is named, sizes or numbers of frames that
            differ, or sub-folders that are splits.
    """
    if size is not None and size < 1:
        raise ValueError(f"size={size}: expected at least 1 pixel.")
    paths = sorted(path.relative_to(folder) for path in below(folder, SUFFIXES))
    parts = sorted({path.parts[0] for path in paths})
    if parts and all(part.lower() in PARTS for part in parts):
        raise ValueError(
            f"{folder} holds {', '.join(parts)}, which are splits and no classes; load {folder / parts[-1]}, from which "
            "train, valid and test are cut, or move what is in them into one folder."
        )
    data = _clips(folder, paths, length) if clips else [[p] for p in paths]
    if len(data) < 3:
        raise ValueError(
            f"{folder} holds {len(data)} {'folders of images' if clips else 'images'} ({', '.join(SUFFIXES)}); expected at "
            "least 3, to cut train, valid and test from."
        )
    rows = tenths(len(data))
    chosen = [data[i] for part in rows.values() for i in part.tolist()]
    order = [p for datum in chosen for p in datum]
    # the order of clips is not that of all their frames
    prepared = store.cache() / "folders" / f"{_key(folder, order if clips else paths, size)}.npy"
    if not prepared.exists():
        _prepare(prepared, folder, order, size)
    x = store.read(prepared)
    if clips:
        x = x.reshape(len(data), -1, *x.shape[1:])
    y, classes = (None, ()) if clips else _classes(order)
    ends = np.cumsum([0, *map(len, rows.values())]).tolist()
    return Source(
        name=folder.resolve().name,
        reference=f"folder {folder}",
        kinds=PHOTO_KINDS,
        levels=256,
        splits={
            split: (x[start:end], None if y is None else y[start:end])
            for split, start, end in zip(rows, ends, ends[1:], strict=False)
        },
        class_names=classes,
    )


def _classes(order: Sequence[Path]) -> tuple[Tensor | None, tuple[str, ...]]:
    """The numbers of the first sub-folders, and these; nothing where an image is in none, or all are in one."""
    y, names = labelled({"all": [path.parts[0] for path in order]})
    return (y["all"], names) if len(names) > 1 and all(len(path.parts) > 1 for path in order) else (None, ())


def _clips(folder: Path, paths: Sequence[Path], length: int | None) -> list[list[Path]]:
    """The frames of each clip, all or the first ones."""
    found: dict[Path, list[Path]] = {path.parent: [] for path in paths}
    for path in sorted(paths, key=_counted):
        found[path.parent].append(path)
    clips = sorted(found.values(), key=len)
    if not clips:
        return []
    fewest, where = len(clips[0]), folder / clips[0][0].parent
    if length is None and len(clips[-1]) > fewest:
        raise ValueError(
            f"{folder / clips[-1][0].parent} has {len(clips[-1])} frames, and {where} {fewest}; load with length={fewest}, "
            "and of all clips the first are taken."
        )
    if length is not None and not 1 <= length <= fewest:
        raise ValueError(f"length={length}: {where} has {fewest} frames; take length={fewest} or fewer, and 1 or more.")
    return [clip[:length] for clip in found.values()]


def _counted(path: Path) -> list[tuple[str, int]]:
    """A key by which 2 comes before 10, wherever in a name a number is."""
    pieces = re.findall(r"([^0-9]*)([0-9]*)", path.name)
    return [(word, int(number or -1)) for word, number in pieces]


def _key(folder: Path, paths: Sequence[Path], size: int | None) -> str:
    """What the prepared pixels depend on."""
    digest = hashlib.sha256(f"{VERSION} {size}".encode())
    for path in paths:
        stat = (folder / path).stat()
        digest.update(f"\n{path.as_posix()}\0{stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def _prepare(prepared: Path, folder: Path, order: Sequence[Path], size: int | None) -> None:
    coloured = [images.is_colour(folder / path) for path in order]
    colour = any(coloured)
    first = images.pixels(_open(folder / order[0], colour, size))
    shown = (images.pixels(image) for image in _alike(folder, order, colour, size))
    store.write(prepared, shown, len(order), first.shape)


def _alike(folder: Path, order: Sequence[Path], colour: bool, size: int | None) -> Iterator[Image.Image]:
    """The images in their order, if they are of one size."""
    first = None
    for path in order:
        image = _open(folder / path, colour, size)
        first = first or image.size
        if image.size != first:
            raise ValueError(
                f"{folder / path} has {_size(image.size)} pixels, and {folder / order[0]} {_size(first)}; load with size=, "
                "and all are cut to a square and resized."
            )
        yield image


def _open(path: Path, colour: bool, size: int | None) -> Image.Image:
    image = images.read(path, colour)
    return image if size is None else ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)


def _size(size: tuple[int, int]) -> str:
    return " × ".join(map(str, size))
