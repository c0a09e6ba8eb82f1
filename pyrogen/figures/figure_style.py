"""The look that all figures share: colours, sizes, quiet axes; no global state of matplotlib is touched."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor

Array = Tensor | np.ndarray | Sequence[float]

MANY = 150
# inches: two figures stand side by side on a report's page, and their letters can be read on a phone
WIDTH = 4.5
INK, MUTED, LINE, FRAME = "#25303b", "#5f6b76", "#e4e8ec", "#c3cad1"
FAINT = "#98a3ad"  # what other points lie upon, on light and dark pages
PALETTE = ("#3b6fb6", "#e2803a", "#4f9d69", "#c8504f", "#8a6bb1", "#8c6d52", "#d884b5", "#7d8790", "#b5ab3c", "#48aebd")
BLUE, RED = PALETTE[0], PALETTE[3]


def as_array(x: Array) -> np.ndarray:
    """Any numbers as an array."""
    return x.detach().cpu().double().numpy() if isinstance(x, Tensor) else np.asarray(x)


def as_rows(x: Array) -> np.ndarray:
    """Any data as rows of numbers, ``(N, D)``."""
    values = as_array(x)
    return values.reshape(len(values), -1)


def plain(name: object) -> str:
    """A name of the user's as it is: matplotlib takes what stands between two $ for a formula, and hides names in _."""
    text = str(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


class _Shown(Figure):
    """A figure that a notebook shows, whether or not pyplot was ever imported there."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=100)
        return content.getvalue()


def blank(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.04, hspace=0.04)
    return _Shown(figsize=(width, height), layout=layout, facecolor="white")


def single(height: float, title: str | None, x: str = "", y: str = "", width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure with one set of axes."""
    figure = blank(width, height)
    axes = figure.subplots()
    style(axes, title, x, y)
    return figure, axes


def style(axes: Axes, title: str | None, x: str = "", y: str = "") -> None:
    """Quiet axes with a title and labels."""
    axes.set_title(title or "", loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=9, color=MUTED)
    axes.set_ylabel(y, fontsize=9, color=MUTED)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=0)
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[:].set_color(FRAME)


def scatter(axes: Axes, xy: np.ndarray, **look: Any) -> ScalarMappable:
    """Points of the plane ``(N, 2)``; very many are drawn as pixels, for each would be an element of an SVG."""
    return axes.scatter(xy[:, 0], xy[:, 1], rasterized=len(xy) > MANY, **look)


def bare(axes: Axes) -> None:
    """Axes without grid and frame, for pictures."""
    axes.grid(False)
    axes.set_frame_on(False)


def legend(axes: Axes, marker_size: float = 1, **where: Any) -> None:
    """A legend without a frame, to which ``where`` is passed."""
    axes.legend(frameon=False, fontsize=8.5, labelcolor=MUTED, markerscale=marker_size, **where)


def outside(axes: Axes, xy: np.ndarray) -> None:
    """Say how many points ``(N, 2)`` the limits of axes leave out, where they leave out any."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    x, y = xy.T
    out = len(xy) - int(((x >= left) & (x <= right) & (y >= low) & (y <= high)).sum())
    if out:
        axes.annotate(f"{out} outside", (0.03, 0.03), xycoords="axes fraction", fontsize=7.5, color=MUTED)


def color_bar(figure: Figure, colored: ScalarMappable, axes: Axes, extend: str = "neither") -> Axes:
    """A scale for what is coloured; an arrow at an end that it goes beyond."""
    bar = figure.colorbar(colored, ax=axes, aspect=30, extend=extend)
    bar.ax.set_frame_on(False)
    bar.ax.tick_params(colors=MUTED, labelsize=8.5, length=0)
    return bar.ax
