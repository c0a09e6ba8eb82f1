"""Pictures of what an encoder believes beside what its model implies: arrays in, a matplotlib ``Figure`` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import (
    BLUE,
    FAINT,
    INK,
    MUTED,
    PALETTE,
    RED,
    WIDTH,
    Array,
    as_array,
    blank,
    legend,
    single,
    style,
)

Bracket = tuple[float, float]


def gap_bars(
    splits: Sequence[str], gaps: Mapping[str, Sequence[tuple[float, float]]], unit: str = "nats a datum"
) -> Figure:
    """Gaps of several splits below one another, each a bar of parts that add up: a mean and its error for each split."""
    figure, axes = single(0.55 * len(splits) + 1.25, None, unit)
    places = np.arange(len(splits))[::-1]
    left = np.zeros(len(splits))
    for color, (name, values) in zip((BLUE, PALETTE[1]), gaps.items(), strict=False):
        mean, error = np.array(values, dtype=float).T
        look: dict[str, Any] = {"error_kw": {"ecolor": INK, "elinewidth": 1.2, "capsize": 3}}
        axes.barh(places, mean, left=left, xerr=error, color=color, height=0.55, label=name, **look)
        left = left + mean
    axes.set_yticks(places, splits)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    legend(axes, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=2)
    return figure


def carried(splits: Mapping[str, Mapping[str, Array]]) -> Figure:
    """Which data carry the gaps: each datum's, one against the other, a colour for each split."""
    figure, axes = single(3.6, None)
    for color, (split, parts) in zip((FAINT, BLUE), splits.items(), strict=False):
        (across, x), (up, y) = parts.items()
        axes.scatter(as_array(x), as_array(y), s=14, color=color, alpha=0.75, linewidths=0, label=split)
        style(axes, None, f"{across}, nats", f"{up}, nats")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    legend(axes, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=2)
    return figure


def ecdf_differences(
    ranks: Mapping[str, Array], points: np.ndarray, band: tuple[np.ndarray, np.ndarray], marked: Sequence[str] = ()
) -> Figure:
    """Ranks in (0, 1) by their ECDF less the diagonal, a panel each, upon the band that uniform ranks stay in altogether.

    Args:
        ranks: of each quantity, ``(N,)``.
        points: where the ECDF is drawn.
        band: the bounds of the ECDF there.
        marked: the quantities that are not uniform.
    """
    columns = min(len(ranks), 3)
    rows = -(-len(ranks) // columns)
    figure = blank(WIDTH, 1.25 * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    low, high = (side - points for side in band)
    for axes, (name, u) in zip(panels.flat, ranks.items(), strict=False):
        style(axes, None)
        axes.set_title(name, fontsize=8.5, color=INK)
        difference = np.searchsorted(np.sort(as_array(u)), points, side="right") / len(as_array(u)) - points
        axes.fill_between(points, low, high, color=FAINT, alpha=0.35, linewidth=0)
        axes.plot(points, difference, color=RED if name in marked else BLUE, linewidth=1.2)
        axes.set(xlim=(0, 1), xticks=[0, 0.5, 1])
        axes.set_xticklabels(["0", ".5", "1"])
    for axes in panels.flat[len(ranks) :]:
        axes.remove()
    figure.supxlabel("rank of the true value among draws", fontsize=9, color=MUTED)
    figure.supylabel("ECDF − uniform", fontsize=9, color=MUTED)
    return figure


def brackets(parts: Mapping[str, Bracket], errors: Mapping[str, Bracket], unit: str = "nats a datum") -> Figure:
    """Numbers that are known between two ends, each end with its error, below one another."""
    figure, axes = single(0.42 * len(parts) + 0.75, None, unit)
    places = np.arange(len(parts))[::-1]
    for place, (name, (low, high)) in zip(places, parts.items(), strict=True):
        below, above = errors[name]
        axes.plot(
            [low - below, high + above], [place, place], color=BLUE, alpha=0.35, linewidth=6, solid_capstyle="butt"
        )
        axes.plot([low, high], [place, place], color=BLUE, linewidth=6, solid_capstyle="butt")
        axes.plot([(low + high) / 2], [place], "|", color=BLUE, markersize=11, markeredgewidth=2)
    axes.set_yticks(places, [*parts])
    axes.set(xlim=(min(0.0, axes.get_xlim()[0]), None), ylim=(-0.6, len(parts) - 0.4))
    axes.grid(axis="y", visible=False)
    return figure


def rate_bars(rates: Array, errors: Array, threshold: float) -> Figure:
    """The rate of each latent in nats with its error, the highest first, and the line above which it is active."""
    figure, axes = single(2.7, None, "latent", "nats a datum")
    values, spread = as_array(rates), as_array(errors)
    order = values.argsort()[::-1]
    places = np.arange(len(values))
    active = values[order] >= threshold
    look: dict[str, Any] = {"error_kw": {"ecolor": INK, "elinewidth": 1}}
    axes.bar(places, values[order], yerr=spread[order], color=np.where(active, BLUE, FAINT), width=0.75, **look)
    axes.axhline(threshold, color=RED, linewidth=1, linestyle="--", label=f"active from {threshold:g}")
    few = len(values) <= 24
    axes.set_xticks(places if few else [], [f"$z_{{{i + 1}}}$" for i in order] if few else [])
    axes.grid(axis="x", visible=False)
    legend(axes, loc="upper right")
    return figure


def replications(observed: Mapping[str, float], replicated: Mapping[str, Array], p: Mapping[str, float]) -> Figure:
    """Statistics of the data as lines upon those of replicated data sets, a panel each."""
    columns = min(len(observed), 3)
    rows = -(-len(observed) // columns)
    figure = blank(WIDTH, 1.35 * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, (name, value) in zip(panels.flat, observed.items(), strict=False):
        style(axes, None)
        axes.set_title(f"{name}\np = {p[name]:.2g}", fontsize=8.5, color=INK)
        axes.hist(as_array(replicated[name]), bins=20, color=BLUE, alpha=0.55, label="replications")
        axes.axvline(value, color=RED, linewidth=1.6, label="data")
        axes.set(yticks=[])
        axes.locator_params(axis="x", nbins=3)
        axes.grid(visible=False)
    for axes in panels.flat[len(observed) :]:
        axes.remove()
    look: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "labelcolor": MUTED, "ncols": 2}
    figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper left", **look)
    return figure
