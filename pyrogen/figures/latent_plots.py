"""Pictures of latents: where codes lie, how wide posteriors are, and how they fill the prior; arrays in, ``Figure`` out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import (
    BLUE,
    INK,
    MUTED,
    PALETTE,
    WIDTH,
    Array,
    as_array,
    as_rows,
    blank,
    color_bar,
    legend,
    plain,
    scatter,
    single,
    style,
)

ABOVE: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2, "ncols": 2}


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
            scatter(axes, codes[group], color=color, label=label, **look)
    else:
        color_bar(figure, scatter(axes, codes, c=labels, cmap="viridis", **look), axes)
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
    labels = _few(y)
    columns = min(len(times), 3)
    rows = -(-len(times) // columns)
    figure = blank(WIDTH * columns / 3, 1.6 * rows)
    for i, (time, part) in enumerate(zip(times, np.split(stacked, len(times)), strict=True)):
        axes = figure.add_subplot(rows, columns, i + 1)
        style(axes, time)
        for label, group, color in _groups(labels, len(part)):
            scatter(axes, part[group], color=color, label=label, s=9, alpha=0.8, linewidths=0)
        axes.set(xlim=_padded(stacked[:, 0]), ylim=_padded(stacked[:, 1]), xticks=[], yticks=[])
    return figure


def aggregated(posterior: Array, prior: Array) -> Figure:
    """Draws of the aggregated posterior upon draws of the prior, both ``(N, D)``: in the posterior's two principal axes.

    Where they lie apart, samples come from places that no datum's code is near to.
    """
    (upper, lower), names = _in_plane(as_rows(posterior), as_rows(prior))
    figure, axes = single(3.9, None, *names)
    for xy, color, label in ((lower, PALETTE[1], "prior p(z)"), (upper, BLUE, "codes, z ~ q(z|x)")):
        scatter(axes, xy, s=7, color=color, alpha=0.45, linewidths=0, label=label)
    axes.set_aspect("equal", adjustable="datalim")
    legend(axes, marker_size=2, **ABOVE)
    return figure


def marginals(posterior: Array, prior: Array, order: Sequence[int]) -> Figure:
    """The same, one latent at a time: densities of draws ``(N, D)``, of the latents in ``order``."""
    upper, lower = as_rows(posterior), as_rows(prior)
    columns = min(len(order), 4)
    rows = -(-len(order) // columns)
    figure = blank(max(3.4, 1.15 * columns + 0.1), 1.15 * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, i in zip(panels.flat, order, strict=False):
        style(axes, None)
        axes.set_title(f"$z_{{{i + 1}}}$", fontsize=9, color=INK)
        edges = np.histogram_bin_edges(np.concatenate([upper[:, i], lower[:, i]]), bins=30).tolist()
        axes.hist(upper[:, i], bins=edges, density=True, color=BLUE, alpha=0.55, label="codes, z ~ q(z|x)")
        axes.hist(lower[:, i], bins=edges, density=True, histtype="step", color=PALETTE[1], label="prior p(z)")
        axes.set(yticks=[])
        axes.locator_params(axis="x", nbins=3)
    for axes in panels.flat[len(order) :]:
        axes.remove()
    look: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "labelcolor": MUTED, "ncols": 2}
    figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper left", **look)
    return figure


def pairs(z: Array, order: Sequence[int], y: Array | None = None) -> Figure:
    """Every pair of the latents in ``order``, each against each in a small scatter, in the colours of their labels."""
    codes, labels = as_rows(z)[:, list(order)], _few(y)
    n = len(order)
    figure = blank(WIDTH, WIDTH - 0.2)
    panels = figure.subplots(n - 1, n - 1, squeeze=False, sharex="col", sharey="row")
    for row in range(1, n):
        for column in range(n - 1):
            axes = panels[row - 1, column]
            if column >= row:
                axes.remove()
                continue
            style(
                axes,
                None,
                f"$z_{{{order[column] + 1}}}$" if row == n - 1 else "",
                "" if column else f"$z_{{{order[row] + 1}}}$",
            )
            for label, group, color in _groups(labels, len(codes)):
                look: dict[str, Any] = {"s": 4, "alpha": 0.7, "linewidths": 0, "color": color, "label": label}
                scatter(axes, codes[group][:, [column, row]], **look)
            axes.locator_params(nbins=4)
    if labels is not None:
        handles, names = panels[0, 0].get_legend_handles_labels()
        where = {"loc": "upper right"} if n > 2 else {"loc": "outside upper left", "ncols": 5}
        many: dict[str, Any] = {"ncols": 2 if len(names) > 5 else 1, "markerscale": 2.5, **where}
        figure.legend(handles, names, frameon=False, fontsize=8.5, labelcolor=MUTED, **many)
    return figure


def ellipses(mean: Array, covariance: Array, y: Array | None = None) -> Figure:
    """Posteriors as ellipses of one standard deviation, in the plane or in the two principal axes of their means.

    Args:
        mean: ``(N, D)``.
        covariance: ``(N, D, D)``.
        y: labels, by which they are coloured.
    """
    centres, spread, labels = as_rows(mean), as_array(covariance), _few(y)
    (xy,), names, directions = (*_in_plane(centres), _directions(centres))
    values, vectors = np.linalg.eigh(directions @ spread @ directions.T)
    widths = 2 * np.sqrt(values.clip(0))
    angles = np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1]))
    figure, axes = single(3.9, None, *names)
    for label, group, color in _groups(labels, len(xy)):
        sizes = (widths[group, 1], widths[group, 0], angles[group])
        look: dict[str, Any] = {"facecolors": (color, 0.2), "edgecolors": (color, 0.8), "linewidths": 0.8}
        bubbles = EllipseCollection(*sizes, units="xy", offsets=xy[group], offset_transform=axes.transData, **look)
        axes.add_collection(bubbles)
        axes.scatter([], [], s=30, color=color, alpha=0.6, linewidths=0, label=label)  # of the legend
    reach = widths.max(1, keepdims=True) / 2
    axes.update_datalim(np.concatenate([xy - reach, xy + reach]))
    axes.autoscale_view()
    axes.set_aspect("equal", adjustable="datalim")
    if labels is not None:
        legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _few(y: Array | None) -> np.ndarray | None:
    """Labels, where there are few enough of them to be told apart by colour."""
    labels = None if y is None else as_array(y).reshape(-1)
    return None if labels is None or len(np.unique(labels)) > len(PALETTE) else labels


def _in_plane(codes: np.ndarray, *others: np.ndarray) -> tuple[list[np.ndarray], tuple[str, str]]:
    """Vectors in the plane that shows most of the first ones, and what its axes are."""
    if codes.shape[1] == 1:
        place = [np.random.default_rng(0).random(len(z)) for z in (codes, *others)]
        return [np.column_stack([z, p]) for z, p in zip((codes, *others), place, strict=True)], ("$z$", "")
    if codes.shape[1] == 2:
        return [codes, *others], ("$z_1$", "$z_2$")
    explained = _principal(codes)[1]
    names = (f"PC 1 ({explained[0]:.0%} of the variance)", f"PC 2 ({explained[1]:.0%})")
    return [(z - codes.mean(0)) @ _directions(codes).T for z in (codes, *others)], names


def _directions(codes: np.ndarray) -> np.ndarray:
    if codes.shape[1] == 2:
        return np.eye(2)
    return principal_axes(codes)[0]


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
            yield f"{value:g}" if np.issubdtype(labels.dtype, np.number) else plain(value), labels == value, color


def principal_axes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two directions in which codes ``(N, L)``, L ≥ 2, vary most, ``(2, L)``, and their shares of the variance.

    Of one code, or of codes that are all the same, any directions, and shares of 0.
    """
    _, scale, directions = np.linalg.svd(codes - codes.mean(0), full_matrices=len(codes) == 1)
    variance = np.pad(scale, (0, 1))[:2] ** 2
    return directions[:2], variance / max(float((scale**2).sum()), 1e-30)


def _principal(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    directions, explained = principal_axes(codes)
    return (codes - codes.mean(0)) @ directions.T, explained


def _tsne(codes: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    if not np.ptp(codes, axis=0).any():
        return np.zeros((len(codes), 2))  # collapsed latents have no neighbours
    perplexity = min(30.0, (len(codes) - 1) / 3)
    return TSNE(perplexity=perplexity, max_iter=500, init="random", random_state=0).fit_transform(codes)
