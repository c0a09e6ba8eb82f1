"""Metrics of hidden units that were learned without labels: what they save a classifier."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import cross_entropy

from pyrogen.base import HasClassifier, Model
from pyrogen.data import Data
from pyrogen.inference.latents.measured import paired
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import choice


@choice("metric", "error-saved")
def error_saved(
    model: Model,
    data: Data,
    seed: int,
    against: Model,
    split: Literal["train", "test"] = "test",
    nats: bool = False,
) -> WithError:
    """The share of wrong labels that a classifier has less than another, on data whose label is known.

    In ``nats`` it is the cross-entropy that it has less. Either is paired datum by datum. Reference: Erhan et al. 2010, Why
    does unsupervised pre-training help deep learning?
    """
    mine, other = (_loss(one, data, split, nats) for one in (model, against))
    saved = paired(other, mine)
    return WithError.of(saved if nats else saved.of_gain())


def _loss(model: Model, data: Data, split: str, nats: bool) -> Tensor:
    """What each datum of known label costs, ``(N,)``: 1 of a wrong label, or its cross-entropy."""
    if not isinstance(model, HasClassifier):
        raise ValueError(f"{type(model).__name__} names no classes, which the metric 'error-saved' needs.")
    part = data.split(split).known()
    if part.y is None:
        raise ValueError(f"error-saved needs labels, and {data.name!r} has none.")
    with evaluating(model):
        logits = model.classify(part.x.to(model.device)).logits.cpu().double()
    return cross_entropy(logits, part.y, reduction="none") if nats else (logits.argmax(1) != part.y).double()
