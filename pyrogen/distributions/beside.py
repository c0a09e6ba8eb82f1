"""Independent vectors side by side, as one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from pyrogen.axes import Distribution


class EachItsOwn(constraints.Constraint):
    """Vectors whose parts, one after the other, lie each in a set of its own.

    Args:
        parts: the sets, of vectors.
        sizes: how many coordinates each has.
    """

    event_dim = 1

    def __init__(self, parts: Sequence[constraints.Constraint], sizes: Sequence[int]) -> None:
        self.parts, self.sizes = tuple(parts), tuple(sizes)
        super().__init__()

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether one of the parts is."""
        return any(part.is_discrete for part in self.parts)

    def check(self, value: Tensor) -> Tensor:
        """Whether all parts lie where they should, over the batch shape."""
        found = [c.check(v) for c, v in zip(self.parts, value.split(self.sizes, -1), strict=True)]
        return torch.stack(found).all(0)

    def __repr__(self) -> str:
        return " × ".join(map(repr, self.parts))


class Beside(TorchDistribution):
    """Π p_j(x_j) over x = (x₁, x₂, …): independent vectors of one batch shape, joined.

    Args:
        parts: distributions with event shape ``(n_j,)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, parts: Sequence[Distribution]) -> None:
        self.parts = tuple(parts)
        self.sizes = [p.event_shape[0] for p in self.parts]
        super().__init__(self.parts[0].batch_shape, torch.Size([sum(self.sizes)]), validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """Those of the parts."""
        return EachItsOwn([p.support for p in self.parts], self.sizes)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether gradients flow through the draws of all parts."""
        return all(p.has_rsample for p in self.parts)

    @property
    def mean(self) -> Tensor:
        """The means, joined."""
        return torch.cat([p.mean for p in self.parts], -1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Beside:
        """The same for another batch shape."""
        return Beside([p.expand(batch_shape) for p in self.parts])

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Draws, joined."""
        with torch.no_grad():
            return torch.cat([p.sample(sample_shape) for p in self.parts], -1)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Draws through which gradients flow, joined."""
        return torch.cat([p.rsample(sample_shape) for p in self.parts], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ log p_j(x_j)."""
        split = value.split(self.sizes, -1)
        return torch.stack([p.log_prob(v) for p, v in zip(self.parts, split, strict=True)]).sum(0)
