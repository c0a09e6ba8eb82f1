"""Convolutions over channels that lie side by side, where processors have their fastest kernels."""

from __future__ import annotations

import copy

import torch
from torch import fx

from pyrogen.inference.replay.lean import bound

aten = torch.ops.aten

READS = {aten.convolution.default: 2, aten.convolution_backward.default: 3}  # how many first arguments have channels
LAID_OUT = (aten.as_strided.default, aten.as_strided_.default)  # which count on where numbers are


def channels_last(module: fx.GraphModule) -> fx.GraphModule:
    """The same operations with pictures and kernels of 2-D convolutions laid out so, for whatever is compiled from them.

    The numbers are the same to rounding: kernels of another layout sum in another order. What has no such convolution is
    given back as it is, and so is what counts on how its numbers lie.
    """
    convolutions = [node for node in module.graph.nodes if node.target in READS and _is_flat(node)]
    if not convolutions or any(node.target in LAID_OUT for node in module.graph.nodes):
        return module
    graph = copy.deepcopy(module.graph)
    written, laid_out = bound(graph, by_outputs=False), dict[fx.Node, fx.Node]()
    for node in list(graph.nodes):
        if node.target is aten.view.default and node not in written:
            node.target = aten.reshape.default  # of another layout there may be no view
        if node.target not in READS or not _is_flat(node):
            continue
        for i in range(READS[node.target]):
            given = node.args[i]
            if given not in laid_out:
                with graph.inserting_before(node):
                    turned = _turned(graph, given)
                turned.meta = dict(given.meta)
                if given.op != "call_function" or given in written:
                    node.update_arg(i, turned)  # it may be written to before it is read again
                    continue
                laid_out[given] = turned
            node.update_arg(i, laid_out[given])
    return fx.GraphModule(module, graph)


def _turned(graph: fx.Graph, given: fx.Node) -> fx.Node:
    """The same numbers, laid out so."""
    like = given.meta["val"]
    channels, height, width = like.shape[1:]
    if channels > 1:
        return graph.call_function(aten.clone.default, (given,), {"memory_format": torch.channels_last})
    # Of one channel both layouts are the same, but for the stride of channels, by which kernels tell them apart: a compiler
    # would fill in any, and a gradient would be taken across two layouts, in four times the time.
    plain = given
    if given.op != "placeholder" or not like.is_contiguous():  # which may lie otherwise than when it was recorded
        plain = graph.call_function(aten.clone.default, (given,), {"memory_format": torch.contiguous_format})
    return graph.call_function(aten.as_strided.default, (plain, [*like.shape], [height * width, 1, width, 1]))


def _is_flat(node: fx.Node) -> bool:
    given = node.args[0]
    return isinstance(given, fx.Node) and given.meta["val"].dim() == 4
