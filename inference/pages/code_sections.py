"""What a model with a posterior makes of data: reconstructions with their spread, and walks from code to code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pyrogen.data import Data, Split
from pyrogen.figures import plots
from pyrogen.figures.shades import shades, shades_of
from pyrogen.inference.latents.walks import aggregate, interpolate, traverse
from pyrogen.inference.pages.latent_sections import most_active
from pyrogen.inference.pages.panel import COUNTED, DECODED, SHOWN, History, Panel, told_of
from pyrogen.inference.programs.record import is_certain
from pyrogen.kinds import is_picture

PICTURED = 8
LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def reconstructions(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Data beside what their codes remember of them: the mean, and the standard deviation, of p(x|z) at their codes.

    Sentences are written elsewhere.
    """
    if data.vocabulary is not None:
        return
    if is_picture(model.x_shape):
        part = data.test.spread(PICTURED)
        rows, known = [part.x, model.reconstruct(part.x, part.y)], ["data", "mean"]
        within = shades_of(data)
        pictures = [torch.from_numpy(plots.to_image(x, data.kind, within)).permute(0, 3, 1, 2) for x in rows]
        spread = _spread(model, part)
        words = ""
        if spread is not None:
            pictures.append((spread / spread.max().clamp(min=1e-12)).double().cpu())
            known.append("spread")
            low, high = float(spread.min()), float(spread.max())
            words = f" Spread is the standard deviation of p(x|z): black 0, white {high:.2g}; the least is {low:.2g}."
        figure = plots.strips(torch.stack(pictures), "unit", known)
        caption = f"Test data, and the mean of p(x|z) at their codes.{words}"
    else:
        part = data.test.spread(SHOWN)
        figure = plots.reconstructions(part.x, model.reconstruct(part.x, part.y), data.kind)
        caption = "Test data, and the mean of p(x|z) at their codes."
    yield Panel(DECODED, caption, "reconstructions", figure)


def _spread(model: Any, part: Split) -> Tensor | None:
    """The standard deviation of p(x|z) at data's codes, where it has one that is known and is no constant."""
    try:
        spread: Tensor = model.decode(model.code(part.x, part.y), told_of(model, part)).stddev
    except NotImplementedError:
        return None
    return spread if torch.isfinite(spread).all() and float(spread.max() - spread.min()) > 0 else None


def interpolations(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Straight lines between the codes of data."""
    part = data.test.spread(12)
    half = len(part) // 2
    if not is_picture(model.x_shape) or not half:
        return
    first, second, y = part.x[:half], part.x[half : 2 * half], told_of(model, part)
    walked = interpolate(model, first, second, y=None if y is None else (y[:half], y[half : 2 * half]))
    framed = torch.cat([first.unsqueeze(1), walked, second.unsqueeze(1)], 1)
    within = shades_of(data)
    columns = ["data", *[""] * walked.shape[1], "data"]
    caption = "Means of p(x|z) on the straight line between the codes of two test data, which stand at its ends."
    yield Panel(DECODED, caption, "interpolations", plots.strips(framed, data.kind, columns=columns, within=within))


def traversals(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What each of the most active latents does to a picture."""
    part = data.test.spread(COUNTED)
    # entries of codebooks change as a whole, and no coordinate of a one-hot vector moves by itself
    if (
        not is_picture(model.x_shape)
        or len(part) < 2
        or is_certain(model.encode(part.x[:1], None if part.y is None else part.y[:1]))
    ):
        return
    codes, draws = model.code(part.x, part.y), aggregate(model, part.x, part.y)
    order, by = most_active(model, codes.flatten(1), history, 8)
    offsets = torch.linspace(-3, 3, 9, device=draws.device)
    values = draws.mean(0)[order, None] + draws.std(0)[order, None] * offsets
    rows = [f"z{str(i + 1).translate(LOWERED)}" for i in order]
    columns = [f"{o:g}".replace("-", "−") if i % 2 == 0 else "" for i, o in enumerate(offsets.tolist())]
    caption = (
        f"Each row moves one latent of the first test datum's code from −3 to 3 standard deviations of all codes around "
        f"their mean; the most active by {by} come first."
    )
    y = told_of(model, part.take(1))
    within = shades(part, data.kind)
    moved = traverse(model, codes[0], order, values, None if y is None else y[0])
    yield Panel(DECODED, caption, "traversals", plots.strips(moved, data.kind, rows, columns, within))
