"""``pyrogen list``."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen import registry
from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser
from pyrogen.pretrained import has_weights

BOOK = "Which to choose, and why: docs/choose.md of a checkout, where `make docs` builds the book."


def run(arguments: Sequence[str]) -> int:
    """Print names, one sentence and one reference each."""
    parser = Parser("pyrogen list", VERBS["list"])
    parser.add_argument("pattern", nargs="?", default="*", help="a glob pattern, such as '*vae*'")
    parser.add_argument("--pretrained", action="store_true", help="only models whose weights come with the package")
    parser.add_argument("--axis", help=f"list the choices on an axis instead: {', '.join(registry.axes())}")
    options = parser.parse_args(arguments)
    if options.axis:
        names = registry.choices(options.axis)
        found = [registry.find(options.axis, name) for name in names]
    else:
        found = [registry.find("entry", name) for name in registry.list_models(options.pattern, options.pretrained)]
    if not found and options.pretrained:
        known = ", ".join(registry.list_models(pretrained=True))
        raise ValueError(f"no model with weights matches {options.pattern!r}; there are: {known}.")
    if not found:
        raise ValueError(f"no model matches {options.pattern!r}; pyrogen list shows all.")
    width = max(len(r.name) for r in found)
    for record in found:
        print(f"{record.name:{width}}  {record.summary}")
        if record.details:
            print(f"{'':{width}}  {record.details['reference']}")
        if record.axis == "entry" and has_weights(record.name):
            print(f"{'':{width}}  with weights: pyrogen fetch {record.name}")
    print(f"\n{BOOK}")
    return 0
