"""Pictures of people who walk: where they have been, where they went, and where they might have gone."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pyrogen.figures.figure_style import BLUE, FAINT, INK, MUTED, PALETTE, WIDTH, Array, as_array, blank, style

COLUMNS, MOST, ROOM = 3, 9, 0.8  # scenes in a row, and on a picture; metres around them


def walks(x: Array) -> Figure:
    """Where people go, ``(N, A, T, 2)``, a panel for each of the first scenes; whoever is NaN is not there."""
    ways = as_array(x)[:MOST]
    figure, panels = _panels(len(ways))
    for axes, scene in zip(panels, ways, strict=True):
        there = scene[~np.isnan(scene[:, 0, 0])]
        for k, path in enumerate(there):
            axes.plot(*path.T, color=PALETTE[k % len(PALETTE)], lw=1.4)
            axes.plot(*path[:1].T, "o", color=PALETTE[k % len(PALETTE)], ms=3.5)
        _frame(axes, there)
    return figure


def scenes(past: Array, truth: Array, draws: Array) -> Figure:
    """Panels of scenes: pasts ``(N, A, P, 2)``, what followed ``(N, A, T, 2)``, and fans of draws ``(K, N, A, T, 2)``."""
    seen, followed, fans = as_array(past), as_array(truth), as_array(draws)
    figure, panels = _panels(len(seen))
    for n, axes in enumerate(panels):
        there = ~np.isnan(seen[n, :, 0, 0])
        last = seen[n, there, -1:]
        for k in range(len(fans)):
            for way in np.concatenate([last, fans[k, n, there]], 1):
                axes.plot(*way.T, color=BLUE, lw=0.6, alpha=0.35)
        for told, way in zip(seen[n, there], np.concatenate([last, followed[n, there]], 1), strict=True):
            axes.plot(*way.T, color=PALETTE[1], lw=1.6)
            axes.plot(*told.T, color=INK, lw=1.6)
            axes.plot(*told[-1:].T, "o", color=INK, ms=3.5, mec=FAINT)
        _frame(
            axes, np.concatenate([seen[n, there], followed[n, there], fans[:, n][:, there][:, :, -1].swapaxes(0, 1)], 1)
        )
    colours = {"where they have been": INK, "where they went": PALETTE[1], f"{len(fans)} draws": BLUE}
    handles = [Line2D([], [], color=colour, lw=1.6) for colour in colours.values()]
    figure.legend(
        handles, list(colours), loc="outside lower center", ncols=3, frameon=False, fontsize=8.5, labelcolor=MUTED
    )
    return figure


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    columns = min(COLUMNS, n)
    rows = math.ceil(n / columns)
    figure = blank(WIDTH * 1.6, WIDTH * 1.6 / columns * rows + 0.3)
    every = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in every[n:]:
        axes.set_axis_off()
    for axes in every[:n]:
        style(axes, None)
    return figure, list(every[:n])


def _frame(axes: Axes, shown: np.ndarray) -> None:
    """A square around all that is shown, ``(..., 2)``: a metre is as long upward as across."""
    low, high = (f(shown.reshape(-1, 2), 0) for f in (np.min, np.max))
    centre, half = (low + high) / 2, float((high - low).max()) / 2 + ROOM
    axes.set_aspect("equal")
    axes.set_xlim(centre[0] - half, centre[0] + half)
    axes.set_ylim(centre[1] - half, centre[1] + half)
