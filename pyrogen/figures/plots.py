"""Pictures of data and of training: tensors or arrays in, a matplotlib ``Figure`` out, no global state."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyrogen.data.source import SPLITS
from pyrogen.figures import path_plots
from pyrogen.figures.figure_style import (
    BLUE,
    FAINT,
    MUTED,
    PALETTE,
    WIDTH,
    Array,
    as_array,
    as_rows,
    bare,
    blank,
    color_bar,
    legend,
    outside,
    plain,
    scatter,
    single,
    style,
)
from pyrogen.kinds import is_shown, kind_named

CLOCKS = {"epoch", "step", "stage", "seconds"}

Shades = tuple[float | np.ndarray, float | np.ndarray]
"""What is black and what is white, each a number or ``x_shape``."""

GAP = 5
LETTER, HIGH = 0.07, 0.16  # inches that a letter of a name takes, and a line
LINE = 28  # letters of a name beside pictures, to which half of the width is left so
CLIPS = 5  # dimensions of a batch of them, (N, T, C, H, W)


# -- data ------------------------------------------------------------------------------------------------------------


def to_image(x: Array, kind: str, within: Shades | None = None) -> np.ndarray:
    """Data as pictures: ``(N, C, H, W)`` of a data kind -> ``(N, H, W, C)`` in [0, 1].

    Clips ``(N, T, C, H, W)`` are pictures of all their frames side by side, a white line between them. Real values are
    stretched from the least to the greatest of the whole batch, so that its pictures can be compared.

    Args:
        x: the pictures.
        kind: of the data.
        within: what is black and what is white, numbers or ``x_shape``; by default :func:`limits` of x itself.

    Raises:
        ValueError: an unknown kind, or not pictures of one or three channels.
    """
    values = as_array(x)
    if not _is_image(values):
        raise ValueError(f"pictures are (N, 1 or 3, H, W); got {values.shape}. Other data: see profiles().")
    low, high = within or limits(values, kind)
    room = np.subtract(high, low)
    scaled = np.nan_to_num((values - low) / np.where(room > 0, room, 1.0)).clip(0.0, 1.0)
    if scaled.ndim == CLIPS:
        lined = np.pad(scaled, [(0, 0)] * 4 + [(0, 1)], constant_values=1.0).transpose(0, 2, 3, 1, 4)
        scaled = lined.reshape(*lined.shape[:3], -1)[..., :-1]
    return scaled.transpose(0, 2, 3, 1)


def samples(x: Array, kind: str, data: Array | None = None, within: Shades | None = None) -> Figure:
    """Samples, drawn as what they are: pictures, clips, paths, or points of the plane or vectors beside those of the data."""
    values = as_array(x)
    if kind == "paths":
        return path_plots.walks(values)
    if values.ndim == CLIPS and _is_image(values):
        return _picture(_mosaic(to_image(values[:16], kind, within), 2), width=WIDTH)
    if _is_image(values):
        return image_grid(values, kind, within=within)
    if _is_plane(values):
        return points(values, data)
    if data is None:
        return profiles(values, kind)
    named = {"data": as_rows(data), "samples": as_rows(values)}
    return heat_maps(named, kind) if values[0].size > 1 else histograms(named, "$x$")


def reconstructions(x: Array, reconstructed: Array, kind: str) -> Figure:
    """Data above their reconstructions: the first eight pictures, or all points, or the first 48 vectors."""
    before, after = as_array(x), as_array(reconstructed)
    if _is_plane(before):
        return points(after, before, label="reconstruction")
    if not _is_image(before):
        return heat_maps({"data": before, "reconstruction": after}, kind)
    if before.ndim == CLIPS:
        return strips(np.stack([before[:8], after[:8]], 1), kind, columns=["data", "reconstruction"])
    return strips(np.stack([before[:8], after[:8]]), kind, ["data", "reconstruction"])


def strips(
    x: Array, kind: str, rows: Sequence[str] = (), columns: Sequence[str] = (), within: Shades | None = None
) -> Figure:
    """Rows of pictures, ``(R, N, C, H, W)``, with a name for each row and each column."""
    values = as_array(x)
    figure = _picture(
        _mosaic(to_image(values.reshape(-1, *values.shape[2:]), kind, within), values.shape[1]), width=WIDTH
    )
    axes = figure.axes[0]
    height, width = sizes = axes.images[0].get_size()
    room = int((WIDTH - LETTER * LINE - 0.1) * height / width / max(len(rows), 1) / HIGH)
    rows = ["\n".join(_folded(line, max(room, 1)) for line in name.split("\n")) for name in rows]
    # names beside the pictures take their room: no lower than the rest demands
    beside = LETTER * max((len(line) for name in rows for line in name.split("\n")), default=-1) + 0.1
    figure.set_size_inches(WIDTH, (WIDTH - beside) * height / width + (0.25 if columns else 0.05))
    if rows:
        axes.set_anchor("E")  # the layout centres pictures in room that is over, of which names may need all
    for axis, names, size in zip((axes.yaxis, axes.xaxis), (rows, columns), sizes, strict=True):
        if names:
            places = (np.arange(len(names)) + 0.5) * (size + GAP) / len(names) - GAP / 2
            axis.set_ticks(places, [plain(name) for name in names])
    return figure


def _folded(line: str, room: int) -> str:
    """A name in as many lines as there is room for; what is longer is cut."""
    lines = textwrap.wrap(line, LINE)
    return "\n".join(lines if len(lines) <= room else [*lines[: room - 1], f"{lines[room - 1][: LINE - 1]}…"])


def image_grid(
    x: Array, kind: str, columns: int | None = None, title: str | None = None, within: Shades | None = None
) -> Figure:
    """Pictures in rows, as square a grid as their number allows."""
    images = to_image(x, kind, within)
    columns = columns or math.ceil(math.sqrt(len(images)))
    return _picture(_mosaic(images, columns), width=min(7.2, max(3.0, 0.56 * columns)), title=title)


def manifold(x: Array, kind: str, side: int, within: Shades | None = None) -> Figure:
    """A ``side`` × ``side`` grid of decoded latents, row by row: ``(side * side, C, H, W)``, seamless."""
    return _picture(_mosaic(to_image(x, kind, within), side, gap=0), width=WIDTH)


def points(samples: Array, data: Array | None = None, title: str | None = None, label: str = "samples") -> Figure:
    """Points of the plane ``(N, 2)``, upon those of the data."""
    figure, axes = single(4.2, title, "$x_1$", "$x_2$")
    if data is not None:
        scatter(axes, as_rows(data), s=10, color=FAINT, alpha=0.6, linewidths=0, label="data")
    scatter(axes, as_rows(samples), s=10, color=BLUE, alpha=0.6, linewidths=0, label=label)
    axes.set_aspect("equal", adjustable="datalim")
    if data is not None:
        legend(axes, marker_size=2)
    return figure


def profiles(x: Array, kind: str, title: str | None = None) -> Figure:
    """Vectors: each of the first 48 a row of a heat map; a histogram where they are single numbers."""
    values = as_rows(x)
    if values.shape[1] > 1:
        return heat_maps({title or "": values}, kind)
    figure, axes = single(3.0, title, "$x$", "count")
    axes.hist(values[np.isfinite(values)], bins=40, color=BLUE)
    return figure


def histograms(named: Mapping[str, Array], x: str) -> Figure:
    """The densities of several samples of numbers, in the same bins; what is not finite is left out and counted."""
    figure, axes = single(3.2, None, x, "density")
    finite = {name: (v := as_rows(values).ravel())[np.isfinite(v)] for name, values in named.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(finite.values())), bins=40).tolist()
    for color, (name, values) in zip(PALETTE, finite.items(), strict=False):
        lost = as_array(named[name]).size - values.size
        if values.size:
            label = plain(f"{name}, {lost} not finite" if lost else name)
            axes.hist(values, bins=edges, density=True, histtype="stepfilled", alpha=0.45, color=color, label=label)
    legend(axes)
    return figure


def landscape(values: Array, extent: tuple[float, float, float, float], label: str, **clouds: Array) -> Figure:
    """A function on a square grid of the plane, ``(side, side)`` with x₁ along rows, and points ``(N, 2)`` upon it."""
    figure, axes = single(3.9, None, "$x_1$", "$x_2$")
    bare(axes)
    image = axes.imshow(as_array(values), origin="lower", extent=extent, cmap="Greys", aspect="equal")
    color_bar(figure, image, axes).set_ylabel(label, fontsize=9, color=MUTED)
    for color, (name, xy) in zip(PALETTE, clouds.items(), strict=False):
        scatter(axes, as_rows(xy), s=7, color=color, alpha=0.6, linewidths=0, label=name)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    outside(axes, np.concatenate([as_rows(xy) for xy in clouds.values()]))
    legend(axes, marker_size=2, loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=2)
    return figure


# -- training and scores -----------------------------------------------------------------------------------------------


def curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Training curves, a panel a term, from rows such as ``{"epoch": 1, "train/loss": 120.1, "valid/loss": 119.0}``.

    A player's name may stand before the term (``"critic/loss"``); rows may lack terms.
    """
    terms: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for count, row in enumerate(history, start=1):
        for key, value in row.items():
            if key in CLOCKS or not isinstance(value, Real):
                continue
            split, term = _split(key)
            terms.setdefault(term, {}).setdefault(split, []).append((row.get("epoch", count), float(value)))

    columns = min(2, max(1, len(terms)))
    rows = max(1, math.ceil(len(terms) / columns))
    figure = blank(WIDTH, (2.4 if columns == 1 else 1.7) * rows + 0.2)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for panel, (term, lines) in zip(panels, terms.items(), strict=False):
        style(panel, term)
        panel.locator_params(axis="x", integer=True, nbins=5)
        panel.ticklabel_format(axis="y", useOffset=False)
        for split, line in lines.items():
            color = PALETTE[SPLITS.index(split)]
            panel.plot(*zip(*line, strict=True), color=color, label=split, marker="o" if len(line) < 12 else "", ms=3)
        _leave_out_the_start(panel, lines.values())
        if len(lines) > 1:
            legend(panel)
    for panel in list(figure.axes)[len(terms) :]:
        panel.remove()
    figure.supxlabel("epoch", fontsize=9, color=MUTED)
    return figure


def _leave_out_the_start(panel: Axes, lines: Iterable[Sequence[tuple[float, float]]]) -> None:
    """Say where epoch 0 was instead of drawing it, where all later ones would look flat beside it."""
    later = [y for line in lines for x, y in line if x > 0 and math.isfinite(y)]
    start = [y for line in lines for x, y in line if x == 0 and math.isfinite(y)]
    if len(later) < 2 or not start:
        return
    low, high = min(later), max(later)
    room = high - low
    if room > 1e-6 * abs(high) and not low - 2 * room <= start[0] <= high + 2 * room:
        panel.set_ylim(low - 0.08 * room, high + 0.08 * room)
        panel.annotate(f"epoch 0: {start[0]:.4g}", (0.02, 0.03), xycoords="axes fraction", fontsize=8, color=MUTED)


def _split(key: str) -> tuple[str, str]:
    parts = key.split("/")
    split = next((part for part in parts if part in SPLITS), "train")
    return split, "/".join(part for part in parts if part not in SPLITS)


def bars(values: Array, x: str, y: str) -> Figure:
    """A bar for each latent, the highest first, named by its number where there is room."""
    heights = as_array(values)
    order = np.argsort(-heights, kind="stable")
    figure, axes = single(3.0, None, x, y)
    axes.bar(np.arange(len(order)), heights[order], color=BLUE, width=0.8 if len(order) < 60 else 1.0)
    axes.grid(False, axis="x")
    names = [str(i + 1) for i in order] if len(order) <= 24 else []
    axes.set_xticks(np.arange(len(names)), names)
    return figure


def class_bars(names: Sequence[str], means: Array, errors: Array, label: str) -> Figure:
    """A number for each class with its error, below one another, the first class on top."""
    values, bars_ = as_array(means), np.nan_to_num(as_array(errors))
    figure, axes = single(0.7 + 0.24 * len(names), None, label)
    place = np.arange(len(names))[::-1]
    axes.errorbar(values, place, xerr=bars_, color=BLUE, marker="o", ms=5, elinewidth=1.5, linestyle="")
    axes.set_yticks(place, [plain(name) for name in names])
    axes.set(ylim=(-0.6, len(names) - 0.4))
    return figure


def scored_points(x: Array, scores: Array, label: str) -> Figure:
    """Points of the plane ``(N, 2)`` in the colour of their scores, the lowest on top."""
    xy, values = as_rows(x), as_array(scores)
    order = np.argsort(-values)
    figure, axes = single(3.9, None, "$x_1$", "$x_2$")
    bar = color_bar(figure, scatter(axes, xy[order], s=9, c=values[order], cmap="viridis", linewidths=0), axes)
    bar.set_ylabel(label, fontsize=9, color=MUTED)
    axes.set_aspect("equal", adjustable="datalim")
    return figure


def point_film(times: Mapping[str, Array], data: Array) -> Figure:
    """Points of the plane at several times, a small scatter each, upon those of the data and within their reach."""
    behind = as_rows(data)
    centre, half = (behind.max(0) + behind.min(0)) / 2, 0.65 * np.ptp(behind, axis=0).max() + 1e-6
    columns = min(len(times), 4)
    rows = -(-len(times) // columns)
    figure = blank(1.15 * columns + 0.1, 1.35 * rows)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, (time, xy) in zip(panels.flat, times.items(), strict=False):
        style(axes, None)
        axes.set_title(time, fontsize=8.5, color=MUTED)
        scatter(axes, behind, s=3, color=FAINT, alpha=0.6, linewidths=0)
        scatter(axes, as_rows(xy), s=3, color=BLUE, alpha=0.7, linewidths=0)
        axes.set(xlim=centre[0] + np.array([-half, half]), ylim=centre[1] + np.array([-half, half]))
        axes.set(xticks=[], yticks=[], aspect="equal")
        outside(axes, as_rows(xy))
    for axes in panels.flat[len(times) :]:
        axes.remove()
    return figure


# -- what they are made of ------------------------------------------------------------------------------------------


def _is_image(x: np.ndarray) -> bool:
    return is_shown(x.shape[1:])


def _is_plane(x: np.ndarray) -> bool:
    return math.prod(x.shape[1:]) == 2


def limits(x: Array, kind: str) -> tuple[float, float]:
    """What is black and what is white of data of a kind: of real values and counts, the least and the greatest of them."""
    values = as_array(x)
    finite = values[np.isfinite(values)]
    return kind_named(kind).limits or ((float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0))


def _mosaic(images: np.ndarray, columns: int, gap: int = GAP) -> np.ndarray:
    """Pictures side by side upon nothing, small ones enlarged so that gaps look thin: grey ones masked, others RGBA."""
    scale = math.ceil(64 / max(images.shape[1:3]))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    canvas = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, channels + 1))
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = np.dstack([image, np.ones((height, width))])
    return np.ma.masked_array(canvas[..., 0], canvas[..., 1] == 0) if channels == 1 else canvas


def _picture(canvas: np.ndarray, width: float, title: str | None = None) -> Figure:
    height, length = canvas.shape[:2]
    figure, axes = single(width * height / length + (0.25 if title else 0.0), title, width=width)
    axes.imshow(canvas, cmap="gray", vmin=0.0, vmax=1.0, interpolation="none")
    bare(axes)
    axes.set(xticks=[], yticks=[])
    return figure


def heat_maps(named: Mapping[str, np.ndarray], kind: str) -> Figure:
    """Vectors as rows of colour, one map above the other, in the same colours; what is missing is grey."""
    vectors = [as_rows(x)[:48] for x in named.values()]
    low, high = limits(np.concatenate(vectors), kind)
    colors = "Blues"
    if kind == "real":
        low, high, colors = -max(-low, high), max(-low, high), "RdBu_r"
    shades = matplotlib.colormaps[colors].with_extremes(bad=FAINT)
    figure = blank(WIDTH, 0.6 + sum(1.2 + 1.4 * len(values) / 48 for values in vectors))
    panels = figure.subplots(len(named), squeeze=False).flat
    for panel, values, title in zip(panels, vectors, named, strict=True):
        style(panel, title, "dimension", "datum")
        bare(panel)
        panel.locator_params(integer=True, nbins=8)
        color_bar(figure, panel.imshow(values, aspect="auto", vmin=low, vmax=high, cmap=shades), panel)
    return figure
