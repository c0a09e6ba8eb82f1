"""How a model learned: its curves, when its validation loss was lowest, and its film."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student_t
from torch import Tensor

from pyrogen.conditions import UNKNOWN
from pyrogen.data import Data
from pyrogen.figures import latent_plots, plots
from pyrogen.figures.shades import shades_of
from pyrogen.inference.pages.panel import ADVICE, TRAINING, History, Panel, is_finite, labels_of
from pyrogen.inference.training.film import read_film
from pyrogen.kinds import is_picture

FRAMES, BESIDE = 8, 8


def curves(history: History) -> Iterator[Panel]:
    """Every term of the objective over the epochs."""
    if history:
        caption = (
            "Every term of the objective and of its diagnostics over the epochs; epoch 0 is before the first step."
        )
        yield Panel(TRAINING, caption, "curves", plots.curves(history))


def films(folder: Path, data: Data | None, kind: str) -> Iterator[Panel]:
    """What the model made of the same data and the same noise as training went on, a row for each epoch.

    Raises:
        ValueError: the film is damaged.
    """
    film = read_film(folder)
    behind = film.pop("data", {}).get(0)
    for what, words in (
        ("reconstructions", "Reconstructions of the same validation data as training went on"),
        ("samples", "What the model generated from the same noise as training went on"),
    ):
        frames = _some(film.get(what, {}))
        if behind is None or len(frames) < 2:
            continue
        if is_picture(behind.shape[1:]):
            first = {"data": behind} if what == "reconstructions" else {}
            rows = first | {f"epoch {epoch}": x for epoch, x in frames.items()}
            n = min(BESIDE, *(len(x) for x in rows.values()))
            within = None if data is None else shades_of(data)
            figure = plots.strips(torch.stack([x[:n] for x in rows.values()]), kind, list(rows), within=within)
        elif math.prod(behind.shape[1:]) == 2:
            figure = plots.point_film({f"epoch {epoch}": x for epoch, x in frames.items()}, behind)
            words += ", upon data"
        else:
            continue
        yield Panel(TRAINING, f"{words}; epoch 0 is before the first step.", f"film-{what}", figure)
    yield from _codes(_some(film.get("codes", {}), 6), data)


def _codes(frames: Mapping[int, Tensor], data: Data | None) -> Iterator[Panel]:
    n = min((len(z) for z in frames.values()), default=0)
    if len(frames) < 2 or n < 10 or len({z.shape for z in frames.values()}) > 1:
        return
    # of the split that was filmed
    some = None if data is None else (data.valid if len(data.valid) else data.train).spread(n)
    labels = None if some is None or data is None or len(some) != n else labels_of(some, data)
    mapped = "" if next(iter(frames.values())).shape[1] <= 2 else ", in one t-SNE of all times"
    caption = f"Mean codes of the same {n} validation data as training went on{mapped}."
    shared = dict.fromkeys(frames, "")
    known = np.ones(n, bool) if some is None or some.y is None else (some.y > UNKNOWN).cpu().numpy()
    if labels is not None and len(set(labels[known].tolist())) > 1:
        rates = {epoch: neighbours_share(z[:n][known], labels[known]) for epoch, z in frames.items()}
        first, *_, end = rates
        caption += (
            f" Those whose nearest neighbour among them bears their label were {rates[first]:.0%} before the first step, and "
            f"{rates[end]:.0%} at the end."
        )
        shared = {epoch: f": {rate:.0%}" for epoch, rate in rates.items()}
    figure = latent_plots.latent_film({f"epoch {e}{shared[e]}": z for e, z in frames.items()}, labels)
    yield Panel(TRAINING, caption, "film-codes", figure)


def neighbours_share(codes: Tensor, labels: np.ndarray) -> float:
    """The fraction of data whose nearest neighbour among the others, in the space of codes ``(N, D)``, has their label."""
    distance = torch.cdist(codes.double(), codes.double())
    nearest = distance.fill_diagonal_(torch.inf).argmin(1).numpy()
    return float((labels[nearest] == labels).mean())


def _some(frames: Mapping[int, Tensor], most: int = FRAMES) -> dict[int, Tensor]:
    """The first and the last frame, and of those between as many as fit, as evenly as can be."""
    epochs = sorted(frames)
    chosen = sorted({round(i) for i in np.linspace(0, len(epochs) - 1, min(most, len(epochs)))}) if epochs else []
    return {epochs[i]: frames[epochs[i]] for i in chosen}


def validation(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """When the validation loss was lowest: for models whose loss is what is claimed."""
    points = [
        (row["epoch"], row["valid/loss"]) for row in history if is_finite(row.get("valid/loss")) and "epoch" in row
    ]
    if len(points) < 5:
        return
    epochs, losses = np.array(points, dtype=float).T
    best, total = int(losses.argmin()), int(epochs[-1])
    said = " of standardized x" if data is not None and data.standardize else ""
    lowest = f"The validation loss was lowest in epoch {epochs[best]:.0f} of {total} ({losses[best]:.4g} nats{said})"
    rise = risen(losses)
    if epochs[-1] - epochs[best] <= max(2, 0.05 * total):
        yield Panel(ADVICE, f"{lowest}, near the end: more epochs may lower it further.")
    elif rise > 0:
        yield Panel(
            ADVICE,
            f"{lowest}, and its mean over the last fifth of epochs is {rise:.3g} above that over an earlier one: the model "
            "has overfitted since. Stop there (--patience), take a smaller network, or more data.",
        )
    else:
        yield Panel(ADVICE, f"{lowest} and has stayed near it since, within its jitter from epoch to epoch.")


def risen(losses: np.ndarray) -> float:
    """By how much losses have risen at their end, or 0 where noise alone may look like that.

    The lowest of N noisy losses lies below all others by chance: means of fixed fifths are compared instead, the last with
    each before it, by t = Δ / √(2 s² (1 + ρ) / (n (1 − ρ))), where s² and ρ are the variance and the lag-1 correlation
    of what straight lines leave in the last four fifths. Shapes: ``(epochs,)``; fewer than 15 prove nothing.
    """
    n = len(losses) // 5
    if n < 3:
        return 0.0
    fifths = losses[-5 * n :].reshape(5, n)
    line = np.vander(np.arange(n), 2)
    left = fifths[1:] - fifths[1:] @ line @ np.linalg.pinv(line)
    square, free = float((left**2).sum()), 4 * (n - 2)
    correlation = float((left[:, 1:] * left[:, :-1]).sum()) / square if square > 0 else 0.0
    # straight lines take correlation away with them, and few epochs tell little of it: an upper bound, of one error
    correlation = min(max(correlation + (2 + 4 * correlation) / n, 0.0) + 0.7 / math.sqrt(n), 0.95)
    error = math.sqrt(2 * square / free / n * (1 + correlation) / (1 - correlation))
    rise = float(fifths[-1].mean() - fifths[:-1].mean(1).min())
    return rise if rise > error * float(student_t.isf(0.05 / 8, free * (1 - correlation))) else 0.0
