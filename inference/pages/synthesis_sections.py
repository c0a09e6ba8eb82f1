"""What generators of pictures can be asked: truncation, styles of layers, noise, attention, and how they grew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pyrogen.data import Data
from pyrogen.figures import game_plots, plots
from pyrogen.inference.latents.paths import path_named
from pyrogen.inference.latents.walks import draw_latents
from pyrogen.inference.metrics.synthesis import truncation_curve
from pyrogen.inference.pages.panel import COUNTED, QUALITY, SAMPLES, History, Panel
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.quality.spaces import space_of
from pyrogen.kinds import is_picture

EACH, ROWS, STEPS = 8, 4, 9
DEPTHS = ("coarse", "middle", "fine")


def truncation(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What is traded for quality where latents keep to their centre: as a curve, and in pictures of the same draws."""
    if not is_picture(model.x_shape) or not model.truncations or len(data.test) < COUNTED // 10:
        return
    levels = [None, *model.truncations]
    names = ["whole" if level is None else f"{level:g}" for level in levels]
    few = data.test.spread(COUNTED)
    curve = truncation_curve(model, few, levels, 0, space_of(data, "pixels"))
    caption = (
        "Density, how closely samples keep to where data are, against coverage, the share of the data that have a sample "
        f"near, for {len(few)} samples at each truncation of the latents, by principal axes of pixels. Data have 1 of both, "
        "or a little less."
    )
    yield Panel(QUALITY, caption, "truncation", game_plots.trade(curve, names))
    shown = []
    for level in levels:
        with seeded(0, model.device):
            y = model.condition_for(data.test.spread(EACH).y)
            within = model.untruncated if level is None else level
            shown.append(model.sample(EACH if y is None else len(y), y, truncation=within))
    caption = "The same draws, each row with its latents truncated more tightly than the one above."
    yield Panel(SAMPLES, caption, "truncated", plots.strips(torch.stack(shown), data.kind, names))


def mixtures(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the coarse, the middle and the fine layers decide: their styles taken from other pictures."""
    own, others = (model.style(model.latent_prior().sample((n,))) for n in (ROWS, EACH))
    layers = torch.arange(model.style_layers, device=own.device)
    parts = torch.chunk(layers, len(DEPTHS))
    for name, part in zip(DEPTHS, parts, strict=False):
        taken = torch.isin(layers, part)[:, None]
        mixed = torch.where(taken, others[None, :, None], own[:, None, None]).flatten(0, 1)
        with seeded(0, model.device):
            plain = [_made(model, w) for w in (others, own)]
            grid = model.synthesize(mixed).unflatten(0, (ROWS, EACH))
        corner = torch.zeros_like(plain[0][:1])
        first = torch.cat([corner, plain[0]])
        rows = torch.cat([plain[1][:, None], grid], 1)
        caption = (
            f"The picture on the left with the styles of the picture above in its {name} layers, "
            f"{int(part[0]) + 1} to {int(part[-1]) + 1} of {model.style_layers}."
        )
        yield Panel(SAMPLES, caption, f"styles-{name}", plots.strips(torch.cat([first[None], rows]), data.kind))


def noise(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What is left to noise where all styles are held."""
    w = model.style(model.latent_prior().sample((ROWS,)))
    drawn = torch.stack([_made(model, w) for _ in range(EACH)], 1)
    spread = drawn.std(1).mean().item()
    caption = (
        f"Each row has the same styles, and each picture noise of its own: pixels have a standard deviation of {spread:.2g} "
        "by noise alone."
    )
    yield Panel(SAMPLES, caption, "noise", plots.strips(drawn, data.kind))


def ways(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The way between two pictures on an arc of z, and straight between their styles."""
    z = model.latent_prior().sample((ROWS,))
    t = torch.linspace(0, 1, STEPS, device=z.device)
    arc, line = path_named("slerp"), path_named("lerp")
    rows = []
    for a, b in z.unflatten(0, (-1, 2)):
        held = [n.expand(STEPS, -1, -1, -1) for n in model.draw_noise(1)]
        first, last = model.style(torch.stack([a, b])).split(1)
        inside = model.style(arc(a[None], b[None], t)), line(first, last, t)
        rows += [model.synthesize(_each(model, w), held) for w in inside]
    names = ["in z", "in w"] * (len(rows) // 2)
    caption = "From one picture to another: on an arc of their z, and straight between their styles."
    yield Panel(SAMPLES, caption, "ways", plots.strips(torch.stack(rows), data.kind, names))


def attention(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Where positions of a picture look."""
    y = model.condition_for(data.test.spread(ROWS).y)
    z = draw_latents(model, ROWS, y)
    x, weights = model.generate(z, y), model.attention(z, y)
    height, width = weights.shape[1:3]
    queries = {
        "the middle": (height // 2, width // 2),
        "above": (height // 4, width // 2),
        "left": (height // 2, width // 4),
    }
    columns = [x]
    for row, column in queries.values():
        found = weights[:, row, column].unsqueeze(1)
        found = interpolate(found / found.amax((2, 3), keepdim=True), x.shape[2:])
        columns.append(found.expand_as(x))
    caption = (
        "Samples, and how much the position named above each column attends to all others, white where most: of the "
        f"generator's layer of {height} × {width} positions."
    )
    figure = plots.strips(torch.stack(columns, 1), data.kind, columns=["sample", *queries])
    yield Panel(SAMPLES, caption, "attention", figure)


def growth(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The same draws at every size that the networks grew through."""
    z = model.latent_prior().sample((EACH,))
    shown = torch.stack([model.generate_at(level, z) for level in range(model.growths)])
    sides = [model.x_shape[-1] >> (model.growths - 1 - level) for level in range(model.growths)]
    caption = "The same draws at each size that the networks grew through, as the last weights make them."
    yield Panel(SAMPLES, caption, "growth", plots.strips(shown, data.kind, [f"{s} × {s}" for s in sides]))


def _each(model: Any, w: Tensor) -> Tensor:
    return w.unsqueeze(-2).expand(*w.shape[:-1], model.style_layers, -1)


def _made(model: Any, w: Tensor) -> Tensor:
    x: Tensor = model.synthesize(_each(model, w))
    return x
