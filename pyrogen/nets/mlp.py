"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod

from torch import nn


def mlp(
    inputs: Sequence[int],
    hidden: Sequence[int],
    outputs: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """A multi-layer perceptron from ``(N, *inputs)`` to ``(N, *outputs)``; linear where ``hidden`` is empty.

    Raises:
        ValueError: a width below 1.
    """
    sizes = [prod(inputs), *hidden]
    if min(*sizes, prod(outputs), 1) < 1:
        raise ValueError(f"a network from {tuple(inputs)} by {tuple(hidden)} to {tuple(outputs)} has widths below 1.")
    layers: list[nn.Module] = [nn.Flatten()]
    for width, wider in pairwise(sizes):
        layers += [nn.Linear(width, wider), activation()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], prod(outputs)), nn.Unflatten(1, tuple(outputs)))
