"""A standard normal pushed through a network that knows its own inverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

Inward = Callable[..., tuple[Tensor, Tensor]]
Outward = Callable[..., Tensor]


class Pushed(TorchDistribution):
    """x = f(z), z ~ N(0, I), log p(x) = log N(f⁻¹(x); 0, I) + log |det ∂f⁻¹/∂x|.

    Unlike Pyro's TransformedDistribution it asks the network once for z and determinant together, and remembers nothing.

    Shapes: event ``event_shape``; of a context the batch shape is that of the distribution.

    Args:
        inward: x ``(N, *event_shape)`` to z, of as many numbers, and log |det ∂z/∂x|, ``(N,)``; with a context beside x.
        outward: z ``(N, *base_shape)`` to x, with the context beside z.
        event_shape: of x.
        base_shape: of z.
        like: a tensor of the right device and dtype.
        context: ``(*batch, *rest)``, or None.
        batch: batch shape.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    has_rsample = True
    support: constraints.Constraint = constraints.real

    def __init__(
        self,
        inward: Inward,
        outward: Outward,
        event_shape: torch.Size,
        base_shape: torch.Size,
        like: Tensor,
        context: Tensor | None = None,
        batch: Any = (),
    ) -> None:
        self.inward, self.outward, self.base_shape, self.like = inward, outward, torch.Size(base_shape), like
        self.context = context
        self.support = constraints.independent(constraints.real, len(event_shape))
        super().__init__(torch.Size(batch), torch.Size(event_shape), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Pushed:
        """The same for another batch shape."""
        batch = torch.Size(batch_shape)
        context = self.context
        if context is not None:
            context = context.expand(*batch, *context.shape[len(self.batch_shape) :])
        parts = self.inward, self.outward, self.event_shape, self.base_shape, self.like
        return Pushed(*parts, context, batch)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x), at values of any batch shape that fits."""
        lead = torch.broadcast_shapes(value.shape[: value.dim() - len(self.event_shape)], self.batch_shape)
        flat = value.expand(*lead, *self.event_shape).reshape(-1, *self.event_shape)
        z, log_det = self.inward(flat, *self._told(lead))
        base = dist.Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z).flatten(1).sum(1)
        return (base + log_det).reshape(lead)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """f(z) at drawn z, with gradients."""
        return self.drawn(sample_shape, 1.0)

    def drawn(self, sample_shape: Any, scale: float) -> Tensor:
        """f(T z) at drawn z: a sample of less spread, or more."""
        lead = torch.Size(sample_shape) + self.batch_shape
        z = scale * torch.randn(lead.numel(), *self.base_shape, device=self.like.device, dtype=self.like.dtype)
        return self.outward(z, *self._told(lead)).reshape(*lead, *self.event_shape)

    def _told(self, lead: torch.Size) -> list[Tensor]:
        if self.context is None:
            return []
        rest = self.context.shape[len(self.batch_shape) :]
        return [self.context.expand(*lead, *rest).reshape(-1, *rest)]
