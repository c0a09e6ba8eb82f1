"""A distribution that is known by its draws alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor


class Implicit(TorchDistribution):
    """z = f(h, ε) with ε ~ N(0, I): whatever law that is, its density is unknown.

    Its ``log_prob`` is 0, as that of a point mass at its point is: it is measured against itself, adds nothing to an
    objective, and weighs nothing. ``mean`` is an average over given ε, the same each time.

    Args:
        features: h, ``(..., F)``.
        size: of z.
        nodes: the ε of the average, ``(K, size of ε)``.
        push: f, ``(..., F)`` and ``(..., size of ε)`` to ``(..., size)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, features: Tensor, size: int, nodes: Tensor, push: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.features, self.size, self.nodes, self.push = features, size, nodes, push
        super().__init__(features.shape[:-1], torch.Size([size]), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The average of f(h, ε) over the nodes."""
        each = self.features.unsqueeze(-2).expand(*self.batch_shape, len(self.nodes), -1)
        return self.push(each, self.nodes.expand(*self.batch_shape, *self.nodes.shape)).mean(-2)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Implicit:
        """The same for another batch shape."""
        features = self.features.expand(*batch_shape, self.features.shape[-1])
        return Implicit(features, self.size, self.nodes, self.push)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Draws through which gradients flow."""
        lead = torch.Size([*sample_shape, *self.batch_shape])
        noise = self.features.new_empty(*lead, self.nodes.shape[-1]).normal_()
        return self.push(self.features.expand(*lead, -1), noise)

    def log_prob(self, value: Tensor) -> Tensor:
        """0, over the batch shape."""
        return value.new_zeros(torch.broadcast_shapes(value.shape[:-1], self.batch_shape))
