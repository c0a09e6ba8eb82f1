"""The generative classifier: the class under which a datum is most probable, with the error of saying so, and the choice
not to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from scipy.special import log_softmax, logsumexp
from scipy.stats import norm
from torch import Tensor

from pyrogen.base import HasLogProb, Model, told
from pyrogen.data import Data, Split
from pyrogen.figures import outlier_plots
from pyrogen.inference.evidence.estimator import Estimator, log_evidence
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture
from pyrogen.inference.latents.conformal import separation
from pyrogen.inference.latents.outlier_scores import unweighable
from pyrogen.inference.latents.rejection import Rejection, rejection
from pyrogen.registry import choice

Classes = Model | Mapping[int, Model]


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
    another class, min(1, Σₖ Φ(−(l_ŷ − lₖ) / √(s_ŷ² + sₖ²))).

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
    weights = np.full(len(labels), 1 / len(labels)) if prior is None else np.asarray(prior, np.float64)
    if weights.shape != (len(labels),) or (weights <= 0).any() or not np.isclose(weights.sum(), 1):
        raise ValueError(
            f"the prior of {len(labels)} classes is as many positive numbers that sum to 1; got {weights.tolist()}."
        )
    evidences, errors = [], []
    with track(len(labels), "asking every class") as advance:
        for place, label in enumerate(labels):
            # another seed for every class: what is independent has errors that add up as is said
            own = int(np.random.SeedSequence((seed, place)).generate_state(1)[0])
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
    others = norm.sf(noisy)
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


def _labels(model: Classes) -> Sequence[int]:
    if isinstance(model, Mapping):
        labels: Sequence[int] = list(model)
    else:
        condition = model.condition
        if condition is None or condition.classes is None or condition.shape:
            raise ValueError(
                f"{type(model).__name__} is not conditional on one label, so that it has no p(x|y); train 'vae-conditional', "
                "or one model for each class, and pass {label: model}."
            )
        labels = range(condition.classes)
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
    rows, _ = told(asked, x)
    y = None if isinstance(model, Mapping) else torch.full((len(rows),), label, device=rows.device)
    return log_evidence(asked, asked.read(rows), usual if estimator is None else estimator, seed, y)


@choice("analysis", "classifier")
class Classifier(Analysis):
    """The classifier that a conditional model is, and how well it knows when to refuse.

    Args:
        limit: test data that are classified, and validation data that say what is typical.
        draws: of IWAE, for each datum and each class, where p(x|y) is not known exactly.
        coverage: the fraction of data that are to be decided on.
    """

    title = "Does the model know the classes, and when it does not?"
    order = 62

    def __init__(self, limit: int = 200, draws: int = 100, coverage: float = 0.8) -> None:
        self.limit, self.draws, self.coverage = limit, draws, coverage

    def refusal(self, model: Model, data: Data) -> str:
        """Why it cannot be asked."""
        condition = model.condition
        if condition is None or condition.classes is None or condition.shape or condition.optional:
            return f"{type(model).__name__} is not conditional on one label, so that it has no p(x|y)."
        if data.test.y is None or data.valid.y is None:
            return f"{data.name!r} has no labels to be right about."
        return unweighable(model, data.test)

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Ask it."""
        test, valid = (part.take(min(self.limit, len(part))) for part in (data.test, data.valid))
        assert test.y is not None
        assert data.train.y is not None
        assert model.condition is not None
        known = data.train.y[data.train.y >= 0]
        # half a datum more of each, so that a class without training data is not impossible
        counts = torch.bincount(known, minlength=model.condition.classes or 0).double() + 0.5
        prior = (counts / counts.sum()).tolist()
        estimator = None if isinstance(model, HasLogProb) else {"name": "IWAE", "k": self.draws}
        found, ordinary = (classify(model, part, prior, estimator, seed) for part in (test, valid))
        y = test.y.cpu().numpy()
        right = found["named"].values == y
        accuracy, usual = _fraction(right), float((y == int(np.argmax(prior))).mean())
        signals = sureness(found, float(ordinary["log_evidence"].mean()))
        curves = {name: rejection(right, signal) for name, signal in signals.items()}
        tells = {
            # of decisions that are all right, or too few of them wrong, nothing can be told apart
            name: separation(-signal[~right], -signal[right]) if min((~right).sum(), right.sum()) > 1 else None
            for name, signal in signals.items()
        }
        coverage, risk, error = curves["posterior"].at(self.coverage)
        undecided = float(found["undecided"].mean())
        noisy = undecided > accuracy[1]
        knows = accuracy[0] - 3 * accuracy[1] > usual
        table = [["refuse by", "tells errors (area under ROC)", f"errors at {coverage:.0%} coverage"]]
        for name, curve in curves.items():
            _, r, e = curve.at(self.coverage)
            table.append([name, "–" if tells[name] is None else str(tells[name]), f"{r:.3f} ± {e:.3f}"])
        says = (
            f"argmax_y log p(x|y) + log p(y) is right on {accuracy[0]:.3f} ± {accuracy[1]:.3f} of the test data (the most "
            f"frequent class: {usual:.3f}); on the surest {coverage:.0%} it errs at {risk:.3f} ± {error:.3f}. By noise of "
            f"the evidences {undecided:.3f} of all decisions could fall otherwise."
        )
        more = f"The evidences are noisy: ask again with draws={4 * self.draws}." if noisy else ""
        return Finding(
            says,
            "open" if noisy else "well" if knows else "beware",
            more
            if noisy or knows
            else "It knows no more than how frequent classes are: train longer, or with more latents.",
            numbers={
                "accuracy": {"mean": accuracy[0], "error": accuracy[1]},
                "most_frequent": usual,
                "undecided": undecided,
                "rejection": {
                    name: {
                        "area": curve.area,
                        "auc": None if (told := tells[name]) is None else {"auc": told.auc, "error": told.error},
                    }
                    for name, curve in curves.items()
                },
            },
            pictures=[
                Picture(
                    "risk-coverage",
                    "Errors among the data that are decided on, the surest first: a signal that knows its errors rises from "
                    "left to right.",
                    outlier_plots.risk_coverage({name: _drawn(curve) for name, curve in curves.items()}),
                )
            ],
            table=table,
        )


def _fraction(right: np.ndarray) -> tuple[float, float]:
    r = float(right.mean())
    return r, (r * (1 - r) / len(right)) ** 0.5


def _drawn(curve: Rejection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return curve.coverage, curve.risk, np.sqrt(curve.risk * (1 - curve.risk) / curve.decided)
