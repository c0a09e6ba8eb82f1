"""Codebooks and their use: which entries stand for something, what each stands for, and what a code costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pyrogen.base import Batch
from pyrogen.data import Data
from pyrogen.figures import plots
from pyrogen.figures.shades import shades_of
from pyrogen.inference.metrics.codebooks import code_counts
from pyrogen.inference.objectives.quantization import log_prior
from pyrogen.inference.pages.panel import ADVICE, COUNTED, DECODED, LATENTS, SHOWN, History, Panel, gap
from pyrogen.kinds import SMALLEST, is_picture
from pyrogen.nets.codebook import perplexity

MAPPED, UNUSED = 8, 0.5


def codebook_use(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How often each entry of a codebook is in use, and whether most are."""
    for number, counts in enumerate(code_counts(model, data.test), start=1):
        level = (
            ""
            if len(model.books) == 1
            else f" {number} (of {model.grids[number - 1][0]} × {model.grids[number - 1][1]})"
        )
        used, k, idle = float(perplexity(counts)), len(counts), int((counts == 0).sum())
        caption = (
            f"The share of places in test data that each of the {k} entries of codebook{level} stands for; all alike each "
            f"would have {1 / k:.2g}. Their perplexity is {used:.3g}, and {idle} are idle."
        )
        yield Panel(
            LATENTS, caption, f"codebook-{number}", plots.bars(counts / counts.sum(), "entry", "share of places")
        )
        if used < UNUSED * k:
            yield Panel(
                ADVICE,
                f"Codebook{level} is used as if it had {used:.3g} entries instead of {k}: fewer codes would do, or a smaller "
                "code_size, a larger commitment, or a larger revive may put idle ones to use.",
            )


def code_maps(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Data, the grids of their codes, and what is decoded of these."""
    if not is_picture(model.x_shape):
        return
    part = data.test.spread(MAPPED)
    rows, names = [_shown(part.x, data)], ["data"]
    for number, (_, hot) in enumerate(model.quantize(part.x), start=1):
        entry = hot.argmax(-1).double() / (hot.shape[-1] - 1)
        rows.append(interpolate(entry.unsqueeze(1), model.x_shape[1:]).expand(-1, rows[0].shape[1], -1, -1))
        names.append("codes" if len(model.books) == 1 else f"codes {number}")
    rows.append(_shown(model.reconstruct(part.x, part.y), data))
    caption = (
        "Test data; the number of the entry that stands for each place as a grey value, which says no more than where "
        "entries are the same; the mean of p(x|z)."
    )
    shown = torch.stack([row.double().cpu() for row in rows])
    yield Panel(DECODED, caption, "codes", plots.strips(shown, "unit", [*names, "mean"]))


def dictionary(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the entries stand for: the mean of the pixels beneath them."""
    if not is_picture(model.x_shape):
        return
    x = _shown(data.test.spread(COUNTED).x, data).double().cpu()
    for number, (_, hot) in enumerate(model.quantize(data.test.spread(COUNTED).x), start=1):
        h, w = model.grids[number - 1]
        tall, wide = x.shape[2] // h, x.shape[3] // w
        patches = x.unflatten(3, (w, wide)).unflatten(2, (h, tall)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
        weights = hot.flatten(0, 2).double().cpu()
        counts = weights.sum(0)
        most = counts.argsort(descending=True)[: min(SHOWN, int((counts > 0).sum()))]
        means = (weights.T @ patches.flatten(1))[most] / counts[most, None]
        level = "" if len(model.books) == 1 else f" of level {number}"
        caption = (
            f"What the {len(most)} most used entries{level} stand for, the most used first: the mean of the {tall} × {wide} "
            "pixels beneath them. What else an entry says of its surroundings is not seen here."
        )
        shown = means.reshape(-1, *patches.shape[1:])
        larger = -(-SMALLEST // min(tall, wide))  # pixels a pixel
        shown = shown.repeat_interleave(larger, 2).repeat_interleave(larger, 3)
        figure = plots.image_grid(shown, "unit")
        yield Panel(DECODED, caption, f"dictionary-{number}", figure)


def code_length(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What a datum costs: its codes by the prior, and its elements by the decoder given them."""
    train, test = (
        (some, model.condition_for(some.y)) for some in (data.train.spread(COUNTED), data.test.spread(COUNTED))
    )
    costs = []
    for some, y in (train, test):
        code = -log_prior(model, Batch(some.x, y)).double()
        costs.append((code, -model.decode(model.code(some.x, y)).log_prob(some.x).double()))
    code, rest = costs[1]
    places = sum(h * w for h, w in model.grids)
    alike = sum(h * w * math.log2(book.codes) for (h, w), book in zip(model.grids, model.books, strict=True)) / places
    each = float(code.mean()) / places / math.log(2)
    yield Panel(
        LATENTS,
        f"A code of {places} places costs {float(code.mean()):.4g} nats, {each:.3g} bits a place where entries all alike "
        f"would cost {alike:.3g}; what it leaves open costs {float(rest.mean()):.4g} nats more. Together they are minus "
        f"a lower bound of log p(x), {-float((code + rest).mean()):.5g} nats: x has other codes, which the bound leaves out.",
    )
    difference, error = gap(code, costs[0][0])
    yield Panel(
        ADVICE,
        f"The code of a test datum costs {difference:.2g} ± {error:.1g} nats more than that of a training datum; a large "
        "difference is a prior that knows its codes by heart.",
    )


def _shown(x: Tensor, data: Data) -> Tensor:
    """Data as pictures between 0 and 1, channels first."""
    within = shades_of(data)
    return torch.from_numpy(plots.to_image(x, data.kind, within)).permute(0, 3, 1, 2)
