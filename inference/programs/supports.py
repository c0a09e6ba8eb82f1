"""Whether values lie where a distribution has mass, asked of the distribution itself, whatever its own validation."""

from __future__ import annotations

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from torch import Tensor
from torch.distributions import biject_to


def unwrap(distribution: Distribution) -> Distribution:
    """The distribution inside ``to_event``, ``mask`` and ``expand``; what is transformed, as LogNormal, stays what it is."""
    while hasattr(distribution, "base_dist") and not isinstance(
        distribution, torch.distributions.TransformedDistribution
    ):
        distribution = distribution.base_dist
    return distribution


def inside(distribution: Distribution, value: Tensor) -> Tensor:
    """Whether a value is a finite one of the support, over the batch shape; what the distribution masks is.

    Args:
        distribution: with any of ``to_event``, ``expand`` and ``mask`` around it.
        value: ``(*batch_shape, *event_shape)``, or what broadcasts to it.
    """
    if isinstance(distribution, dist.MaskedDistribution):
        mask = torch.as_tensor(distribution._mask, device=value.device)
        return inside(distribution.base_dist, value) | ~mask
    if isinstance(distribution, torch.distributions.Independent):
        parts, events = inside(distribution.base_dist, value), distribution.reinterpreted_batch_ndims
        parts = parts.expand(
            torch.broadcast_shapes(parts.shape, distribution.batch_shape + distribution.event_shape[:events])
        )
        return parts.flatten(-events).all(-1) if events else parts
    if isinstance(distribution, dist.ExpandedDistribution):
        return inside(distribution.base_dist, value)
    events = len(distribution.event_shape)
    # NaN is left to the support, which of data with missing values holds it
    finite = _over_batch(~value.isinf(), value.dim() - events)
    try:
        allowed = torch.as_tensor(distribution.support.check(value), device=value.device)
    except NotImplementedError:
        allowed = ~value.isnan()
    return _over_batch(allowed, value.dim() - events) & finite


def _over_batch(allowed: Tensor, batch: int, any_of: bool = False) -> Tensor:
    """All of an event's elements, or any, where a support looks at each of them apart."""
    if allowed.dim() <= batch:
        return allowed
    return allowed.flatten(batch).any(-1) if any_of else allowed.flatten(batch).all(-1)


def moves(distribution: Distribution) -> bool:
    """Whether the support depends on the parameters, so that a value outside has a density, 0."""
    return isinstance(unwrap(distribution), dist.Uniform | dist.Pareto)


def put_inside(distribution: Distribution, value: Tensor, kept: Tensor) -> Tensor:
    """The value where it is kept, ``(*batch_shape)``, and elsewhere some one of the support, without a draw."""
    try:
        bijection = biject_to(distribution.support)
        other = bijection(value.new_zeros(bijection.inverse_shape(value.shape)))
    except NotImplementedError:
        other = torch.zeros_like(value)
    return torch.where(kept.reshape(kept.shape + (1,) * distribution.event_dim), value, other)


def without_masked_nan(distribution: Distribution, value: Tensor, mask: Tensor | bool | None = None) -> Tensor:
    """The value, and for a NaN that is masked, by the distribution too, some one of the support, for the gradient's sake."""
    if isinstance(mask, Tensor):
        counted = mask.expand(torch.broadcast_shapes(mask.shape, distribution.batch_shape))
        known = ~_over_batch(value.isnan(), value.dim() - distribution.event_dim, any_of=True)
        value = put_inside(distribution, value, counted | known)
    if isinstance(distribution, dist.MaskedDistribution):
        return without_masked_nan(
            distribution.base_dist, value, torch.as_tensor(distribution._mask, device=value.device)
        )
    if isinstance(distribution, torch.distributions.Independent | dist.ExpandedDistribution):
        return without_masked_nan(distribution.base_dist, value)
    return value
