"""Pictures of outliers, of decisions that may be refused, and of what latents know of factors: arrays in, ``Figure`` out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import (
    INK,
    Array,
    as_array,
    color_bar,
    single,
)


def shares(known: Array, factors: Sequence[str]) -> Figure:
    """What each latent knows of each factor, ``(n, F)`` between 0 and 1, as a map."""
    values = as_array(known).T
    rows, columns = values.shape
    figure, axes = single(1.2 + 0.3 * rows, None, "latent", "")
    image = axes.imshow(values, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(columns), [str(i + 1) for i in range(columns)])
    axes.set_yticks(range(rows), list(factors))
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
