"""Pictures of estimates of log p(x) and of what they are judged by: arrays in, a matplotlib ``Figure`` out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import BLUE, INK, MUTED, PALETTE, RED, Array, as_array, legend, single

# which way the truth lies from a mean: right of a lower bound, left of an upper one
PALE = "#aebfd6"
MARKERS = {"lower": ">", "upper": "<", "exact": "D", "none": "o"}


def k_curve(k: Array, mean: Array, error: Array, others: Mapping[str, tuple[float, float]] | None = None) -> Figure:
    """A bound on log p(x), mean over the data in a band of its standard error, against the number of draws.

    Args:
        k: draws.
        mean: of the bound at each k.
        error: of the mean.
        others: estimates from the same draws, and their errors, by name; shown at the largest k.
    """
    figure, axes = single(3.2, None, "importance samples $k$", "bound on log p(x), nats")
    sizes, middle, half = as_array(k), as_array(mean), as_array(error)
    axes.fill_between(sizes, middle - half, middle + half, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(sizes, middle, color=BLUE, marker="o", ms=4, label="bound")
    axes.set_xscale("log")
    for i, (color, (name, (value, se))) in enumerate(zip(PALETTE[1:], (others or {}).items(), strict=False)):
        beside = sizes[-1] * 1.5 ** (i + 1)
        axes.errorbar([beside], [value], yerr=[se], color=color, marker="D", ms=4, capsize=3, linestyle="", label=name)
    if len(sizes) <= 10:
        axes.set_xticks(sizes, [f"{size:g}" if size < 1e5 else f"{size:.0e}" for size in sizes])
        axes.minorticks_off()
    if others:
        legend(axes, loc="lower right")
    return figure


def pareto_histogram(khat: Array, most: float = 0.7) -> Figure:
    """How Pareto k̂ spreads over the data: above ``most`` an importance-weighted estimate is not to be trusted."""
    values = as_array(khat).reshape(-1)
    finite = values[np.isfinite(values)]
    missing, exact, bad = np.isnan(values).sum(), np.isneginf(values).sum(), (values > most).sum()
    counts = [f"{bad} of {values.size} above {most:.2g}"]
    counts += [f"{exact} exact (k̂ = −∞)"] if exact else []
    counts += [f"{missing} not estimated (NaN)"] if missing else []
    figure, axes = single(3.2, None, "Pareto k̂\n" + ", ".join(counts), "data")
    _split_histogram(axes, finite, [most], min(finite.min(initial=0.0), 0.0), max(finite.max(initial=1.0), 1.0))
    return figure


def acceptance_histogram(rates: Array, low: float, high: float) -> Figure:
    """How often the transitions of each datum's chains were accepted: outside the two lines their steps do not fit."""
    values = as_array(rates).reshape(-1)
    bad = ((values < low) | (values > high)).sum()
    figure, axes = single(3.2, None, f"rate of acceptance\n{bad} of {values.size} outside {low:g} to {high:g}", "data")
    _split_histogram(axes, values[np.isfinite(values)], [low, high], 0.0, 1.0)
    return figure


def doubling(half: Array, whole: Array, error: Array) -> Figure:
    """By how much each datum's estimate changed when its temperatures were doubled, with two errors of the change."""
    figure, axes = single(3.2, None, "estimate, nats", "change by doubling, nats")
    x, change, bars = as_array(whole), as_array(whole) - as_array(half), 2 * as_array(error)
    bad = np.abs(change) > np.maximum(1.5 * bars, 0.1)
    for chosen, color, label in ((~bad, BLUE, "within its errors"), (bad, RED, "beyond them")):
        if chosen.any():
            look: dict[str, Any] = {"color": color, "label": label, "ms": 3.5, "elinewidth": 0.8, "marker": "o"}
            axes.errorbar(x[chosen], change[chosen], yerr=bars[chosen], linestyle="", **look)
    axes.axhline(0.0, color=INK, linewidth=1, linestyle="--")
    legend(axes, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    return figure


def brackets(lower: Array, upper: Array, lower_error: Array, upper_error: Array) -> Figure:
    """Two bounds on each datum's log p(x), the data in the order of their middles; where they cross in red."""
    low, high = as_array(lower), as_array(upper)
    order = np.argsort((low + high) / 2)
    low, high = low[order], high[order]
    errors = as_array(lower_error)[order], as_array(upper_error)[order]
    figure, axes = single(3.2, None, "data, in order", "log p(x), nats")
    place = np.arange(len(order))
    axes.vlines(
        place,
        low,
        high,
        colors=[RED if crossed else PALE for crossed in low > high],
        linewidth=1.2 if len(order) > 60 else 2.5,
    )
    size = 2.0 if len(order) > 60 else 4.0
    for name, values, se, color, marker in (
        ("upper bound", high, errors[1], PALETTE[1], "v"),
        ("lower bound", low, errors[0], BLUE, "^"),
    ):
        axes.errorbar(
            place, values, yerr=se, color=color, marker=marker, ms=size, elinewidth=0.8, linestyle="", label=name
        )
    axes.grid(False, axis="x")
    axes.locator_params(axis="x", integer=True)
    legend(axes, loc="lower right")
    return figure


def estimates(
    names: Sequence[str], nats: Array, draws_error: Array, data_error: Array, bounds: Sequence[str]
) -> Figure:
    """Mean estimates of the same data below one another: thick bars the error of draws, thin ones that of data.

    An arrow points to where log p(x) lies: to the right of a lower bound, to the left of an upper one. One that is not finite
    has no place, and its number stands in words.
    """
    means, (thick, thin) = as_array(nats), (np.nan_to_num(as_array(v), posinf=0.0) for v in (draws_error, data_error))
    figure, axes = single(0.8 + 0.5 * len(names), None, "nats per datum")
    for i, (name, bound) in enumerate(zip(names, bounds, strict=True)):
        y = len(names) - 1 - i
        # above the bars: names as long as these would leave no room beside them
        axes.annotate(name, (0.0, y + 0.3), xycoords=("axes fraction", "data"), fontsize=8.5, color=INK)
        if not np.isfinite(means[i]):
            said = f"{means[i]}, not finite".replace("-", "−")
            axes.annotate(said, (0.0, y), xycoords=("axes fraction", "data"), fontsize=8.5, color=RED)
            continue
        axes.errorbar([means[i]], [y], xerr=[thin[i]], color=MUTED, linewidth=0, elinewidth=1, capsize=3)
        axes.errorbar([means[i]], [y], xerr=[thick[i]], color=BLUE, elinewidth=3, marker=MARKERS[bound], ms=7)
    axes.set(yticks=[], ylim=(-0.5, len(names) - 0.2))
    axes.grid(False, axis="y")
    return figure


def _split_histogram(axes: Axes, values: np.ndarray, lines: Sequence[float], low: float, high: float) -> None:
    """Bars that are red outside the lines (above the only one), none of which lies on both sides of a line."""
    width = (high - low) / 32
    if len(lines) > 1:
        width = (lines[1] - lines[0]) / round((lines[1] - lines[0]) / width)
    edges: np.ndarray = lines[0] + width * np.arange(
        -math.ceil((lines[0] - low) / width), math.ceil((high - lines[0]) / width) + 1
    )
    good = values <= lines[-1]
    if len(lines) > 1:
        good &= values >= lines[0]
    axes.hist([values[good], values[~good]], bins=edges.tolist(), stacked=True, color=[BLUE, RED])
    for line in lines:
        axes.axvline(line, color=INK, linewidth=1, linestyle="--")
