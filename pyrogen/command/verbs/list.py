"""``pyrogen list``."""

from __future__ import annotations

import fnmatch
import sys
import textwrap
from collections.abc import Iterator, Sequence

from pyrogen import registry
from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser, listed
from pyrogen.pretrained import has_weights

BOOK = "Which to choose, and why: docs/choose.md of a checkout, where `make docs` builds the book."


def run(arguments: Sequence[str]) -> int:
    """Print names, one sentence and one reference each."""
    parser = Parser("pyrogen list", VERBS["list"])
    parser.add_argument("pattern", nargs="?", default="*", help="a glob pattern, such as '*vae*'")
    parser.add_argument("--pretrained", action="store_true", help="only models whose weights come with the package")
    parser.add_argument("--axis", help=f"list the choices on an axis instead: {', '.join(registry.axes())}")
    options = parser.parse_args(arguments)
    if options.axis and options.pretrained:
        raise ValueError(f"--pretrained lists models, and --axis {options.axis} its choices; leave one of the two out.")
    if options.axis:
        names = fnmatch.filter(registry.choices(options.axis), options.pattern)
        found = [registry.find(options.axis, name) for name in names]
    else:
        found = [registry.find("entry", name) for name in registry.list_models(options.pattern, options.pretrained)]
    if not found and options.pretrained:
        known = ", ".join(registry.list_models(pretrained=True))
        raise ValueError(f"no model with weights matches {options.pattern!r}; there are: {known}.")
    if not found and options.axis:
        raise ValueError(
            f"no {options.axis} matches {options.pattern!r}; pyrogen list --axis {options.axis} shows all."
        )
    if not found:
        raise ValueError(f"no model matches {options.pattern!r}; pyrogen list shows all.")
    # on a terminal lines are folded; whoever searches them gets each whole
    columns = None if sys.stdout.isatty() else sys.maxsize
    rows = [row for record in found for row in _rows(record)]
    print(textwrap.dedent(listed(rows, columns)))
    print(f"\n{BOOK}")
    return 0


def _rows(record: registry.Registration) -> Iterator[tuple[str, str]]:
    yield record.name, record.summary
    if record.details:
        yield "", record.details["reference"]
    if record.axis == "entry" and has_weights(record.name):
        yield "", f"with weights: pyrogen fetch {record.name}"
