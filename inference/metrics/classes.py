"""Metrics that ask a classifier: of samples, whether they are what was asked for; of models, whether they know classes."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.base import HasClassifier, Model
from pyrogen.capabilities import HasTasks
from pyrogen.data import Data
from pyrogen.data.dataset import alike
from pyrogen.inference.latents.measured import mean, paired, share
from pyrogen.inference.metrics.judge import SupportVectors, WordCounts
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.representations.disentanglement import known_factors
from pyrogen.registry import choice, unknown


@choice("metric", "conditional-accuracy")
def conditional_accuracy(
    model: Model, data: Data, seed: int, n: int = 2000, trust: float = 0.95, taught_on: str = ""
) -> WithError:
    """The fraction of samples x ~ p(x|y) that a classifier of real data takes for the y that was asked for.

    1/n Σᵢ 1[c(xᵢ) = yᵢ], yᵢ every class in turn; c is a support vector machine, of texts a regression on word counts,
    fitted to the training data, which must be right on the fraction ``trust`` of real test data. ``taught_on`` names other
    data for it to learn from, of the same kind, where the labels of these are not to be believed.
    Reference: Ravuri & Vinyals 2019, Classification accuracy score, arXiv:1905.10887, asks the reverse.
    """
    classes = data.classes
    if classes is None or data.test.y is None:
        raise ValueError(f"conditional-accuracy needs classes, and {data.name!r} has none.")
    known = data if not taught_on else alike(taught_on, vars(data), data.train.view.scale)
    usual = SupportVectors(trust=trust) if data.vocabulary is None else WordCounts(trust=trust)
    y, judge = torch.arange(n) % classes, usual.of(known)
    with evaluating(model), seeded(seed, model.device):
        x = model.sample(n, model.condition_for(y.to(model.device)))
    return WithError.of(share(judge.names(x) == y))


@choice("metric", "accuracy")
def accuracy(model: Model, data: Data, seed: int) -> WithError:
    """The fraction of test data of known label whose most probable class it is, 1/N Σₙ 1[argmax q(y|xₙ) = yₙ]."""
    if not isinstance(model, HasClassifier):
        raise ValueError(f"{type(model).__name__} names no classes, which the metric 'accuracy' needs.")
    test = data.test.known()
    if test.y is None or not len(test):
        raise ValueError(f"accuracy needs labels, and {data.name!r} has none.")
    with evaluating(model):
        named = model.classify(test.x.to(model.device)).probs.argmax(-1).cpu()
    return WithError.of(share(named == test.y))


@choice("metric", "labels-right")
def labels_right(model: Model, data: Data, seed: int, against: Model | None = None, factor: str = "") -> WithError:
    """The share of the labels of test data that a model names, or by how much it is larger than another's.

    1/NA Σₙₐ 1[argmax q(y_a|xₙ) = yₙₐ] of A labels a datum, or of the one that is known; paired datum by datum.

    Args:
        model: that names as many labels of a datum as the data have, one or several.
        data: with labels.
        seed: of nothing here.
        against: another such model, whose share is taken off.
        factor: the one of several labels that counts, by its name; "": all.

    Raises:
        ValueError: a model that does not name the data's labels, or no such factor.
    """
    names = known_factors(data)
    if factor and factor not in names:
        raise unknown(f"factor of {data.name!r}", factor, names or ["(none)"])
    shares = [
        _labels_right(m, data, names.index(factor) if factor else None) for m in (model, against) if m is not None
    ]
    return WithError.of(mean(shares[0]).of_share() if against is None else paired(*shares).of_gain())


def _labels_right(model: Model, data: Data, task: int | None) -> Tensor:
    """The share of each test datum's labels that are named, ``(N,)``, of data whose label is known."""
    test = data.test.known()
    several = test.y is not None and test.y.dim() == 2
    if test.y is None or not len(test) or not isinstance(model, HasTasks if several else HasClassifier):
        raise ValueError(
            f"labels-right needs labels, and a model that names one, or several, as the data have; got "
            f"{type(model).__name__} on {data.name!r}."
        )
    assert isinstance(model, HasTasks | HasClassifier)
    with evaluating(model):
        right = model.classify(test.x.to(model.device)).probs.argmax(-1).cpu() == test.y
    columns = right.reshape(len(test), -1)
    return (columns if task is None else columns[:, [task]]).double().mean(1)
