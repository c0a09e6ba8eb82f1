"""The one door through which data come to whatever judges a model: splits, tensors, arrays, tables, torch Datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Model, Pair
from pyrogen.data import Data, Split
from pyrogen.data.memory import as_split
from pyrogen.inference.programs.plain import as_pair

Judged = Model | Pair | tuple[Callable[..., object], Callable[..., object]]


def taken(pair: Any, x: Any, y: Any = None) -> tuple[Model, Tensor, Tensor | None, Split | None]:
    """A model and the data that it shall be judged on, checked, where the model is.

    Args:
        pair: a model of the zoo, or a tuple ``(model, guide)`` of plain Pyro functions.
        x: data ``(B, ...)``: a tensor, an array, a DataFrame, a torch Dataset or a split, which brings its own y.
        y: conditions, where the model asks for them.

    Returns:
        The model; x; the y that it must be told, None where it takes none; and the split that x came from, if it was one or
        was made into one.

    Raises:
        ValueError: a whole data set, or data that the model cannot take.
    """
    model: Model = pair if isinstance(pair, Model) else as_pair(pair)
    if isinstance(x, Data):
        raise ValueError(
            f"one split is judged at a time, and this got the whole data set {x.name!r}: pass data.test, say."
        )
    split = x if isinstance(x, Split) else None
    # a program of one's own may well observe counts
    if split is None and not (isinstance(x, Tensor) and (x.is_floating_point() or model is not pair)):
        split = as_split(x, y, model.kinds, model.standardized)
    if split is not None:
        x, y = split.x, model.condition_for(split.y) if y is None else y
    told = None if y is None else torch.as_tensor(y)
    model.check(x, told)
    if model is pair:
        x, told = model.read(x.to(model.device)), None if told is None else told.to(model.device)
    return model, x, told, split
