"""Pictures of what a model believes of single data: the encoder's draws and those of the exact posterior, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from pyrogen.figures.figure_style import BLUE, MUTED, PALETTE, WIDTH, Array, as_array, blank, scatter, style

SHOWN = 300  # draws of each


def beliefs(exact: Array, encoder: Array, names: Sequence[str]) -> Figure:
    """Draws ``(datum, draw, latent)`` of p(z|x) and q(z|x) in a plane of their own for each datum, with ellipses of two sds.

    The plane is that of the two directions in which draws of both together vary most, about the exact mean and in units of
    the exact sds; of one latent, its two histograms.
    """
    exact, encoder = as_array(exact), as_array(encoder)
    columns = min(len(exact), 3)
    rows = -(-len(exact) // columns)
    figure = blank(WIDTH * columns / 2.4, 1.75 * rows + 0.45)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, p, q, name in zip(panels.flat, exact, encoder, names, strict=False):
        style(axes, name)
        axes.locator_params(nbins=4)
        parts = ((q, PALETTE[1], "encoder q(z|x)"), (p, BLUE, "exact p(z|x)"))
        if p.shape[1] == 1:
            edges = np.histogram_bin_edges(np.concatenate([p, q]), bins=30).tolist()
            for draws, color, label in parts:
                axes.hist(draws[:, 0], bins=edges, density=True, color=color, alpha=0.5, label=label)
            continue
        center, width = p.mean(0), p.std(0)
        both = np.concatenate([p, q]) - center
        plane = np.linalg.svd(both / width, full_matrices=False)[2][:2].T
        for draws, color, label in parts:
            flat = (draws - center) / width @ plane
            # of all chains, which follow each other
            some = np.linspace(0, len(flat) - 1, min(SHOWN, len(flat))).astype(int)
            scatter(axes, flat[some], s=5, color=color, alpha=0.35, linewidths=0, label=label)
            values, vectors = np.linalg.eigh(np.cov(flat.T))
            turned = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
            long, short = 4 * np.sqrt(values[::-1])
            axes.add_patch(
                Ellipse(tuple(flat.mean(0)), long, short, angle=turned, fill=False, color=color, linewidth=1.5)
            )
        axes.set_aspect("equal", adjustable="datalim")
    for axes in panels.flat[len(exact) :]:
        axes.remove()
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", frameon=False, fontsize=8.5, labelcolor=MUTED, ncols=2, markerscale=3
    )
    return figure
