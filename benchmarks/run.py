"""Measure how fast pyrogen is, side by side with what one would write by hand; print it, and write RESULTS.md.

python benchmarks/run.py [--only ITEM ...] [--threads 1 2] [--quick]

What trains is timed by the wall, in a process of its own for each number of threads, pinned to as many cores. Where others
load these cores, libraries that start more threads get more of them: --clock processor is fair to all, on one core.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from measure import Section, circumstances, pin
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("RESULTS.md")
ITEMS = {  # by the module that measures it
    "fit": "training",
    "games": "games",
    "processes": "processes",
    "iwae": "scoring",
    "ais": "annealing",
    "posterior": "posterior_sampling",
    "gradients": "gradients",
    "autoregressive": "autoregressive",
    "published": "published",
    "forecasts": "forecasts",
    "sentences": "sentences",
    "densities": "densities",
    "chorales": "chorales",
    "wu": "wu",
    "swap": "swapping",
    "cli": "startup",
    "upkeep": "upkeep",
    "quality": "quality",
    "rbm": "boltzmann",
    "samplers": "samplers",
    "objectives": "objectives",
    "diffusion": "diffusion",
    "bits": "bits",
    "bits-mnist": "bits_mnist",
}
APART = (
    "fit",
    "games",
    "sentences",
    "diffusion",
    "autoregressive",
    "rbm",
)  # each number of threads is a section of its own, measured by a process of its own
HEAD = """# Benchmarks

Written by `python benchmarks/run.py`. Contestants take turns in one process. Numbers are medians [quartiles]; ratios are
taken within each round. Sections that say to which cores they were pinned say by which clock; in others times of one thread
are processor time, of more threads wall time. Other load on the machine ruins wall time. Rows with "A/A" measure the same
code twice: a difference as small as theirs means nothing.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how fast pyrogen is, and write benchmarks/RESULTS.md.")
    parser.add_argument(
        "--only", choices=[*ITEMS], nargs="+", default=[*ITEMS], help="measure these; the others' results stay"
    )
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], metavar="N", help="torch threads (default: 1 2)"
    )
    parser.add_argument(
        "--works", nargs="+", metavar="NAME", help="of fit or games, these functions' alone, as a section of its own"
    )
    parser.add_argument(
        "--clock",
        choices=["wall", "processor"],
        default="wall",
        help="of what is pinned; by processor: one thread only",
    )
    parser.add_argument("--quick", action="store_true", help="a glance with small sizes: prints, writes nothing")
    args = parser.parse_args()
    if args.clock == "processor" and args.threads != [1]:
        parser.error("--clock processor adds up the threads of several cores; use --threads 1.")
    console = Console(width=None if sys.stdout.isatty() else 120)
    apart = [(item, n) for item in args.only if item in APART for n in args.threads]
    pinned = apart if len(args.only) == len(args.threads) == 1 else []
    for item, n in apart if not pinned else ():
        rest = (["--quick"] if args.quick else []) + (["--works", *args.works] if args.works else [])
        again = [sys.executable, __file__, "--only", item, "--threads", str(n), "--clock", args.clock, *rest]
        subprocess.run(again, check=True)
    for item in args.only if pinned else [item for item in args.only if item not in APART]:
        where = f"; pinned to {pin(args.threads[0])}, {args.clock} time" if pinned else ""
        if pinned and args.clock == "processor":
            importlib.import_module("training").CLOCK = time.process_time
        before = circumstances() + where
        section = measure(item, args.threads, args.quick, args.works)
        console.print(table(section), *section.notes, before, sep="\n", end="\n\n")
        if not args.quick:
            RESULTS.write_text(merged(RESULTS, section.title, markdown(section, before)), encoding="utf-8")


def measure(item: str, threads: list[int], quick: bool, works: list[str] | None = None) -> Section:
    # imported here, so that --only cli does not wait for torch
    module = importlib.import_module(ITEMS[item])
    if not works:
        return module.measure(threads, quick)
    module.WORKS = tuple(getattr(module, name) for name in works)
    section = module.measure(threads, quick)
    return replace(section, title=f"{section.title}, {' and '.join(works)}")


def table(section: Section) -> Table:
    shown = Table(title=section.title)
    for i, column in enumerate(section.columns):
        shown.add_column(column, justify="left" if i == 0 or not column else "right")
    for row in section.rows:
        shown.add_row(*(cell.replace("[", r"\[") for cell in row))
    return shown


def markdown(section: Section, before: str) -> str:
    rows = [section.columns, tuple("---" for _ in section.columns), *section.rows]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    notes = [f"- {note}" for note in (*section.notes, f"Measured on {before}.")]
    return "\n".join([f"## {section.title}", "", *lines, "", *notes, ""])


def merged(path: Path, title: str, text: str) -> str:
    """The report with one section replaced."""
    old = path.read_text(encoding="utf-8").split("\n## ")[1:] if path.exists() else []
    sections = {part.split("\n", 1)[0]: f"## {part.strip()}\n" for part in old}
    # one that names no number of threads gives way to one that does
    sections.pop(title.split(",")[0], None)
    sections[title] = text
    ordered = sorted(sections, key=lambda t: ([*ITEMS].index(t.split(",")[0]), t))
    return "\n".join([HEAD, *(sections[t] for t in ordered)])


if __name__ == "__main__":
    main()
