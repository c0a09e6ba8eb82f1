"""Kinds of data: what the values of x are, how they are drawn from raw ones, and how they are shown.

A kind is a choice like any other: a new one is a file with a class under ``@choice("kind", "name")``. Data come in it by
``kind="name"`` wherever their raw values allow it.
"""

from __future__ import annotations

import functools
import math
from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import constraints

from pyrogen.registry import choice, find
from pyrogen.vocabulary import END

IMAGE_KINDS = ("binary", "unit", "levels")
PLAIN = (*IMAGE_KINDS, "real", "counts", "positive", "angle")
"""The kinds that a network of numbers takes, in the order in which data are asked for them."""
BOUNDED = ("unit", "binary")
"""The kinds whose values lie between 0 and 1."""
SMALLEST = 4  # pixels on a side: what convolutions here take, and where frequencies can be told


@dataclass(frozen=True)
class Kind(ABC):
    """What the values of x are.

    Attributes:
        words: what every value is, to be read after "these data: ".
        support: the values that one element may have.
        countable: whether x has probabilities, and no densities.
        limits: the lowest and the highest value of a picture; None: those of the data.
        vectors: whether data are compared, and shown, as vectors of numbers; a report has other sections for what is none.
        standardized_by: what of the training data x is standardized by, in words; "" where it stays in its own unit.
        instead: what to take of data that have other values, in words; "" where there is nothing to say.
    """

    axes: ClassVar[tuple[str, ...]] = ("kind",)
    words: ClassVar[str]
    support: ClassVar[constraints.Constraint] = constraints.real
    countable: ClassVar[bool] = False
    limits: ClassVar[tuple[float, float] | None] = None
    vectors: ClassVar[bool] = True
    standardized_by: ClassVar[str] = ""
    instead: ClassVar[str] = ""

    def check(self, x: Tensor) -> bool:
        """Whether all values of ``x`` are of the kind, or of raw values that can be made into it."""
        return bool(self.support.check(x).all())

    def draw(self, raw: Tensor, levels: int | None, random: bool, noise: Tensor | None) -> Tensor:
        """x of raw values, same shape, float32.

        Args:
            raw: whole numbers below ``levels`` or, without, the values themselves.
            levels: how many there are.
            random: whether grey values are binarized or dequantized.
            noise: uniform on [0, 1), of the shape of ``raw``; None for that of torch's global generator.
        """
        return raw.float()

    def standard(self, column: Tensor) -> tuple[Tensor, Tensor]:
        """What raw values are standardized by, x = (r − a) / b: a and b ``(...)`` of ``(N, ...)`` float64, NaN left out.

        Raises:
            ValueError: values of this kind stay in their own unit.
        """
        raise ValueError(f"{type(self).__name__} data stay in their own unit; leave standardize out.")

    def needed(self, x: Tensor) -> Tensor | None:
        """How many places of the last axis say all there is of each datum, ``(N,)`` of 1 or more; None: data have no ends."""
        return None


@choice("kind", "binary")
class Binary(Kind):
    """Bits; grey values are drawn, x ~ Bernoulli(r / (L − 1))."""

    words = "every value is 0 or 1"
    support = constraints.boolean
    countable = True
    limits = (0.0, 1.0)

    def draw(self, raw: Tensor, levels: int | None, random: bool, noise: Tensor | None) -> Tensor:
        """r / (L − 1), or a bit that is 1 with that probability."""
        x = raw.float() / ((levels or 2) - 1)
        if not random:
            return x
        return coins(x) if noise is None else (noise < x).float()


@choice("kind", "unit")
class Unit(Kind):
    """Grey values, r / (L − 1), or (r + u) / L with u uniform on (0, 1), which has a density."""

    words = "grey values in [0, 1]"
    support = constraints.unit_interval
    limits = (0.0, 1.0)

    def draw(self, raw: Tensor, levels: int | None, random: bool, noise: Tensor | None) -> Tensor:
        """r / (L − 1), or (r + u) / L."""
        if not (random and levels):
            return raw.float() / ((levels or 2) - 1)
        u = torch.rand(raw.shape, device=raw.device) if noise is None else noise
        # float32 would round r + u up to the next level where u is close to 1
        return (raw.float() + u.clamp(1e-4, 1 - 1e-4)) / levels


@choice("kind", "levels")
class Levels(Kind):
    """Grey levels, round(255 r / (L − 1))."""

    words = "whole numbers from 0 to 255"
    support = constraints.integer_interval(0, 255)
    countable = True
    limits = (0.0, 255.0)

    def draw(self, raw: Tensor, levels: int | None, random: bool, noise: Tensor | None) -> Tensor:
        """round(255 r / (L − 1))."""
        return (raw.float() * (255 / ((levels or 2) - 1))).round()


@choice("kind", "real")
class Real(Kind):
    """Real numbers as they are."""

    words = "any real numbers"
    standardized_by = "mean and sd"

    def standard(self, column: Tensor) -> tuple[Tensor, Tensor]:
        """The mean, and the root of the mean squared deviation from it."""
        mean = column.nanmean(0)
        return mean, (column - mean).square().nanmean(0).sqrt()


@choice("kind", "counts")
class Counts(Kind):
    """Counts as they are."""

    words = "whole numbers from 0"
    support = constraints.nonnegative_integer
    countable = True


@choice("kind", "positive")
class Positive(Kind):
    """Durations, prices, intensities: numbers above 0 as they are, or by their geometric mean, r / exp E log r."""

    words = "numbers above 0"
    support = constraints.positive
    standardized_by = "geometric mean"
    instead = (
        "of data with zeros, take kind='counts' and likelihood='ZeroInflatedNegativeBinomial' where they are whole numbers, "
        "NaN by missing=True and likelihood='Masked' where 0 says that nothing was measured, and kind='real' otherwise"
    )

    def standard(self, column: Tensor) -> tuple[Tensor, Tensor]:
        """Zero, and the geometric mean, beside which a few large values weigh little."""
        unit = column.log().nanmean(0).exp()
        return torch.zeros_like(unit), unit


@choice("kind", "angle")
class Angle(Kind):
    """Radians, turned into [−π, π)."""

    words = "radians from −π to π"
    support = constraints.interval(-math.pi, math.pi)
    limits = (-math.pi, math.pi)

    def draw(self, raw: Tensor, levels: int | None, random: bool, noise: Tensor | None) -> Tensor:
        """r, less whole turns."""
        return (torch.remainder(raw.double() + math.pi, 2 * math.pi) - math.pi).float()


@choice("kind", "tokens")
class Tokens(Kind):
    """Numbers of words as they are, ``(voices, T)``, with −1 after the end: a datum carries its own length."""

    words = "whole numbers from 0, and −1 after the end"
    support = constraints.integer_interval(END, 2**24)
    countable = True
    vectors = False

    def check(self, x: Tensor) -> bool:
        """Whether all are, and no word follows an end."""
        ended = x == END
        return super().check(x) and not (ended[..., :-1] & ~ended[..., 1:]).any()

    def needed(self, x: Tensor) -> Tensor:
        """Up to and with the last end of a voice, which is scored too; all places, where a voice fills them."""
        longest = (x != END).flatten(1, -2).any(1).sum(-1)
        return (longest + 1).clamp(max=x.shape[-1])


@choice("kind", "paths")
class Paths(Kind):
    """Places in the plane as they are, ``(people, steps, 2)``, NaN of people of whom a scene has none."""

    words = "places in the plane, (people, steps, 2), and NaN of whoever is not there at all"
    vectors = False

    def check(self, x: Tensor) -> bool:
        """Whether all are, each of the people being there at all steps or at none."""
        if x.dim() < 3 or x.shape[-1] != 2:
            return False
        gone = x.isnan().flatten(-2)
        return not (x.isinf().any() or (gone.any(-1) & ~gone.all(-1)).any())


def coins(p: Tensor) -> Tensor:
    """Ones with probabilities p and zeros else, same shape and type: torch.bernoulli, bit for bit, in a third of its time."""
    # in float32 at least: halves would round small probabilities away
    uniform = torch.rand(p.shape, dtype=torch.promote_types(p.dtype, torch.float32), device=p.device)
    return uniform.lt_(p).to(p.dtype)


def is_picture(shape: Sequence[int]) -> bool:
    """Whether data of this shape are pictures, ``(C, H, W)`` of one or three channels and 4 pixels a side or more."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= SMALLEST


def is_shown(shape: Sequence[int]) -> bool:
    """Whether data of this shape are drawn as pictures: they are some, or clips of them, ``(T, C, H, W)``."""
    return is_picture(shape) or (len(shape) == 4 and is_picture(shape[1:]))


@functools.cache
def kind_named(name: str) -> Kind:
    """A kind by its name.

    Raises:
        ValueError: there is none.
    """
    kind: Kind = find("kind", name).load()()
    return kind


def kind_of(x: Tensor) -> str:
    """The narrowest of the plain kinds that the values of ``x`` agree with.

    >>> kind_of(torch.tensor([0.0, 0.5]))
    'unit'
    """
    return next(name for name in ("binary", "unit", "levels", "counts", "real") if kind_named(name).check(x))


def kinds_of_range(kind: str, does: str) -> tuple[str, ...]:
    """The kinds of data whose values have the range of one: those between 0 and 1, or any real numbers.

    Args:
        kind: of the data.
        does: what reads or makes them, as a refusal begins.

    Raises:
        ValueError: it is another.
    """
    if kind not in (*BOUNDED, "real"):
        raise ValueError(
            f"kind={kind!r}: {does} real numbers, or numbers from 0 to 1; load the data with kind='real' or kind='unit'."
        )
    return BOUNDED if kind in BOUNDED else ("real",)
