"""Figures of diffusions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import (
    BLUE,
    FAINT,
    Array,
    as_array,
    as_rows,
    bare,
    blank,
    outside,
    scatter,
    single,
    style,
)


def denoised(seen: Mapping[str, Array], noisy: Mapping[str, Array]) -> Figure:
    """Noisy points of the plane, faint, and what they are taken for, by name, all on the scale of the first."""
    columns = 3
    rows = -(-len(seen) // columns)
    figure = blank(2.4 * columns, 2.5 * rows)
    first = as_rows(next(iter(seen.values())))
    centre, half = (first.max(0) + first.min(0)) / 2, 0.7 * np.ptp(first, axis=0).max() + 1e-6
    for axes, (name, x) in zip(figure.subplots(rows, columns, squeeze=False).flat, seen.items(), strict=False):
        style(axes, name)
        bare(axes)
        scatter(axes, as_rows(noisy[name]), s=6, color=FAINT, alpha=0.7, linewidths=0)
        scatter(axes, as_rows(x), s=6, color=BLUE, alpha=0.7, linewidths=0)
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.set(xlim=centre[0] + np.array([-half, half]), ylim=centre[1] + np.array([-half, half]))
        outside(axes, np.concatenate([as_rows(noisy[name]), as_rows(x)]))
    return figure


def step_costs(nats: Array) -> Figure:
    """The nats of each step, the first one, which takes away the least noise, on the left."""
    heights = as_array(nats)
    figure, axes = single(2.6, None, "step", "nats a datum")
    axes.bar(np.arange(1, len(heights) + 1), heights, color=BLUE, width=0.9 if len(heights) < 60 else 1.0)
    axes.grid(False, axis="x")
    return figure
