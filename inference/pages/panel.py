"""What a page is made of: panels in sections, and what several of them ask of a model, its data and its history."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from pyrogen.conditions import UNKNOWN
from pyrogen.data import Data, Split
from pyrogen.files import sentence
from pyrogen.inference.evidence.comparison import standard_error
from pyrogen.inference.runs.fresh import Finding

# the sections, by what a reader asks
SAMPLES, COVERAGE, DECODED = "What it generates", "Which modes it covers", "What it makes of data"
TRANSLATED = "From one domain to the other"
LATENTS, DENSITY, SCORES = "The space of codes", "How probable it finds data", "How well it does: scores"
ANALYSED, QUALITY = "What its latents mean", "How good its samples are"
PROBED = "What its codes are good for"
ENERGIES, CRITIC, TRAINING = "Energies and Markov chains", "What the critic says", "How it learned"
ADVICE, MISSING = "What the diagnostics say", "What could not be shown"

SHOWN, SCATTERED, COUNTED = 64, 2000, 500

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Panel:
    """A piece of a section: a figure and its caption, or a table, or a paragraph (a caption alone), with commands."""

    section: str
    caption: str
    name: str = ""
    figure: Figure | None = None
    table: Sequence[Sequence[str]] = ()
    code: str = ""


def of_stale(stale: str) -> Iterator[Panel]:
    """Why something that is kept of a run is left out; nothing where it is not."""
    if stale:
        yield Panel(ADVICE, sentence(stale))


def of_finding(section: str, name: str, caption: str, found: Finding | None, stale: str) -> Iterator[Panel]:
    """What is kept of a run, as it was read: its verdict with the table, and its picture; or why it is left out."""
    yield from of_stale(stale)
    if found is not None:
        yield Panel(section, f"{found.verdict}\n\n{found.compared()}", table=found.table())
        yield Panel(section, caption, name, found.plot())


def below_the_law(truth: Tensor, own: np.ndarray, who: str) -> Panel:
    """How far a model is below the law that its data come from.

    Args:
        truth: log p(x) by the law, ``(N,)``.
        own: log p(x) by the model, likewise.
        who: the model as the sentence says it.
    """
    law = truth.double().cpu().numpy()
    gaps = law - own
    return Panel(
        ADVICE,
        f"The law that the test data come from finds {law.mean():.3g} nats in each; {who} is {gaps.mean():.2g} ± "
        f"{standard_error(gaps):.1g} nats below it.",
    )


def labels_of(split: Split, data: Data) -> np.ndarray | None:
    """The labels of a split's data, by name where they have names; those that are unknown are said to be so."""
    if split.y is None or split.y.dim() != 1 or split.y.is_floating_point():
        return None
    y = split.y.cpu().numpy()
    names = {k: str(name) for k, name in enumerate(data.class_names)}
    if not names and y.min() >= 0:
        return y
    return np.array([names.get(k, str(k) if k >= 0 else "unknown") for k in y.tolist()])


def told_of(model: Any, split: Split) -> Tensor | None:
    """The y that each datum is decoded with: its own, or, of a model that infers what is unknown, the one that it infers."""
    inferred: Tensor | None = model.condition_for(split.y, split.x)
    return inferred if split.y is None or inferred is None else torch.where(split.y == UNKNOWN, inferred, split.y)


def whole_rows(x: Tensor) -> Tensor:
    """Which data have no missing element, ``(N,)``."""
    return ~x.flatten(1).isnan().any(1)


def last(history: History, key: str, size: int | None = None) -> Any:
    """The last value of a term that is a finite number, or a list of ``size`` such."""
    for row in reversed(history):
        value = row.get(key)
        if size is None and is_finite(value):
            return value
        if size is not None and isinstance(value, list) and len(value) == size and all(map(is_finite, value)):
            return value
    return None


def is_finite(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def gap(first: Tensor, second: Tensor) -> tuple[float, float]:
    """The difference of two means, and its error."""
    a, b = first.double(), second.double()
    error = math.sqrt(sum(float(v.var(correction=0)) / len(v) for v in (a, b)))
    return float(a.mean() - b.mean()), error
