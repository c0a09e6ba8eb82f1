"""Linear probes: how well latents tell labels, against how well they would tell labels dealt out at random."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyrogen.inference.latents.measured import Measured, mean, share
from pyrogen.inference.programs.contexts import seeded
from pyrogen.seeds import check_seed

FOLDS, SHUFFLES, RESAMPLES = 5, 5, 500


class Probe(NamedTuple):
    """How well latents tell labels.

    Attributes:
        score: accuracy of classes, R² of numbers, on data that the probe has not seen.
        shuffled: the same with labels dealt out at random, what a probe of these latents makes of nothing.
        measure: "accuracy" or "R²".
    """

    score: Measured
    shuffled: Measured
    measure: str


def probe(z: Tensor, y: Tensor, seed: int = 0) -> Probe:
    """A linear probe in cross-validation: logistic regression of classes ``(N,)``, ridge regression of real numbers ``(N,)``.

    The error of an accuracy is that of a share, the error of an R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)² by resampling the data;
    neither counts that folds share training data. That of the control is over ways to deal.
    Reference: Alain & Bengio 2016, arXiv:1610.01644; the control: Hewitt & Liang 2019, arXiv:1909.03368.

    Raises:
        ValueError: a class of fewer data than there are folds, or numbers that are all alike.
    """
    rows, labels = z.detach().flatten(1).double().cpu().numpy(), y.cpu()
    counts = labels.unique(return_counts=True)[1]
    if len(counts) < 2 or (not labels.is_floating_point() and int(counts.min()) < FOLDS):
        raise ValueError(
            f"a probe is tested on {FOLDS} folds, and needs labels of two classes or more with {FOLDS} data each, or "
            f"numbers that differ; got counts {sorted(counts.tolist())[:10]}; leave rare classes out."
        )
    score = _r_squared if labels.is_floating_point() else _accuracy
    with seeded(seed):
        deals = [labels[torch.randperm(len(labels))] for _ in range(SHUFFLES)]
    by_chance = torch.tensor([score(rows, deal, seed).value for deal in deals])
    return Probe(score(rows, labels, seed), mean(by_chance), "R²" if labels.is_floating_point() else "accuracy")


def _accuracy(rows: np.ndarray, y: Tensor, seed: int) -> Measured:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=check_seed(seed) % 2**32)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return share(torch.from_numpy(cross_val_predict(classifier, rows, y.numpy(), cv=folds) == y.numpy()))


def _r_squared(rows: np.ndarray, y: Tensor, seed: int) -> Measured:
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    numbers = y.double().numpy()
    folds = KFold(FOLDS, shuffle=True, random_state=check_seed(seed) % 2**32)
    regression = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 7)))
    missed = (numbers - cross_val_predict(regression, rows, numbers, cv=folds)) ** 2
    generator = np.random.default_rng(check_seed(seed) % 2**32)
    resampled = []
    for _ in range(RESAMPLES):
        again = generator.integers(len(y), size=len(y))
        resampled.append(1 - missed[again].mean() / numbers[again].var())
    return Measured(float(1 - missed.mean() / numbers.var()), float(np.std(resampled)), len(y))
