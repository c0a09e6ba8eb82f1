"""Weights that are scaled when they are used, so that an optimizer's steps mean the same in every layer."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.utils import parametrize


class Scaled(nn.Module):
    """A weight times a constant.

    Args:
        factor: the constant.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, weight: Tensor) -> Tensor:
        """factor · weight."""
        return self.factor * weight


class PixelNorm(nn.Module):
    """Features of length √C at each position: h / √(mean_c h² + 10⁻⁸). Shapes: ``(N, C, ...)`` to the same.

    Reference: Karras et al. 2018, arXiv:1710.10196, section 4.2.
    """

    def forward(self, h: Tensor) -> Tensor:
        """The normalized features."""
        return h * (h.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def equalized(net: nn.Module, gain: float = math.sqrt(2), rate: float = 1.0) -> nn.Module:
    """Let each linear and convolutional layer learn weights of N(0, 1), used times gain / √(inputs); biases from 0.

    At a ``rate`` r they start as N(0, 1/r²), used times r: an optimizer moves the layer r times as fast.

    Adam's steps do not depend on the size of a gradient, so that they change all layers alike, whatever their width.
    Reference: Karras et al. 2018, Progressive growing of GANs, arXiv:1710.10196, section 4.1.
    """
    for layer in list(net.modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.normal_(layer.weight, std=1 / rate)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
            factor = rate * gain / math.sqrt(layer.weight[0].numel())
            parametrize.register_parametrization(layer, "weight", Scaled(factor))
    return net
