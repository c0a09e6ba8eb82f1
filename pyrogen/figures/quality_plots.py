"""Pictures of how good samples are: arrays and words in, a matplotlib ``Figure`` out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import BLUE, FAINT, FRAME, MUTED, RED, Array, as_array, single
from pyrogen.figures.plots import strips

MOST = 1000.0  # errors that are drawn
FIGURE_ROW = 0.42  # inches


def against_floors(
    names: Sequence[str], errors: Sequence[float], worse: Sequence[bool], numbers: Sequence[str], far: float
) -> Figure:
    """How many errors each measure of samples is from what data give against other data.

    Args:
        names: of the measures.
        errors: how many above the floor, negative below it; NaN where they cannot be told.
        worse: whether that is beyond ``far`` on the bad side: such bars are red.
        numbers: what stands beside each, in words.
        far: from how many errors on samples are told from data; so wide is the band about the floor.
    """
    figure, axes = single(0.9 + FIGURE_ROW * len(names), None, "standard errors from data against other data")
    places = np.arange(len(names))[::-1]
    values = np.nan_to_num(np.asarray(errors, dtype=float), nan=0.0).clip(-MOST, MOST)
    axes.axvspan(-far, far, color=FRAME, alpha=0.35, linewidth=0)
    beyond = np.abs(values) > far
    colors = [RED if bad else BLUE if off else FAINT for bad, off in zip(worse, beyond, strict=True)]
    axes.barh(places, values, height=0.55, color=colors)
    axes.set_xscale("symlog", linthresh=far, linscale=1.0)
    reach = max(2.0 * float(np.abs(values).max(initial=0.0)), 10.0)
    axes.set_xlim(-reach, reach)
    marks = [m for m in (-100, -10, 0, 10, 100) if abs(m) <= reach]
    ticks = [*marks, -far, far]
    axes.set_xticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(places, list(names))
    axes.grid(False, axis="y")
    for place, words in zip(places, numbers, strict=True):
        axes.annotate(
            words,
            (1.02, place),
            xycoords=("axes fraction", "data"),
            fontsize=7.5,
            color=MUTED,
            va="center",
            linespacing=1.1,
        )
    return figure


def beside_data(made: Array, real: Array, nearest: Array, kind: str) -> Figure:
    """Three rows of pictures, ``(N, C, H, W)`` each: samples, the training datum that is nearest to each, and data."""
    rows = np.stack([as_array(made), as_array(nearest), as_array(real)])
    return strips(rows, kind, ["samples", "nearest in\ntraining data", "data"])
