"""Pictures of conditional densities and of the intervals that they promise: arrays in, a matplotlib ``Figure`` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import (
    BLUE,
    INK,
    MUTED,
    PALETTE,
    RED,
    WIDTH,
    Array,
    as_array,
    as_rows,
    bare,
    blank,
    color_bar,
    legend,
    single,
    style,
)

DEPTH = 8.0  # nats below its highest point where a log-density is white


def density_image(density: Array, extent: tuple[float, float, float, float], y: Array, x: Array) -> Figure:
    """p(x|y) of numbers as an image over y (across) and x (up), with data upon it.

    Args:
        density: ``(rows, columns)``, the lowest x first.
        extent: least and greatest y, least and greatest x.
        y: of the data, ``(N,)``.
        x: of the data, ``(N,)``.
    """
    figure, axes = single(3.6, None, "$y$", "$x$")
    axes.grid(False)
    values = as_array(density)
    # a narrow peak at one y should not make all others white
    shades = PowerNorm(0.5, 0, float(np.quantile(values.max(0), 0.9)), clip=True)
    bar = color_bar(figure, axes.imshow(values, norm=shades, **_image(extent)), axes, extend="max")
    bar.set_ylabel("p(x|y)", fontsize=9, color=MUTED)
    axes.scatter(as_array(y), as_array(x), s=5, color=RED, alpha=0.45, linewidths=0, label="test data")
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.locator_params(nbins=6)
    legend(axes, marker_size=2, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    return figure


def density_strip(
    log_density: Array,
    extent: tuple[float, float, float, float],
    samples: Array,
    titles: Sequence[str],
    marks: Mapping[str, Array] | None = None,
) -> Figure:
    """log p(x|y) in the plane of x, one small image for each y, with samples and with marked points.

    Args:
        log_density: ``(K, side, side)``, x₁ along rows.
        extent: of x₁ and of x₂.
        samples: ``(K, N, 2)``.
        titles: one for each y.
        marks: points by what they are, each ``(K, M, 2)``.
    """
    values, drawn = as_array(log_density), as_array(samples)
    columns = min(len(values), 4)
    rows = -(-len(values) // columns)
    figure = blank(1.5 * WIDTH, 1.9 * rows + 0.4) if len(values) > 1 else blank(WIDTH, 4.2)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for k, (axes, title) in enumerate(zip(panels.flat, titles, strict=False)):
        style(axes, title)
        axes.grid(False)
        highest = values[k].max()
        axes.imshow(values[k], norm=Normalize(highest - DEPTH, highest, clip=True), **_image(extent))
        axes.scatter(drawn[k][:, 0], drawn[k][:, 1], s=3, color=PALETTE[1], alpha=0.7, linewidths=0, label="samples")
        for color, (name, points) in zip((RED, *PALETTE[2:]), (marks or {}).items(), strict=False):
            xy = as_array(points)[k]
            axes.scatter(xy[:, 0], xy[:, 1], s=55, facecolors="none", edgecolors=color, linewidths=1.2, label=name)
        axes.set(xlim=extent[:2], ylim=extent[2:])
    for axes in list(panels.flat)[len(values) :]:
        axes.remove()
    handles, labels = panels[0, 0].get_legend_handles_labels()
    look: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "labelcolor": MUTED, "ncols": len(labels)}
    figure.legend(handles, labels, loc="outside upper left", **look)
    figure.supxlabel("$x_1$", fontsize=9, color=MUTED)
    figure.supylabel("$x_2$", fontsize=9, color=MUTED)
    return figure


def calibration(levels: Array, held: Mapping[str, Array]) -> Figure:
    """What central intervals hold against what they promise: on the diagonal where they are calibrated.

    Args:
        levels: promised fractions, ``(L,)``.
        held: fractions of groups of data, each ``(L,)``.
    """
    figure, axes = single(3.4, None, "promised", "held")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--")
    for color, (name, fractions) in zip(PALETTE, held.items(), strict=False):
        axes.plot(as_array(levels), as_array(fractions), color=color, marker="o", ms=3, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    legend(axes, loc="upper left")
    return figure


def clouds(named: Mapping[str, Array], columns: int = 2) -> Figure:
    """Very many points of the plane, a small scatter for each of several clouds, each at its own scale."""
    rows = -(-len(named) // columns)
    figure = blank(2.8 * columns, 2.9 * rows)
    for axes, (title, x) in zip(figure.subplots(rows, columns, squeeze=False).flat, named.items(), strict=False):
        style(axes, title)
        bare(axes)
        xy = as_rows(x)
        axes.scatter(xy[:, 0], xy[:, 1], s=0.3, color=BLUE, alpha=0.12, linewidths=0, rasterized=True)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
    return figure


def _image(extent: tuple[float, float, float, float]) -> dict[str, Any]:
    return {"origin": "lower", "extent": extent, "aspect": "auto", "cmap": "Blues"}
