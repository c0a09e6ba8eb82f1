"""What a data set is before anyone chose how to look at it: raw values, three splits, and the kinds they offer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pyrogen.conditions import UNKNOWN
from pyrogen.data.law import Law
from pyrogen.data.oracle import Oracle
from pyrogen.vocabulary import Vocabulary

# float32 has all whole numbers up to here
LARGEST_COUNT = 2**24
PHOTO_KINDS = ("unit", "levels", "binary")
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Source:
    """Raw data.

    Args:
        name: what the data set is called.
        reference: where the data come from.
        kinds: the kinds that the raw values can be made into, the default one first.
        levels: number of grey levels L of raw whole numbers 0 … L − 1; None for continuous values.
        splits: ``(x, y)`` for each of "train", "valid" and "test"; y is labels (whole numbers), or real numbers ``(N, ...)``
            that x depends on, or None. An ``x`` that is
            a NumPy array lies on disk, memory-mapped, and is streamed from there if it is large.
        own: whether they are a user's arrays or table, whose real numbers may have any unit, so that they are standardized
            by default, unless they are images within [−1, 1].
        columns: names of the columns of a table, where it gives them.
        class_names: what the labels 0, 1 ... mean; of several labels a datum, one name for each.
        wished: further kinds, for a wish that names one: they would change what the values mean.
        guess: what was guessed of how x is to be read and what y means, in words.
        guess_of_kind: what was guessed of the kind of x, in words, where nobody names it.
        oracle: what is known exactly of their modes; None of most data.
        paired: whether each y belongs to its x; if not, they are two domains, whose partners are hidden in test alone.
        law: what they were drawn from, where its log p(x), or log p(x|y), is known; None of most data.
        vocabulary: the words of a text; None of what is none.
        labelled: what :func:`pyrogen.data.load` takes to find such x with y of their own, where here y is made of x; "" of
            most data.
    """

    name: str
    reference: str
    kinds: tuple[str, ...]
    levels: int | None
    splits: Mapping[str, tuple[Tensor | np.ndarray, Tensor | None]]
    own: bool = False
    columns: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    wished: tuple[str, ...] = ()
    guess: str = ""
    guess_of_kind: str = ""
    oracle: Oracle | None = None
    paired: bool = True
    law: Law | None = None
    vocabulary: Vocabulary | None = None
    labelled: str = ""


def hide(source: Source, labels: int) -> Source:
    """The same data with the labels of only so many training data, drawn by a fixed seed, as many of each class as can be.

    Raises:
        ValueError: the data have no labels, or not as many.
    """
    x, y = source.splits["train"]
    if y is None or y.dim() != 1 or y.is_floating_point():
        raise ValueError(f"labels={labels}: {source.name!r} has no labels, one a datum, of which some could be hidden.")
    known = int((y != UNKNOWN).sum())
    if not 0 <= labels <= known:
        whose = "training data" if known == len(y) else "training data whose label is known"
        raise ValueError(f"labels={labels}: {source.name!r} has {known} {whose}, so keep 0 to {known} labels.")
    shuffled = cut(len(y), len(y))[0]
    shuffled = shuffled[y[shuffled] != UNKNOWN]
    # the first datum of each class, then the second of each …
    rank = torch.empty_like(y)
    for k in y.unique():
        rows = shuffled[y[shuffled] == k]
        rank[rows] = torch.arange(len(rows))
    kept = shuffled[rank[shuffled].argsort(stable=True)][:labels]
    seen = torch.full_like(y, UNKNOWN)
    seen[kept] = y[kept]
    return replace(source, splits={**source.splits, "train": (x, seen)})


def within_a_turn(low: float, high: float) -> bool:
    """Whether values from ``low`` to ``high`` can be radians, in [−π, π] or in [0, 2π]; most degrees cannot."""
    slack = 1e-6
    return -math.pi - slack <= low and high <= (math.pi if low < 0 else 2 * math.pi) + slack


def cut(n: int, *sizes: int) -> tuple[Tensor, ...]:
    """Disjoint row numbers of the given sizes, from one fixed permutation of n rows."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0)).split(list(sizes))


def tenths(n: int, said: str = "") -> dict[str, Tensor]:
    """Row numbers of train, valid and test: of n rows a tenth each for the latter two.

    Args:
        n: how many there are.
        said: that there are so many, as a refusal begins.

    Raises:
        ValueError: there are fewer than 3.
    """
    if n < 3:
        raise ValueError(f"{said or f'these are {n} data'}, too few to cut train, valid and test from.")
    tenth = max(1, n // 10)
    return dict(zip(SPLITS, cut(n, n - 2 * tenth, tenth, tenth), strict=True))
