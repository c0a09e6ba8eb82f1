"""What a model generates: beside data, by class, beside its nearest training data, and mode by mode where these are known."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from pyrogen.axes import Prior
from pyrogen.base import HasPosterior
from pyrogen.capabilities import HasDiffusion
from pyrogen.data import Data
from pyrogen.figures import plots
from pyrogen.figures.shades import shades, shades_of
from pyrogen.inference.latents.walks import interpolate
from pyrogen.inference.pages.panel import ADVICE, COVERAGE, SAMPLES, SHOWN, History, Panel, whole_rows
from pyrogen.inference.quality.modes import raw_values
from pyrogen.inference.quality.side_by_side import by_the_same_draws
from pyrogen.kinds import is_picture, is_shown, kind_named

EACH, CLASSES, BESIDE, TRAINED, COMPARED = 10, 20, 8, 10_000, 500


def samples(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the model generates, beside data; means too, where p(x|z) adds noise. Sentences and paths are elsewhere."""
    if not kind_named(data.kind).vectors:
        return
    part = data.test.spread(2500 if math.prod(model.x_shape) == 2 else _shown(model))
    drawn = _drawn(model, len(part), model.condition_for(part.y))
    given = ", given the y of test data" if model.condition_for(part.y) is not None else ""
    if not is_shown(model.x_shape):
        holes = "" if whole_rows(part.x).all() else "; what is missing of them is grey"
        caption = f"{len(part)} samples of the model{given}, and as many test data{holes}."
        yield Panel(SAMPLES, caption, "samples", plots.samples(drawn["samples"], data.kind, part.x))
        return
    within = shades_of(data)
    yield Panel(SAMPLES, f"{len(part)} test data.", "data", plots.samples(part.x, data.kind, within=within))
    yield from _pictures(model, drawn, data.kind, given, within)


def alone(model: Any, kind: str) -> Iterator[Panel]:
    """What the model generates, where its data are not to be had."""
    drawn = _drawn(model, _shown(model), None)
    if is_shown(model.x_shape):
        yield from _pictures(model, drawn, kind, "")
    else:
        figure = plots.samples(drawn["samples"], kind)
        yield Panel(SAMPLES, f"{len(drawn['samples'])} samples of the model.", "samples", figure)


def _shown(model: Any) -> int:
    """How many of its data a page shows: fewer clips than pictures."""
    return SHOWN // 4 if len(model.x_shape) == 4 else SHOWN


def _drawn(model: Any, n: int, y: Tensor | None) -> dict[str, Tensor]:
    sample, mean = functools.partial(model.sample, n, y), functools.partial(model.sample_mean, n, y)
    samples, means = by_the_same_draws(sample, mean, 0, model.device)
    return {"samples": samples} | ({} if means is None else {"means": means})


def _pictures(
    model: Any, drawn: Mapping[str, Tensor], kind: str, given: str, within: plots.Shades | None = None
) -> Iterator[Panel]:
    proper = all(prior.proper for prior in model.modules() if isinstance(prior, Prior))
    source = "" if proper else ", z drawn from a normal distribution fitted to the codes"
    captions = {"samples": f"{len(drawn['samples'])} samples of the model{given}{source}.", "means": _means_are(model)}
    for name, x in drawn.items():
        yield Panel(SAMPLES, captions[name], name, plots.samples(x, kind, within=within))


def _means_are(model: Any) -> str:
    if isinstance(model, HasDiffusion):
        return (
            "The means of p(x|z₀) at the same draws of all steps: the same samples without the noise of the last one."
        )
    noise = "p(x|z)" if isinstance(model, HasPosterior) else "the likelihood"
    return f"The means of {noise} at the same draws: the same samples before noise is added to each pixel."


def classes(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the model generates when it is told a class."""
    count = model.condition.classes if model.condition is not None and not model.condition.shape else None
    if count and is_picture(model.x_shape):
        cut = f", the first {CLASSES} of {count:,}" if count > CLASSES else ""
        rows = [data.class_names[k] if k < len(data.class_names) else str(k) for k in range(min(count, CLASSES))]
        given = torch.arange(len(rows), device=model.device).repeat_interleave(EACH)
        drawn = model.sample_mean(len(given), given).unflatten(0, (-1, EACH))
        figure = plots.strips(drawn, data.kind, rows=rows, within=shades_of(data))
        yield Panel(SAMPLES, f"Each row is given another class{cut}.", "classes", figure)


def neighbours(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Whether samples repeat training data: how near these are, against how near they are to held-out data."""
    test, train = data.test.spread(COMPARED), data.train.spread(TRAINED).x.flatten(1)
    # numbers of words, say, are no places between which there are distances
    if math.prod(model.x_shape) <= 2 or model.missing or not len(test) or not kind_named(data.kind).vectors:
        return
    drawn = model.sample(len(test), model.condition_for(test.y)).flatten(1)
    near, held = (torch.cdist(x.float(), train.float()).amin(1) for x in (drawn, test.x.flatten(1)))
    if is_picture(model.x_shape):
        shown = model.sample_mean(BESIDE, model.condition_for(test.spread(BESIDE).y))
        nearest = train[torch.cdist(shown.flatten(1).float(), train.float()).argmin(1)].reshape(shown.shape)
        names, within = ["generated", "nearest in\ntraining data"], shades(test, data.kind)
        figure = plots.strips(torch.stack([shown, nearest]), data.kind, names, within=within)
        caption = "What is generated, and below each the training datum that is nearest to it, by Euclidean distance."
        yield Panel(SAMPLES, caption, "neighbours", figure)
    copies = float((near < held.min()).double().mean())
    caption = (
        f"How far {len(near)} samples, and {len(held)} test data, are from the nearest of {len(train)} training data. "
        f"Samples that copy training data would lie left of all test data: {copies:.0%} do."
    )
    named = {"test data": held, "samples": near}
    figure = plots.histograms(named, "distance to the nearest training datum")
    yield Panel(SAMPLES, caption, "distances", figure)
    if copies > 0.2:
        yield Panel(
            ADVICE,
            f"{copies:.0%} of the samples are nearer to a training datum than any test datum is: the model may repeat what "
            "it was trained on, or generate what is more alike than data are.",
        )


def coverage(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Whether samples cover the modes, where these are known."""
    oracle = data.oracle
    # one that must be taught first is asked by the metric mode-coverage
    if oracle is None or oracle.taught_on:
        return
    held = data.test.spread(2500)
    draw = model.sample_mean if is_shown(model.x_shape) else model.sample
    drawn = draw(len(held), model.condition_for(held.y))
    found = {
        "the model": oracle.coverage(raw_values(drawn, data)),
        "the data": oracle.coverage(raw_values(held.x, data)),
    }
    rows = [("samples of", f"modes covered of {len(oracle.weights)}", "of high quality", "KL of modes, nats")]
    rows += [(k, str(v["modes"]), f"{v['high_quality']:.3f}", f"{v['kl']:.4f}") for k, v in found.items()]
    caption = (
        f"{len(held)} samples, and as many test data. One of high quality is {oracle.good}; a mode is covered by "
        f"{oracle.least} of them; the KL is that of the shares of modes from those of the law."
    )
    yield Panel(COVERAGE, caption, table=rows)


def walks(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Straight lines between latents, of models that generate from them and encode nothing."""
    if isinstance(model, HasPosterior) or not is_picture(model.x_shape):
        return
    y = data.test.spread(6).y
    given = model.condition_for(None if y is None else y[torch.arange(6) % len(y)].to(model.device))
    z = model.latent_prior().sample((12,))
    walked = interpolate(model, z[:6], z[6:], steps=10, y=None if given is None else (given, given))
    same = "" if given is None else ", all of it given the same y"
    caption = f"What is generated on the straight line between two draws of z, a row for each two{same}."
    yield Panel(SAMPLES, caption, "walks", plots.strips(walked, data.kind, within=shades_of(data)))
