"""Pictures of attacks on classifiers: arrays in, ``Figure`` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import MUTED, PALETTE, Array, as_array, legend, single
from pyrogen.figures.plots import strips


def robustness_curves(curves: Mapping[str, tuple[Array, Array, Array]], label: str, chance: float) -> Figure:
    """The accuracy over how far data were moved, with its errors.

    Args:
        curves: for each attack ε, the accuracy and its error.
        label: what ε is.
        chance: the accuracy of guessing.
    """
    figure, axes = single(3.2, None, label, "fraction right")
    for color, (name, curve) in zip(PALETTE, curves.items(), strict=False):
        epsilon, accuracy, error = map(as_array, curve)
        axes.errorbar(
            epsilon, accuracy, yerr=error, color=color, marker="o", ms=4, capsize=2, linewidth=1.6, label=name
        )
    axes.axhline(chance, color=MUTED, linewidth=1, linestyle="--")
    axes.set(ylim=(-0.03, 1.03))
    axes.margins(x=0.03)
    legend(axes, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3)
    return figure


def moved_pictures(x: Array, moved: Array, limits: tuple[float, float], named: Sequence[tuple[str, str]]) -> Figure:
    """Pictures, what was added to them, and what they became: grey is no move, the largest of a picture black or white.

    Args:
        x: as they were, ``(N, C, H, W)``.
        moved: as they are.
        limits: the least and the greatest value that an element may have.
        named: as what each was taken before and after.
    """
    before, after = as_array(x), as_array(moved)
    low, high = limits
    moves = after - before
    largest = np.abs(moves).max(axis=(1, 2, 3), keepdims=True)
    shown = 0.5 + 0.5 * moves / np.where(largest > 0, largest, 1.0)
    rows = np.stack([(before - low) / (high - low), shown, (after - low) / (high - low)])
    return strips(rows, "unit", ["data", "change", "attacked"], [f"{a} → {b}" for a, b in named])
