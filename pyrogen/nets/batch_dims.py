"""Any number of leading dimensions, for any network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Size, Tensor, nn

_dtype: ContextVar[torch.dtype | None] = ContextVar("dtype", default=None)


@contextmanager
def computing_in(dtype: torch.dtype | None) -> Iterator[None]:
    """Let networks compute in a smaller type; densities, penalties and sums around them stay as they are."""
    token = _dtype.set(dtype)
    try:
        yield
    finally:
        _dtype.reset(token)


class BatchDims(nn.Module):
    """A network that was written for one batch dimension, opened to any number (particles, chains), and shaped.

    Shapes: ``(..., *input)`` to ``(..., *output)``; inside, ``(N, *input)`` to ``(N, numbers of output)`` in any shape. A
    condition goes to the network as a second argument, ``(N, condition)``; leading dimensions of the two are broadcast.

    Args:
        net: the network.
        inputs: shape of one input.
        outputs: shape of one output.
        role: what to call it in an error.
    """

    def __init__(self, net: nn.Module, inputs: Size, outputs: Size, role: str) -> None:
        super().__init__()
        self.net, self.inputs, self.outputs, self.role = net, Size(inputs), Size(outputs), role

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The outputs.

        Raises:
            ValueError: the input or the network's output has the wrong size.
        """
        lead = x.shape[: x.dim() - len(self.inputs)]
        if x.shape[len(lead) :] != self.inputs:
            raise ValueError(f"the {self.role} takes (..., {_text(self.inputs)}); got {tuple(x.shape)}.")
        read = []
        if condition is not None:
            lead = torch.broadcast_shapes(lead, condition.shape[:-1])
            x, read = x.expand(*lead, *self.inputs), [condition.expand(*lead, -1).reshape(-1, condition.shape[-1])]
        flat = self._compute(x.reshape(-1, *self.inputs), *read)
        if flat[:1].numel() != self.outputs.numel():
            raise ValueError(
                f"the {self.role} gives {flat[:1].numel()} numbers a datum, shape {tuple(flat.shape[1:])}; expected "
                f"{self.outputs.numel()}, shape ({_text(self.outputs)})."
            )
        return flat.reshape(*lead, *self.outputs)

    def _compute(self, x: Tensor, *condition: Tensor) -> Tensor:
        dtype = _dtype.get()
        if dtype is None:
            return self.net(x, *condition)
        with torch.autocast(x.device.type, dtype):
            return self.net(x, *condition).to(x.dtype)


def _text(shape: Size) -> str:
    return ", ".join(map(str, shape))
