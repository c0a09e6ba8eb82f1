"""What reconstruction does to points of the plane, as a field of arrows: a panel of reports, and its parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from pyrogen.data import Data
from pyrogen.figures.figure_style import FAINT, PALETTE, Array, as_rows, legend, single
from pyrogen.inference.pages.panel import DECODED, SCATTERED, History, Panel


def reconstruction_field(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Where reconstruction moves points of the plane, r(x) − x; of models that encode real vectors of two elements."""
    if math.prod(model.x_shape) != 2 or data.kind != "real" or model.condition is not None:
        return
    x = data.test.spread(SCATTERED).x
    at = grid(x, 24)
    caption = (
        "What reconstruction adds to points of the plane, r(x) − x, upon the test data. Trained with noise σ "
        "an autoencoder learns σ² times the slope of the log-density of noisy data; one that copies has no arrows."
    )
    yield Panel(DECODED, caption, "field", arrows(at, {"r(x) − x": model.reconstruct(at) - at}, x))


def grid(x: Tensor, side: int) -> Tensor:
    """Points of a square grid that holds data ``(N, 2)`` with a tenth to spare: ``(side², *x.shape[1:])``."""
    low, high = x.flatten(1).amin(0), x.flatten(1).amax(0)
    centre, half = (low + high) / 2, 0.55 * (high - low).amax().clamp(min=1e-6)
    steps = torch.linspace(-1, 1, side, device=x.device) * half
    across, up = torch.meshgrid(steps + centre[0], steps + centre[1], indexing="xy")
    return torch.stack([across, up], -1).reshape(-1, *x.shape[1:])


def arrows(at: Array, fields: Mapping[str, Array], data: Array | None = None) -> Figure:
    """Fields of arrows in the plane at points ``(N, 2)``, each by name and at its true length, upon data ``(M, 2)``."""
    figure, axes = single(4.2, None, "$x_1$", "$x_2$")
    if data is not None:
        across, up = as_rows(data).T
        axes.scatter(across, up, s=6, color=FAINT, alpha=0.6, linewidths=0, label="data")
    look: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.004}
    for color, (name, field) in zip(PALETTE, fields.items(), strict=False):
        axes.quiver(*as_rows(at).T, *as_rows(field).T, color=color, label=name, **look)
    axes.set_aspect("equal", adjustable="datalim")
    legend(axes, loc="upper left", bbox_to_anchor=(0.0, -0.12), ncols=3)
    return figure
