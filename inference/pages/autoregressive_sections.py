"""What a report shows of models that draw one pixel after the other: what each sees, what each costs, and what follows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pyrogen.data import Data
from pyrogen.figures import plots
from pyrogen.inference.pages.panel import DECODED, DENSITY, History, Panel
from pyrogen.kinds import is_picture

SHOWN = 8
UNSEEN, SEEN, SELF = (0.93, 0.93, 0.93), (0.12, 0.35, 0.65), (0.85, 0.2, 0.1)


def receptive_fields(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the conditionals of a few pixels see, by gradient."""
    if not is_picture(model.x_shape):
        return
    _, h, w = model.x_shape
    pixels = {"near the top": (h // 5, w // 2), "in the middle": (h // 2, w // 2), "at the edge": (3 * h // 4, w - 1)}
    fields = [model.receptive_field(pixel).sum(0) for pixel in pixels.values()]
    figure = plots.strips(
        torch.stack([_drawn(field, pixel) for field, pixel in zip(fields, pixels.values(), strict=True)])[None],
        "unit",
        columns=list(pixels),
    )
    share = float((fields[1] > 0).sum()) / (h * w)
    caption = (
        "What the probability of a pixel (red) depends on, by the gradients of its parameters: the darker the more, grey is "
        f"exactly 0. Of all pixels the one in the middle sees {share:.0%}."
    )
    yield Panel(DENSITY, caption, "receptive-fields", figure)


def bits(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Where in a picture the bits are: of each pixel given those before it, and summed up to there."""
    part = data.test.spread(SHOWN)
    if not is_picture(model.x_shape) or not len(part):
        return
    cost = -model.log_conditionals(part.x, model.condition_for(part.y)) / math.log(2)
    sums = torch.zeros_like(cost)
    rows, columns = zip(*dict.fromkeys(place.pixel for place in model.places), strict=True)
    sums[:, rows, columns] = cost[:, rows, columns].cumsum(1)
    shown = torch.stack([_grey(part.x, data.kind), _scaled(cost.clamp(min=0)), _scaled(sums)])
    figure = plots.strips(shown, "unit", ["data", "bits", "partial\nsums"])
    total, pixels = cost.flatten(1).sum(1), cost[0].numel()
    caption = (
        f"The bits that each pixel of {len(part)} test data costs given those before it, and their partial sums in the "
        f"order in which pixels are drawn; white is most. In all they cost {float(total.min()):.1f} to "
        f"{float(total.max()):.1f} bits, {float(total.mean()) / pixels:.3f} a pixel."
    )
    yield Panel(DENSITY, caption, "bits", figure)


def completions(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Pictures of which the upper half is known, continued several times."""
    part = data.test.spread(SHOWN)
    if not is_picture(model.x_shape) or not len(part):
        return
    upper = [place.pixel[0] < model.x_shape[1] // 2 for place in model.places]
    known, y = sum(upper), model.condition_for(part.y)
    if not all(upper[:known]):  # the upper half is not what is drawn first
        return
    drawn = [model.complete(part.x, known, y) for _ in range(3)]
    figure = plots.strips(torch.stack([part.x, *drawn]), data.kind, ["data", *["drawn"] * 3])
    caption = f"{len(part)} test data of which the upper half is known, and the lower drawn given it, three times."
    yield Panel(DECODED, caption, "completions", figure)


def _drawn(field: Tensor, pixel: tuple[int, int]) -> Tensor:
    """A field as a picture in colour: grey where it is 0, else at least a shade."""
    strength = torch.where(field > 0, 0.25 + 0.75 * (field / field.max().clamp(min=1e-30)).sqrt(), 0.0)
    ends = torch.tensor([UNSEEN, SEEN], dtype=field.dtype, device=field.device)[..., None, None]
    picture = ends[0] + strength * (ends[1] - ends[0])
    picture[:, pixel[0], pixel[1]] = torch.tensor(SELF, dtype=field.dtype, device=field.device)
    return picture


def _scaled(values: Tensor) -> Tensor:
    """``(N, H, W)`` as grey pictures of one scale."""
    return (values / values.max().clamp(min=1e-12)).unsqueeze(1)


def _grey(x: Tensor, kind: str) -> Tensor:
    shown = torch.from_numpy(plots.to_image(x, kind)).permute(0, 3, 1, 2)
    return shown.mean(1, keepdim=True).to(x)
