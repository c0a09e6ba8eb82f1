"""What arguments may be, by the annotations of the function that takes them."""

from __future__ import annotations

import functools
import inspect
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

NEEDS = {
    "int": "a whole number",
    "float": "a finite number",
    "bool": "True or False",
    "str": "a string",
    "None": "None",
    "Sequence[int]": "whole numbers, as (8, 4)",
    "Sequence[float]": "finite numbers, as (0.5, 2)",
    "Sequence[str]": "strings, as ('a', 'b')",
    "Mapping[str, int]": "whole numbers by name, as {'a': 8, 'b': 4}",
    "Mapping[str, float]": "finite numbers by name, as {'a': 0.5, 'b': 2}",
    "Mapping[str, Sequence[int]]": "whole numbers by name, as {'a': (8, 4), 'b': ()}",
}

# names that sizes of 1 or more have wherever there is one, and of 0 or more
SIZES = (
    *("x_shape", "latent_size", "hidden", "width", "upper", "push", "features", "layers", "kernel", "times", "factor"),
    *("codes", "code_size", "components", "categories", "prior_width", "scales", "k"),
)
LEAST = {**dict.fromkeys(SIZES, 1), "uniform": 0}


class Unfit(Exception):
    """A value is not of a type."""


def conform(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as the annotations of a function ask for them, where those are of numbers, strings, and several of them.

    One number or string where a sequence is asked for is a sequence of one; NumPy's numbers become Python's, so that
    a config can hold them. What is annotated otherwise is left as it is.

    Raises:
        ValueError: an argument is something else; the sentence says which, and what it needs.
    """
    allowed = _allowed(function)
    return {name: _conformed(name, value, allowed.get(name, ())) for name, value in arguments.items()}


def several(value: Any) -> Any:
    """What is asked for as several: one string, description or number is one of them."""
    one = (
        isinstance(value, (str, bytes, Mapping))
        or not hasattr(value, "__iter__")
        or getattr(value, "shape", None) == ()
    )
    return (value,) if one else value


def at_least(least: int, **numbers: int) -> None:
    """Refuse numbers that are too small.

    Raises:
        ValueError: one is.
    """
    for name, number in numbers.items():
        if number < least:
            raise ValueError(f"{name}={number}: needs {least} or more.")


def check_sizes(arguments: Mapping[str, Any]) -> None:
    """Refuse sizes that nothing has.

    Raises:
        ValueError: one is below the least, or x has no dimension.
    """
    for name in LEAST.keys() & arguments.keys():
        value = arguments[name]
        parts = value if isinstance(value, (list, tuple)) else (value,)
        if any(isinstance(part, int) and part < LEAST[name] for part in parts):
            raise ValueError(f"{name}={_plainly(value)}: a size is {LEAST[name]} or more.")
        if name in ("x_shape", "latent_size") and not parts:
            what = "a datum" if name == "x_shape" else "a latent"
            raise ValueError(f"{name}=(): {what} has a dimension at least; of single numbers it is (1,).")


def conforming(constructor: Callable[..., None]) -> Callable[..., None]:
    """A constructor that takes arguments as its annotations ask for them, or refuses them in a sentence."""
    if hasattr(constructor, "__wrapped__") or not inspect.isfunction(constructor):
        return constructor  # it does already, or takes none
    signature = inspect.signature(constructor)

    @functools.wraps(constructor)
    def construct(*args: Any, **kwargs: Any) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.arguments.update(conform(constructor, bound.arguments))
        constructor(*bound.args, **bound.kwargs)
        check_sizes(bound.arguments)  # a class that has more to say of its own has said it

    return construct


@functools.cache
def _allowed(function: Callable[..., Any]) -> dict[str, tuple[str, ...]]:
    """The types that each argument may have; of those annotated otherwise, nothing."""
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = parameter.annotation
        parts = tuple(re.split(r"\s*\|\s*", annotation)) if isinstance(annotation, str) else ()
        if set(parts) <= NEEDS.keys() and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            found[name] = parts
    return found


def _conformed(name: str, value: Any, types: tuple[str, ...]) -> Any:
    for kind in types:
        try:
            return _of_kind(value, kind)
        except Unfit:
            continue
    if not types:
        return value
    needs = " or ".join(NEEDS[kind] for kind in types)
    raise ValueError(f"{name}={value!r:.60}: needs {needs}.")


def _of_kind(value: Any, kind: str) -> Any:
    if kind.startswith("Mapping"):
        if not (isinstance(value, Mapping) and value and all(isinstance(name, str) for name in value)):
            raise Unfit
        return {name: _of_kind(part, kind[len("Mapping[str, ") : -1]) for name, part in value.items()}
    return _sequence(value, kind[9:-1]) if kind.startswith("Sequence") else _single(value, kind)


def _single(value: Any, kind: str) -> Any:
    truth = isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")  # NumPy's is none
    if kind == "bool" and truth:
        return bool(value)
    if kind == "str" and isinstance(value, str):
        return str(value)
    if kind == "None" and value is None:
        return None
    if truth or isinstance(value, (str, bytes)):
        raise Unfit
    if kind == "int":
        return _or_unfit(operator.index, value)
    if kind == "float" and getattr(value, "shape", ()) == () and _or_unfit(math.isfinite, value):
        return value if type(value) in (int, float) else _or_unfit(float, value)
    raise Unfit


def _sequence(value: Any, kind: str) -> Any:
    """The value itself where all its parts are plain; else a tuple."""
    parts = tuple(_single(part, kind) for part in several(value))
    plain = isinstance(value, (list, tuple)) and all(type(a) is type(b) for a, b in zip(parts, value, strict=True))
    return value if plain else parts


def _plainly(value: Any) -> str:
    return repr(tuple(value) if isinstance(value, tuple) else value)  # of a torch.Size too


def _or_unfit(convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise Unfit from error
