"""Registered data sets by their names, or called with arguments, ``"sprites(size=64)"``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

from pyrogen.arguments import conform
from pyrogen.data.source import Source
from pyrogen.literals import called
from pyrogen.registry import choices, find, unknown


def path_of(text: str | Path) -> Path | None:
    """The path that is meant, if it is no registered name; a folder may be given by its bare name."""
    if not isinstance(text, Path) and _is_name(text):
        return None
    path = Path(text).expanduser()
    if isinstance(text, Path) or path.suffix or "/" in text or "\\" in text:
        return path
    return path if path.is_dir() else None


def source_named(text: str) -> Source:
    """The raw data of a name, or of a call.

    Raises:
        ValueError: there is no such name, it is called otherwise, or with arguments that it does not take.
    """
    name, arguments = called(text) if "(" in text else (text, {})
    make: Callable[..., Source] = find("data", name).load()
    accepted = inspect.signature(make).parameters
    if arguments and not accepted:
        raise ValueError(f"the data {name!r} take no arguments, and got {', '.join(arguments)}; leave them out.")
    for argument in arguments:
        if argument not in accepted:
            raise unknown(f"argument of the data {name!r}", argument, accepted)
    return make(**conform(make, arguments))


def settings_of(text: str) -> list[str]:
    """The arguments that registered data take in their brackets; none of a path."""
    name = text.partition("(")[0]
    return list(inspect.signature(find("data", name).load()).parameters) if _is_name(text) else []


def _is_name(text: str) -> bool:
    """Whether it names registered data, without arguments or with."""
    head, bracket, _ = text.partition("(")
    return head in choices("data") and (not bracket or text.rstrip().endswith(")"))
