"""What a recording can do without: what gives back what it was given, is computed twice, or is the same at each replay.

Each of these leaves every number as it was to the bit. What is written in place, and whatever shares memory with that or with
an output, stays as it was recorded: an owner of a gradient may change it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

aten = torch.ops.aten

# numbers at most in a tensor that is kept instead of computed anew: more cost memory, and little of Python
FOLDED = 2**20
# x of these with that number is x
NEUTRAL: dict[Any, float] = {
    aten.sub.Tensor: 0.0,
    aten.mul.Tensor: 1.0,
    aten.div.Tensor: 1.0,
    aten.pow.Tensor_Scalar: 1.0,
}
VIEWS = (aten.view.default, aten.expand.default, aten.slice.Tensor)  # x itself where they leave its shape
# which read nothing of a tensor but its shape and kind
FILLED = (
    aten.zeros_like.default,
    aten.ones_like.default,
    aten.full_like.default,
    aten.new_zeros.default,
    aten.new_ones.default,
    aten.new_full.default,
)
RAW = (aten.empty.memory_format, aten.empty_like.default, aten.empty_strided.default, aten.new_empty.default)


def make_lean(module: fx.GraphModule) -> None:
    """Leave it all out of a graph of operations."""
    graph = module.graph
    for node in _calls(graph):
        if node.target in (aten.alias.default, aten.detach.default):
            _replace(node, node.args[0])
    graph.eliminate_dead_code()
    held = bound(graph)
    for node in _calls(graph):
        if _gives_back(node, held):
            _replace(node, node.args[0])
        elif _undoes(node, held):
            _replace(node, node.args[0].args[0])  # type: ignore[union-attr]
        elif _drops_what_was_summed(node):
            _replace(node, _summed(graph, node))
    graph.eliminate_dead_code()
    held = bound(graph)
    _compute_once(graph, held)
    _fold(module, held)
    graph.eliminate_dead_code()


def _compute_once(graph: fx.Graph, held: set[fx.Node]) -> None:
    """Of operations alike on the same tensors, the first alone."""
    known: dict[Any, fx.Node] = {}
    for node in _calls(graph):
        if node in held or not _pure(node) or any(given in held for given in node.all_input_nodes):
            continue
        # as text 1, 1.0 and True differ, and so do 0.0 and −0.0
        first = known.setdefault((node.target, repr(node.args), repr(node.kwargs)), node)
        if first is not node:
            _replace(node, first)


def _fold(module: fx.GraphModule, held: set[fx.Node]) -> None:
    """What depends on no input is computed once, here."""
    values: dict[fx.Node, Any] = {}
    with torch.no_grad():
        for node in _calls(module.graph):
            known = all(given in values for given in node.all_input_nodes) or node.target in FILLED
            if node in held or not known or not _pure(node):
                continue
            args, kwargs = fx.node.map_arg(
                (node.args, dict(node.kwargs)), lambda given: values[given] if given in values else _stand_in(given)
            )
            value = node.target(*args, **kwargs)  # type: ignore[operator]
            if sum(t.numel() for t in _tensors(value)) <= FOLDED:
                values[node] = value
    for i, (node, value) in enumerate(values.items()):
        if isinstance(value, Tensor) and any(user not in values for user in node.users):
            setattr(module, f"folded_{i}", value)
            with module.graph.inserting_before(node):
                node.replace_all_uses_with(module.graph.create_node("get_attr", f"folded_{i}"))


def bound(graph: fx.Graph, by_outputs: bool = True) -> set[fx.Node]:
    """What is written in place, or shares memory with that or, unless these do not matter, with an output."""
    roots: dict[fx.Node, set[fx.Node]] = {}
    held: set[fx.Node] = set()
    for node in graph.nodes:
        shared, written = _shares(node)
        roots[node] = {node}.union(*(roots[given] for given in shared))
        held = held.union(*(roots[given] for given in written))
        if by_outputs and node.op == "output":
            held = held.union(*(roots[given] for given in node.all_input_nodes))
    return {node for node, its in roots.items() if its & held}


def _shares(node: fx.Node) -> tuple[list[fx.Node], list[fx.Node]]:
    """Whose memory an operation's outputs may share, and where it writes."""
    if node.op != "call_function":
        return [], []
    given = node.all_input_nodes
    if node.target is operator.getitem:
        return given, []
    if not isinstance(node.target, OpOverload):
        return given, given
    shared: list[fx.Node] = []
    written: list[fx.Node] = []
    for i, argument in enumerate(node.target._schema.arguments):
        value = node.args[i] if i < len(node.args) else node.kwargs.get(argument.name)
        if argument.alias_info is not None:
            nodes: list[fx.Node] = []
            fx.node.map_arg(value, nodes.append)
            shared += nodes
            written += nodes if argument.alias_info.is_write else []
    return shared, written


def _pure(node: fx.Node) -> bool:
    """Whether it always gives the same of the same."""
    if node.target is operator.getitem:
        return True
    op = node.target
    known = isinstance(op, OpOverload) and not op._schema.is_mutable and op not in RAW
    return known and torch.Tag.nondeterministic_seeded not in op.tags  # type: ignore[union-attr]


def _gives_back(node: fx.Node, held: set[fx.Node]) -> bool:
    """Whether its output is its first input: the same memory, or the same numbers laid out alike that nobody writes to."""
    neutral = NEUTRAL.get(node.target)
    if node.target not in VIEWS and (neutral is None or node in held or {node.args[0]} & held):
        return False
    if neutral is not None and (isinstance(node.args[1], (fx.Node, bool)) or node.args[1] != neutral or node.kwargs):
        return False
    return _laid_out(node) == _laid_out(node.args[0])


def _undoes(node: fx.Node, held: set[fx.Node]) -> bool:
    """Whether it turns or negates what was turned or negated: the same memory of views, of others where nobody writes."""
    before = node.args[0] if node.args else None
    twice = isinstance(before, fx.Node) and before.target is node.target
    if node.target is aten.neg.default:
        return twice and not {node, before, before.args[0]} & held  # type: ignore[union-attr]
    return twice and node.target is aten.t.default


def _drops_what_was_summed(node: fx.Node) -> bool:
    """Whether it is the shape of a sum, read by nothing else, without the dimensions that were kept of it as ones."""
    before = node.args[0] if node.args else None
    if node.target is not aten.view.default or not isinstance(before, fx.Node) or len(before.users) > 1:
        return False
    if before.target is not aten.sum.dim_IntList or before.kwargs or before.args[2:] != (True,) or not before.args[1]:
        return False
    summed, dimensions = cast("tuple[fx.Node, list[int]]", before.args[:2])
    shape = summed.meta["val"].shape
    gone = {d % len(shape) for d in dimensions}
    return list(node.meta["val"].shape) == [n for i, n in enumerate(shape) if i not in gone]


def _summed(graph: fx.Graph, node: fx.Node) -> fx.Node:
    """The sum of that shape."""
    before = node.args[0]
    assert isinstance(before, fx.Node)
    with graph.inserting_before(node):
        found = graph.call_function(aten.sum.dim_IntList, before.args[:2])
    found.meta = node.meta
    return found


def _laid_out(node: Any) -> Any:
    like = node.meta["val"]
    return like.shape, like.stride(), like.dtype


def _stand_in(node: fx.Node) -> Tensor:
    """A tensor of the kind that is recorded there, with no numbers in particular."""
    like = node.meta["val"]
    return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=like.device)


def _calls(graph: fx.Graph) -> list[fx.Node]:
    return [node for node in graph.nodes if node.op == "call_function"]


def _tensors(value: Any) -> Iterator[Tensor]:
    for each in value if isinstance(value, (tuple, list)) else [value]:
        if isinstance(each, Tensor):
            yield each


def _replace(node: fx.Node, other: Any) -> None:
    node.replace_all_uses_with(other)
    node.graph.erase_node(node)
