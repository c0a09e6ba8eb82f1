"""Metrics of hidden units that were learned without labels: what they save a classifier."""

from __future__ import annotations

from typing import Literal

from torch.nn.functional import cross_entropy

from pyrogen.base import HasClassifier, Model
from pyrogen.data import Data
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
) -> float:
    """The share of wrong labels that a classifier has less than another, on data whose label is known.

    In ``nats`` it is the cross-entropy that it has less. Reference: Erhan et al. 2010, Why does unsupervised pre-training
    help deep learning?
    """
    mine, other = (_loss(one, data, split, nats) for one in (model, against))
    return other - mine


def _loss(model: Model, data: Data, split: str, nats: bool) -> float:
    if not isinstance(model, HasClassifier):
        raise ValueError(f"{type(model).__name__} names no classes, which the metric 'error-saved' needs.")
    part = data.split(split).known()
    if part.y is None:
        raise ValueError(f"error-saved needs labels, and {data.name!r} has none.")
    with evaluating(model):
        logits = model.classify(part.x.to(model.device)).logits.cpu().double()
    return float(cross_entropy(logits, part.y) if nats else (logits.argmax(1) != part.y).double().mean())
