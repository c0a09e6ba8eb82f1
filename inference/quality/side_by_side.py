"""What a model makes of pictures that it is given, side by side with the answers; and samples beside their means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import interpolate

from pyrogen.conditions import Condition
from pyrogen.data import Split
from pyrogen.figures import plots
from pyrogen.figures.shades import shades
from pyrogen.inference.programs.contexts import seeded
from pyrogen.kinds import is_picture

BESIDE, AGAIN = 8, 3


def shows_given(model: Any, part: Split) -> bool:
    """Whether a model makes pictures of pictures."""
    pictured = model.is_told and model.condition.picture is not None
    return pictured and is_picture(model.x_shape) and part.y is not None


def given_and_made(model: Any, part: Split, kind: str) -> Figure:
    """Rows of y, of draws, and of x."""
    assert part.y is not None
    given = part.y.to(model.device)
    with seeded(0, model.device):
        made = [model.sample_mean(len(part), given).to(part.x.device) for _ in range(AGAIN)]
    rows = [shown(part.y, model.condition, part.x), *made, part.x]
    names = ["given", *["made"] * AGAIN, "truth"]
    within = shades(part, kind)
    pictures = [torch.from_numpy(plots.to_image(row, kind, within)).permute(0, 3, 1, 2) for row in rows[1:]]
    return plots.strips(torch.stack([rows[0].cpu(), *pictures]), "unit", names)


def shown(y: Tensor, condition: Condition, x: Tensor) -> Tensor:
    """y as pictures in [0, 1] of the size and the channels of x; a layout in as many shades as it has classes."""
    if condition.classes is not None:
        seen = y.unsqueeze(1).float() / (condition.classes - 1)
    else:
        seen = y.reshape(len(y), *(condition.picture or ())).float()
        low, high = min(0.0, float(seen.min())), max(1.0, float(seen.max()))
        seen = (seen - low) / (high - low)
    if seen.shape[1] != x.shape[1]:
        seen = seen.mean(1, keepdim=True).expand(-1, x.shape[1], -1, -1)
    return seen if seen.shape[-2:] == x.shape[-2:] else interpolate(seen, x.shape[-2:], mode="nearest")


def by_the_same_draws(
    samples: Callable[[], Tensor], means: Callable[[], Tensor], seed: int, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Samples, and their means at the same draws of z; None of a model that adds no noise to what it means."""
    drawn = []
    for draw in (samples, means):
        with seeded(seed, device):
            drawn.append(draw())
    x, mean = drawn
    return x, None if torch.equal(x.nan_to_num(), mean.nan_to_num()) else mean
