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
    Array,
    as_array,
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
