"""Distributions over finitely many states, and all of their states at once."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from torch import Tensor
from torch.distributions import register_kl
from torch.nn.functional import softplus

MAX_STATES = 2**16


class Bit(dist.Bernoulli):
    """One bit, whose KL is registered anew: torch's fails where the two have different batch shapes."""


@register_kl(Bit, Bit)  # type: ignore[untyped-decorator]
def _kl_of_bits(p: Bit, q: Bit) -> Tensor:
    one = torch.sigmoid(p.logits) * (softplus(-q.logits) - softplus(-p.logits))
    zero = torch.sigmoid(-p.logits) * (softplus(q.logits) - softplus(p.logits))
    return one + zero


class Bits(dist.Independent):
    """A vector of d independent bits, p(z) = Πᵢ σ(lᵢ)^zᵢ (1 − σ(lᵢ))^(1 − zᵢ), which can be enumerated as a whole.

    Should not be confused with ``Bernoulli(logits=l).to_event(1)``, the same density, of which torch and Pyro refuse to list
    the states.

    Shapes: event ``(d,)``.

    Args:
        logits: l, ``(..., d)``.
    """

    has_enumerate_support = True

    def __init__(self, logits: Tensor) -> None:
        super().__init__(Bit(logits=logits), 1)

    @property
    def mode(self) -> Tensor:
        """The most probable state, which torch leaves undefined where a probability is ½."""
        return (self.base_dist.logits > 0).to(self.base_dist.logits.dtype)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Bits:
        """The same for another batch shape."""
        expanded: Bits = super().expand(batch_shape, self._get_checked_instance(Bits, _instance))
        return expanded

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All 2ᵈ states, the first bit the slowest: ``(2ᵈ, 1, ..., d)``, or with the batch shape in the middle.

        Raises:
            ValueError: there are too many.
        """
        logits = self.base_dist.logits
        values = product(torch.arange(2, dtype=logits.dtype, device=logits.device), self.event_shape[0])
        values = values.reshape(-1, *[1] * len(self.batch_shape), *self.event_shape)
        return values.expand(-1, *self.batch_shape, -1) if expand else values


class OneHot(dist.OneHotCategorical):
    """One class of K as a one-hot vector, p(z = eₖ) = softmax(l)ₖ, drawn without asking the device for a number.

    Shapes: logits ``(..., K)``; event ``(K,)``.
    """

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """The winner of a race of exponential clocks; torch's own sampler waits until its probabilities are checked."""
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            clocks = self.logits.new_empty(shape).exponential_()
            winner = (self.logits - clocks.log()).argmax(-1, keepdim=True)
            return torch.zeros_like(clocks).scatter_(-1, winner, 1.0)


def is_discrete(distribution: Distribution) -> bool:
    """Whether the values of a distribution can be counted, finitely many or not."""
    support = getattr(distribution, "support", None)
    return support is not None and bool(support.is_discrete)


def states(distribution: Distribution) -> Tensor:
    """Every value that one draw of a discrete distribution can be, ``(states, *event_shape)``.

    Raises:
        ValueError: there are infinitely many, or too many.
    """
    while isinstance(distribution, (MaskedDistribution, ExpandedDistribution)):
        distribution = distribution.base_dist
    shape = distribution.event_shape
    if distribution.has_enumerate_support:
        values: Tensor = distribution.enumerate_support(expand=False)
        return values.reshape(-1, *shape)
    if isinstance(distribution, dist.Independent):
        inner = states(distribution.base_dist)
        return product(inner, shape[: distribution.reinterpreted_batch_ndims].numel()).reshape(-1, *shape)
    if isinstance(distribution, dist.MixtureSameFamily):
        return states(distribution.component_distribution)
    raise ValueError(
        f"the values of {type(distribution).__name__} cannot be listed; draw them instead: train by VIMCO or ELBO, score by "
        "IWAE(5000)."
    )


def product(values: Tensor, slots: int) -> Tensor:
    """Every way to put one of ``values``, ``(k, ...)``, into each of some slots: ``(k^slots, slots, ...)``.

    Raises:
        ValueError: there are too many.
    """
    k = len(values)
    check_count(k**slots)
    place = k ** torch.arange(slots - 1, -1, -1, device=values.device)
    digits = torch.arange(k**slots, device=values.device).unsqueeze(-1) // place % k
    return values[digits]


def check_count(count: int) -> None:
    """Refuse more states than one would wait for.

    Raises:
        ValueError: they are more than ``MAX_STATES``.
    """
    if count > MAX_STATES:
        raise ValueError(
            f"the discrete latents have {count:,} states, and at most {MAX_STATES:,} are enumerated; take fewer latents, or "
            "draw them: train by VIMCO or ELBO, score by IWAE(5000)."
        )
