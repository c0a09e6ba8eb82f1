"""Files that are whole at any moment."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write(path: str | Path, content: bytes | str) -> Path:
    """Write a file so that at any moment the old one or the new one is whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def plain_json(value: Any) -> Any:
    """A value as JSON has it: arrays are lists, and numbers that are not finite are said in words.

    >>> plain_json({"error": (0.5, float("nan"))})
    {'error': [0.5, 'nan']}
    """
    if hasattr(value, "tolist"):  # arrays, and numbers of NumPy
        return plain_json(value.tolist())
    if isinstance(value, Mapping):
        return {str(k): plain_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def repeated(paths: Sequence[str]) -> str | None:
    """The first of the paths that leads where another does, however it is spelled; None where there is none."""
    places = [Path(path).resolve() for path in paths]
    return next((path for path, place in zip(paths, places, strict=True) if places.count(place) > 1), None)


def below(folder: str | Path, suffixes: Collection[str]) -> Iterator[Path]:
    """The files below a folder whose names end so, in capitals or not, by way of links too.

    What is hidden, its name beginning with a point, is left out, and so is a link that leads back to where it lies.
    """
    return _below(Path(folder), tuple(suffixes), frozenset())


def _below(folder: Path, suffixes: tuple[str, ...], above: frozenset[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in above:
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, _is_folder(entry)) for entry in entries if not entry.name.startswith("."))
    except PermissionError as error:
        raise ValueError(f"{folder} may not be read: {error.strerror}; let it be read, or leave it out.") from error
    for name, is_folder in found:
        path = folder / name
        if is_folder:
            yield from _below(path, suffixes, above | {real})
        elif name.lower().endswith(suffixes) and path.is_file():
            yield path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


@contextmanager
def saving(otherwise: str) -> Iterator[None]:
    """Say what becomes of a result that cannot be written.

    Args:
        otherwise: as "the score above was not saved".

    Raises:
        OSError: there is no room, no permission, or what is there already is damaged.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise OSError(f"{otherwise}: {first_line(error)}") from error


def message(error: BaseException) -> str:
    """What an error says, or its name; one of the system without its number, and with the file that it is about."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return str(error).strip() or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of :func:`message`."""
    return message(error).split("\n")[0]


def reason(error: BaseException) -> str:
    """The first line of a refusal; of an error that nobody foresaw its type too, and that it is one."""
    if isinstance(error, (ValueError, NotImplementedError)):
        return first_line(error)
    return f"failed, {type(error).__name__}: {first_line(error)}"


def sentence(words: str) -> str:
    """What is said within a sentence as one of its own."""
    return f"{words[0].upper()}{words[1:].rstrip('.')}."
