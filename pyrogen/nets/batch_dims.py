"""Any number of leading dimensions, for any network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Size, Tensor, nn

from pyrogen.nets.outputs import as_tensor
from pyrogen.nets.packs import Packed

_dtype: ContextVar[torch.dtype | None] = ContextVar("dtype", default=None)


@contextmanager
def computing_in(dtype: torch.dtype | None) -> Iterator[None]:
    """Let networks compute in a smaller type; densities, penalties and sums around them stay as they are."""
    token = _dtype.set(dtype)
    try:
        yield
    finally:
        _dtype.reset(token)


def lowered(compute: Callable[..., Tensor], x: Tensor, *more: Tensor) -> Tensor:
    """What a network makes of x, computed in the type of :func:`computing_in` and given in that of x."""
    dtype = _dtype.get()
    if dtype is None:
        return compute(x, *more)
    with torch.autocast(x.device.type, dtype):
        return compute(x, *more).to(x.dtype)


class AnyLength(ABC):
    """A network of sequences, ``(N, voices, T)``, that may read them cut behind the ends of all of them."""

    @property
    @abstractmethod
    def any_length(self) -> bool:
        """Whether it does; what has numbers for each place, all of which it needs, does not."""


class BatchDims(nn.Module):
    """A network that was written for one batch dimension, opened to any number (particles, chains), and shaped.

    Shapes: ``(..., *input)`` to ``(..., *output)``; inside, ``(N, *input)`` to ``(N, numbers of output)`` in any shape. A
    condition goes to the network as a second argument, ``(N, condition)``; leading dimensions of the two are broadcast.
    A network of packs gives an output for each of them, and reads one leading dimension. One of any length gives of shorter
    sequences outputs that are as much shorter, where these have places.

    Args:
        net: the network.
        inputs: shape of one input.
        outputs: shape of one output.
        role: what to call it in an error.
        pair: whether an output is a mean and a log variance, which the network may then return apart.

    Raises:
        ValueError: it is no network.
    """

    def __init__(self, net: nn.Module, inputs: Size, outputs: Size, role: str, pair: bool = False) -> None:
        super().__init__()
        if not isinstance(net, nn.Module):
            got = (
                f"the class {net.__name__}, write {net.__name__}(...)" if isinstance(net, type) else type(net).__name__
            )
            raise ValueError(f"the {role} is a network, an object of a torch.nn.Module; got {got}.")
        self.net, self.inputs, self.outputs, self.role, self.pair = net, Size(inputs), Size(outputs), role, pair

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The outputs; inputs of another type are read in the network's own.

        Raises:
            ValueError: the input or the network's output has the wrong size, or the output is no tensor and means none.
        """
        own = next((p.dtype for p in self.net.parameters() if p.is_floating_point()), None)
        if own is not None and x.dtype != own and not x.is_complex():
            x = x.to(own)
        lead = x.shape[: x.dim() - len(self.inputs)]
        inputs, outputs = x.shape[len(lead) :], self.outputs
        if inputs != self.inputs:
            if not self.any_length or inputs[:-1] != self.inputs[:-1] or not 0 < inputs[-1] < self.inputs[-1]:
                raise ValueError(f"the {self.role} takes (..., {_text(self.inputs)}); got {tuple(x.shape)}.")
            outputs = Size((*outputs[:-1], inputs[-1])) if len(outputs) == len(inputs) else outputs
        read = []
        if condition is not None:
            lead = torch.broadcast_shapes(lead, condition.shape[:-1])
            given = condition.to(x.dtype).expand(*lead, -1)
            x, read = x.expand(*lead, *inputs), [given.reshape(-1, condition.shape[-1])]
        # what has its shape already is left alone: to a small critic whose slopes are differentiated, each view is a cost
        flat = self._compute(x if len(lead) == 1 else x.reshape(-1, *inputs), *read)
        numbers = flat.shape[1:].numel()
        if numbers != outputs.numel():
            raise ValueError(
                f"the {self.role} gives {numbers} numbers a datum, shape {tuple(flat.shape[1:])}; expected "
                f"{outputs.numel()}, shape ({_text(outputs)})."
            )
        if isinstance(self.net, Packed):
            if len(lead) != 1:
                raise ValueError(
                    f"the {self.role} reads packs of {self.net.size} data out of one batch, (N, {_text(self.inputs)}); got "
                    f"{tuple(x.shape)}, in which it is not said whose packs they are."
                )
            lead = flat.shape[:1]
        shape = Size((*lead, *outputs))
        return flat if flat.shape == shape else flat.reshape(shape)

    @property
    def any_length(self) -> bool:
        """Whether the network takes sequences that are cut."""
        return isinstance(self.net, AnyLength) and self.net.any_length

    def _compute(self, x: Tensor, *condition: Tensor) -> Tensor:
        return lowered(lambda *read: self._read(self.net(*read)), x, *condition)

    def _read(self, outputs: Any) -> Tensor:
        return as_tensor(outputs, self.role, self.outputs, self.pair)


def _text(shape: Size) -> str:
    return ", ".join(map(str, shape))
