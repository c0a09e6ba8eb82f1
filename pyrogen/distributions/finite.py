"""Distributions over finitely many states, and all of their states at once."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from torch import Tensor
from torch.distributions import kl_divergence, register_kl
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


class OneHotGrid(constraints.Constraint):
    """Several one-hot vectors of equal length, one after the other.

    Args:
        variables: how many.
    """

    is_discrete = True
    event_dim = 1

    def __init__(self, variables: int) -> None:
        self.variables = variables

    def check(self, value: Tensor) -> Tensor:
        """Whether each part has one 1 and else zeros, ``(...)``."""
        good: Tensor = constraints.one_hot.check(value.unflatten(-1, (self.variables, -1)))
        return good.all(-1)

    def __repr__(self) -> str:
        return f"grids of {self.variables} one-hot vectors"


class OneHots(dist.TorchDistribution):
    """Independent classes as one-hot vectors one after the other, p(z) = Πᵢ softmax(lᵢ)_{zᵢ}, which can be enumerated.

    Shapes: logits ``(..., variables, K)``; event ``(variables K,)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    has_enumerate_support = True

    def __init__(self, logits: Tensor) -> None:
        self.parts = OneHot(logits=logits).to_event(1)
        super().__init__(logits.shape[:-2], torch.Size([logits.shape[-2] * logits.shape[-1]]), validate_args=False)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> constraints.Constraint:
        """A grid of one-hot vectors."""
        return OneHotGrid(self.parts.event_shape[0])

    @property
    def mean(self) -> Tensor:
        """The probabilities."""
        return self.parts.mean.flatten(-2)

    @property
    def mode(self) -> Tensor:
        """The most probable state."""
        return self.parts.base_dist.mode.flatten(-2)

    def expand(self, batch_shape: Any, _instance: Any = None) -> OneHots:
        """The same for another batch shape."""
        logits = self.parts.base_dist.logits
        return OneHots(logits.expand(torch.Size(batch_shape) + logits.shape[-2:]))

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Each class by itself."""
        return self.parts.sample(torch.Size(sample_shape)).flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σᵢ log softmax(lᵢ)_{zᵢ}."""
        log_p: Tensor = self.parts.log_prob(value.unflatten(-1, self.parts.event_shape))
        return log_p

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All Kⁿ states, the first class the slowest: ``(Kⁿ, 1, ..., n K)``, or with the batch shape in the middle.

        Raises:
            ValueError: there are too many.
        """
        variables, classes = self.parts.event_shape
        values = product(torch.eye(classes, device=self.mean.device, dtype=self.mean.dtype), variables).flatten(-2)
        values = values.reshape(-1, *[1] * len(self.batch_shape), *self.event_shape)
        return values.expand(-1, *self.batch_shape, -1) if expand else values


def grid_of(variables: int) -> constraints.Constraint:
    """The values of so many classes as one-hot vectors, one after the other.

    Raises:
        ValueError: there are none.
    """
    if variables < 1:
        raise ValueError(f"Categorical(variables={variables}): there must be at least one.")
    return constraints.one_hot if variables == 1 else OneHotGrid(variables)


def one_hots(logits: Tensor, variables: int) -> Distribution:
    """Their distribution, for logits ``(..., latent_size)``."""
    return OneHot(logits=logits) if variables == 1 else OneHots(logits.unflatten(-1, (variables, -1)))


@register_kl(OneHots, OneHots)  # type: ignore[untyped-decorator]
def _kl_of_grids(p: OneHots, q: OneHots) -> Tensor:
    return kl_divergence(p.parts, q.parts)


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
