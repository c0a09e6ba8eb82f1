"""Any number of leading dimensions, for any network."""

from __future__ import annotations

from torch import Size, Tensor, nn


class Leading(nn.Module):
    """A network that was written for one batch dimension, opened to any number (particles, chains), and shaped.

    Shapes: ``(..., *input)`` to ``(..., *output)``; inside, ``(N, *input)`` to ``(N, numbers of output)`` in any shape.

    Args:
        net: the network.
        inputs: shape of one input.
        outputs: shape of one output.
        role: what to call it in an error.
    """

    def __init__(self, net: nn.Module, inputs: Size, outputs: Size, role: str) -> None:
        super().__init__()
        self.net, self.inputs, self.outputs, self.role = net, Size(inputs), Size(outputs), role

    def forward(self, x: Tensor) -> Tensor:
        """The outputs.

        Raises:
            ValueError: the input or the network's output has the wrong size.
        """
        lead = x.shape[: x.dim() - len(self.inputs)]
        if x.shape[len(lead) :] != self.inputs:
            raise ValueError(f"the {self.role} takes (..., {_text(self.inputs)}); got {tuple(x.shape)}.")
        flat = self.net(x.reshape(-1, *self.inputs))
        if flat[:1].numel() != self.outputs.numel():
            raise ValueError(
                f"the {self.role} gives {flat[:1].numel()} numbers a datum, shape {tuple(flat.shape[1:])}; expected "
                f"{self.outputs.numel()}, shape ({_text(self.outputs)})."
            )
        return flat.reshape(*lead, *self.outputs)


def _text(shape: Size) -> str:
    return ", ".join(map(str, shape))
