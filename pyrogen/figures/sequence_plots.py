"""Pictures of sequences, of what is believed of their states, and of what may follow: arrays in, ``Figure`` out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import BLUE, INK, MUTED, PALETTE, RED, WIDTH, Array, as_array, blank, style

ROWS = 4  # coordinates that are drawn


def lines(named: Mapping[str, Array]) -> Figure:
    """Sequences over their steps, a column of panels for each set of them and a row for each channel.

    Args:
        named: sets by name, each ``(N, C, T)``.
    """
    sets = {name: as_array(x) for name, x in named.items()}
    rows = min(ROWS, next(iter(sets.values())).shape[1])
    figure, panels = _panels(rows, len(sets))
    for column, (name, x) in enumerate(sets.items()):
        for row in range(rows):
            axes = panels[row][column]
            style(
                axes,
                name if row == 0 else None,
                "step" if row == rows - 1 else "",
                f"$x_{row + 1}$" if not column else "",
            )
            for k, one in enumerate(x[:, row]):
                axes.plot(_steps(one), one, color=PALETTE[k % len(PALETTE)], linewidth=0.9, alpha=0.75)
    return figure


def beliefs(filtered: tuple[Array, Array], smoothed: tuple[Array, Array]) -> Figure:
    """The state of some sequences, a column each: what is believed of it so far, and in the light of the whole.

    Args:
        filtered: means and standard deviations, each ``(N, T, L)``.
        smoothed: the same.
    """
    shape = as_array(filtered[0]).shape
    rows = min(ROWS, shape[2])
    figure, panels = _panels(rows, shape[0])
    for column in range(shape[0]):
        for row in range(rows):
            axes = panels[row][column]
            title = f"test datum {column + 1}" if row == 0 else None
            style(axes, title, "step" if row == rows - 1 else "", f"$z_{row + 1}$" if not column else "")
            for (means, sds), color, name in ((filtered, PALETTE[1], "so far"), (smoothed, BLUE, "given all")):
                mean, sd = as_array(means)[column, :, row], as_array(sds)[column, :, row]
                _band(axes, _steps(mean), mean - 2 * sd, mean + 2 * sd, color)
                axes.plot(_steps(mean), mean, color=color, linewidth=1.6, label=name)
    _shared_legend(figure, panels[0][0])
    return figure


def forecasts(x: Array, known: int, quantiles: Array, draws: Array) -> Figure:
    """Some sequences, a column each, and what may follow their first steps.

    Args:
        x: ``(N, C, T)``.
        known: steps from which it is told.
        quantiles: low, middle and high, ``(3, N, C, T - known)``.
        draws: ``(K, N, C, T - known)``.
    """
    seen, (low, middle, high), drawn = as_array(x), as_array(quantiles), as_array(draws)
    rows = min(ROWS, seen.shape[1])
    figure, panels = _panels(rows, len(seen))
    for column in range(len(seen)):
        for row in range(rows):
            axes, steps = panels[row][column], _steps(seen[column, row])
            title = f"test datum {column + 1}" if row == 0 else None
            style(axes, title, "step" if row == rows - 1 else "", f"$x_{row + 1}$" if not column else "")
            later = steps[known:]
            _band(axes, later, low[column, row], high[column, row], BLUE, "9 of 10")
            axes.plot(later, drawn[:, column, row].T, color=BLUE, linewidth=0.6, alpha=0.5)
            axes.plot(later, middle[column, row], color=BLUE, linewidth=1.8, label="median")
            axes.plot(steps[:known], seen[column, row, :known], color=INK, marker="o", ms=3, linewidth=1, label="told")
            axes.plot(later, seen[column, row, known:], color=RED, marker="o", ms=3, linewidth=0, label="what came")
    _shared_legend(figure, panels[0][0])
    return figure


def _panels(rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    figure = blank(max(WIDTH, 2.4 * columns), 0.6 + 1.6 * rows)
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=True, sharey="row")


def _steps(one: np.ndarray) -> np.ndarray:
    return np.arange(1, len(one) + 1)


def _band(
    axes: Axes, steps: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, label: str | None = None
) -> None:
    axes.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0, label=label)


def _shared_legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", frameon=False, fontsize=8.5, labelcolor=MUTED, ncols=len(labels)
    )
