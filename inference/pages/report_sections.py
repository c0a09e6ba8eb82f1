"""What a report shows of a model: one function for each question, asked of a model, its data and its history.

Each takes a model of one capability and yields :class:`Panel` s; :mod:`pyrogen.inference.pages.run_report` says which
capability brings which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import t as student_t
from torch import Tensor

from pyrogen.axes import Prior
from pyrogen.base import Batch, HasFreeEnergy, HasPosterior
from pyrogen.data import Data, Split
from pyrogen.data.ring import Ring
from pyrogen.figures import plots
from pyrogen.inference.latents.activity import in_words
from pyrogen.inference.latents.walks import aggregate, interpolate, traverse

ADVICE, DECODED = "What the diagnostics say", "Reconstructions and walks"
SHOWN, SCATTERED, COUNTED, EACH = 64, 2000, 500, 10
# data sets whose exact density is known, by what they are loaded by
ORACLES: Mapping[str, Callable[[], Ring]] = {"ring": Ring}

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


def samples(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the model generates."""
    plane = math.prod(model.x_shape) == 2
    part = data.test.take(2500 if plane else SHOWN)
    shown, asked = part.x, model.condition_for(part.y)
    drawn, parts = model.sample_mean(len(shown), asked), list(model.children())
    what = f"{len(drawn)} samples of the model"
    if isinstance(model, HasPosterior):
        proper = all(prior.proper for prior in parts if isinstance(prior, Prior))
        source = "the prior" if proper else "a normal distribution fitted to the codes"
        what = f"Means of p(x|z) at {len(drawn)} draws of z from {source}"
    what += ", given the y of test data" if asked is not None else ""
    beside = "" if _pictures(model) else ", and as many test data"
    yield Panel("Samples", f"{what}{beside}.", "samples", plots.samples(drawn, data.kind, shown))
    classes = model.condition.classes if model.condition is not None and not model.condition.shape else None
    if classes and _pictures(model):
        rows = [data.class_names[k] if k < len(data.class_names) else str(k) for k in range(min(classes, 20))]
        given = torch.arange(len(rows), device=model.device).repeat_interleave(EACH)
        drawn = model.sample_mean(len(given), given).unflatten(0, (-1, EACH))
        yield Panel("Samples", "Each row is given another class.", "classes", plots.strips(drawn, data.kind, rows=rows))


# -- codes -----------------------------------------------------------------------------------------------------------


def reconstructions(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Data beside what their codes remember of them."""
    part = data.test.take(SHOWN)
    figure = plots.reconstructions(part.x, model.reconstruct(part.x, part.y), data.kind)
    yield Panel(DECODED, "Test data, and the mean of p(x|z) at their codes.", "reconstructions", figure)


def interpolations(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Straight lines between the codes of data."""
    part = data.test.take(12)
    half = len(part) // 2
    if not _pictures(model) or not half:
        return
    first, second = part.x[:half], part.x[half : 2 * half]
    walked = interpolate(model, first, second, y=None if part.y is None else (part.y[:half], part.y[half : 2 * half]))
    framed = torch.cat([first.unsqueeze(1), walked, second.unsqueeze(1)], 1)
    columns = ["data", *[""] * walked.shape[1], "data"]
    caption = "Means of p(x|z) on the straight line between the codes of two test data, which stand at its ends."
    yield Panel(DECODED, caption, "interpolations", plots.strips(framed, data.kind, columns=columns))


def traversals(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What each of the most active latents does to a picture."""
    part = data.test.take(COUNTED)
    if not _pictures(model) or len(part) < 2:
        return
    codes, draws = model.code(part.x, part.y), aggregate(model, part.x, part.y)
    spread = _last(history, "valid/kl_per_dim", model.latent_size)
    activity = codes.var(0) if spread is None else torch.tensor(spread)
    order = activity.argsort(descending=True, stable=True)[:8].tolist()
    offsets = torch.linspace(-3, 3, 9, device=draws.device)
    values = draws.mean(0)[order, None] + draws.std(0)[order, None] * offsets
    rows = [f"$z_{{{i + 1}}}$" for i in order]
    columns = [f"{o:g}".replace("-", "−") if i % 2 == 0 else "" for i, o in enumerate(offsets.tolist())]
    by = "variance of its code" if spread is None else "KL"
    caption = (
        f"Each row moves one latent of the first test datum's code from −3 to 3 standard deviations of all codes around "
        f"their mean; the most active by {by} come first."
    )
    moved = traverse(model, codes[0], order, values, None if part.y is None else part.y[0])
    figure = plots.strips(moved, data.kind, rows, columns)
    yield Panel(DECODED, caption, "traversals", figure)


def codes(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Where the data lie in the space of codes."""
    test = data.test.take(SCATTERED)
    found, labels = model.code(test.x, test.y), labels_of(test, data)
    colored = ", coloured by label" if labels is not None else ""
    dimensions = "" if model.latent_size <= 2 else ": their two principal components"
    caption = f"Codes of {len(test)} test data{colored}{dimensions}."
    yield Panel("Latents", caption, "latents", plots.latent_scatter(found, labels))
    if model.latent_size > 2 and len(test) >= 10:
        caption = (
            f"t-SNE of {min(len(test), 1000)} of them: neighbours stay neighbours; distances between groups and their "
            "sizes mean nothing."
        )
        yield Panel("Latents", caption, "latents-tsne", plots.latent_scatter(found, labels, "tsne"))
    if model.latent_size == 2 and _pictures(model) and len(test) > 1:
        side = 15
        levels = torch.linspace(0.03, 0.97, side, device=found.device)
        across, up = aggregate(model, test.x, test.y).quantile(levels, 0).T
        grid = torch.stack(torch.meshgrid(across, up.flip(0), indexing="xy"), -1).reshape(-1, 2)
        first = model.condition_for(None if test.y is None else test.y[0])
        given = "" if first is None else ", given the y of the first test datum"
        caption = f"The plane of latents, decoded at the codes' 3 to 97 % quantiles on each axis{given}."
        yield Panel("Latents", caption, "manifold", plots.manifold(model.decode(grid, first).mean, data.kind, side))


def usage(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How much the latents are used, from the last epoch's measurement on the validation split."""
    nats = _last(history, "valid/kl_per_dim", model.latent_size)
    if nats is not None:
        caption = f"KL(q(z|x) ‖ p(z)) of each latent on the validation split, {sum(nats):.3g} nats together."
        yield Panel("Latents", caption, "kl", plots.bars(nats, "latent", "KL, nats"))
    active = _last(history, "valid/active_units")
    if active is not None:
        rates = {k: _last(history, f"valid/{k}", model.latent_size) for k in ("kl_per_dim", "information_per_dim")}
        measured = {"active_units": int(active), **{k: v for k, v in rates.items() if v is not None}}
        said = f"{in_words(measured, model.latent_size)}."
        if active == 0:
            said = (
                f"The posterior has collapsed: {said} The codes say next to nothing of the data. A smaller weight on the KL, "
                "its warm-up, or a weaker decoder may revive them."
            )
        shared = _last(history, "valid/mutual_information")
        if shared is not None:
            said += f" The codes share about {shared:.2f} nats with the data, by an estimate that is biased upwards."
        yield Panel(ADVICE, said)


# -- densities -------------------------------------------------------------------------------------------------------


def validation(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """When the validation loss was lowest: for models whose loss is what is claimed."""
    points = [(row["epoch"], row["valid/loss"]) for row in history if _finite(row.get("valid/loss")) and "epoch" in row]
    if len(points) < 5:
        return
    epochs, losses = np.array(points, dtype=float).T
    best, total = int(losses.argmin()), int(epochs[-1])
    lowest = f"The validation loss was lowest in epoch {epochs[best]:.0f} of {total} ({losses[best]:.4g} nats)"
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


def log_probs(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How probable the model finds test data, and what it generates itself."""
    train, test = data.train.take(COUNTED), data.test.take(COUNTED)
    given = test.take(256).y
    some = {"training data": (train.x, train.y), "test data": (test.x, test.y)}
    some["samples"] = model.sample(min(len(test), 256), model.condition_for(given)), given
    nats = {name: model.log_prob(x, model.condition_for(y)) for name, (x, y) in some.items()}
    caption = "log p(x) of data, and of the model's own samples: data that it finds unlike its samples lie apart."
    yield Panel("Density", caption, "log-prob", plots.histograms(nats, "log p(x), nats"))
    if not isinstance(model, HasFreeEnergy):  # whose difference of free energies is the same number
        gap, error = _gap(nats["training data"], nats["test data"])
        yield Panel(
            ADVICE,
            f"log p(x) of training data less that of test data is {gap:.2g} ± {error:.1g} nats; a large difference is "
            "overfitting.",
        )


# -- energies --------------------------------------------------------------------------------------------------------


def energies(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Where the model puts data and its own samples on the scale of free energies."""
    some = {"training data": data.train.take(COUNTED).x, "test data": data.test.take(COUNTED).x}
    found = {name: model.free_energy(x) for name, x in (some | {"samples": model.sample(128)}).items()}
    caption = "Free energies F(x): of a model that has learned the data, samples have those of the data."
    yield Panel("Energies", caption, "energies", plots.histograms(found, "F(x), nats"))
    gap, error = _gap(found["test data"], found["training data"])
    yield Panel(
        ADVICE,
        f"The free energy of test data less that of training data is {gap:.2g} ± {error:.1g} nats; a large difference is "
        "overfitting.",
    )


def filters(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The weights that read x, as pictures."""
    size = math.prod(model.x_shape)
    for name, weight in model.named_parameters():
        if _pictures(model) and weight.dim() == 2 and weight.shape[1] == size:
            strongest = weight.norm(dim=1).argsort(descending=True)[:SHOWN]
            shown = weight[strongest].reshape(-1, *model.x_shape)
            grey = 0.5 + 0.5 * shown / shown.abs().amax().clamp(min=1e-12)
            caption = (
                f"The {len(shown)} strongest of {len(weight)} rows of the parameter {name}, each a picture: white raises, "
                "black lowers what the unit answers, grey is 0."
            )
            yield Panel("Energies", caption, f"filters-{name}", plots.image_grid(grey, "unit"))


def chains(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How far the Markov chain gets from where it starts."""
    x, steps = data.test.take(6).x, (0, 1, 3, 10, 30, 100, 300, 1000)
    if not _pictures(model):
        return
    seen = []
    for step in range(steps[-1] + 1):
        if step in steps:
            seen.append(x)
        x = model.gibbs(x)
    caption = "Markov chains of the model that start at test data, after so many steps."
    figure = plots.strips(torch.stack(seen, 1), data.kind, columns=[str(step) for step in steps])
    yield Panel("Energies", caption, "chains", figure)


# -- critics ---------------------------------------------------------------------------------------------------------


def criticism(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the critic says of data and of what is generated."""
    test = data.test.take(SCATTERED)
    batch = Batch(test.x, test.y)
    real, fake = model.criticize(model.real(batch)), model.criticize(model.fake(batch))
    caption = "Scores of the critic: test data, and as many that were generated."
    figure = plots.histograms({"test data": real, "generated": fake}, "the critic's score")
    yield Panel("Critic", caption, "critic", figure)
    order = float(((real[:, None] > fake).double() + 0.5 * (real[:, None] == fake).double()).mean())
    yield Panel(
        ADVICE,
        f"The critic scores a test datum above a generated one in {order:.0%} of all pairs; at 50 % it cannot tell them "
        "apart, which is as true of a weak critic as of a good generator.",
    )
    if math.prod(model.x_shape) == 2:
        generated, data_xy = model.sample(len(test)), test.x
        yield Panel("Critic", "The critic's scores over the plane.", "critic-plane", _plane(model, data_xy, generated))


def coverage(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Whether samples cover the modes, where these are known."""
    if data.source not in ORACLES:
        return
    oracle, n = ORACLES[data.source](), 2500
    found = {
        "the model": oracle.coverage(model.sample(n).cpu()),
        "the exact density": oracle.coverage(oracle.sample(n)[0]),
    }
    rows = [("samples of", "modes covered", "within 3σ of a mode", "KL of modes from uniform, nats")]
    rows += [(k, str(v["modes"]), f"{v['high_quality']:.3f}", f"{v['kl']:.4f}") for k, v in found.items()]
    caption = f"{n} samples; a mode counts as covered if at least 20 of them lie within 3σ."
    yield Panel("Coverage", caption, table=rows)


def _plane(model: Any, real: Tensor, generated: Tensor) -> Figure:
    side, both = 80, torch.cat([real, generated])
    low, high = both.quantile(0.005, 0), both.quantile(0.995, 0)
    centre, half = (low + high) / 2, 0.65 * (high - low).amax().clamp(min=1e-6)
    axes = [torch.linspace(float(c - half), float(c + half), side, device=real.device) for c in centre.flatten()]
    grid = torch.stack(torch.meshgrid(*axes, indexing="xy"), -1).reshape(-1, *model.x_shape)
    scores = model.criticize(model.real(Batch(grid))).reshape(side, side)
    extent = (*axes[0][[0, -1]].tolist(), *axes[1][[0, -1]].tolist())
    return plots.landscape(scores, extent, "score", generated=generated, data=real)


def _pictures(model: Any) -> bool:
    shape = model.x_shape
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) > 1


def labels_of(split: Split, data: Data) -> np.ndarray | None:
    """The labels of a split's data, by name where they have names."""
    if split.y is None or split.y.dim() != 1:
        return None
    y = split.y.cpu().numpy()
    names = np.array(data.class_names)
    return names[y] if len(names) > y.max() else y


def _last(history: History, key: str, size: int | None = None) -> Any:
    """The last value of a term that is a finite number, or a list of ``size`` such."""
    for row in reversed(history):
        value = row.get(key)
        if size is None and _finite(value):
            return value
        if size is not None and isinstance(value, list) and len(value) == size and all(map(_finite, value)):
            return value
    return None


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _gap(first: Tensor, second: Tensor) -> tuple[float, float]:
    """The difference of two means, and its error."""
    a, b = first.double(), second.double()
    error = math.sqrt(sum(float(v.var(correction=0)) / len(v) for v in (a, b)))
    return float(a.mean() - b.mean()), error
