"""Whether a conditional model knows the classes by Bayes' rule, and knows when it does not."""

from __future__ import annotations

import numpy as np
import torch

from pyrogen.base import HasLogProb, Model
from pyrogen.data import Data
from pyrogen.figures import outlier_plots
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture
from pyrogen.inference.latents.bayes_rule import UNTOLD, classes_of, classify, sureness
from pyrogen.inference.latents.conformal import separation
from pyrogen.inference.latents.measured import share
from pyrogen.inference.latents.outlier_scores import unweighable
from pyrogen.inference.latents.rejection import Rejection, rejection
from pyrogen.registry import choice


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
        if classes_of(model) is None:
            return f"{UNTOLD.format(type(model).__name__)}."
        if data.test.y is None or data.valid.y is None or not len(data.test.known()):
            return f"{data.name!r} has no labels to be right about."
        return unweighable(model, data.test)

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Ask it."""
        test, valid = (part.known().spread(self.limit) for part in (data.test, data.valid))
        assert test.y is not None
        assert data.train.y is not None
        classes = classes_of(model)
        assert classes is not None
        known = data.train.y[data.train.y >= 0]
        # half a datum more of each, so that a class without training data is not impossible
        counts = torch.bincount(known, minlength=classes).double() + 0.5
        prior = (counts / counts.sum()).tolist()
        estimator = None if isinstance(model, HasLogProb) else {"name": "IWAE", "k": self.draws}
        found, ordinary = (classify(model, part, prior, estimator, seed) for part in (test, valid))
        y = test.y.cpu().numpy()
        right = found["named"].values == y
        accuracy, usual = share(torch.from_numpy(right)), float((y == int(np.argmax(prior))).mean())
        signals = sureness(found, float(ordinary["log_evidence"].mean()))
        curves = {name: rejection(right, signal) for name, signal in signals.items()}
        tells = {
            # of decisions that are all right, or too few of them wrong, nothing can be told apart
            name: separation(-signal[~right], -signal[right]) if min((~right).sum(), right.sum()) > 1 else None
            for name, signal in signals.items()
        }
        coverage, risk, error = curves["posterior"].at(self.coverage)
        undecided = float(found["undecided"].mean())
        noisy = undecided > accuracy.error
        knows = accuracy.value - 3 * accuracy.error > usual
        table = [["refuse by", "tells errors (area under ROC)", f"errors at {coverage:.0%} coverage"]]
        for name, curve in curves.items():
            _, r, e = curve.at(self.coverage)
            table.append([name, "–" if tells[name] is None else str(tells[name]), f"{r:.3f} ± {e:.3f}"])
        says = (
            f"argmax_y log p(x|y) + log p(y) is right on {accuracy.value:.3f} ± {accuracy.error:.3f} of the test data (the "
            f"most frequent class: {usual:.3f}); on the surest {coverage:.0%} it errs at {risk:.3f} ± {error:.3f}. By noise "
            f"of the evidences {undecided:.3f} of all decisions could fall otherwise."
        )
        more = f"The evidences are noisy: ask again with draws={4 * self.draws}." if noisy else ""
        return Finding(
            says,
            "open" if noisy else "well" if knows else "beware",
            more
            if noisy or knows
            else "It knows no more than how frequent classes are: train longer, or with more latents.",
            numbers={
                "accuracy": {"mean": accuracy.value, "error": accuracy.error},
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


def _drawn(curve: Rejection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return curve.coverage, curve.risk, curve.error
