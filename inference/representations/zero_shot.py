"""Classes that nobody has shown, named by what is said of them: pairs of values that training data lack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyrogen.base import HasFeatures, Model
from pyrogen.data import Data, Split
from pyrogen.inference.latents.analysis import Analysis, Finding, by_trying
from pyrogen.inference.latents.judging import Judge
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import verb
from pyrogen.inference.representations.disentanglement import known_factors
from pyrogen.inference.representations.readers import Reader
from pyrogen.inference.representations.representation import Codes, scaled
from pyrogen.inference.representations.shares import Shares
from pyrogen.registry import choice, make, unknown
from pyrogen.seeds import numpy_generator

ATTRIBUTES, MADE = "their attributes", "pictures made of them"
NEAREST, OTHERS = "the nearest seen class", "attributes of another class"
UNSEEN, AMONG_ALL = "unseen classes", "unseen classes among all"
TINY = 1e-12  # probability that a reader of few votes gives at least
MANY = 100  # labelled data of each class, by which readers choose their size


@verb
def zero_shot(
    model: Model,
    data: Data,
    factors: Sequence[str] | None = None,
    reader: Reader | str = "Linear",
    judge: Judge | str | Mapping[str, Any] = "SupportVectors",
    made: int = 100,
    limit: int = 5000,
    seed: int = 0,
) -> Shares:
    """How often data of classes that training lacks are named right, where a class is a pair of values of two factors.

    Of a model that encodes, by embedding: a reader learns each factor from codes c(x) of training data, and the class is
    argmax_(a, b) log p(a|c) + log p(b|c). Of a model that is conditional on the factors, by generated data: a judge learns
    the unseen classes from pictures that the model makes of them, other factors drawn from training data.

    Beside it stand the nearest seen class, which the same reader or judge learns, and then that of the unseen ones which has
    most values in common with it; and, as a control, the same way told the attributes of another class. Columns: the unseen
    classes alone, and these among all that there are.

    References: Lampert, Nickisch & Harmeling 2009, Learning to detect unseen object classes by between-class attribute
    transfer; Xian et al. 2018, Feature generating networks for zero-shot learning, arXiv:1712.00981.

    Args:
        model: with codes, or hidden units, that is told no y; or conditional on all factors.
        data: with several labels a datum, of which test has pairs that train lacks.
        factors: the names of the two; None: the first two that have such pairs.
        reader: what reads codes.
        judge: what learns from pictures.
        made: pictures of each unseen class.
        limit: training data that are looked at.
        seed: of what is drawn.

    Raises:
        ValueError: no pair is unseen, or the model neither encodes nor is told the factors.
    """
    classes = unseen_pairs(data, factors)
    if why := _useless(model, data):
        raise ValueError(why)
    some = data.train.spread(limit)
    train, test = _known(some, classes), _known(data.test, classes)
    test = test.rows(classes.number(test.y, classes.unseen) >= 0)
    rng = numpy_generator(seed, 11)
    if model.is_told:
        first, ways = MADE, _taught(model, train, test, classes, make("judge", judge), made, rng, seed)
    else:
        first, ways = ATTRIBUTES, _read(model, data, train, test, classes, make("reader", reader), seed)
    nearest = classes.seen[ways.seen]
    hits: dict[str, dict[str, Tensor]] = {}
    for column, among in ((UNSEEN, classes.unseen), (AMONG_ALL, torch.cat([classes.unseen, classes.seen]))):
        alike = (nearest[:, None] == among[None]).sum(2).double()
        alike += 0.5 * torch.from_numpy(rng.random(tuple(alike.shape)))  # ties are broken by chance
        chosen = ways.named(among)
        named = {first: chosen, NEAREST: alike.argmax(1), OTHERS: (chosen + 1) % len(among)}
        hits[column] = {way: (among[at] == test.y).all(1)[None] for way, at in named.items()}
    return Shares(
        hits,
        f"A class is a {' and a '.join(classes.names)} of {data.name!r}: {len(classes.unseen)} are in test alone, "
        f"{len(test.y)} data of them; {len(classes.seen)} in train, {len(train.y)} data.",
    )


@dataclass(frozen=True)
class Classes:
    """Pairs of values of two factors.

    Attributes:
        factors: the columns of y that hold the two.
        names: what they are called.
        unseen: the pairs that test has and train lacks, ``(K, 2)``.
        seen: those that train has, ``(L, 2)``.
    """

    factors: tuple[int, int]
    names: tuple[str, str]
    unseen: Tensor
    seen: Tensor

    def number(self, y: Tensor, among: Tensor) -> Tensor:
        """Which of the pairs ``(K, 2)`` each of y ``(N, 2)`` is, ``(N,)``; −1 of others."""
        same = (y[:, None] == among[None]).all(2)
        return torch.where(same.any(1), same.long().argmax(1), -1)


def unseen_pairs(data: Data, factors: Sequence[str] | None = None) -> Classes:
    """The pairs of values of two factors that test has and train lacks.

    Raises:
        ValueError: y is not several labels, there are no such factors, or no such pairs.
    """
    names = list(known_factors(data))
    if not names or data.train.y is None or data.test.y is None:
        raise ValueError(
            f"zero-shot classes are pairs of values of known factors, and {data.name!r} has none: it needs several labels a "
            "datum, y of shape (N, factors)."
        )
    if factors is not None and (len(factors) != 2 or factors[0] == factors[1]):
        raise ValueError(f"factors={list(factors)}: a class is a pair of values of two factors; name two of them.")
    for factor in factors or ():
        if factor not in names:
            raise unknown(f"factor of {data.name!r}", factor, names)
    asked = [tuple(map(names.index, factors))] if factors else list(combinations(range(len(names)), 2))
    for i, j in asked:
        train, test = (torch.unique(y[:, [i, j]].cpu(), dim=0) for y in (data.train.y, data.test.y))
        unseen = test[~(test[:, None] == train[None]).all(2).any(1)]
        if len(unseen) > 1:
            return Classes((i, j), (names[i], names[j]), unseen, train)
    raise ValueError(
        f"no two pairs of values of {' and '.join(factors or ['any two factors'])} of {data.name!r} are in test alone; hold "
        "some out, as sprites(held_out=['red circle', 'green square'])."
    )


class _Known(NamedTuple):
    """Data, all of their labels, and their pairs of values ``(N, 2)``."""

    x: Tensor
    labels: Tensor
    y: Tensor

    def rows(self, kept: Tensor) -> _Known:
        return _Known(self.x[kept], self.labels[kept], self.y[kept])


class _Ways(NamedTuple):
    """Which of given pairs ``(K, 2)`` each test datum is named, ``(N,)``; and which of the seen ones, ``(N,)``."""

    named: Callable[[Tensor], Tensor]
    seen: Tensor


def _known(split: Split, classes: Classes) -> _Known:
    assert split.y is not None  # of others there are no classes
    labels = split.y.cpu()
    return _Known(split.x.cpu(), labels, labels[:, list(classes.factors)])


def _read(model: Model, data: Data, train: _Known, test: _Known, classes: Classes, reader: Reader, seed: int) -> _Ways:
    """By readers of codes, one for each factor, and one for the seen classes."""
    encoder = Codes().of(model, data, seed)
    pool, asked = scaled(*(encoder(Split(known.x, None, "test", data.test.view)) for known in (train, test)))

    def log_odds(y: Tensor, values: int) -> Tensor:
        classifier = reader.classifier(MANY).fit(pool, y.numpy())
        # of a value that training lacks nothing is known, and it is never named
        found = torch.full((len(asked), values), -torch.inf, dtype=torch.float64)
        p = torch.from_numpy(classifier.predict_proba(asked)).double()
        found[:, torch.from_numpy(classifier.classes_)] = p.clamp_min(TINY).log()
        return found

    values = 1 + torch.cat([classes.seen, classes.unseen]).amax(0)
    of = [log_odds(train.y[:, k], int(values[k])) for k in range(2)]
    return _Ways(
        lambda among: (of[0][:, among[:, 0]] + of[1][:, among[:, 1]]).argmax(1),
        log_odds(classes.number(train.y, classes.seen), len(classes.seen)).argmax(1),
    )


def _taught(
    model: Model,
    train: _Known,
    test: _Known,
    classes: Classes,
    judge: Judge,
    made: int,
    rng: np.random.Generator,
    seed: int,
) -> _Ways:
    """By judges, of pictures that the model makes of unseen classes, and of real ones of the seen."""
    y = train.labels[torch.from_numpy(rng.integers(len(train.labels), size=made * len(classes.unseen)))].clone()
    y[:, list(classes.factors)] = classes.unseen.repeat_interleave(made, 0)
    with evaluating(model), seeded(seed, model.device):
        x = model.sample_mean(len(y), y.to(model.device)).cpu()
    both, pairs = torch.cat([x, train.x]), torch.cat([y[:, list(classes.factors)], train.y])

    def named(among: Tensor) -> Tensor:
        number = classes.number(pairs, among)
        return judge.learn(both[number >= 0], number[number >= 0]).names(test.x)

    return _Ways(named, named(classes.seen))


def _useless(model: Model, data: Data) -> str:
    """Why a model tells nothing of unseen classes, in one sentence; "" where it does."""
    if model.is_told:
        assert model.condition is not None
        told = model.condition.classes is not None and torch.Size(model.condition.shape) == data.y_shape
        return (
            "" if told else f"{type(model).__name__} is told {model.condition}, and not the factors of {data.name!r}."
        )
    if isinstance(model, HasFeatures):
        return ""
    return (
        f"{type(model).__name__} neither encodes data nor is told their factors, by which unseen classes are named; take an "
        "encoder, or vae-conditional."
    )


@choice("analysis", "zero-shot")
class ZeroShot(Analysis):
    """Whether classes that training lacks are named by what is said of them, see :func:`zero_shot`.

    Args:
        factors: of which a class is a pair of values; None: the first two with pairs that train lacks.
        reader: what reads codes.
        judge: what learns from pictures.
        made: pictures of each unseen class.
        limit: training data that are looked at.
    """

    title = "Are classes that nobody has shown named right?"
    order = 66

    def __init__(
        self,
        factors: Sequence[str] | None = None,
        reader: str = "Linear",
        judge: str = "SupportVectors",
        made: int = 100,
        limit: int = 5000,
    ) -> None:
        self.factors, self.reader, self.judge, self.made, self.limit = factors, reader, judge, made, limit

    @by_trying
    def refusal(self, model: Model, data: Data) -> str:
        """Why it cannot be asked."""
        unseen_pairs(data, self.factors)
        return _useless(model, data)

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Ask it."""
        found = zero_shot(model, data, self.factors, self.reader, self.judge, self.made, self.limit, seed)
        advice = "codes that keep each factor apart name unseen pairs: pyrogen probe RUN --factor says which they keep"
        return found.finding("zero-shot", advice)
