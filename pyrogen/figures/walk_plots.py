"""Pictures of walks and of the ground that they lead over: arrays in, ``Figure`` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import (
    BLUE,
    FAINT,
    MUTED,
    PALETTE,
    RED,
    Array,
    as_array,
    as_rows,
    bare,
    color_bar,
    legend,
    plain,
    scatter,
    single,
)

BELOW: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.16), "ncols": 2}


def ground(
    values: Array,
    extent: tuple[float, float, float, float],
    label: str,
    codes: Array,
    ways: Mapping[str, Array] | None = None,
) -> Figure:
    """A function on a square grid of the plane of latents, with codes and curves ``(T, 2)`` upon it.

    Args:
        values: ``(side, side)``, z₁ along rows.
        extent: least and greatest z₁, and z₂.
        label: what the function is.
        codes: ``(N, 2)``.
        ways: curves by name.
    """
    figure, axes = single(3.9, None, "$z_1$", "$z_2$")
    bare(axes)
    image = axes.imshow(as_array(values), origin="lower", extent=extent, cmap="Greys", aspect="equal")
    color_bar(figure, image, axes).set_ylabel(label, fontsize=9, color=MUTED)
    scatter(axes, as_rows(codes), s=5, color=PALETTE[1], alpha=0.5, linewidths=0, label="codes")
    looks = ((BLUE, "-"), (RED, "--"), (PALETTE[2], ":"))
    for (name, curve), (color, line) in zip((ways or {}).items(), looks, strict=False):
        axes.plot(*as_rows(curve).T, color=color, linestyle=line, linewidth=2.2, label=name)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    legend(axes, marker_size=2, **BELOW)
    return figure


def shares(named: Mapping[str, tuple[float, float]], label: str) -> Figure:
    """Shares with their errors, below one another, the first on top, from 0 to 1."""
    figure, axes = single(0.9 + 0.3 * len(named), None, label)
    place = np.arange(len(named))[::-1]
    values, errors = np.array(list(named.values())).T
    axes.errorbar(values, place, xerr=errors, color=BLUE, marker="o", ms=5, elinewidth=1.5, linestyle="")
    axes.set_yticks(place, [plain(name) for name in named])
    axes.set(ylim=(-0.6, len(named) - 0.4), xlim=(-0.03, 1.03))
    return figure


def label_curve(labels: Sequence[int], named: Mapping[str, Sequence[tuple[float, float, float]]], y: str) -> Figure:
    """Numbers over how many labels they were made of, each with the interval it lies in: ``(value, low, high)``."""
    figure, axes = single(3.1, None, "labels", plain(y))
    spread = np.geomspace(0.96, 1.04, len(named)) if len(named) > 1 else [1.0]
    for color, by, (name, points) in zip((BLUE, FAINT, *PALETTE[1:]), spread, named.items(), strict=False):
        value, low, high = np.array(points).T
        place = np.array(labels) * by  # side by side, where intervals would cover one another
        axes.vlines(place, low, high, color=color, linewidth=1.6)
        axes.plot(place, value, color=color, marker="o", ms=4.5, linewidth=1, alpha=0.9, label=name)
    axes.set_xscale("log")
    axes.set_xticks(labels, [str(n) for n in labels])
    axes.minorticks_off()
    if len(named) > 1:
        legend(axes, **{**BELOW, "bbox_to_anchor": (0.0, -0.2)})
    return figure


def lengths(named: Mapping[str, Array]) -> Figure:
    """How long several samples of latents are, ``(N,)`` each: densities as outlines, which may cross."""
    figure, axes = single(3.1, None, "‖z‖", "density")
    values = {name: as_array(v).ravel() for name, v in named.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), bins=24).tolist()
    for color, (name, v) in zip(PALETTE, values.items(), strict=False):
        axes.hist(v, bins=edges, density=True, histtype="stepfilled", alpha=0.12, color=color)
        axes.hist(v, bins=edges, density=True, histtype="step", linewidth=1.6, color=color, label=name)
    legend(axes, **{**BELOW, "bbox_to_anchor": (0.0, -0.2), "ncols": 3})
    return figure


def trails(lines: Array, arcs: Array, data: Array) -> Figure:
    """Walks ``(B, steps, 2)`` in the plane of data ``(N, 2)``: what straight lines and arcs between codes decode to."""
    figure, axes = single(4.2, None, "$x_1$", "$x_2$")
    scatter(axes, as_rows(data), s=8, color=FAINT, alpha=0.6, linewidths=0, label="data")
    for name, walked, color in (("line", lines, BLUE), ("arc", arcs, PALETTE[1])):
        for i, walk in enumerate(as_array(walked)):
            look: dict[str, Any] = {"color": color, "linewidth": 1.4, "marker": "o", "ms": 2.5, "alpha": 0.9}
            axes.plot(*walk.T, label=name if i == 0 else None, **look)
    axes.set_aspect("equal", adjustable="datalim")
    legend(axes, marker_size=1.5, **BELOW)
    return figure
