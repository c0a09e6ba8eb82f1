"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from torch import nn


def mlp(
    inputs: Sequence[int],
    hidden: Sequence[int],
    outputs: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """A multi-layer perceptron from ``(N, *inputs)`` to ``(N, *outputs)``; linear where ``hidden`` is empty."""
    sizes = [prod(inputs), *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for width, wider in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(width, wider), activation()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], prod(outputs)), nn.Unflatten(1, tuple(outputs)))
