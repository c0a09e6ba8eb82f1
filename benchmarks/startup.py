"""How long the command line lets one wait before it says anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from measure import Prepare, Section, Spread, interleave, verdict

BAR = 0.5


def measure(threads: list[int], quick: bool) -> Section:
    """Whole processes, interleaved with an empty Python."""
    rounds = 3 if quick else 10
    program = str(Path(sys.executable).parent / "pyrogen")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "pyrogen --help": [program, "--help"],
        "pyrogen list": [program, "list"],
        "pyrogen list, again (A/A)": [program, "list"],
    }
    seconds = interleave({name: _run(words) for name, words in commands.items()}, rounds)
    table = []
    for name, values in seconds.items():
        spread = Spread.of(values)
        judged = verdict(spread.median, BAR, " s") if name in ("pyrogen --help", "pyrogen list") else ""
        table.append((name, spread.text(3), judged))
    notes = (f"Wall time of whole processes, {rounds} rounds.",)
    return Section("cli", notes, ("", "s", "bar"), tuple(table))


def _run(words: list[str]) -> Prepare:
    return lambda: lambda: subprocess.run(words, capture_output=True, check=True)
