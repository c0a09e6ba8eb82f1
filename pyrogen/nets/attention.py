"""Attention among the positions of an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Each position adds what it finds at all others: y_j = x_j + γ V Σᵢ βⱼᵢ H xᵢ, βⱼᵢ ∝ exp((F xᵢ)ᵀ G x_j).

    γ starts at 0, so that a network begins as if there were none.

    Shapes: ``(N, C, H, W)`` to the same. Reference: Zhang et al. 2019, Self-attention generative adversarial networks,
    arXiv:1805.08318, equations 1 to 3.

    Args:
        channels: C.
        reduction: by what inner vectors are smaller than C.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.key, self.query, self.value = (nn.Conv2d(channels, inner, 1, bias=False) for _ in range(3))
        self.back = nn.Conv2d(inner, channels, 1, bias=False)
        self.strength = nn.Parameter(torch.zeros(()))

    def weights(self, x: Tensor) -> Tensor:
        """βⱼᵢ, ``(N, H·W, H·W)``: how position j attends to i; each row sums to 1."""
        key, query = self.key(x).flatten(2), self.query(x).flatten(2)
        return torch.softmax(query.transpose(1, 2) @ key, -1)

    def forward(self, x: Tensor) -> Tensor:
        """The image with what its positions found."""
        # in this order, since the gradient by weights that were transposed would be copied twice
        found = self.weights(x) @ self.value(x).flatten(2).transpose(1, 2)
        y: Tensor = x + self.strength * self.back(found.transpose(1, 2).unflatten(2, x.shape[2:]))
        return y
