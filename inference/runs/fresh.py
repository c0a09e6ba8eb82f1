"""What was found of a run and is kept beside it as JSON, while the folder holds what was looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import xarray as xr
from matplotlib.figure import Figure

from pyrogen import storage
from pyrogen.files import first_line, plain_json, write


class Finding(Protocol):
    """Results whose attributes say of which files they are: ``config_sha256`` and the like, and which ``weights``."""

    @property
    def results(self) -> xr.Dataset:
        """The numbers."""

    @property
    def verdict(self) -> str:
        """What they say, in a sentence."""

    def compared(self) -> str:
        """What was compared with what."""

    def table(self) -> Sequence[Sequence[str]]:
        """Rows of words, the first of them the head."""

    def plot(self) -> Figure:
        """Their picture."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""


Found = TypeVar("Found", bound=Finding)


def keep(path: Path, found: Finding) -> None:
    """Write it down; its attributes say what was looked at.

    Raises:
        OSError: the file cannot be written.
    """
    write(path, json.dumps(plain_json(found.to_dict()), indent=1, allow_nan=False))


def read_fresh(
    path: Path, parse: Callable[[Mapping[str, Any]], Found], what: str, again: str
) -> tuple[Found | None, str]:
    """What lies there, where it is of what the folder holds now, and the sentence that says why nothing is there.

    Args:
        path: of the file, in a run's folder.
        parse: what makes it of plain values.
        what: it is called in the sentence.
        again: the command that finds it anew.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.is_file():
        return None, ""
    try:
        found = parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {first_line(error)}; renew it by {again}.") from error
    stale = staleness(path.parent, found.results.attrs, f"{what} in {path}")
    return (None, f"{stale}; measure again by {again}") if stale else (found, "")


def staleness(folder: str | Path, attributes: Mapping[str, Any], what: str) -> str:
    """What of a run's folder changed since something was found of it, in a sentence; "" where all is as it was."""
    now = storage.fingerprint(folder, str(attributes.get("weights", "last")))
    changed = [key.removesuffix("_sha256") for key, digest in now.items() if attributes.get(key) != digest]
    return f"{what} is stale and is left out, for the {' and the '.join(changed)} changed since" if changed else ""
