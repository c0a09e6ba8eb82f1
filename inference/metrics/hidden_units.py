"""Metrics of hidden units that were learned without labels: what a probe reads there, and what they save a classifier."""

from __future__ import annotations

from typing import Literal

import numpy as np
from torch import Tensor
from torch.nn.functional import cross_entropy

from pyrogen.base import HasClassifier, HasFeatures, Model
from pyrogen.data import Data
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import choice


@choice("metric", "probe-gain")
def probe_gain(model: Model, data: Data, seed: int, labels: int | None = None, raw: bool = False) -> float:
    """Accuracy on test data of a logistic regression on the topmost hidden units, less that of one on x itself.

    Both are fitted to the training data, or to the first ``labels`` of them. With ``raw`` the first reads x too, so that it
    has nothing to gain. Reference: Alain & Bengio 2016, arXiv:1610.01644.
    """
    if not isinstance(model, HasFeatures):
        raise ValueError(f"{type(model).__name__} has no hidden units that describe data, which 'probe-gain' probes.")
    if data.train.y is None or data.test.y is None:
        raise ValueError(f"probe-gain needs labels, and {data.name!r} has none.")
    train, test = data.train.take(labels or len(data.train)), data.test
    assert train.y is not None
    assert test.y is not None
    with evaluating(model):
        own = [split.x.flatten(1) if raw else model.features(split.x.to(model.device)).cpu() for split in (train, test)]
    of_x = [split.x.flatten(1) for split in (train, test)]
    y, truth = train.y, test.y
    mine, other = (_accuracy(rows[0], rows[1], y, truth) for rows in (own, of_x))
    return mine - other


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
    part = getattr(data, split)
    if part.y is None:
        raise ValueError(f"error-saved needs labels, and {data.name!r} has none.")
    known = part.y >= 0
    with evaluating(model):
        logits = model.classify(part.x[known].to(model.device)).logits.cpu().double()
    y = part.y[known]
    return float(cross_entropy(logits, y) if nats else (logits.argmax(1) != y).double().mean())


def _accuracy(train: Tensor, test: Tensor, y: Tensor, truth: Tensor) -> float:
    from sklearn.linear_model import LogisticRegression

    rows, others = (t.double().numpy() for t in (train, test))
    fitted = LogisticRegression(max_iter=2000).fit(rows, y.numpy())
    return float(np.mean(fitted.predict(others) == truth.numpy()))
