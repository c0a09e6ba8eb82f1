"""The network of NADE: one hidden layer for each element, all of them with the same weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import pad

from pyrogen.nets.causal import Causal, Place, Walk, permutation, places_of


class NADENet(Causal):
    """h_d = σ(c + Σ_{k<d} W_k x_k) and parameters b_d + V_d h_d of element d: each adds one column to what the next reads.

    Should not be confused with the masked network of MADE, whose hidden units serve all elements behind their degree; here
    every element has a hidden layer of full width, at D times the cost.

    Shapes: ``(N, *shape)`` to ``(N, parameters shape[0], *shape[1:])``. Reference: Larochelle & Murray 2011, The neural
    autoregressive distribution estimator; Uria et al. 2016, arXiv:1605.02226.

    Args:
        shape: of one datum; D numbers in all.
        hidden: width of the hidden layers.
        parameters: numbers for each element.
        order: of the elements, a permutation of their numbers in memory; None: as they are.

    Raises:
        ValueError: an order that is no permutation.
    """

    taken: Tensor
    back: Tensor

    def __init__(self, shape: Sequence[int], hidden: int, parameters: int, order: Sequence[int] | None = None) -> None:
        super().__init__()
        self.shape, self.parameters_each = Size(shape), parameters
        size = self.shape.numel()
        self.order = permutation(order, size)
        self.places = places_of(self.shape, self.order)
        self.register_buffer("taken", torch.tensor(self.order), persistent=False)
        self.register_buffer("back", self.taken.argsort(), persistent=False)
        # a sum of up to D columns, and one of all hidden units
        self.columns = nn.Parameter((2 * torch.rand(size, hidden) - 1) / size**0.5)
        self.offset = nn.Parameter(torch.zeros(hidden))
        self.weight = nn.Parameter((2 * torch.rand(size, parameters, hidden) - 1) / hidden**0.5)
        self.bias = nn.Parameter(torch.zeros(size, parameters))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The parameters of every element."""
        added = x.flatten(1)[:, self.taken[:-1]].unsqueeze(-1) * self.columns[:-1]
        h = torch.sigmoid(self.offset + pad(added.cumsum(1), (0, 0, 1, 0)))
        out = torch.einsum("ndh,dph->npd", h, self.weight) + self.bias.T
        return out[:, :, self.back].reshape(len(x), self.parameters_each * self.shape[0], *self.shape[1:])

    def begin(self, x: Tensor, condition: Tensor | None = None) -> Walk:
        """As the contract says: one column is added at each place."""
        flat, a, step = x.view(len(x), self.shape.numel()), self.offset.expand(len(x), -1), 0

        def at(place: Place) -> Tensor:
            nonlocal a, step
            if step:
                a = a + flat[:, self.order[step - 1], None] * self.columns[step - 1]
            out = x.new_zeros(len(x), self.parameters_each, self.shape[0])
            out[:, :, place.channel] = torch.addmm(self.bias[step], torch.sigmoid(a), self.weight[step].T)
            step += 1
            return out.reshape(len(x), self.parameters_each * self.shape[0], *[1] * len(place.pixel))

        return at
