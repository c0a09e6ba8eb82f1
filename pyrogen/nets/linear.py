"""Decoders whose scale is tied down, so that a penalty on codes cannot be escaped by making codes small."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize, relu


class Dictionary(nn.Module):
    """A linear map whose columns, the atoms, have length 1: x = Σⱼ zⱼ dⱼ / ‖dⱼ‖ + b.

    Codes of half the size need atoms of twice the length, which these cannot have.

    Shapes: ``(N, atoms)`` to ``(N, outputs)``. Reference: Olshausen & Field 1997, Sparse coding with an overcomplete basis
    set.

    Args:
        atoms: number of columns.
        outputs: size of x.
    """

    def __init__(self, atoms: int, outputs: int) -> None:
        super().__init__()
        self.columns = nn.Parameter(torch.randn(outputs, atoms) / outputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def atoms(self) -> Tensor:
        """The columns at length 1, ``(outputs, atoms)``."""
        return normalize(self.columns, dim=0)

    def forward(self, z: Tensor) -> Tensor:
        """The sum of the atoms, weighed by the codes."""
        return linear(z, self.atoms(), self.bias)


class Transposed(nn.Module):
    """The mirror image of fully connected layers with their own weights transposed, and biases of its own.

    h_{l−1} = a(W_lᵀ h_l + b_l), a the ReLU but for the last, which is linear. The weights belong to the layers.

    Shapes: ``(N, outputs of the last layer)`` to ``(N, inputs of the first)``. Reference: Vincent et al. 2010; Rifai et al.
    2011, Contractive auto-encoders.

    Args:
        net: a network that holds the layers in the order in which they run.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        # a tuple is no child: the weights would be saved twice
        self.layers = tuple(m for m in reversed(list(net.modules())) if isinstance(m, nn.Linear))
        self.biases = nn.ParameterList([torch.zeros(layer.in_features) for layer in self.layers])

    def forward(self, z: Tensor) -> Tensor:
        """The inputs that the layers would have read."""
        for number, (layer, bias) in enumerate(zip(self.layers, self.biases, strict=True), start=1):
            z = linear(z, layer.weight.T, bias)
            z = z if number == len(self.layers) else relu(z)
        return z
