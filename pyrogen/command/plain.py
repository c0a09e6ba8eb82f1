"""The parser of verbs that need no typed constructors: its mistakes are one sentence, as those of all other verbs."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from pyrogen.command.speech import understand, unmarked
from pyrogen.files import sentence
from pyrogen.registry import unknown

NEGATIVE = re.compile(r"-\.?\d")


class Layout(argparse.HelpFormatter):
    """Help whose paragraphs are filled, and whose lists, see :func:`listed`, stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def listed(rows: Iterable[tuple[str, str]], columns: int | None = None) -> str:
    """Names with what they are beside them, in lines that are no longer than so many columns, or than the terminal's."""
    rows = list(rows)
    columns, wide = columns or shutil.get_terminal_size().columns, max(len(name) for name, _ in rows)
    space = max(columns - wide - 4, 24)  # where the terminal is as narrow as a name, its edge is not kept to
    told = ((name, textwrap.wrap(unmarked(says), space, break_on_hyphens=False) or [""]) for name, says in rows)
    lines = (zip([name, *[""] * (len(parts) - 1)], parts, strict=True) for name, parts in told)
    return "\n".join(f"  {name:{wide}}  {part}".rstrip() for line in lines for name, part in line)


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of printing its usage and leaving."""

    def __init__(self, prog: str, description: str, **others: Any) -> None:
        said: dict[str, Any] = {"description": sentence(description), "allow_abbrev": False, "formatter_class": Layout}
        super().__init__(prog, **said, **others)

    def parse_args(self, arguments: Sequence[str]) -> argparse.Namespace:  # type: ignore[override]
        """The options.

        Raises:
            ValueError: one is unknown, or lacks a value that it can take.
        """
        understand(o.removeprefix("--") for action in self._actions for o in action.option_strings)
        options, rest = self.parse_known_args(joined(arguments))
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


def joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with what begins as a negative number joined to its option, ``--y=-0.5,1``.

    Alone argparse takes such a word for another option, unless it is one number.
    """
    words: list[str] = []
    for word in arguments:
        if NEGATIVE.match(word) and words and words[-1].startswith("--") and "=" not in words[-1]:
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


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


def numbers(option: str, text: str, name: str, count: int | None = None) -> list[int]:
    """The whole numbers between the commas of an option.

    Args:
        option: it is called, ``--labels``.
        text: what was typed.
        name: what it names, as a refusal says it.
        count: how many there are; None: one or more.

    Raises:
        ValueError: they are none, or not so many.
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or count not in (None, len(found)):
        raise ValueError(f"{option} {text}: name {name}.")
    return found
