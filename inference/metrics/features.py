"""Metrics of images by what a classifier of them sees, which was trained on the labels and has never met the model."""

from __future__ import annotations

from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.inference.latents.measured import ratio
from pyrogen.inference.metrics.judge import Network
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import choice


@choice("metric", "feature-distance")
def feature_distance(model: Model, data: Data, seed: int) -> WithError:
    """How far reconstructions are from the test data to the eyes of a classifier, as a fraction of how far data are apart.

    E ‖φ(x̂) − φ(x)‖² / E ‖φ(x) − E φ‖², φ the last hidden layer of a convolutional network that learned the labels of the
    training data: 0 for the data themselves, 1 for features that tell nothing of them.
    Reference: Hou et al. 2017, arXiv:1610.00291; Zhang et al. 2018, arXiv:1801.03924, on distances of features.
    """
    if not isinstance(model, HasPosterior):
        raise ValueError(f"feature-distance compares reconstructions, which {type(model).__name__} does not make.")
    if len(data.x_shape) != 3 or data.classes is None:
        raise ValueError(f"feature-distance asks a classifier of images, and {data.name!r} has no images with classes.")
    judge, x = Network(seed=seed).of(data), data.test.x.to(model.device)
    with evaluating(model):
        seen, again = (judge.features(images) for images in (x, model.reconstruct(x)))
    return WithError.of(ratio((again - seen).square().sum(1), (seen - seen.mean(0)).square().sum(1)))
