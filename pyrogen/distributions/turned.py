"""Vectors that follow one another, as what they are in data: columns of a matrix."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from pyrogen.axes import Distribution


class Turned(TorchDistribution):
    """T independent vectors of C elements as one event ``(C, T)``, log p(x) = Σ_t log p(x_t).

    Args:
        columns: batch shape ``(..., T)``, event shape ``(C,)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, columns: Distribution) -> None:
        self.columns, self.has_rsample = columns, bool(columns.has_rsample)
        *batch, length = columns.batch_shape
        super().__init__(torch.Size(batch), torch.Size([*columns.event_shape, length]), validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """Matrices of which each element may be what an element of a vector may."""
        inside = self.columns.support
        while isinstance(inside, constraints.independent):
            inside = inside.base_constraint
        return constraints.independent(inside, 2)

    @property
    def mean(self) -> Tensor:
        """The vectors' means."""
        mean: Tensor = self.columns.mean
        return mean.mT

    @property
    def variance(self) -> Tensor:
        """The vectors' variances."""
        variance: Tensor = self.columns.variance
        return variance.mT

    def expand(self, batch_shape: Any, _instance: Any = None) -> Turned:
        """The same distribution with another batch shape."""
        return Turned(self.columns.expand((*batch_shape, self.event_shape[-1])))

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_t log p(x_t)."""
        each: Tensor = self.columns.log_prob(value.mT)
        return each.sum(-1)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Vector by vector."""
        drawn: Tensor = self.columns.sample(sample_shape)
        return drawn.mT

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Vector by vector."""
        drawn: Tensor = self.columns.rsample(sample_shape)
        return drawn.mT
