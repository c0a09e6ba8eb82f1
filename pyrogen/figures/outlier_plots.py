"""Pictures of outliers, of decisions that may be refused, and of what latents know of factors: arrays in, ``Figure`` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import INK, MUTED, PALETTE, Array, as_array, color_bar, legend, plain, single

TICKS = 24  # latents that are named below a map
QUIET: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "labelcolor": MUTED}


def shares(known: Array, factors: Sequence[str]) -> Figure:
    """What each latent knows of each factor, ``(n, F)`` between 0 and 1, as a map; less than chance is shown as 0."""
    values = as_array(known).T.clip(0)
    rows, columns = values.shape
    figure, axes = single(1.2 + 0.3 * rows, None, "latent", "")
    image = axes.imshow(values, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    named = range(0, columns, -(-columns // TICKS))
    axes.set_xticks(named, [str(i + 1) for i in named])
    axes.set_yticks(range(rows), [plain(factor) for factor in factors])
    axes.grid(False)
    if columns <= 12:
        for i, j in np.ndindex(rows, columns):
            color = "white" if values[i, j] > 0.5 else INK
            axes.text(
                j,
                i,
                f"{values[i, j]:.2f}".replace("-0.00", "0.00"),
                ha="center",
                va="center",
                fontsize=7.5,
                color=color,
            )
    color_bar(figure, image, axes)
    return figure


def separations(scores: Sequence[str], areas: Mapping[str, Array]) -> Figure:
    """Areas under ROC curves with their intervals, a group of rows for each score: dark line ½, left of it are preferences.

    Args:
        scores: names of the rows.
        areas: for each kind of strangers, ``(scores, 3)``: area, lower and upper end.
    """
    figure, axes = single(0.9 + 0.62 * len(scores), None, "area under the ROC curve, with its 95 % interval")
    offsets = np.linspace(0.18, -0.18, len(areas)) if len(areas) > 1 else np.zeros(1)
    for offset, color, (name, values) in zip(offsets, PALETTE, areas.items(), strict=False):
        area, low, high = as_array(values).T
        place = np.arange(len(scores))[::-1] + offset
        look: dict[str, Any] = {
            "color": color,
            "marker": "o",
            "ms": 5,
            "elinewidth": 1.6,
            "linestyle": "",
            "label": plain(name),
        }
        axes.errorbar(area, place, xerr=[area - low, high - area], **look)
    axes.axvline(0.5, color=MUTED, linewidth=1, linestyle="--")
    # above the bars: names as long as these would leave no room beside them
    for i, name in enumerate(scores):
        axes.annotate(
            name, (0.0, len(scores) - 1 - i + 0.3), xycoords=("axes fraction", "data"), fontsize=8.5, color=MUTED
        )
    axes.set(yticks=[], xlim=(-0.03, 1.03), ylim=(-0.5, len(scores) - 0.35))
    axes.grid(False, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2, **QUIET)
    return figure


def risk_coverage(curves: Mapping[str, tuple[Array, Array, Array]]) -> Figure:
    """The fraction of errors among the surest data, against how many are decided on, in bands of one standard error.

    Args:
        curves: for each signal its coverage, risk and the error of the risk.
    """
    figure, axes = single(3.2, None, "fraction of data decided on", "fraction of errors")
    for color, (name, curve) in zip(PALETTE, curves.items(), strict=False):
        coverage, risk, error = map(as_array, curve)
        axes.fill_between(
            coverage, (risk - error).clip(0), risk + error, color=color, alpha=0.15, linewidth=0, step="post"
        )
        axes.step(coverage, risk, color=color, where="post", linewidth=1.6, label=name)
    axes.set(xlim=(0, 1), ylim=(0, None))
    legend(axes, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    return figure


def bottleneck(sizes: Array, curves: Mapping[str, tuple[Array, Array]], unit: str, bend: int | None = None) -> Figure:
    """What a score of models comes to as their latents grow in number, mean and error; a line where it bends.

    Args:
        sizes: of the latents.
        curves: for each data set or seed the score and its standard error.
        unit: what the score is.
        bend: where it bends, if it does.
    """
    figure, axes = single(3.2, None, "latents", unit)
    for color, (name, (value, error)) in zip(PALETTE, curves.items(), strict=False):
        look: dict[str, Any] = {"color": color, "marker": "o", "ms": 4, "capsize": 3, "label": plain(name)}
        axes.errorbar(as_array(sizes), as_array(value), yerr=as_array(error), **look)
    if bend is not None:
        axes.axvline(bend, color=MUTED, linewidth=1, linestyle="--")
    axes.locator_params(axis="x", integer=True)
    legend(axes, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)
    return figure
