"""Prepared images: the user's cache, ``.npy`` files in it that are whole or not there, and rows of them."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

MAX_IN_MEMORY = 2**30


def cache() -> Path:
    """The user's folder for what is downloaded or unpacked: ``$XDG_CACHE_HOME/pyrogen/data``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pyrogen" / "data"


def roots() -> tuple[Path, Path]:
    """Where files are looked for: ``$PYROGEN_DATA``, if that is set, and the cache, to which alone files are written.

    The variable names a torchvision root, or a folder that holds one as ``torchvision/`` with other sets beside it.
    """
    given = Path(os.environ.get("PYROGEN_DATA") or cache()).expanduser()
    return given / "torchvision" if (given / "torchvision").is_dir() else given, cache()


def folders() -> list[Path]:
    """The roots, and what lies beside one that is torchvision's: sets of other kinds are there, not in it."""
    beside = ([root, root.parent] if root.name == "torchvision" else [root] for root in roots())
    return list(dict.fromkeys(itertools.chain.from_iterable(beside)))


def find(name: str, file: str, original: str, holds: str = "it") -> Path:
    """The path of a file that lies below one of the folders where files are looked for.

    Args:
        name: of the data set.
        file: relative to the folder.
        original: where it is published.
        holds: what one puts there.

    Raises:
        ValueError: it is nowhere; the sentence says where it was looked for.
    """
    places = folders()
    path = next((folder / file for folder in places if (folder / file).is_file()), None)
    if path is None:
        raise ValueError(
            f"cannot get {name}: looked for {file} in {' and '.join(map(str, places))}; its public original is {original}; "
            f"put {holds} there, or set PYROGEN_DATA to the folder that holds {file}."
        )
    return path


def max_in_memory() -> int:
    """How many bytes the x of a split may take before it stays on disk: ``$PYROGEN_MAX_IN_MEMORY``, or 1 GiB.

    Raises:
        ValueError: the variable is no whole number.
    """
    given = os.environ.get("PYROGEN_MAX_IN_MEMORY") or str(MAX_IN_MEMORY)
    if not given.isdecimal():
        raise ValueError(f"PYROGEN_MAX_IN_MEMORY is {given!r}; expected a whole number of bytes.")
    return int(given)


def is_large(array: np.ndarray) -> bool:
    """Whether the float32 x of an array would take too much memory."""
    return 4 * array.size > max_in_memory()


def read(path: Path) -> np.ndarray:
    """The array in a ``.npy`` file, memory-mapped and read-only.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it, and it is prepared again.") from error


def rows(array: np.ndarray, index: Tensor) -> Tensor:
    """Some rows of a memory-mapped array as a tensor in memory: read in the order of the file, given as asked for."""
    wanted = index.numpy()
    order = wanted.argsort(kind="stable")
    values = np.empty((len(wanted), *array.shape[1:]), array.dtype)
    values[order] = array[wanted[order]]
    return torch.from_numpy(values)


def write(path: Path, images: Iterable[np.ndarray], count: int, shape: tuple[int, ...]) -> None:
    """Write ``count`` uint8 images of one shape as a ``.npy`` file ``(count, *shape)``, with a progress bar.

    Raises:
        ValueError: there is no room or no permission.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    shown = track(
        images, f"preparing {path.name}", count, console=Console(stderr=True), disable=not sys.stderr.isatty()
    )
    with appearing(path) as temporary, temporary.open("wb") as file:
        # not into a memory map, which kills the process where the disk is full
        np.lib.format.write_array_header_1_0(file, header)
        for image in shown:
            file.write(np.ascontiguousarray(image, np.uint8).data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A temporary path whose file becomes ``path`` if the block ends well, and disappears otherwise.

    Raises:
        ValueError: there is no room or no permission.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            yield Path(folder) / path.name
            os.replace(Path(folder) / path.name, path)
    except OSError as error:
        raise ValueError(
            f"cannot prepare {path} ({error}); set XDG_CACHE_HOME to a folder with room that you may write to."
        ) from error
