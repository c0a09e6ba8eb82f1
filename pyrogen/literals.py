"""Values that a source states as literals, read without running it."""

from __future__ import annotations

import ast
import contextlib
import copy
from collections.abc import Mapping
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
