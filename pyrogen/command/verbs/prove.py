"""``pyrogen prove``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pyrogen.command.cli import FAILED, VERBS
from pyrogen.command.plain import Parser

if TYPE_CHECKING:
    from pyrogen.inference.proofs.records import Measured


def run(arguments: Sequence[str]) -> int:
    """Measure claims and their controls.

    Raises:
        ValueError: no entry matches, or none that does claims anything.
    """
    ends = (
        "Exit status: 0 if every claim is met on all its seeds and every control fails, 1 if not, 2 if nothing matches."
    )
    parser = Parser("pyrogen prove", VERBS["prove"], epilog=ends)
    parser.add_argument("pattern", help="a model's name or a glob; *-paper models run only by their exact name")
    seeds = "how many, or which ones, as 10,11,12; default: each claim's own, of which fewer prove nothing"
    parser.add_argument("--seeds", type=_seeds, help=seeds)
    parser.add_argument("--folder", default="proofs", help="where NAME.json goes; default proofs")
    parser.add_argument("--table", help="the table; default PROOFS.md beside the folder")
    parser.add_argument("--device", default="cpu", help="where models are trained; default cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch; default 1, which small models like best")
    parser.add_argument(
        "--only_stale",
        action="store_true",
        help="measure only claims that this machine and these versions have not measured yet; the others keep their numbers",
    )
    options = parser.parse_args(arguments)
    from rich.console import Console

    from pyrogen.inference.proofs.prove import matching, prove
    from pyrogen.inference.proofs.records import TABLE

    names = matching(options.pattern)
    if not names:
        raise ValueError(f"no model matches {options.pattern!r}; pyrogen list shows all.")
    proofs = prove(
        options.pattern,
        options.seeds,
        options.folder,
        options.table,
        options.device,
        options.threads,
        only_stale=options.only_stale,
    )
    silent = [n for n in names if n not in {p.entry for p in proofs}]
    if not proofs:
        raise ValueError(f"{', '.join(silent)} claims nothing.")
    console = Console(highlight=False, soft_wrap=True)
    for proof in proofs:
        for claim in proof.claims:
            console.print(_lines(claim, proof.entry))
    if silent:
        console.print(f"nothing is claimed by {', '.join(silent)}")
    claims = [c for p in proofs for c in p.claims]
    proved = sum(c.proved for c in claims)
    minutes = sum(p.minutes for p in proofs)
    where = Path(options.table) if options.table else Path(options.folder).parent / TABLE
    console.print(f"{proved} of {len(claims)} claims proved in {minutes:.1f} minutes; {options.folder} and {where}")
    return 0 if proved == len(claims) else FAILED


def _lines(claim: Measured, entry: str) -> str:
    from rich.markup import escape

    from pyrogen.inference.proofs.records import bound_words, control_words, measured_words

    style = "green" if claim.proved else "red"
    row = asdict(claim)
    when = f"{claim.minutes:.1f} minutes{f', kept from {claim.date}' if claim.date else ''}"
    control = f"control ({escape(claim.control_says)}) {control_words(row)}"
    return (
        f"[{style}]{escape(claim.verdict)}[/]  {entry}: {escape(claim.says)}\n"
        f"    {claim.metric} {bound_words(claim.bound)}, measured {measured_words(row)}; {control}; "
        f"seeds {', '.join(map(str, claim.seeds))}, {when}"
    )


def _seeds(text: str) -> int | list[int]:
    try:
        named = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        named = []
    if not named or min(named) < 0 or len(set(named)) < len(named):
        raise argparse.ArgumentTypeError(f"a number of seeds, or different seeds as 10,11,12; got {text!r}")
    return named if "," in text else named[0]
