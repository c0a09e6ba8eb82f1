"""A step as a CUDA graph: all that it does on the device, launched by one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pyrogen.inference.replay.recording import Unrecordable, kind_and_line

Outputs = list[Tensor]


def captures(device: torch.device) -> bool:
    """Whether steps on a device can be captured."""
    return device.type == "cuda"


def capture(function: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
    """What a function leaves on the device, and what does there again what it did, without running it.

    Random numbers go on from where the device's generator is. The function must have run before: what is set up at its first
    call cannot be captured.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.Stream()):  # torch's own is of the first device that ever captured
        outputs = function()
    return outputs, graph.replay


class Captured:
    """A function of tensors that always reads and writes the same memory.

    Args:
        function: from tensors to tensors; what it changes besides must stay where it is.
        inputs: those of the first call.
        fixed: how many of them, the first ones, are read where they are; the others are copied to where the graph reads.
        fresh: how many of what it gives, the first ones, are copied out; the others are overwritten by the next call.

    Raises:
        Unrecordable: the device cannot capture it.
    """

    def __init__(
        self, function: Callable[[Sequence[Tensor]], Outputs], inputs: Sequence[Tensor], fixed: int, fresh: int
    ) -> None:
        self.function, self.fixed, self.fresh = function, fixed, fresh
        self.read = [*inputs[:fixed], *(t.detach().clone() for t in inputs[fixed:])]
        self.places = [t.data_ptr() for t in self.read[:fixed]]
        try:
            with torch.no_grad():
                self.outputs, self.replay = capture(lambda: function(self.read))
        except Exception as error:
            raise Unrecordable(f"the device cannot capture it ({kind_and_line(error)})") from error

    def __call__(self, inputs: Sequence[Tensor]) -> Outputs:
        """What the function would give."""
        if any(t.data_ptr() != at for t, at in zip(inputs, self.places, strict=False)):
            return self.function(inputs)  # the model was moved, or keeps other tensors than the graph reads and writes
        for read, given in zip(self.read[self.fixed :], inputs[self.fixed :], strict=True):
            read.copy_(given)
        self.replay()
        return [t.clone() for t in self.outputs[: self.fresh]] + self.outputs[self.fresh :]
