"""Biases that are added where the next operation reads a product anyway, and not by a pass over memory before it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten


def biases_apart(module: fx.GraphModule) -> fx.GraphModule:
    """The same operations with x W + b as a product and a sum, for whatever is compiled from them.

    A product that begins with the bias has it written to all rows first, and read again; a sum after it becomes a part of
    what comes next. The numbers are the same to rounding.
    """
    graph = copy.deepcopy(module.graph)
    for node in list(graph.nodes):
        if node.target is not aten.addmm.default or node.kwargs:
            continue
        bias, x, w = node.args
        with graph.inserting_before(node):
            product = _call(graph, aten.mm.default, (x, w), node)
            node.replace_all_uses_with(_call(graph, aten.add.Tensor, (product, bias), node))
        graph.erase_node(node)
    return fx.GraphModule(module, graph)


def _call(graph: fx.Graph, target: Any, args: tuple[Any, ...], like: fx.Node) -> fx.Node:
    made = graph.call_function(target, args)
    made.meta = dict(like.meta)
    return made
