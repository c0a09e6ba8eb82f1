"""What the library says, in the words of the shell: ``kind='binary'`` is ``--kind binary`` there.

The library speaks Python. On the command line every setting has the same name, so errors and warnings are translated at
the door, and no message has to be written twice.
"""

from __future__ import annotations

import ast
import logging
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pyrogen.command import completion

# the options of the verb at work by the arguments that they set, all without dashes
_options: ContextVar[Mapping[str, str]] = ContextVar("options", default={})  # noqa: B039  (never changed)

VALUE = (
    r"'[^']*'|\"[^\"]*\"|\{[^{}]*\}|\[[^\[\]]*\]|\([^()]*\)|-?\d+(?:\.\d+)?(?:e[-+]?\d+)?|\.\.\."
    r"|[A-Za-z]\w*(?:\((?:[^()]|\([^()]*\))*\))?"
)
SETTING = re.compile(rf"(?<![\w.'\"-])([a-z]\w*)=({VALUE})")
NAME = re.compile(r"(?<![\w.'\"/-])([a-z]+_[a-z_]+)(?![\w=(/'\"-]|\.\w)")


@contextmanager
def in_shell_words() -> Iterator[None]:
    """Let the library warn as this command line speaks, while a command is at work."""
    token = _options.set({})
    log, handler = logging.getLogger("pyrogen"), _Handler(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        _options.reset(token)


def understand(options: Iterable[str] | Mapping[str, str]) -> None:
    """Take the options of the verb at work, without dashes, or the option of each argument where that has another name."""
    _options.set(dict(options) if isinstance(options, Mapping) else {name: name for name in options})


def told(message: str, more: Iterable[str] = ()) -> str:
    """A message of the library as the shell says it, harmless to the terminal; ``more`` are options of another verb."""
    # what was read from files must not steer the terminal
    clean = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda code: repr(code[0])[1:-1], message)
    short = re.sub(r"\S{300,}", lambda word: f"{word[0][:100]}…", clean)
    return in_words(short, {**_options.get(), **{name: name for name in more}})


def unmarked(text: str) -> str:
    """A docstring's text without its marks: ``size`` is size, and :func:`augment` is augment()."""
    text = re.sub(r":(\w+):`~?([\w.]+)`", lambda mark: mark[2] + "()" * (mark[1] in ("func", "meth")), text)
    return text.replace("``", "")


def in_words(message: str, options: Mapping[str, str]) -> str:
    """The message with settings written as options: those of the verb at work, and those of ``pyrogen train``.

    What stands in the brackets of a call, ``create('rbm', hidden=20)``, is Python and stays so.
    """
    # a verb that takes a run is told how to train another
    trained = completion.training_options() if options and "epochs" not in options else frozenset()

    def option(name: str) -> str | None:
        return f"--{options[name]}" if name in options else f"--{name}" if name in trained else None

    def setting(found: re.Match[str]) -> str:
        flag, value = option(found[1]), found[2]
        # of a grid's axis the name is a value
        if flag is None or _in_call(message, found.start()) or message[: found.start()].endswith("--grid "):
            return found[0]
        if value == "None" and message[: found.start()].endswith("leave "):
            return f"{flag} out"
        return f"{flag} {_word(value)}"

    def name(found: re.Match[str]) -> str:
        flag = option(found[1])
        return found[0] if flag is None or _in_call(message, found.start()) else flag

    message = SETTING.sub(setting, message)
    return NAME.sub(name, message)


def _in_call(message: str, place: int) -> bool:
    """Whether a place stands in brackets that follow a name."""
    calls: list[bool] = []
    for i, character in enumerate(message[:place]):
        if character in "([{":
            calls.append(i > 0 and (message[i - 1].isalnum() or message[i - 1] == "_"))
        elif character in ")]}" and calls:
            calls.pop()
    return any(calls)


def _word(value: str) -> str:
    """A Python value as one word of the shell."""
    if value == "...":
        return value
    try:
        plain = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value if re.fullmatch(r"\w+", value) else shlex.quote(value.removesuffix("()"))
    if isinstance(plain, (bool, type(None))):
        return {True: "true", False: "false", None: "null"}[plain]
    if isinstance(plain, (int, float)):
        return value
    if isinstance(plain, dict):
        return shlex.quote(",".join(f"{name}={_word(repr(part))}" for name, part in plain.items()) or "{}")
    if isinstance(plain, (list, tuple)):
        return ",".join(map(str, plain)) or "[]"
    return shlex.quote(str(plain))


def last_line(history: Sequence[Mapping[str, Any]]) -> str:
    """The numbers of the last epoch."""
    last = history[-1] if history else {}
    return "  ".join(f"{k} {v:.4g}" for k, v in last.items() if isinstance(v, (int, float))) or "no epochs"


class _Handler(logging.Handler):
    """Warnings, one line each, less those that the data say where they are printed."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it where errors go."""
        if getattr(record, "in_data", False):
            return
        print(f"pyrogen: {record.levelname.lower()}: {told(record.getMessage())}", file=sys.stderr)
