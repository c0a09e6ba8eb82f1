"""What a report shows of diffusions: data under noise, what the model sees in them, and what each step costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

from pyrogen.capabilities import HasGaps
from pyrogen.data import Data
from pyrogen.figures import diffusion_plots, plots
from pyrogen.figures.shades import shades_of
from pyrogen.inference.pages.panel import DECODED, DENSITY, History, Panel
from pyrogen.kinds import is_picture

ROWS, COUNTED, DRAWN = 3, 200, 4
FILLED, KNOWN = 8, 0.25
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of all steps


def noisy(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Test data under more and more noise, and below each what the model takes them for."""
    steps = sorted({round(share * model.steps) for share in SHARES})
    plane = math.prod(model.x_shape) == 2
    if not plane and not is_picture(model.x_shape):
        return
    part = data.test.spread(COUNTED if plane else ROWS)
    y = model.condition_for(part.y)
    shown = []
    for step in steps:
        at = torch.full((len(part),), step, device=part.x.device)
        z = model.add_noise(part.x, at)
        shown.append((z, model.denoise(z, at, y)))
    shown = [(z.nan_to_num(float(part.x.max() + part.x.min()) / 2), seen) for z, seen in shown] if not plane else shown
    names = [f"step {step}" for step in steps]
    if plane:
        noise, seen = ({name: pair[k] for name, pair in zip(names, shown, strict=True)} for k in (0, 1))
        caption = (
            f"{len(part)} test data with noise as after so many of {model.steps} steps, grey, and what the model takes them "
            "for, blue."
        )
        yield Panel(DECODED, caption, "denoised", diffusion_plots.denoised(seen, noise))
        return
    # noise reaches farther than data, and is stretched by itself
    scaled = [
        plots.to_image(torch.stack([pair[k] for pair in shown], 1).flatten(0, 1), data.kind, within)
        for k, within in enumerate((None, shades_of(data)))
    ]
    rows = [torch.from_numpy(x).permute(0, 3, 1, 2).unflatten(0, (len(part), -1)) for x in scaled]
    strip = torch.stack(rows, 1).flatten(0, 1)
    caption = (
        f"Test data with noise as after so many of {model.steps} steps, and below each what the model takes it for."
    )
    labels = ["with noise", "seen as"] * len(part)
    yield Panel(DECODED, caption, "denoised", plots.strips(strip, "unit", labels, names))


def gaps(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Pictures of which pixels here and there are known, and the others drawn given them."""
    part, fills = data.test.spread(FILLED), isinstance(model, HasGaps)
    if not fills or not is_picture(model.x_shape) or not len(part):
        return
    seen = torch.rand(model.x_shape[1:], generator=torch.Generator().manual_seed(0)) < KNOWN
    y = model.condition_for(part.y)
    middle = (part.x.max() + part.x.min()) / 2
    drawn = [model.fill(part.x, seen, y)[0] for _ in range(3)]
    strip = torch.stack([part.x, torch.where(seen.to(part.x.device), part.x, middle), *drawn])
    figure = plots.strips(strip, data.kind, ["data", "seen", *["drawn"] * 3])
    caption = (
        f"{len(part)} test data of which {KNOWN:.0%} of the pixels are seen, and the rest drawn given them, thrice."
    )
    yield Panel(DECODED, caption, "gaps", figure)


def costs(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the bound is made of, step by step, in nats."""
    part = data.test.spread(COUNTED)
    x = part.x.repeat_interleave(DRAWN, 0)
    y = model.condition_for(part.y)
    told = None if y is None else y.repeat_interleave(DRAWN, 0)
    prior, reconstruction = (float(nats.mean()) for nats in (model.prior_nats(x), model.reconstruction_nats(x)))
    each = [model.step_nats(x, torch.full((len(x),), i, device=x.device), told) for i in range(1, model.steps + 1)]
    steps = [float(nats.mean()) for nats in each]
    raw = -float(part.log_jacobians().mean())
    total = prior + sum(steps) + reconstruction + raw
    rows = [("part", "nats a datum", "nats a dimension")]
    named = {"prior": prior, "diffusion": sum(steps), "reconstruction": reconstruction}
    if data.standardize:
        named["standard deviations, of raw values"] = raw
    named["−ELBO"] = total
    rows += [(name, f"{nats:.4g}", f"{nats / math.prod(model.x_shape):.4g}") for name, nats in named.items()]
    caption = (
        f"What the bound is made of, for {len(part)} test data: what noise still tells of them at the last step, what each "
        f"of {model.steps} steps costs, and what is left to the first. Of densities nats may be negative."
    )
    yield Panel(DENSITY, caption, table=rows)
    caption = "What each step costs, from the nearly clean to the noisiest."
    yield Panel(DENSITY, caption, "step-costs", diffusion_plots.step_costs(steps))
