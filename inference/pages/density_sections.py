"""What a report shows of models of x given y: densities, what intervals hold, and how far from the truth they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pyrogen.capabilities import HasODE
from pyrogen.data import Data
from pyrogen.data.regression import Arm
from pyrogen.data.split import evenly
from pyrogen.figures import density_plots
from pyrogen.inference.metrics.regression import ranks, thirds
from pyrogen.inference.pages.panel import DENSITY, History, Panel, below_the_law

SIDE, SHOWN, STRIP, DRAWS, FEW = 160, 500, 8, 99, 4
# where each density follows a differential equation, a picture needs neither so many points nor so exact ones
COARSE, TOLERANCE = 64, 1e-3


def conditional_density(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """p(x|y) as an image: over x and y where both are numbers, over the plane of x at some y where x is two numbers."""
    part = data.test.spread(2000)
    told, size = part.y, math.prod(model.x_shape)
    if model.condition is None or told is None or data.kind not in ("real", "unit", "angle"):
        return
    if size == 1 and model.condition.classes is None and model.condition.size == 1:
        across, up = _grid(told), _grid(part.x)
        y, x = (t.reshape(-1) for t in torch.meshgrid(across, up, indexing="xy"))
        shown = model.log_prob(x.reshape(-1, *model.x_shape), y.reshape(-1, *model.condition.shape)).exp()
        few = evenly(len(told), SHOWN)
        points = told[few].flatten(), part.x[few].flatten()
        caption = f"The density p(x|y) of the model over y and x, and {len(points[0])} test data."
        figure = density_plots.density_image(shown.reshape(SIDE, SIDE), _extent(across, up), *points)
        yield Panel(DENSITY, caption, "conditional-density", figure)
    elif size == 2:
        given = data.test.spread(STRIP).y
        assert given is not None
        yield _strip(model, data, part.x.flatten(1), given)


def _strip(model: Any, data: Data, x: Tensor, y: Tensor) -> Panel:
    first, second = (_grid(column) for column in x.unbind(1))
    plane = torch.stack(torch.meshgrid(first, second, indexing="xy"), -1).reshape(-1, *model.x_shape)
    nats = [model.log_prob(plane, one.expand(len(plane), *one.shape)).reshape(SIDE, SIDE) for one in y]
    drawn = model.sample(100 * len(y), y.repeat_interleave(100, 0)).reshape(len(y), 100, 2)
    titles = [f"test datum {n + 1}" for n in evenly(len(data.test), STRIP).tolist()]
    if y[0].numel() <= FEW:
        titles = [f"y = {', '.join(f'{v:.2g}' for v in one.flatten().tolist())}".replace("-", "−") for one in y]
    marks = {"both solutions": Arm().inverse(y)} if data.source == "arm" else None
    caption = (
        f"The density p(x|y) of the model over the plane of x, given the y of {len(y)} test data, and 100 samples each; dark "
        f"where it is high, white where it is {density_plots.DEPTH:g} nats below its highest point."
    )
    figure = density_plots.density_strip(torch.stack(nats), _extent(first, second), drawn, titles, marks)
    return Panel(DENSITY, caption, "conditional-density", figure)


def plane(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """p(x) over the plane of x, beside data and samples."""
    if model.condition is not None or math.prod(model.x_shape) != 2 or data.kind not in ("real", "unit"):
        return
    x, drawn = data.test.spread(2000).x.flatten(1), model.sample(SHOWN).flatten(1)
    # a model that is wider than the data is all dark where these are
    side = COARSE if isinstance(model, HasODE) else SIDE
    first, second = (_grid(column, side) for column in torch.cat([x, drawn]).unbind(1))
    points = torch.stack(torch.meshgrid(first, second, indexing="xy"), -1).reshape(-1, *model.x_shape)
    nats = model.log_prob_along(points, TOLERANCE) if isinstance(model, HasODE) else model.log_prob(points)
    caption = (
        f"The density p(x) of the model over the plane of x, and {SHOWN} of its samples; dark where it is high, white where "
        f"it is {density_plots.DEPTH:g} nats below its highest point."
    )
    figure = density_plots.density_strip(
        nats.reshape(1, side, side), _extent(first, second), drawn.unsqueeze(0), ["p(x)"]
    )
    yield Panel(DENSITY, caption, "density", figure)


def intervals(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Whether central intervals of p(x|y) hold what they promise, in each third of y."""
    part = data.test.spread(1000)
    y = part.y
    few = model.condition is not None and max(model.condition.size, math.prod(model.x_shape)) <= FEW
    if not few or y is None or not y.is_floating_point():
        return
    below = ranks(model, part, DRAWS, seed=0).double()
    cuts = torch.arange(1, (DRAWS + 1) // 2, 3)
    levels = 1 - 2 * cuts / (DRAWS + 1)
    held = ((below.unsqueeze(-1) >= cuts) & (below.unsqueeze(-1) <= DRAWS - cuts)).double().mean(1)
    names = ("lower third of $y$", "middle third", "upper third")
    groups = {name: held[rows].mean(0) for name, rows in zip(names, thirds(y.flatten(1)[:, 0]), strict=True)}
    caption = (
        f"Fractions of {len(part)} test data that lie in central intervals of p(x|y), against what these promise, by the "
        "first number of y: on the line they are calibrated, above it too wide, below it too narrow."
    )
    yield Panel(DENSITY, caption, "intervals", density_plots.calibration(levels, groups))


def law(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How far the model is below the law that the data come from, where it is known."""
    if data.law is None or data.standardize or (data.law.conditional and model.condition is None):
        return
    test = data.test
    told = model.condition_for(test.y)
    own = model.log_prob(test.x, told).double().cpu().numpy()
    yield below_the_law(data.law.log_prob(test.x, told), own, "the model")


def _grid(values: Tensor, side: int = SIDE) -> Tensor:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low)
    return torch.linspace(low - margin, high + margin, side, device=values.device)


def _extent(across: Tensor, up: Tensor) -> tuple[float, float, float, float]:
    return float(across[0]), float(across[-1]), float(up[0]), float(up[-1])
