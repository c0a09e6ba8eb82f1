"""Figures of diffusions."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import BLUE, Array, as_array, single


def step_costs(nats: Array) -> Figure:
    """The nats of each step, the first one, which takes away the least noise, on the left."""
    heights = as_array(nats)
    figure, axes = single(2.6, None, "step", "nats a datum")
    axes.bar(np.arange(1, len(heights) + 1), heights, color=BLUE, width=0.9 if len(heights) < 60 else 1.0)
    axes.grid(False, axis="x")
    return figure
