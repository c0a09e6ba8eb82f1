"""Sequences that end, read as far as they go: what a model that takes any length need not look at."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.kinds import kind_named


def needed(model: Model, kind: str, x: Tensor) -> Tensor | None:
    """How many places of each datum a model must read, ``(N,)``; None where it is all."""
    return kind_named(kind).needed(x) if model.any_length else None


def by_length(model: Model, x: Tensor) -> Tensor:
    """The order of data ``(N,)`` by how many of their places a model must read; as they are where it is all."""
    found = needed(model, model.kinds[0], x)
    return torch.arange(len(x), device=x.device) if found is None else found.argsort(stable=True)


def cut(model: Model, x: Tensor) -> Tensor:
    """Data without the places that no one of them needs."""
    found = needed(model, model.kinds[0], x)
    return x if found is None else x[..., : int(found.max())]
