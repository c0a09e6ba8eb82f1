"""The generative classifier: the class under which a datum is most probable, with the error of saying so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import Any

import numpy as np
import torch
import xarray as xr
from scipy.special import log_softmax, logsumexp, ndtr
from torch import Tensor

from pyrogen.base import HasLogProb, Model
from pyrogen.data import Split
from pyrogen.inference.evidence.estimator import Estimator, log_evidence
from pyrogen.inference.evidence.progress import track
from pyrogen.seeds import derived

Classes = Model | Mapping[int, Model]
UNTOLD = "{} is not conditional on one label, so that it has no p(x|y)"


def classify(
    model: Classes,
    x: Split | Tensor,
    prior: Sequence[float] | None = None,
    estimator: Estimator | str | Mapping[str, Any] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Bayes' rule with a model's own evidences, argmax_y log p(x|y) + log p(y).

    What is estimated is log p(x|y), with a Monte-Carlo error sᵧ of its own for each class, since draws for one class are
    independent of those for another. They spread to the posterior by its derivative, ∂pᵧ/∂lₖ = pᵧ (1[k = y] − pₖ), and to
    the decision: ``undecided`` is at least the probability that another estimate of the same evidences would have named
    another class, min(1, Σₖ Φ(−(l_ŷ − lₖ) / √(s_ŷ² + sₖ²))). Errors are of draws alone: how far a bound such as IWAE stays
    below log p(x|y), which may differ from class to class, is not in them.

    Should not be confused with a classifier that models p(y|x) alone: this one also knows p(x) = Σᵧ p(x|y) p(y), by which it
    can refuse data of no class. Reference: Ng & Jordan 2002, On discriminative vs. generative classifiers; Schott et al.
    2019, Towards the first adversarially robust neural network model on MNIST, arXiv:1805.09190.

    Args:
        model: conditional on one label, or a mapping of labels to models, one for each class.
        x: data.
        prior: p(y) of each class in order; by default all are equal.
        estimator: of log p(x|y); by default exact where models have a log_prob, else IWAE(100).
        seed: of all draws.

    Returns:
        ``log_joint``, ``mc_se`` and ``posterior``, ``posterior_se`` over ``datum`` and ``label``; ``named``, ``confidence``
        (the largest p(y|x)), ``undecided`` and ``log_evidence`` log p(x) with ``log_evidence_se`` over ``datum``.

    Raises:
        ValueError: a model that is not conditional on one label, fewer than two classes, or a prior of other length.
    """
    labels = _labels(model)
    if not isinstance(x, Sized):
        raise ValueError(f"expected data to be named, a split or a tensor of them, got {type(x).__name__}.")
    weights = np.full(len(labels), 1 / len(labels)) if prior is None else np.asarray(prior, np.float64)
    if weights.shape != (len(labels),) or (weights <= 0).any() or not np.isclose(weights.sum(), 1):
        raise ValueError(
            f"the prior of {len(labels)} classes is as many positive numbers that sum to 1; got {weights.tolist()}."
        )
    evidences, errors = [], []
    with track(len(labels), "asking every class") as advance:
        for place, label in enumerate(labels):
            # another seed for every class: what is independent has errors that add up as is said
            (own,) = derived(seed, place)
            found = _evidence(model, label, x, estimator, own)
            evidences.append(found["log_evidence"].values)
            errors.append(found["mc_se"].values)
            advance(1)
    joint, se = np.stack(evidences, 1) + np.log(weights), np.stack(errors, 1)
    return _decided(joint, se, labels)


def _decided(joint: np.ndarray, se: np.ndarray, labels: Sequence[int]) -> xr.Dataset:
    p = np.exp(log_softmax(joint, axis=1))
    spread = np.square(p * se).sum(1, keepdims=True)
    # Σₖ (∂pᵧ/∂lₖ sₖ)² = pᵧ² [(1 − 2 pᵧ) sᵧ² + Σₖ pₖ² sₖ²]
    posterior_se = p * np.sqrt(((1 - 2 * p) * se**2 + spread).clip(0))
    best = joint.argmax(1)
    rows = np.arange(len(joint))
    gap, noise = joint[rows, best][:, None] - joint, np.hypot(se, se[rows, best][:, None])
    noisy = np.divide(gap, noise, out=np.where(gap > 0, np.inf, 0.0), where=noise > 0)
    others = ndtr(-noisy)
    others[rows, best] = 0.0
    both, one = ("datum", "label"), ("datum",)
    return xr.Dataset(
        {
            "log_joint": (both, joint),
            "mc_se": (both, se),
            "posterior": (both, p),
            "posterior_se": (both, posterior_se),
            "named": (one, np.asarray(labels)[best]),
            "confidence": (one, p[rows, best]),
            "undecided": (one, others.sum(1).clip(max=1.0)),
            "log_evidence": (one, logsumexp(joint, axis=1)),
            "log_evidence_se": (one, np.sqrt(spread[:, 0])),
        },
        coords={"label": list(labels)},
        attrs={"unit": "nats"},
    )


def sureness(found: xr.Dataset, typical: float) -> dict[str, np.ndarray]:
    """Signals by which :func:`classify` may refuse: p(ŷ|x), log p(x), and −|log p(x) − typical|.

    Args:
        found: what it found.
        typical: the mean of log p(x) over data like those of the training.
    """
    log_p = found["log_evidence"].values
    return {
        "posterior": found["confidence"].values,
        "evidence": log_p,
        "typicality": -np.abs(log_p - typical),
    }


def classes_of(model: Model) -> int | None:
    """Of how many classes a model has p(x|y); None where it is told something else than one label, or is not always told."""
    condition = model.condition
    return None if condition is None or condition.optional else condition.one_of


def _labels(model: Classes) -> Sequence[int]:
    if isinstance(model, Mapping):
        labels: Sequence[int] = list(model)
    else:
        if (classes := classes_of(model)) is None:
            raise ValueError(
                f"{UNTOLD.format(type(model).__name__)}; train 'vae-conditional', or one model for each class, and pass "
                "{label: model}."
            )
        labels = range(classes)
    if len(labels) < 2:
        raise ValueError(f"{len(labels)} class leaves nothing to decide; pass a model for each of at least two.")
    return labels


def _evidence(
    model: Classes,
    label: int,
    x: Split | Tensor,
    estimator: Estimator | str | Mapping[str, Any] | None,
    seed: int,
) -> xr.Dataset:
    asked = model[label] if isinstance(model, Mapping) else model
    usual: Any = None if isinstance(asked, HasLogProb) else {"name": "IWAE", "k": 100}
    y = None if isinstance(model, Mapping) else torch.full((len(x),), label)
    return log_evidence(asked, x, usual if estimator is None else estimator, seed, y)
