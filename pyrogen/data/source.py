"""What a data set is before anyone chose how to look at it: raw values, three splits, and the kinds they offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

IMAGE_KINDS = ("binary", "unit", "levels")
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Source:
    """Raw data.

    Args:
        name: what the data set is called.
        reference: where the data come from.
        kinds: the kinds that the raw values can be made into, the default one first.
        levels: number of grey levels L of raw whole numbers 0 … L − 1; None for continuous values.
        splits: ``(x, y)`` for each of "train", "valid" and "test"; y is None where there are no labels.
    """

    name: str
    reference: str
    kinds: tuple[str, ...]
    levels: int | None
    splits: Mapping[str, tuple[Tensor, Tensor | None]]


def cut(n: int, *sizes: int) -> tuple[Tensor, ...]:
    """Disjoint row numbers of the given sizes, from one fixed permutation of n rows."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0)).split(list(sizes))
