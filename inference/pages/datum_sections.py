"""How each datum fares, by the score that a model can give it: the best and the worst, and class by class."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyrogen.base import HasClassifier, HasFreeEnergy, HasLogProb, HasPosterior, Pair
from pyrogen.capabilities import HasDiffusion
from pyrogen.data import Data, Split
from pyrogen.figures import plots
from pyrogen.figures.shades import shades
from pyrogen.inference.evidence.comparison import standard_error
from pyrogen.inference.evidence.estimator import log_evidence
from pyrogen.inference.evidence.weights import log_weights
from pyrogen.inference.latents.measured import share
from pyrogen.inference.pages.panel import DENSITY, History, Panel, labels_of
from pyrogen.kinds import is_picture, is_shown

JUDGED, WEIGHED, EXTREMES, CLASSES = 500, 50, 8, 30


def _log_prob(model: Any, part: Split) -> Tensor:
    found: Tensor = model.log_prob(part.x, model.condition_for(part.y)).double().cpu()
    return found + _of_raw(part)


def _of_raw(part: Split) -> Tensor:
    """What makes of log p(x) the log-density of the raw values, in which scores are."""
    return torch.from_numpy(part.log_jacobians())


def _bound(model: Any, part: Split) -> Tensor:
    weights = log_weights(model, part.x, WEIGHED, seed=0, y=model.condition_for(part.y))
    return torch.from_numpy(np.logaddexp.reduce(weights.values, 0) - math.log(WEIGHED)) + _of_raw(part)


def _sum_of_steps(model: Any, part: Split) -> Tensor:
    found = log_evidence(model, part.x, "DiffusionELBO", y=model.condition_for(part.y))
    return torch.from_numpy(found["log_evidence"].values) + _of_raw(part)


def _negative_energy(model: Any, part: Split) -> Tensor:
    found: Tensor = -model.free_energy(part.x)
    return found


def _negative_error(model: Any, part: Split) -> Tensor:
    squares: Tensor = (model.reconstruct(part.x, part.y) - part.x).flatten(1) ** 2
    return -squares.nanmean(1).sqrt()


# the first that a model has is taken
JUDGES: Sequence[tuple[type, Callable[[Any, Split], Tensor], str, str]] = (
    (HasLogProb, _log_prob, "log p(x), nats", "their log p(x)"),
    (HasFreeEnergy, _negative_energy, "−F(x), nats", "the negative free energy, which is log p(x) but for a constant"),
    (HasDiffusion, _sum_of_steps, "bound on log p(x), nats", "a lower bound on log p(x), the sum over all steps"),
    (Pair, _bound, "bound on log p(x), nats", f"a lower bound on log p(x) by {WEIGHED} draws of the guide"),
    (HasPosterior, _negative_error, "−RMSE", "the negative error of its reconstruction"),
)


def judged(model: Any, part: Split) -> tuple[Tensor, str, str] | None:
    """A score of each datum, the higher the better, its name on an axis, and in words; None where a model has none."""
    law = "log p(x|y)" if model.is_told else "log p(x)"
    for capability, judge, label, words in JUDGES:
        if isinstance(model, capability):
            try:
                scores = judge(model, part).double().cpu()
            except (ValueError, NotImplementedError):
                continue  # of a model that has it for other data, or for fewer units, only
            return scores, label.replace("log p(x)", law), words.replace("log p(x)", law)
    return None


def extremes(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The data that the model finds best and worst, and the classes that it finds best and worst."""
    part = data.test.spread(JUDGED)
    found = judged(model, part) if len(part) else None
    if found is None:
        return
    scores, label, words = found
    finite = torch.isfinite(scores)
    ranked = torch.where(finite, scores, -math.inf).argsort(descending=True, stable=True)
    best, worst = ranked[:EXTREMES], ranked.flip(0)[:EXTREMES]
    if is_shown(model.x_shape) and len(part) >= 2 * EXTREMES:
        within = shades(part, data.kind)
        both, names = [part.x[best], part.x[worst]], ["best", "worst"]
        if is_picture(model.x_shape):
            figure = plots.strips(torch.stack(both), data.kind, names, within=within)
        else:  # clips are long
            figure = plots.strips(torch.stack(both, 1), data.kind, columns=names, within=within)
        caption = (
            f"Of {len(part)} test data those with the best scores ({_range(scores[best])}) and those with the worst "
            f"({_range(scores[worst])}), by {words}."
        )
        yield Panel(DENSITY, caption, "extremes", figure)
    elif math.prod(model.x_shape) == 2 and finite.all():
        caption = f"{len(part)} test data, each by {words}."
        yield Panel(DENSITY, caption, "extremes", plots.scored_points(part.x, scores, label))
    elif math.prod(model.x_shape) > 2 and len(part) >= 2 * EXTREMES:
        named = {"best": part.x[best].numpy(), "worst": part.x[worst].numpy()}
        caption = f"The {EXTREMES} test data with the best scores, and the {EXTREMES} with the worst, by {words}."
        yield Panel(DENSITY, caption, "extremes", plots.heat_maps(named, data.kind))
    yield from _by_class(part, data, scores, label, words)


def _by_class(part: Split, data: Data, scores: Tensor, label: str, words: str) -> Iterator[Panel]:
    labels = labels_of(part, data)
    names = [] if labels is None else [name for name in np.unique(labels) if (labels == name).sum() > 1]
    if not 2 <= len(names) <= CLASSES:
        return
    groups = [scores.numpy()[labels == name] for name in names]
    means, errors = [g.mean() for g in groups], [standard_error(g) for g in groups]
    caption = f"Means of {words}, class by class, over {len(part)} test data, with their standard errors."
    figure = plots.class_bars([str(name) for name in names], means, errors, label)
    yield Panel(DENSITY, caption, "classes-scores", figure)


def classified(model: HasClassifier, data: Data, history: History) -> Iterator[Panel]:
    """How often the model's own classifier is right, class by class."""
    part = data.test.known().spread(2000)
    labels = labels_of(part, data) if len(part) else None
    if part.y is None or labels is None:
        return
    right = (model.classify(part.x).probs.argmax(-1) == part.y).cpu()
    every = np.unique(labels)
    names = every[:CLASSES]
    shares = [share(right[torch.from_numpy(labels == name)]) for name in names]
    cut = f"; the bars are of the first {CLASSES} of {len(every):,} classes" if len(every) > CLASSES else ""
    of_all = f"{right.double().mean():.1%} of all{cut}"
    caption = f"How often the model's own classifier is right on {len(part)} test data: {of_all}."
    values, errors = [s.value for s in shares], [s.error for s in shares]
    figure = plots.class_bars([str(n) for n in names], values, errors, "fraction right")
    yield Panel(DENSITY, caption, "classified", figure)


def _range(scores: Tensor) -> str:
    low, high = (f"{float(v):.3g}".replace("-", "−") for v in (scores.min(), scores.max()))
    return f"{low} to {high}"
