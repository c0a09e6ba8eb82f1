"""Lazy packages: a name is imported at first use, so that adding a choice is adding one file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pyrogen import registry


def package(name: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package of registered choices."""

    def getattribute(attribute: str) -> Any:
        if attribute == "__all__":
            return directory()
        record = registry.exports(name).get(attribute)
        if record is None:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        value = record.load()
        setattr(sys.modules[name], attribute, value)
        return value

    def directory() -> list[str]:
        return sorted(registry.exports(name))

    return getattribute, directory
