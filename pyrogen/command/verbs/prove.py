"""``pyrogen prove``."""

from __future__ import annotations

from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Measure claims and their controls."""
    from pyrogen.inference.proofs.prove import main as prove

    return prove(arguments)
