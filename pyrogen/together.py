"""What several processes that train one model say to one another beside their gradients; one alone keeps what it has."""

from __future__ import annotations

import torch.distributed as distributed
from torch import Tensor


def summed(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, the same bits in each."""
    if distributed.is_initialized():
        tensor = tensor.clone()
        distributed.all_reduce(tensor)
    return tensor


def of_first(tensor: Tensor) -> Tensor:
    """The first process's tensor."""
    if distributed.is_initialized():
        tensor = tensor.clone()
        distributed.broadcast(tensor, 0)
    return tensor
