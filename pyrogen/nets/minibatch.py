"""Layers that tell a critic of the other data of its batch, so that a generator that makes one thing is seen through."""

from __future__ import annotations

import torch
from torch import Tensor, nn

TINY = 1e-8  # within the root, whose derivative at 0 is infinite


class MinibatchDeviation(nn.Module):
    """The mean over features of their standard deviation over the batch, as one more feature, the same of each datum.

    Shapes: ``(N, features)`` to ``(N, features + 1)``. Reference: Karras et al. 2018, Progressive growing of GANs,
    arXiv:1710.10196, section 3.
    """

    def forward(self, h: Tensor) -> Tensor:
        """The features and the deviation."""
        deviation = (h.var(0, correction=0) + TINY).sqrt().mean()
        return torch.cat([h, deviation.expand(len(h), 1)], 1)


class MinibatchDiscrimination(nn.Module):
    """How near each datum is to the others of its batch, in several learned spaces: o_b(xᵢ) = Σⱼ exp(−‖M_b hᵢ − M_b hⱼ‖₁).

    Shapes: ``(N, features)`` to ``(N, features + kernels)``. Reference: Salimans et al. 2016, Improved techniques for
    training GANs, arXiv:1606.03498, section 3.2.

    Args:
        features: how many there are.
        kernels: the number of spaces, b = 1 … kernels.
        size: of each.
    """

    def __init__(self, features: int, kernels: int = 16, size: int = 5) -> None:
        super().__init__()
        self.kernels, self.size = kernels, size
        self.project = nn.Linear(features, kernels * size, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """The features and the nearness in each space."""
        m = self.project(h).unflatten(1, (self.kernels, self.size))
        apart = (m[:, None] - m[None]).abs().sum(-1)
        return torch.cat([h, apart.neg().exp().sum(1)], 1)
