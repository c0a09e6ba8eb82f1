"""Which data a probe learns from, and which judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pyrogen.data import Data, Split
from pyrogen.inference.representations.disentanglement import known_factors
from pyrogen.registry import unknown
from pyrogen.seeds import numpy_generator

USUAL = (1, 3, 10, 30, 100)
CLASSES = 50


@dataclass(frozen=True)
class Labelled:
    """Data with labels to learn from, and others to be judged by.

    Attributes:
        pool: those of which some keep their label.
        judged: those that judge.
        y: labels of the pool, ``(N,)``.
        truth: labels of those that judge, ``(M,)``.
        said: where both are from, in words.
    """

    pool: Split
    judged: Split
    y: np.ndarray
    truth: np.ndarray
    said: str

    @property
    def most(self) -> int:
        """How many labelled data every class has."""
        return int(np.unique(self.y, return_counts=True)[1].min())

    def numbers(self, wished: Sequence[int] | None) -> list[int]:
        """The numbers of labels a class to learn from: those that were wished, or the usual ones that there are.

        Raises:
            ValueError: one is below 1, or more than a class has.
        """
        found = [n for n in USUAL if n <= self.most] if wished is None else sorted(set(wished))
        if not found or min(found) < 1 or max(found) > self.most:
            raise ValueError(
                f"labels={list(found)}: numbers of labelled data a class from 1 to {self.most}, which the smallest class has."
            )
        return found

    def drawn(self, labels: int, rng: np.random.Generator) -> np.ndarray:
        """Rows of the pool, as many of each class."""
        of_class = [np.flatnonzero(self.y == k) for k in np.unique(self.y)]
        return np.concatenate([rng.permutation(rows)[:labels] for rows in of_class])


def labelled(
    data: Data, limit: int = 5000, factor: str | None = None, judged_on: Data | None = None, seed: int = 0
) -> Labelled:
    """Training data to learn from and test data to be judged by; of classes that training lacks, halves of the test data.

    Args:
        data: with a label each, or several.
        limit: data of each of the two that are looked at, drawn by the seed.
        factor: of several labels a datum, the one that is asked for, by its name.
        judged_on: other data of the same shape and classes, whose test data judge.
        seed: by which data and, of more than 50 classes, these are drawn.

    Raises:
        ValueError: there are no labels, no such factor, or no classes that both know.
    """
    rng = numpy_generator(seed, 7)
    other = judged_on or data
    (pool, y), (test, truth) = (_known(d, split, factor) for d, split in ((data, data.train), (other, other.test)))
    classes = np.intersect1d(y, truth)
    said = f"train of {data.name}, judged on test of {other.name}"
    halved = len(classes) < 2 and judged_on is None
    if halved:
        # as of alphabets that were held out: their own data are all that can teach
        said = f"half of test of {data.name}, of classes that train lacks, judged on the rest"
        classes, counts = np.unique(truth, return_counts=True)
        classes = classes[counts > 1]
    classes = classes[classes >= 0]
    if len(classes) < 2:
        raise ValueError(f"a probe tells 2 classes or more apart, and {said} has {len(classes)} in common.")
    if len(classes) > CLASSES:
        classes, said = np.sort(rng.choice(classes, CLASSES, replace=False)), f"{said}, {CLASSES} classes of it"
    parts: list[tuple[Split, np.ndarray, np.ndarray]]
    if halved:
        of_class = [rng.permutation(np.flatnonzero(truth == k)) for k in classes]
        taught = np.concatenate([rows[: (len(rows) + 1) // 2] for rows in of_class])
        parts = [
            (test, truth, taught),
            (test, truth, np.concatenate([rows[(len(rows) + 1) // 2 :] for rows in of_class])),
        ]
    else:
        parts = [(split, known, np.flatnonzero(np.isin(known, classes))) for split, known in ((pool, y), (test, truth))]
    (a, y), (b, truth) = (_rows(split, labels, rng.permutation(rows)[:limit]) for split, labels, rows in parts)
    return Labelled(a, b, y, truth, said)


def _known(data: Data, split: Split, factor: str | None) -> tuple[Split, np.ndarray]:
    """A split and its labels ``(N,)``, those that are not known below 0."""
    names = known_factors(data)
    if split.y is None or split.y.is_floating_point() or (split.y.dim() != 1 and not names):
        raise ValueError(f"a probe reads labels, and {data.name!r} has none: its y is {data.y_kind or 'nothing'}.")
    if split.y.dim() == 1:
        if factor is not None:
            raise ValueError(f"factor={factor!r} is one of several labels, and {data.name!r} has one; leave it out.")
        return split, split.y.cpu().numpy()
    if factor not in names:
        raise unknown(f"factor of {data.name!r}", factor, names)
    return split, split.y[:, list(names).index(str(factor))].cpu().numpy()


def _rows(split: Split, y: np.ndarray, rows: np.ndarray) -> tuple[Split, np.ndarray]:
    rows = rows[y[rows] >= 0]
    x = split[torch.from_numpy(rows)][0]
    return Split(x, None, "test", split.view), y[rows]
