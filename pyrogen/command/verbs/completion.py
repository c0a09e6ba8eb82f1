"""``pyrogen completion``."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.command import completion
from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser


def run(arguments: Sequence[str]) -> int:
    """Print a script, or what a word may become."""
    if arguments[:1] == ["--words"]:
        print("\n".join(completion.candidates(arguments[1:], VERBS)))
        return 0
    parser = Parser("pyrogen completion", VERBS["completion"])
    parser.add_argument("shell", choices=sorted(completion.SCRIPTS), help='as in: eval "$(pyrogen completion bash)"')
    print(completion.SCRIPTS[parser.parse_args(arguments).shell])
    return 0
