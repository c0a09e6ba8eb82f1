"""``pyrogen report``."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser


def run(arguments: Sequence[str]) -> int:
    """Write the report again."""
    parser = Parser("pyrogen report", VERBS["report"])
    parser.add_argument("run", help="folder of a run")
    options = parser.parse_args(arguments)
    from pyrogen.inference.pages.run_report import write_run_report

    print(write_run_report(options.run))
    return 0
