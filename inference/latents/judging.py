"""Classifiers that judge what models make: trained here on real data, and trusted no further than these show.

The contract alone; the methods stand in :mod:`pyrogen.inference.metrics.judge`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pyrogen.data import Data, load
from pyrogen.data.dataset import MEMORY, found_again
from pyrogen.inference.latents.measured import Measured, share
from pyrogen.registry import describe, make

CONFIDENT = 0.9
REMEMBERED = 8


class Learned(NamedTuple):
    """What a classifier has learned, as functions of data ``(N, *x_shape)``.

    Attributes:
        scores: log odds up to a common slope, ``(N, classes)``.
        names: the class that it decides for, ``(N,)``.
        features: what it sees before it decides, ``(N, F)``.
        digest: the first 12 hex digits of the hash of all that it has learned.
        seen: from how many data it has learned.
        maps: of images what it sees at each position, ``(N, C, H, W)``; None where it looks at no positions.
    """

    scores: Callable[[Tensor], Tensor]
    names: Callable[[Tensor], Tensor]
    features: Callable[[Tensor], Tensor]
    digest: str
    seen: int
    maps: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class TrainedJudge:
    """A classifier of one data set.

    Attributes:
        learned: what it is.
        slope: by which scores are multiplied to be log odds, fitted to the validation split.
        accuracy: the share of real test data that it names right.
        recognized: the share of real test data that it :meth:`recognizes`, the most that a model's could be expected to have.
        data: the name of its data.
        given: how many of them there were to learn from.
    """

    learned: Learned
    slope: float
    accuracy: Measured
    recognized: Measured
    data: str
    given: int

    @property
    def digest(self) -> str:
        """Which judge a number is of."""
        return self.learned.digest

    def probabilities(self, x: Tensor) -> Tensor:
        """c(y|x) = softmax(slope · scores), ``(N, classes)`` in float64."""
        return torch.softmax(self.slope * self.learned.scores(x).double(), 1)

    def names(self, x: Tensor) -> Tensor:
        """The class that it decides for, ``(N,)``: the most probable one, or, of machines that vote, the one that wins."""
        return self.learned.names(x)

    def features(self, x: Tensor) -> Tensor:
        """What it sees in data before it decides, ``(N, F)``."""
        return self.learned.features(x)

    def maps(self, x: Tensor) -> Tensor:
        """What it sees at each position of images, ``(N, C, H, W)``.

        Raises:
            ValueError: it looks at no positions.
        """
        if self.learned.maps is None:
            raise ValueError(
                f"the judge {self.digest} looks at data as a whole, and not at each position; take judge='Network'."
            )
        return self.learned.maps(x)

    def recognizes(self, x: Tensor, confidence: float = CONFIDENT) -> Tensor:
        """Of which data it is confident what they are, max_y c(y|x) > ``confidence``: ``(N,)``."""
        return self.probabilities(x).amax(1) > confidence

    def says(self) -> str:
        """Which judge it is, and how good."""
        seen, who = self.learned.seen, f"the judge {self.digest}"
        if seen < self.given:
            who += f", which has learned from {seen} of {self.given} data,"
        return (
            f"{who} names {self.accuracy} of {self.accuracy.n} real test data of {self.data!r} right and "
            f"is confident of {self.recognized}"
        )

    def numbers(self) -> Mapping[str, Any]:
        """As it is kept beside every number that it gave."""
        return {
            "digest": self.digest,
            "accuracy": self.accuracy.numbers(),
            "recognized": self.recognized.numbers(),
            "data": self.data,
            "learned_from": self.learned.seen,
        }


class Judge(ABC):
    """A way to train a judge, with its settings.

    Attributes:
        trust: the share of real test data that it must name right to be asked at all.
        limit: how many data it learns from at most, which are spread over those that it is given; None: of all.
    """

    axes: ClassVar[tuple[str, ...]] = ("judge",)
    trust: float
    limit: int | None = None

    @abstractmethod
    def learn(self, x: Tensor, y: Tensor) -> Learned:
        """A classifier of training data ``(N, *x_shape)`` with labels ``(N,)`` from 0."""

    def of(self, data: Data) -> TrainedJudge:
        """The judge of a data set, trained the first time that it is asked for.

        Raises:
            ValueError: there are no labels of one class a datum, or the judge errs on more real data than ``trust`` allows.
        """
        key = repr((describe(self), *(getattr(data, name) for name in IDENTITY), sorted(data.sha256.items())))
        if key not in _known:
            if len(_known) >= REMEMBERED:
                del _known[next(iter(_known))]
            _known[key] = self._train(data)
        judge = _known[key]
        if judge.accuracy.value < self.trust:
            raise ValueError(
                f"the classifier that should judge is right on {judge.accuracy.value:.0%} of the real test data of "
                f"{data.name!r} only, as they are loaded here, and {self.trust:.0%} are needed; {_better(data)}."
            )
        return judge

    def _train(self, data: Data) -> TrainedJudge:
        (x, y), (xv, yv), (xt, yt) = (_labelled(data, split, most) for split, most in READ.items())
        learned = self.learn(x, y)
        slope = _calibrated(learned.scores(xv).double(), yv)
        recognized = torch.softmax(slope * learned.scores(xt).double(), 1).amax(1) > CONFIDENT
        return TrainedJudge(learned, slope, share(learned.names(xt) == yt), share(recognized), data.name, len(x))


def _better(data: Data) -> str:
    """What makes a better judge of data on which the one at hand errs."""
    if len(data.x_shape) == 3 and (data.kind == "binary" or data.dequantization):
        return "load images as grey values, by kind='unit', dequantization=False"
    return (
        "take a stricter one, judge='SupportVectors(cost=100)', or, where x tells no more of the classes, one that may err "
        "more, judge='SupportVectors(trust=0.5)', whose errors then count among the model's"
    )


# what makes two data sets the same to a judge, beside the raw values
IDENTITY = ("name", "kind", "binarization", "dequantization", "seed", "standardize", "size", "labels")
# at most so many data of a split: to learn from, to be calibrated by, to be tried on
READ = {"train": 100_000, "valid": 4000, "test": 4000}
MANY = 5000
_known: dict[str, TrainedJudge] = {}


def judge_of(data: Data, judge: Judge | str | Mapping[str, Any] | None = None) -> TrainedJudge:
    """The judge of what a model decodes: by default support vector machines.

    Of many images it is a small network, and of texts a regression on word counts. It looks at means of p(x|z). Where the
    data were binarized, or labels hidden, it learns from the grey values that the bits were drawn from, with all labels.

    Raises:
        ValueError: there is no such judge, there are no labels, or the judge cannot be trusted.
    """
    usual: Mapping[str, Any] | str = "SupportVectors"
    if data.vocabulary is not None:
        usual = "WordCounts"
    elif len(data.x_shape) == 3 and len(data.train) > MANY:
        usual = {"name": "Network", "width": 16}
    trained: Judge = make("judge", judge or usual)
    return trained.of(as_decoded(data))


def as_decoded(data: Data) -> Data:
    """The data as means of p(x|z) look, where that is not as the model was trained on them."""
    binarized = data.kind == "binary" and data.binarization != "none"
    if data.source == MEMORY or not (binarized or data.labels is not None):
        return data
    seen: dict[str, Any] = {"kind": "unit", "dequantization": False} if binarized else {}
    return load(**{**found_again(vars(data)), "binarization": None, "labels": None, **seen})


def unjudged(data: Data) -> str:
    """Why no judge can be trained on a data set, in one sentence; "" where one can."""
    y = data.train.y
    if y is None or y.dim() != 1 or y.is_floating_point():
        return (
            f"a judge learns one class a datum from labels, and {data.name!r} has none; take labelled data, or pass a judge "
            "of your own to the functions of pyrogen.inference."
        )
    return (
        "a judge reads whole data, and of these some elements are missing; impute them first." if data.missing else ""
    )


def _labelled(data: Data, name: str, most: int) -> tuple[Tensor, Tensor]:
    """The data of a split whose label is known, on the CPU; of very many, some."""
    why = unjudged(data)
    if why:
        raise ValueError(why)
    part = data.split(name).known().spread(most)
    assert part.y is not None  # or it could not be judged
    return part.x.cpu(), part.y.cpu()


def _calibrated(scores: Tensor, y: Tensor) -> float:
    """The slope b that makes softmax(b · scores) most probable for labels, of which one datum more than there are is wrong.

    That one keeps the slope finite where the judge errs on none.
    Reference: Guo et al. 2017, On calibration of modern neural networks, arXiv:1706.04599; Platt 1999 for the last.
    """
    from scipy.optimize import minimize_scalar

    known = scores.isfinite().all(0)
    kept = known[y]
    place = known.cumsum(0) - 1

    def loss(log_slope: float) -> float:
        logits = math.exp(log_slope) * scores[kept][:, known]
        return float(cross_entropy(logits, place[y[kept]], label_smoothing=1 / (len(y) + 2)))

    return math.exp(float(minimize_scalar(loss, bounds=(-5.0, 5.0), method="bounded").x))
