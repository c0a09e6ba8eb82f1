"""Figures of games: critics on the line, what pulls on a fake, and the orbits of the smallest game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import BLUE, FAINT, PALETTE, RED, Array, as_array, blank, legend, single, style

NOBODY = 2e-3  # of the greatest density: beyond, critics have seen nothing


def critics(x: Array, p: Array, q: Array, curves: Mapping[str, Array], y: str) -> Figure:
    """The densities of data and of what is made, and below them what critics say where there is any of either.

    Args:
        x: the line, ``(N,)``.
        p: density of the data.
        q: density of what is made.
        curves: of each critic, by its name, ``(N,)``; the first is what the others should be.
        y: what they say.
    """
    everything = as_array(p) + as_array(q)
    seen = everything > NOBODY * everything.max()
    line = as_array(x)[seen]
    figure = blank(4.5, 4.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    style(above, None, "", "density")
    style(below, None, "$x$", y)
    for values, color, name in ((p, BLUE, "data $p$"), (q, RED, "made $q$")):
        above.fill_between(line, as_array(values)[seen], color=color, alpha=0.35, linewidth=0, label=name)
    legend(above)
    for i, (name, values) in enumerate(curves.items()):
        look = {"color": FAINT, "linewidth": 4.0} if i == 0 else {"color": PALETTE[i + 1], "linewidth": 1.3}
        below.plot(line, as_array(values)[seen], label=name, **look)
    legend(below)
    return figure


def pulls_on_a_fake(d: Array, gradients: Mapping[str, Array]) -> Figure:
    """How strongly each loss pulls on the score of a fake, over what the critic thinks of it.

    Args:
        d: D of the fake, ``(N,)``.
        gradients: of each loss with respect to the fake's score, by its name, ``(N,)``.
    """
    figure, axes = single(2.8, None, "$D$ of the fake", "size of the gradient")
    for color, (name, values) in zip(PALETTE, gradients.items(), strict=False):
        axes.plot(as_array(d), np.abs(as_array(values)), color=color, label=name)
    legend(axes, loc="upper center")
    return figure


def orbits(paths: Mapping[str, Array]) -> Figure:
    """The ways of (θ, ψ) through a game, one panel for each, all at one scale; a dot is the start.

    Args:
        paths: by name, ``(rounds + 1, 2)``.
    """
    reach = 1.08 * max(float(np.abs(as_array(path)).max()) for path in paths.values())
    figure = blank(2.3 * len(paths), 2.6)
    panels = figure.subplots(1, len(paths), sharey=True, squeeze=False)[0]
    for i, (axes, (name, path)) in enumerate(zip(panels, paths.items(), strict=True)):
        way = as_array(path)
        style(axes, name, r"what is made, $\theta$", r"the critic's slope, $\psi$" if i == 0 else "")
        axes.plot(way[:, 0], way[:, 1], color=PALETTE[i], linewidth=1.0)
        axes.plot(way[:1, 0], way[:1, 1], "o", color=PALETTE[i], markersize=5)
        axes.plot([0], [0], "+", color=FAINT, markersize=8)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return figure


def trade(points: Sequence[tuple[float, float]], names: Sequence[str]) -> Figure:
    """Density over coverage, from loose to tight.

    Args:
        points: density and coverage.
        names: of the points.
    """
    figure, axes = single(2.8, None, "coverage", "density")
    axes.plot([c for _, c in points], [d for d, _ in points], "o-", color=BLUE, markersize=4)
    for (d, c), name in zip(points, names, strict=True):
        axes.annotate(name, (c, d), textcoords="offset points", xytext=(4, 4), fontsize=7)
    return figure
