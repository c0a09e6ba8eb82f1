"""Networks that are fitted once, apart from a model's own training, and then held: saved with it, and moved by no player."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyro
import torch
from torch import Tensor, nn


def freeze(module: nn.Module) -> list[str]:
    """Make a module's parameters buffers, which belong to its state and to no player; their names."""
    names = [name for name, _ in module.named_parameters()]
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, parameter.detach())
    return names


def descend(module: nn.Module, names: Sequence[str], loss: Callable[[], Tensor], steps: int, lr: float) -> None:
    """Move held tensors down a loss, by Adam, and hold them again.

    Args:
        module: where they are.
        names: which, as :func:`freeze` gave them.
        loss: a scalar tensor, another one at each call where it draws.
        steps: how many.
        lr: learning rate.
    """
    moving = [module.get_buffer(name).requires_grad_() for name in names]
    optimizer = torch.optim.Adam(moving, lr, fused=True)
    with torch.enable_grad(), pyro.validation_enabled(False):
        for _ in range(steps):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
    optimizer.zero_grad()
    for tensor in moving:
        tensor.requires_grad_(False)
