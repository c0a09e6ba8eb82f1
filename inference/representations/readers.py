"""What reads labels off rows of numbers: small classifiers, of scikit-learn."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from pyrogen.registry import choice


class Reader(ABC):
    """A classifier small enough that what it knows is what it was given to read.

    A class under ``@choice("reader")`` is all that a new one needs.
    """

    axes: ClassVar[tuple[str, ...]] = ("reader",)

    @abstractmethod
    def classifier(self, labels: int) -> Any:
        """An unfitted classifier of scikit-learn, for ``labels`` labelled data of each class."""

    def named(self, rows: np.ndarray, y: np.ndarray, unseen: np.ndarray, labels: int) -> np.ndarray:
        """The classes of unseen rows ``(M, n)``, read as rows ``(N, n)`` with labels ``(N,)`` teach it."""
        with warnings.catch_warnings():
            # of one label a class there are as many classes as data, and it is meant so
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            found: np.ndarray = self.classifier(labels).fit(rows, y).predict(unseen)
        return found


@choice("reader")
class Linear(Reader):
    """Logistic regression, max C Σₙ log p(yₙ|rₙ) − ½ ‖W‖², log p(y|r) linear in r but for its normalizer.

    Reference: Alain & Bengio 2016, Understanding intermediate layers using linear classifier probes, arXiv:1610.01644.

    Args:
        strength: C, how little weights are held back.
    """

    def __init__(self, strength: float = 1.0) -> None:
        if not strength > 0:
            raise ValueError(f"strength={strength}: what weighs the labels is above 0.")
        self.strength = strength

    def classifier(self, labels: int) -> Any:
        """Logistic regression."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.strength, max_iter=2000)


@choice("reader")
class Neighbours(Reader):
    """The vote of the k nearest labelled data; of k or fewer of each class, of the nearest alone.

    Reference: Cover & Hart 1967, Nearest neighbor pattern classification.

    Args:
        k: how many vote.
    """

    def __init__(self, k: int = 5) -> None:
        if k < 1:
            raise ValueError(f"k={k}: 1 neighbour or more votes.")
        self.k = k

    def classifier(self, labels: int) -> Any:
        """Of k, where a class could fill the vote."""
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(self.k if labels > self.k else 1)
