"""A distribution with all of its probability on one state of many."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor


class Certain(TorchDistribution):
    """One state of a discrete variable has probability 1, so that log q is 0 there and −∞ elsewhere.

    Should not be confused with Pyro's Delta, whose mass is at a point of the continuum: it has no density, and no evidence
    bound. Here −log p(z) is the divergence KL(q ‖ p) itself. Draws pass a gradient on where the state has one.

    Args:
        state: ``(*batch, n)``.
        support: the states that there are.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    has_rsample = True
    support: constraints.Constraint = constraints.real_vector

    def __init__(self, state: Tensor, support: constraints.Constraint) -> None:
        self.state, self.support = state, support
        super().__init__(state.shape[:-1], state.shape[-1:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Certain:
        """The same for another batch shape."""
        return Certain(self.state.expand(*batch_shape, -1), self.support)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """The state."""
        return self.state.expand(torch.Size(sample_shape) + self.state.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """0 of the state, −∞ of others."""
        return torch.where((value == self.state).all(-1), 0.0, -torch.inf).to(self.state.dtype)

    @property
    def mean(self) -> Tensor:
        """The state."""
        return self.state

    @property
    def mode(self) -> Tensor:
        """The state."""
        return self.state

    @property
    def variance(self) -> Tensor:
        """0."""
        return torch.zeros_like(self.state)
