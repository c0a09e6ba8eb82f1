"""Figures of what is computed, not measured: terms of an objective, bounds, ways to a maximum, gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import BLUE, FAINT, MUTED, PALETTE, RED, Array, as_array, blank, legend, single, style

PANEL, HEIGHT = 2.5, 2.4


def _row(titles: Sequence[str], x: str, y: str) -> tuple[Figure, list[Axes]]:
    figure = blank(PANEL * len(titles), HEIGHT)
    panels = [figure.add_subplot(1, len(titles), i + 1) for i in range(len(titles))]
    for i, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        style(axes, title, x, y if i == 0 else "")
    return figure, panels


def bells(beliefs: Mapping[str, tuple[Array, Array]]) -> Figure:
    """Normal beliefs about one latent, one panel for each name: means and standard deviations, ``(N,)`` each."""
    figure, panels = _row(list(beliefs), "$z$", "density over its greatest")
    reach = max(float((np.abs(as_array(m)) + 3 * as_array(s)).max()) for m, s in beliefs.values())
    for axes, (mean, sd) in zip(panels, beliefs.values(), strict=True):
        for i, (m, s) in enumerate(zip(as_array(mean), as_array(sd), strict=True)):
            z = np.sort(np.concatenate([np.linspace(-reach, reach, 300), m + s * np.linspace(-4, 4, 101)]))
            color = PALETTE[i % len(PALETTE)]
            axes.fill_between(z, np.exp(-0.5 * ((z - m) / s) ** 2), color=color, alpha=0.35, linewidth=0)
            axes.axvline(m, color=color, linewidth=0.8)
        z = np.linspace(-reach, reach, 300)
        axes.plot(z, np.exp(-0.5 * z**2), color=FAINT, linewidth=1.2, linestyle="--")
        axes.set_xlim(-reach, reach)
    return figure


def pulls(panels: Mapping[str, tuple[Array, Mapping[str, Array]]], y: str) -> Figure:
    """Curves of the terms of an objective over what one of its arguments may be, one panel for each argument."""
    figure, drawn = _row([""] * len(panels), "", y)
    for axes, (name, (x, curves)) in zip(drawn, panels.items(), strict=True):
        axes.axhline(0, color=FAINT, linewidth=0.8)
        for color, (label, values) in zip(PALETTE, curves.items(), strict=False):
            axes.plot(as_array(x), as_array(values), color=color, label=label)
        axes.set_xlabel(name)
    legend(drawn[-1], loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def bound(theta: Array, evidence: Array, tangent: Array, touches: float, family: Array) -> Figure:
    """log p(x; θ), the bound that touches it at one θ, and the best bound of a family, whose maximum is elsewhere."""
    t, p, q, best = (as_array(values) for values in (theta, evidence, tangent, family))
    figure, axes = single(3.4, None, r"$\theta$", "nats")
    axes.plot(t, p, color=BLUE, label=r"$\log p(x;\,\theta)$")
    axes.plot(t, q, color=PALETTE[1], linestyle="--", label=r"ELBO$(\theta;\,q)$ of one $q$")
    axes.plot(t, best, color=PALETTE[2], label=r"$\max_q$ ELBO, $q$ normal")
    axes.plot([touches], [np.interp(touches, t, p)], "o", color=PALETTE[1], markersize=5)
    for curve, color in ((p, BLUE), (best, PALETTE[2])):
        axes.plot([t[curve.argmax()]] * 2, [best.min(), curve.max()], color=color, linewidth=0.8, linestyle=":")
    span = p.max() - best.min()
    axes.set_ylim(best.min() - 0.05 * span, p.max() + 0.1 * span)
    legend(axes, loc="lower center")
    return figure


def climbs(named: Mapping[str, Array], best: float) -> Figure:
    """How far below the maximum of the log-likelihood several ways up are, after each iteration."""
    figure, axes = single(3.0, None, "iterations", "nats a datum below the maximum")
    for color, (name, values) in zip(PALETTE, named.items(), strict=False):
        below = np.maximum(best - as_array(values), 1e-9)
        axes.loglog(np.arange(1, len(below) + 1), below, color=color, label=name)
    legend(axes, loc="lower left")
    return figure


def zigzag(likelihoods: Array, bounds: Array) -> Figure:
    """EM as coordinate ascent: the bound rises to touch the evidence, then the parameter moves and both rise."""
    p, low = as_array(likelihoods), as_array(bounds)
    figure, axes = single(3.0, None, "half steps", "nats a datum")
    path = np.empty(2 * len(low) + 1)
    path[0::2], path[1::2] = p[: len(low) + 1], low
    axes.plot(np.arange(len(path)), path, color=MUTED, linewidth=1.0)
    axes.plot(
        np.arange(0, len(path), 2), path[0::2], "o", color=BLUE, markersize=4, label="E: the bound touches the evidence"
    )
    axes.plot(
        np.arange(1, len(path), 2), path[1::2], "o", color=RED, markersize=4, label=r"M: the bound at the new $\theta$"
    )
    legend(axes, loc="lower right")
    return figure
