"""Values that a source, or a person, states as literals and calls, read without running anything."""

from __future__ import annotations

import ast
import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any


def constants(tree: ast.Module) -> dict[str, Any]:
    """Literals by the names that a source gives them."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with contextlib.suppress(ValueError):
                found[node.targets[0].id] = literal(node.value, found)
    return found


def literal(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of a literal, in which names may stand for literals above it, and ``**`` for what is in one.

    Raises:
        ValueError: it is none.
    """
    if isinstance(node, ast.Name) and node.id in names:
        return copy.deepcopy(names[node.id])
    if isinstance(node, ast.Dict):
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            inner = literal(value, names)
            found.update(inner if key is None else {literal(key, names): inner})
        return found
    if isinstance(node, (ast.List, ast.Tuple)):
        kind = list if isinstance(node, ast.List) else tuple
        return kind(literal(part, names) for part in node.elts)
    return ast.literal_eval(node)


def weighed(text: str) -> list[tuple[float, dict[str, Any]]]:
    """The weights and terms of a sum of calls, ``ELBO(warmup=5) + 10 * Contractive()``.

    Each term is ``{"name": ..., argument: value}``.

    Raises:
        ValueError: it is written otherwise.
    """
    try:
        return list(_terms(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"{text!r} is no sum of choices with arguments by name, as ELBO(warmup=1000) + 10 * Contractive()."
        ) from error


def called(text: str) -> tuple[str, dict[str, Any]]:
    """Name and arguments of one call whose name may have hyphens, ``sprites(size=64)``.

    Raises:
        ValueError: it is written otherwise.
    """
    name, _, rest = text.strip().partition("(")
    try:
        arguments = _call(ast.parse(f"call({rest}", mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} is no name with arguments by name, as sprites(size=64, y='label').") from error
    return name, {k: v for k, v in arguments.items() if k != "name"}


def _terms(node: ast.expr) -> Iterator[tuple[float, dict[str, Any]]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _terms(node.left)
        yield from _terms(node.right)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        factor, term = (node.left, node.right) if isinstance(node.left, ast.Constant) else (node.right, node.left)
        for weight, spec in _terms(term):
            yield float(ast.literal_eval(factor)) * weight, spec
    else:
        yield 1.0, _call(node)


def _call(node: ast.expr) -> dict[str, Any]:
    if isinstance(node, ast.Name):
        return {"name": node.id}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        return {"name": node.func.id, **{str(k.arg): _argument(k.value) for k in node.keywords}}
    raise ValueError("neither a name nor a call with arguments by name")


def _argument(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return node.id  # a name without quotes, as shells eat them
    return _call(node) if isinstance(node, ast.Call) else ast.literal_eval(node)
