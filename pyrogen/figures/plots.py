"""Pictures of data, latents and training: tensors or arrays in, a matplotlib ``Figure`` out, no global state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import (
    BLUE,
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
    single,
    style,
)
from pyrogen.kinds import kind_named

SPLITS = ("train", "valid", "test")
CLOCKS = {"epoch", "step", "stage", "seconds"}

GAP = 5


# -- data ------------------------------------------------------------------------------------------------------------


def to_image(x: Array, kind: str) -> np.ndarray:
    """Data as pictures: ``(N, C, H, W)`` of a data kind -> ``(N, H, W, C)`` in [0, 1].

    Real values are stretched from the least to the greatest of the whole batch, so that its pictures can be compared.

    Raises:
        ValueError: an unknown kind, or not pictures of one or three channels.
    """
    values = as_array(x)
    if not _is_image(values):
        raise ValueError(f"pictures are (N, 1 or 3, H, W); got {values.shape}. Other data: see profiles().")
    low, high = _limits(values, kind)
    scaled = (values - low) / (high - low if high > low else 1.0)
    return np.nan_to_num(scaled).clip(0.0, 1.0).transpose(0, 2, 3, 1)


def samples(x: Array, kind: str, data: Array | None = None) -> Figure:
    """Samples, drawn as what they are: pictures, or points of the plane or other vectors beside those of the data."""
    values = as_array(x)
    if _is_image(values):
        return image_grid(values, kind)
    if _is_plane(values):
        return points(values, data)
    if data is None:
        return profiles(values, kind)
    named = {"data": as_rows(data), "samples": as_rows(values)}
    return _heat_maps(named, kind) if values[0].size > 1 else histograms(named, "$x$")


def reconstructions(x: Array, reconstructed: Array, kind: str) -> Figure:
    """Data above their reconstructions: the first eight pictures, or all points, or the first 48 vectors."""
    before, after = as_array(x), as_array(reconstructed)
    if _is_plane(before):
        return points(after, before, label="reconstruction")
    if not _is_image(before):
        return _heat_maps({"data": before, "reconstruction": after}, kind)
    return strips(np.stack([before[:8], after[:8]]), kind, ["data", "reconstruction"])


def strips(x: Array, kind: str, rows: Sequence[str] = (), columns: Sequence[str] = ()) -> Figure:
    """Rows of pictures, ``(R, N, C, H, W)``, with a name for each row and each column."""
    values = as_array(x)
    figure = _picture(_mosaic(to_image(values.reshape(-1, *values.shape[2:]), kind), values.shape[1]), width=WIDTH)
    axes = figure.axes[0]
    for axis, names, size in zip((axes.yaxis, axes.xaxis), (rows, columns), axes.images[0].get_size(), strict=True):
        if names:
            axis.set_ticks((np.arange(len(names)) + 0.5) * (size + GAP) / len(names) - GAP / 2, names)
    return figure


def image_grid(x: Array, kind: str, columns: int | None = None, title: str | None = None) -> Figure:
    """Pictures in rows, as square a grid as their number allows."""
    images = to_image(x, kind)
    columns = columns or math.ceil(math.sqrt(len(images)))
    return _picture(_mosaic(images, columns), width=min(7.2, max(3.0, 0.56 * columns)), title=title)


def manifold(x: Array, kind: str, side: int) -> Figure:
    """A ``side`` × ``side`` grid of decoded latents, row by row: ``(side * side, C, H, W)``, seamless."""
    return _picture(_mosaic(to_image(x, kind), side, gap=0), width=WIDTH)


def points(samples: Array, data: Array | None = None, title: str | None = None, label: str = "samples") -> Figure:
    """Points of the plane ``(N, 2)``, upon those of the data."""
    figure, axes = single(4.2, title, "$x_1$", "$x_2$")
    if data is not None:
        _scatter(axes, as_rows(data), s=10, color="#aab3bb", alpha=0.6, linewidths=0, label="data")
    _scatter(axes, as_rows(samples), s=10, color=BLUE, alpha=0.6, linewidths=0, label=label)
    axes.set_aspect("equal", adjustable="datalim")
    if data is not None:
        legend(axes, marker_size=2)
    return figure


def profiles(x: Array, kind: str, title: str | None = None) -> Figure:
    """Vectors: each of the first 48 a row of a heat map; a histogram where they are single numbers."""
    values = as_rows(x)
    if values.shape[1] > 1:
        return _heat_maps({title or "": values}, kind)
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
            label = f"{name}, {lost} not finite" if lost else name
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
        _scatter(axes, as_rows(xy), s=7, color=color, alpha=0.6, linewidths=0, label=name)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    legend(axes, marker_size=2, loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=2)
    return figure


# -- latents ---------------------------------------------------------------------------------------------------------


def latent_scatter(z: Array, y: Array | None = None, method: str = "auto", title: str | None = None) -> Figure:
    """Latents ``(N, L)``, coloured by label: a histogram if L = 1, a plane if L = 2, otherwise a map to one.

    The map is to the first two principal components (``"pca"``), or t-SNE of at most 1000 latents (``"tsne"``).

    Raises:
        ValueError: an unknown method.
    """
    if method not in ("auto", "pca", "tsne"):
        raise ValueError(f"method is one of 'auto', 'pca', 'tsne'; got {method!r}.")
    codes, labels = as_rows(z), None if y is None else as_array(y).reshape(-1)
    if codes.shape[1] == 1:
        return _latent_histogram(codes[:, 0], labels, title)
    names = ("$z_1$", "$z_2$")
    if method == "tsne":
        chosen = np.sort(np.random.default_rng(0).permutation(len(codes))[:1000])
        codes, labels = _tsne(codes[chosen]), None if labels is None else labels[chosen]
        names = ("t-SNE 1", "t-SNE 2")
    elif method == "pca" or codes.shape[1] > 2:
        codes, explained = _principal(codes)
        names = (f"PC 1 ({explained[0]:.0%} of the variance)", f"PC 2 ({explained[1]:.0%})")

    figure, axes = single(3.9, title, *names)
    look: dict[str, Any] = {"s": 9, "alpha": 0.75, "linewidths": 0}
    if labels is None or len(np.unique(labels)) <= len(PALETTE):
        for label, group, color in _groups(labels, len(codes)):
            _scatter(axes, codes[group], color=color, label=label, **look)
    else:
        color_bar(figure, _scatter(axes, codes, c=labels, cmap="viridis", **look), axes)
    if axes.get_legend_handles_labels()[1]:
        legend(axes, marker_size=2, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def latent_film(codes: Mapping[str, Array], y: Array | None = None) -> Figure:
    """The same data's latents at several times, one small scatter each: in their plane, or in one t-SNE of all times."""
    times, stacked = list(codes), np.concatenate([as_rows(z) for z in codes.values()])
    if stacked.shape[1] == 1:
        stacked = np.column_stack([stacked, np.tile(np.arange(len(stacked) // len(times)), len(times))])
    elif stacked.shape[1] > 2:
        stacked = _tsne(stacked)
    labels = None if y is None else as_array(y).reshape(-1)
    if labels is not None and len(np.unique(labels)) > len(PALETTE):
        labels = None
    columns = min(len(times), 3)
    rows = -(-len(times) // columns)
    figure = blank(1.9 * columns, 1.95 * rows)
    for i, (time, part) in enumerate(zip(times, np.split(stacked, len(times)), strict=True)):
        axes = figure.add_subplot(rows, columns, i + 1)
        style(axes, time)
        for label, group, color in _groups(labels, len(part)):
            _scatter(axes, part[group], color=color, label=label, s=9, alpha=0.8, linewidths=0)
        axes.set(xlim=_padded(stacked[:, 0]), ylim=_padded(stacked[:, 1]), xticks=[], yticks=[])
    return figure


def _padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _latent_histogram(codes: np.ndarray, labels: np.ndarray | None, title: str | None) -> Figure:
    figure, axes = single(3.0, title, "$z$", "count")
    if labels is not None and len(np.unique(labels)) > len(PALETTE):
        labels = None
    names, groups, colors = zip(*_groups(labels, len(codes)), strict=True)
    axes.hist([codes[group] for group in groups], bins=40, stacked=True, color=colors, label=names)
    if labels is not None:
        legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _groups(labels: np.ndarray | None, n: int) -> Iterator[tuple[str | None, np.ndarray, str]]:
    if labels is None:
        yield None, np.ones(n, dtype=bool), BLUE
    else:
        for value, color in zip(np.unique(labels), PALETTE, strict=False):
            yield f"{value:g}" if np.issubdtype(labels.dtype, np.number) else str(value), labels == value, color


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


def _principal(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = codes - codes.mean(0)
    _, scale, directions = np.linalg.svd(centred, full_matrices=False)
    # collapsed latents have no variance to explain
    return centred @ directions[:2].T, scale[:2] ** 2 / max(float((scale**2).sum()), 1e-30)


def _tsne(codes: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    if not np.ptp(codes, axis=0).any():
        return np.zeros((len(codes), 2))  # collapsed latents have no neighbours
    perplexity = min(30.0, (len(codes) - 1) / 3)
    return TSNE(perplexity=perplexity, max_iter=500, init="random", random_state=0).fit_transform(codes)


# -- training ------------------------------------------------------------------------------------------


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
    figure = blank(WIDTH if columns == 1 else 5.6, 2.2 * rows + 0.2)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for panel, (term, lines) in zip(panels, terms.items(), strict=False):
        style(panel, term)
        panel.locator_params(axis="x", integer=True)
        for split, line in lines.items():
            color = PALETTE[SPLITS.index(split)]
            panel.plot(*zip(*line, strict=True), color=color, label=split, marker="o" if len(line) < 12 else "", ms=3)
        if len(lines) > 1:
            legend(panel)
    for panel in list(figure.axes)[len(terms) :]:
        panel.remove()
    figure.supxlabel("epoch", fontsize=9, color=MUTED)
    return figure


def _split(key: str) -> tuple[str, str]:
    parts = key.split("/")
    split = next((part for part in parts if part in SPLITS), "train")
    return split, "/".join(part for part in parts if part not in SPLITS)


# -- what they are made of ------------------------------------------------------------------------------------------


def _is_image(x: np.ndarray) -> bool:
    return x.ndim == 4 and x.shape[1] in (1, 3) and min(x.shape[2:]) > 1


def _is_plane(x: np.ndarray) -> bool:
    return math.prod(x.shape[1:]) == 2


def _limits(x: np.ndarray, kind: str) -> tuple[float, float]:
    finite = x[np.isfinite(x)]
    return kind_named(kind).limits or ((float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0))


def _mosaic(images: np.ndarray, columns: int, gap: int = GAP) -> np.ndarray:
    """Pictures side by side upon white, small ones enlarged so that gaps look thin."""
    scale = math.ceil(64 / max(images.shape[1:3]))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    canvas = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, channels))
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def _picture(canvas: np.ndarray, width: float, title: str | None = None) -> Figure:
    height, length = canvas.shape[:2]
    figure, axes = single(width * height / length + (0.25 if title else 0.0), title, width=width)
    axes.imshow(canvas.squeeze(2) if canvas.shape[2] == 1 else canvas, cmap="gray", vmin=0.0, vmax=1.0)
    bare(axes)
    axes.set(xticks=[], yticks=[])
    return figure


def _scatter(axes: Axes, xy: np.ndarray, **look: Any) -> ScalarMappable:
    return axes.scatter(xy[:, 0], xy[:, 1], **look)


def _heat_maps(named: Mapping[str, np.ndarray], kind: str) -> Figure:
    """One above the other, in the same colours."""
    vectors = [as_rows(x)[:48] for x in named.values()]
    low, high = _limits(np.concatenate(vectors), kind)
    colors = "Blues"
    if kind == "real":
        low, high, colors = -max(-low, high), max(-low, high), "RdBu_r"
    figure = blank(WIDTH, 0.6 + 2.6 * len(named))
    panels = figure.subplots(len(named), squeeze=False).flat
    for panel, values, title in zip(panels, vectors, named, strict=True):
        style(panel, title, "dimension", "datum")
        bare(panel)
        color_bar(figure, panel.imshow(values, aspect="auto", vmin=low, vmax=high, cmap=colors), panel)
    return figure
