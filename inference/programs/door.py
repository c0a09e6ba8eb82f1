"""The one door through which data come to whatever judges a model: splits, tensors, arrays, tables, torch Datasets."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from pyrogen.arguments import conform, several
from pyrogen.base import Model, Pair
from pyrogen.data import Data, Split
from pyrogen.data.given import tensor_of
from pyrogen.data.memory import as_data, as_split
from pyrogen.inference.programs.plain import as_model

Judged = Model | Pair | tuple[Callable[..., object], Callable[..., object]]
F = TypeVar("F", bound=Callable[..., Any])


def verb(function: F) -> F:
    """A function for users, which takes its arguments as its annotations ask for them, and refuses others in a sentence.

    Numbers and strings are those of :func:`pyrogen.arguments.conform`; one where several are asked for is one of them; data
    are whatever :func:`~pyrogen.inference.fit` takes, of a kind that the model does; arrays become tensors where an
    annotation names these.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        given = conform(function, bound.arguments)
        named = [one for value in given.values() if isinstance(value, Mapping) for one in value.values()]
        models = [value for value in (*given.values(), *named) if isinstance(value, Model)]
        for name, value in given.items():
            given[name] = _understood(name, value, str(signature.parameters[name].annotation), models)
        bound.arguments.update(given)
        return function(*bound.args, **bound.kwargs)

    return called  # type: ignore[return-value]


def _understood(name: str, value: Any, annotation: str, models: list[Model]) -> Any:
    kinds = annotation.split(" | ")
    if value is None and "None" in kinds:
        return value
    if "Data" in kinds:
        return as_data(value, models[0].kinds, models[0].as_they_are) if models else as_data(value)
    if "Tensor" in annotation and isinstance(value, np.ndarray) and "ndarray" not in annotation:
        return tensor_of(value)
    if kinds in (["Model"], ["Model", "Tensor"]) and not isinstance(value, (Model, Tensor)[: len(kinds)]):
        samples = ", or samples as a tensor" if len(kinds) > 1 else ""
        raise ValueError(
            f"{name}= takes a model, as create gives it or a run has it{samples}; got {type(value).__name__}."
        )
    named = isinstance(value, Mapping) and re.search(r"(^|\] \| )Mapping\[", annotation) is not None
    return several(value) if annotation.startswith("Sequence[") and not named else value


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
    model = as_model(pair)
    if isinstance(x, Data):
        raise ValueError(
            f"one split is judged at a time, and this got the whole data set {x.name!r}: pass data.test, say."
        )
    split = x if isinstance(x, Split) else None
    # a program of one's own may well observe counts
    if split is None and not (isinstance(x, Tensor) and (x.is_floating_point() or model is not pair)):
        split = as_split(x, y, model)
    if split is not None:
        x, y = split.x, model.condition_for(split.y) if y is None else y
    told = None if y is None else torch.as_tensor(y)
    model.check(x, told)
    if model is pair:
        x, told = model.read(x.to(model.device)), None if told is None else told.to(model.device)
    return model, x, told, split
