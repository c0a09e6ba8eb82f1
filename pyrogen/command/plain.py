"""The parser of verbs that need no typed constructors: its mistakes are one sentence, as those of all other verbs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from pyrogen.command.speech import understand
from pyrogen.registry import unknown


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of printing its usage and leaving."""

    def __init__(self, prog: str, description: str, **others: Any) -> None:
        super().__init__(prog, description=f"{description[0].upper()}{description[1:]}.", allow_abbrev=False, **others)

    def parse_args(self, arguments: Sequence[str]) -> argparse.Namespace:  # type: ignore[override]
        """The options.

        Raises:
            ValueError: one is unknown, or lacks a value that it can take.
        """
        understand(o.removeprefix("--") for action in self._actions for o in action.option_strings)
        options, rest = self.parse_known_args(list(arguments))
        if flags := [word.split("=", 1)[0] for word in rest if word.startswith("-")]:
            raise unknown_option(flags[0], [o for action in self._actions for o in action.option_strings])
        if rest:
            raise ValueError(
                f"{self.prog} takes no further words; got {' '.join(rest)!r}. {self.prog} --help says more."
            )
        return options

    def error(self, message: str) -> NoReturn:
        """Say it in one sentence.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            lacking(self.prog, message) or f"{message.removeprefix('argument ')}; {self.prog} --help says more."
        )


def unknown_option(flag: str, known: Sequence[str]) -> ValueError:
    """The error for an option that a verb does not have."""
    return unknown("option", flag, [o for o in known if o.startswith("--") and "." not in o and "+" not in o])


def lacking(prog: str, message: str) -> str:
    """argparse's complaint that something is missing, as a sentence; nothing where it complains of something else."""
    found = re.search(
        r"(?:required:|is required but not included in config object or its value is None\.?) ?(.*)", message
    )
    named = found and (found[1] or (re.search(r'"([\w.]+)" is required', message) or [""])[-1])
    return f"{prog} needs {named.upper()}; {prog} --help says more." if named else ""
