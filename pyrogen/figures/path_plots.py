"""Pictures of people who walk: where they have been, where they went, and where they might have gone."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pyrogen.figures.figure_style import BLUE, FAINT, INK, MUTED, PALETTE, WIDTH, Array, as_array, blank, style

COLUMNS, ROOM = 3, 0.8  # scenes in a row; metres around them


def scenes(past: Array, truth: Array | None, draws: Array) -> Figure:
    """A panel for each scene: pasts ``(N, A, P, 2)``, what followed ``(N, A, T, 2)``, and fans of draws ``(K, N, A, T, 2)``.

    Whoever is NaN is not there.
    """
    seen, fans = as_array(past), as_array(draws)
    followed = None if truth is None else as_array(truth)
    columns = min(COLUMNS, len(seen))
    rows = math.ceil(len(seen) / columns)
    figure = blank(WIDTH * 1.6, WIDTH * 1.6 / columns * rows + 0.3)
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for n, axes in enumerate(panels):
        if n >= len(seen):
            axes.set_axis_off()
            continue
        _scene(axes, seen[n], None if followed is None else followed[n], fans[:, n])
    handles = [Line2D([], [], color=INK, lw=1.6), Line2D([], [], color=BLUE, lw=0.8)]
    names = ["where they have been", f"{len(fans)} draws"]
    if followed is not None:
        handles.insert(1, Line2D([], [], color=PALETTE[1], lw=1.6))
        names.insert(1, "where they went")
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5, labelcolor=MUTED)
    return figure


def _scene(axes: Axes, past: np.ndarray, truth: np.ndarray | None, draws: np.ndarray) -> None:
    style(axes, None)
    axes.set_aspect("equal", adjustable="datalim")
    shown = []
    for a in np.flatnonzero(~np.isnan(past[:, 0, 0])):
        last = past[a, -1:]
        for path in draws[:, a]:
            axes.plot(*np.concatenate([last, path]).T, color=BLUE, lw=0.6, alpha=0.35)
        if truth is not None:
            axes.plot(*np.concatenate([last, truth[a]]).T, color=PALETTE[1], lw=1.6)
            shown.append(truth[a])
        axes.plot(*past[a].T, color=INK, lw=1.6)
        axes.plot(*last.T, "o", color=INK, ms=3.5, mec=FAINT)
        shown += [past[a], draws[:, a, -1]]
    whole = np.concatenate(shown)
    axes.set_xlim(whole[:, 0].min() - ROOM, whole[:, 0].max() + ROOM)
    axes.set_ylim(whole[:, 1].min() - ROOM, whole[:, 1].max() + ROOM)
