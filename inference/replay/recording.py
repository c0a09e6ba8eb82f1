"""Recording: a function of tensors becomes the list of operations that it ran, below autograd and Pyro's handlers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from pyrogen.inference.replay.biases import biases_apart
from pyrogen.inference.replay.channels_last import channels_last
from pyrogen.inference.replay.lean import make_lean

aten = torch.ops.aten

INDUCTOR: dict[str, Any] = {
    "fallback_random": True,  # Inductor's own random numbers are another stream
    "size_asserts": False,  # after every kernel, though only inputs of one shape ever come
}
# it would join biases to products again, and finds little else there
ON_CPU: dict[str, Any] = {"pattern_matcher": False}


def _batch_norm(x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, *settings: Any) -> Any:
    """The same kernel by the name that owns to moving the running statistics: Inductor would lose them otherwise."""
    if mean is None:
        return aten._native_batch_norm_legit.no_stats(x, weight, bias, *settings)
    return aten._native_batch_norm_legit(x, weight, bias, mean, variance, *settings)


RENAMED: dict[Any, Callable[..., Any]] = {aten.native_batch_norm.default: _batch_norm}


class Unrecordable(Exception):
    """Why a function cannot be recorded, as the end of a sentence."""


@dataclass(frozen=True)
class Recording:
    """A function's operations, and which of its inputs they read.

    Calls return what the function would: random numbers are drawn anew, inputs that it changed are changed, nothing else
    that Python did happens again. No gradients flow through a recording.
    """

    run: Callable[..., list[Tensor]]
    reads: Sequence[int]
    module: fx.GraphModule

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs."""
        with torch.no_grad():
            return self.run(*[inputs[i] for i in self.reads])

    @property
    def draws(self) -> bool:
        """Whether some of the operations draw random numbers."""
        seeded = torch.Tag.nondeterministic_seeded
        return any(seeded in getattr(node.target, "tags", ()) for node in self.module.graph.nodes)

    def compiled(self, inputs: Sequence[Tensor]) -> Recording:
        """The same operations, compiled by Inductor for inputs like these: in seconds, or read from its cache on disk.

        Without torch.compile's look at the call and its guards, which cost a small step as much as all its kernels: what a
        recording may be called with, its owner knows.

        Raises:
            Unrecordable: there is no compiler, or it cannot.
        """
        from torch._inductor import standalone_compile  # slow to import, and rarely asked for

        module, settings = channels_last(self.module), INDUCTOR
        if all(inputs[i].device.type == "cpu" for i in self.reads):
            module, settings = biases_apart(module), INDUCTOR | ON_CPU
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                made = standalone_compile(
                    module,
                    [inputs[i] for i in self.reads],
                    dynamic_shapes="from_example_inputs",
                    options={"config_patches": settings},
                )
        except Exception as error:
            raise Unrecordable(_not_compiled(error)) from error
        return Recording(made, self.reads, self.module)


def trace(function: Callable[[Sequence[Tensor]], Sequence[Tensor]], inputs: Sequence[Tensor]) -> Recording:
    """Run the function once and keep its operations.

    Tensors that it reads besides its inputs are kept as they are, the very same tensors.

    Raises:
        Unrecordable: what it does depends on the values of its inputs, or has no operations to be recorded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = make_fx(function, decomposition_table=RENAMED)(list(inputs))
        _check(module.graph)
        return _lean(module)
    except Unrecordable:
        raise
    except Exception as error:
        raise Unrecordable(_reason(error)) from error


def _check(graph: fx.Graph) -> None:
    """Refuse operations whose outputs' shapes depend on values: what follows has them as plain numbers."""
    for node in graph.nodes:
        if torch.Tag.dynamic_output_shape in getattr(node.target, "tags", ()):
            masks = [i for i in node.args[1] if i is not None] if node.target is aten.index.Tensor else []
            if not masks or any(i.meta["tensor_meta"].dtype in (torch.bool, torch.uint8) for i in masks):
                raise Unrecordable(f"a shape depends on the data (by {node.target})")


def _lean(module: fx.GraphModule) -> Recording:
    """Without what it can do without, and without inputs that nothing reads."""
    make_lean(module)
    graph = module.graph
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    for node in inputs:
        if not node.users:
            graph.erase_node(node)
    graph.set_codegen(fx.graph.CodeGen())
    module.recompile()
    return Recording(_direct(module), [i for i, node in enumerate(inputs) if node.users], module)


def _rnn_layer(*inputs: Any) -> Any:
    """The fused LSTM of a CPU, which keeps what its gradients need where gradients are on, and only there."""
    with torch.enable_grad():
        return aten.mkldnn_rnn_layer.default(*(t.detach() if isinstance(t, Tensor) else t for t in inputs))


CALLED: dict[Any, Callable[..., Any]] = {aten.mkldnn_rnn_layer.default: _rnn_layer}


def _direct(module: fx.GraphModule) -> Callable[..., list[Tensor]]:
    """The graph as a Python function that calls its operations without torch's lookups and wrappers: 1 of 3 µs a call."""
    code = module.graph.python_code("self")
    names: dict[str, Any] = dict(code.globals)

    def bind(match: re.Match[str]) -> str:
        namespace, packet, overload = match.groups()
        name = f"{namespace}_{packet}_{overload}"
        op = getattr(getattr(getattr(torch.ops, namespace), packet), overload)
        names[name] = CALLED.get(op, op._op)
        return name

    exec(re.sub(r"torch\.ops\.(\w+)\.(\w+)\.(\w+)(?=\()", bind, code.src), names)
    run: Callable[..., list[Tensor]] = names["forward"].__get__(module)
    return run


def _reason(error: Exception) -> str:
    if "get value out of a tracing tensor" in str(error):
        return "Python reads the value of a tensor (by .item(), int, float, bool or an if)"
    return f"torch cannot record it ({kind_and_line(error)})"


def _not_compiled(error: Exception) -> str:
    told = kind_and_line(error)
    if "InvalidCxxCompiler" in told:
        return "there is no C++ compiler on this machine (Inductor looks for g++; CXX may name another)"
    return f"Inductor cannot compile it ({told})"


def kind_and_line(error: Exception) -> str:
    """An error as a few words."""
    return ": ".join(filter(None, [type(error).__name__, str(error).strip().split("\n")[0]]))


def laid_out(gradient: Tensor, parameter: Tensor) -> Tensor:
    """In the parameter's memory layout, which fused optimizers rely on."""
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)
