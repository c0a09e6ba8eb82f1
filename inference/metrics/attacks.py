"""Metrics of classifiers under attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.attacks.activation import STEPS, maximize_activation
from pyrogen.inference.attacks.attack import Attack, ProjectedGradient, asked, log_odds
from pyrogen.inference.attacks.robustness import labelled, limits_of, robustness, unattackable
from pyrogen.inference.latents.measured import Measured, mean, paired_shares, share
from pyrogen.inference.metrics.judge import SupportVectors
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.registry import choice

Asked = Attack | str | Mapping[str, Any]


@choice("metric", "robust-accuracy")
def robust_accuracy(
    model: Model,
    data: Data,
    seed: int,
    epsilon: float = 0.1,
    attack: Asked = "ProjectedGradient",
    against: Model | None = None,
    in_errors: bool = False,
) -> WithError:
    """The fraction of test data, moved by an attack by up to ε, whose class is named rightly.

    With another model by how much it exceeds that of the other, each attacked for itself; in units of the difference's
    standard error, paired datum by datum, if ``in_errors``.
    """
    if in_errors and against is None:
        raise ValueError(
            "robust-accuracy tells errors of a difference: give in_errors=True the model to compare, against."
        )
    right = _right(model, data, seed, epsilon, attack)
    if against is None:
        return WithError.of(share(right))
    return _value(paired_shares(right, _right(against, data, seed, epsilon, attack)), in_errors)


@choice("metric", "attack-advantage")
def attack_advantage(
    model: Model,
    data: Data,
    seed: int,
    epsilon: float = 0.1,
    attack: Asked = "ProjectedGradient",
    over: Asked = "FastGradient",
    in_errors: bool = False,
) -> WithError:
    """By how much larger a fraction of test data one attack deceives the classifier of than another at the same ε.

    In units of the difference's standard error, paired datum by datum, if ``in_errors``.
    """
    first, second = (_right(model, data, seed, epsilon, one) for one in (over, attack))
    return _value(paired_shares(first, second), in_errors)


@choice("metric", "attack-slope")
def attack_slope(
    model: Model,
    data: Data,
    seed: int,
    epsilons: Sequence[float] = (0.0, 0.05, 0.1, 0.15),
    attack: Asked = "ProjectedGradient",
) -> float:
    """The smallest fall of accuracy from one ε to the next, in its standard errors, paired datum by datum."""
    right = torch.from_numpy(robustness(model, data, epsilons, attack, seed)["right"].values)
    falls = [paired_shares(near, far) for near, far in pairwise(right)]
    return min(fall.value / fall.error for fall in falls)


@choice("metric", "activation")
def activation(
    model: Model,
    data: Data,
    seed: int,
    steps: int = STEPS,
    each: int = 10,
    recognized: bool = False,
    trust: float = 0.95,
) -> WithError:
    """The least probability of a class that noise has after it was climbed towards that class.

    ``each`` of every class; or, if ``recognized``, the fraction of them that a support vector machine takes for the class,
    fitted to training data and right on the fraction ``trust`` of test data.
    """
    if why := unattackable(model, data):
        raise ValueError(why)
    target = torch.arange(data.classes or 0, device=model.device).repeat(each)
    found = maximize_activation(model, target, model.x_shape, steps, bounds=limits_of(data), seed=seed)
    if not recognized:
        return WithError(float(found.probability.min()))
    return WithError.of(share(SupportVectors(trust=trust).of(data).names(found.x) == target.cpu()))


@choice("metric", "targeted-attack")
def targeted_attack(
    model: Model, data: Data, seed: int, way: float = 0.7, steps: int = 40, straight: bool = False
) -> WithError:
    """The mean probability of a wrong class that test data have after they were moved towards it, in Euclidean distance.

    The targets are all other classes in turn, and ε is ``way`` times the mean distance from test data to the nearest training
    datum of their target. If ``straight`` they are moved towards that datum, by the same fraction of its distance.
    """
    x, y = labelled(model, data, None)
    classes = data.classes or 0
    target = (y + 1 + torch.arange(len(y), device=y.device) % (classes - 1)) % classes
    nearest = _nearest(x, target, data)
    if straight:
        with asked(model) as logits:
            return WithError.of(mean(log_odds(logits(x + way * (nearest - x)), target).sigmoid()))
    epsilon = way * float((nearest - x).flatten(1).norm(dim=1).mean())
    bounds = limits_of(data, x)
    found = ProjectedGradient("2", steps)(model, x, target, epsilon, targeted=True, bounds=bounds, seed=seed)
    return WithError.of(mean(found.probability))


def _nearest(x: Tensor, target: Tensor, data: Data) -> Tensor:
    """The training datum of its target that is nearest to each datum, in the shape of x."""
    assert data.train.y is not None
    found = torch.empty_like(x)
    for c in target.unique():
        among = data.train.x[data.train.y == int(c)].to(x)
        place = torch.cdist(x[target == c].flatten(1).double(), among.flatten(1).double()).argmin(1)
        found[target == c] = among[place]
    return found


def _right(model: Model, data: Data, seed: int, epsilon: float, attack: Asked) -> Tensor:
    return torch.from_numpy(robustness(model, data, [epsilon], attack, seed)["right"].values[0])


def _value(difference: Measured, in_errors: bool) -> WithError:
    return WithError(difference.value / difference.error) if in_errors else WithError.of(difference)
