"""What a fit leaves: the model, and what was measured in each epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyrogen.base import Model
from pyrogen.files import first_line

METRICS = "metrics.jsonl"
CODES = "codes.safetensors"


@dataclass
class Run:
    """What a fit leaves: the model, and what was measured in each epoch."""

    model: Model
    history: list[dict[str, Any]] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    seconds: float = 0.0
    steps: str = ""  # how they were computed: recorded in so many seconds, or eager and why

    def __repr__(self) -> str:
        terms = self.history[-1] if self.history else {}
        last = ", ".join(f"{k} {v:.4g}" for k, v in terms.items() if isinstance(v, (int, float)))
        return f"Run({type(self.model).__name__}, {last}, folder={str(self.folder) if self.folder else None})"


def read_history(folder: str | Path) -> list[dict[str, Any]]:
    """The metrics of every epoch of a run.

    Raises:
        ValueError: the file is damaged.
    """
    path = Path(folder) / METRICS
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        history = [json.loads(line) for line in lines]
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {first_line(error)}") from error
    if not all(isinstance(line, dict) for line in history):
        raise ValueError(f"{path} is damaged: a line is no record of an epoch.")
    return history
