"""``pyrogen fetch``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser
from pyrogen.pretrained import CARD, pretrained_folder


def run(arguments: Sequence[str]) -> int:
    """Bring a trained model into a folder, and say what can be done with it."""
    parser = Parser("pyrogen fetch", VERBS["fetch"])
    parser.add_argument("name", help="a model that pyrogen list --pretrained names, or user/name on the hub")
    parser.add_argument("--folder", help="where to; by default runs/NAME")
    parser.add_argument("--revision", help="of a repository on the hub: a branch, tag or commit")
    options = parser.parse_args(arguments)
    if options.revision is not None and "/" not in options.name:
        raise ValueError(
            f"--revision {options.revision}: {options.name!r} comes with the package and has no revisions; leave it out."
        )
    if "/" not in options.name:
        pretrained_folder(options.name)  # a slip is said before torch is imported
    from pyrogen.inference.sharing.hub import fetch

    folder = fetch(options.name, options.folder, revision=options.revision)
    quoted = shlex.quote(str(folder))
    print(f"{options.name} is in {folder}; its card, {folder / CARD}, says what it is and how good")
    print(f"next      pyrogen sample {quoted}\n          pyrogen evaluate {quoted}\n          pyrogen report {quoted}")
    return 0
