"""Metrics of images by what a classifier of them sees, which was trained on the labels and has never met the model."""

from __future__ import annotations

import functools

import torch

from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.nets.features import Features
from pyrogen.registry import choice

WIDTH = 32  # twice that of the networks that models learn to see by
TRUST = 0.9


@choice("metric", "feature-distance")
def feature_distance(model: Model, data: Data, seed: int) -> float:
    """How far reconstructions are from the test data to the eyes of a classifier, as a fraction of how far data are apart.

    E ‖φ(x̂) − φ(x)‖² / E ‖φ(x) − E φ‖², φ the last hidden layer of a convolutional network that learned the labels of the
    training data: 0 for the data themselves, 1 for features that tell nothing of them.
    Reference: Hou et al. 2017, arXiv:1610.00291; Zhang et al. 2018, arXiv:1801.03924, on distances of features.
    """
    if not isinstance(model, HasPosterior):
        raise ValueError(f"feature-distance compares reconstructions, which {type(model).__name__} does not make.")
    judge, x = _judge(data, seed).to(model.device), data.test.x.to(model.device)
    with evaluating(model):
        seen, again = (judge(images)[-1] for images in (x, model.reconstruct(x)))
    return float((again - seen).square().sum(1).mean() / (seen - seen.mean(0)).square().sum(1).mean())


@functools.lru_cache(maxsize=8)
def _judge(data: Data, seed: int) -> Features:
    """A network that has learned the labels of the training data, and names those of the test data."""
    y = data.train.y
    if data.classes is None or y is None or data.test.y is None or len(data.x_shape) != 3:
        raise ValueError(f"feature-distance asks a classifier of images, and {data.name!r} has no images with classes.")
    with seeded(seed), torch.no_grad():
        judge = Features(data.x_shape, WIDTH)
        head = judge.fit(data.train.x, y)
        right = float((head(judge(data.test.x)[-1]).argmax(1) == data.test.y).double().mean())
    if right < TRUST:
        raise ValueError(
            f"the classifier whose features should judge is right on {right:.0%} of the test data of {data.name!r} only; "
            "load them as grey values, kind='unit'."
        )
    return judge
