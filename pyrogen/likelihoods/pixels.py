"""Likelihoods of bounded pixels with one parameter each."""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.nn.functional import softplus

from pyrogen.axes import Distribution, Likelihood
from pyrogen.distributions.tempered import COLDEST, HasTemperature
from pyrogen.kinds import coins
from pyrogen.registry import choice

# Products of so many factors from [½, 1] stay far from underflow, and their logs far from losing digits.
FACTORS = 16


class _BernoulliLogProb(torch.autograd.Function):
    """Σᵢ xᵢ lᵢ − softplus(lᵢ) over the last dimension of logits l and values x, which may broadcast.

    softplus(l) = (l + |l|)/2 − log σ(|l|), and Σ log σ is taken as the log of products: 1 logarithm for 16 elements. The
    gradients, x − σ(l) and l, are made of differentiable operations, so that they have gradients too.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, value: Tensor) -> Tensor:
        size = logits.abs()
        # exactly 0 where a 0 or 1 agrees with its logit, so that sums of hundreds lose no digits to what cancels
        wrong = torch.addcmul(size, logits, value - 0.5, value=-2).sum(-1)
        return torch.log(_products(size.sigmoid_(), FACTORS)).sum(-1) - wrong / 2

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        logits, value = ctx.saved_tensors
        each = gradient.unsqueeze(-1)
        to_logits = to_value = None
        if ctx.needs_input_grad[0]:
            to_logits = (each * (value - torch.sigmoid(logits))).sum_to_size(logits.shape)
        if ctx.needs_input_grad[1]:
            to_value = (each * logits).sum_to_size(value.shape)
        return to_logits, to_value


def _products(t: Tensor, factors: int) -> Tensor:
    """Products of up to so many elements of the last dimension, each taken once."""
    while factors > 1:
        half = (t.shape[-1] + 1) // 2
        left = t.shape[-1] - half
        # not in place: a compiler would follow what was overwritten through every later slice, element by element
        pairs = t[..., :left] * t[..., half:]
        t = pairs if left == half else torch.cat([pairs, t[..., left:half]], -1)
        factors //= 2
    return t


class _SoftplusSum(torch.autograd.Function):
    """Σ softplus(tᵢ) over the last dimension, and σ(t), which is its gradient: softplus(t) = max(t, 0) − log σ(|t|)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(t: Tensor) -> tuple[Tensor, Tensor]:
        p = torch.sigmoid(t)
        products = _products(torch.maximum(p, 1 - p), FACTORS)
        return t.clamp(min=0).sum(-1) - torch.log(products).sum(-1), p

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Any) -> Tensor:
        t, p = ctx.saved_tensors
        # made anew where the gradient is to have one itself
        return gradient.unsqueeze(-1) * (torch.sigmoid(t) if torch.is_grad_enabled() else p)


def softplus_sum(t: Tensor) -> tuple[Tensor, Tensor]:
    """Σ softplus(tᵢ) over the last dimension, by 1 logarithm for 16 elements, and σ(t) without a gradient."""
    total, p = _SoftplusSum.apply(t)
    return total, p


class IndependentBernoulli(dist.TorchDistribution, HasTemperature):
    """Independent zeros and ones, log p(x) = Σᵢ xᵢ lᵢ − softplus(lᵢ): torch's Bernoulli, twice as fast over whole data.

    Sums are taken in float32 at least, whatever the type of the logits.

    Args:
        logits: l, of shape ``(*batch, *event)``.
        rank: how many of its dimensions, the last ones, are one datum.
    """

    arg_constraints = {"logits": constraints.real}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, logits: Tensor, rank: int, validate_args: bool | None = None) -> None:
        self.logits, self.rank = logits, rank
        split = logits.dim() - rank
        super().__init__(logits.shape[:split], logits.shape[split:], validate_args=validate_args)

    def at(self, temperature: float) -> IndependentBernoulli:
        """Every bit at a temperature."""
        return IndependentBernoulli(self.logits / max(temperature, COLDEST), self.rank)

    @constraints.dependent_property(is_discrete=True)
    def support(self) -> constraints.Constraint:
        """{0, 1} for each element."""
        return constraints.independent(constraints.boolean, self.rank)

    @property
    def mean(self) -> Tensor:
        """π = σ(l)."""
        return torch.sigmoid(self.logits)

    @property
    def variance(self) -> Tensor:
        """π (1 − π)."""
        return self.mean * torch.sigmoid(-self.logits)

    def expand(self, batch_shape: Any, _instance: Any = None) -> IndependentBernoulli:
        """The same distribution with another batch shape."""
        return IndependentBernoulli(self.logits.expand(*batch_shape, *self.event_shape), self.rank, self._validate_args)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Zeros and ones, in the type of the logits."""
        return coins(self.mean.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x) over the batch shape, in nats."""
        if self._validate_args:
            self._validate_sample(value)
        dtype = torch.promote_types(torch.promote_types(self.logits.dtype, value.dtype), torch.float32)
        flat = (t.to(dtype).flatten(t.dim() - self.rank) for t in (self.logits, value))
        return _BernoulliLogProb.apply(*flat)


@choice("likelihood")
class Bernoulli(Likelihood):
    """Independent binary pixels, log p(x|·) = Σᵢ xᵢ log πᵢ + (1 − xᵢ) log(1 − πᵢ), π = σ(features).

    It is a probability of x in {0, 1} only: grey pixels in between want ContinuousBernoulli.

    Shapes: features and event ``x_shape``.
    """

    kinds = ("binary",)
    reads_logits = True
    support = constraints.boolean
    hull = constraints.unit_interval

    def __init__(self) -> None:
        super().__init__()

    def forward(self, features: Tensor) -> Distribution:
        """Bernoulli with the features as logits."""
        return IndependentBernoulli(features, len(self.x_shape))


class UnclampedContinuousBernoulli(dist.ContinuousBernoulli):
    """The continuous Bernoulli in its logit l: log p(x) = x l − softplus(l) + log(l / tanh(l/2)).

    torch clamps λ = σ(l) to one float's distance from 0 and 1, so that its density does not integrate to one where |l| > 16,
    and has a variance that cancels near ½.
    """

    @property
    def mean(self) -> Tensor:
        """1 / (1 − exp(−l)) − 1 / l, and ½ + l/12 near 0."""
        small, safe = self._away_from_zero()
        return torch.where(small, 0.5 + self.logits / 12, -1 / torch.expm1(-safe.clamp(min=-80)) - 1 / safe)

    @property
    def variance(self) -> Tensor:
        """1/l² − 1/(4 sinh²(l/2)), and 1/12 − l²/240 + l⁴/6048 near 0."""
        small, safe = self._away_from_zero(0.5)
        square, decay = self.logits.square(), -safe.abs()
        near = 1 / 12 - square / 240 + square.square() / 6048
        return torch.where(small, near, 1 / safe.square() - decay.exp() / torch.expm1(decay).square())

    def entropy(self) -> Tensor:
        """softplus(l) − l E[x] − log(l / tanh(l/2))."""
        return softplus(self.logits) - self.logits * self.mean - self._log_normalizer()

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x), with log 2 + l²/12 for the normalizer near 0."""
        normalizer = self._log_normalizer()
        return value * self.logits - softplus(self.logits) + normalizer

    def cdf(self, value: Tensor) -> Tensor:
        """(exp(l x) − 1) / (exp(l) − 1), written for l < 0 and mirrored for l > 0; near 0 its series, to l²."""
        small, safe = self._away_from_zero()
        inside, decay = value.clamp(0, 1), -safe.abs()
        below = torch.expm1(decay * torch.where(safe < 0, inside, 1 - inside)) / torch.expm1(decay)
        bend = self.logits / 2 + self.logits.square() * (2 * inside - 1) / 12
        return torch.where(small, inside * (1 + (inside - 1) * bend), torch.where(safe < 0, below, 1 - below))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at a probability, written for l > 0 and mirrored for l < 0."""
        small, safe = self._away_from_zero()
        steep = safe.abs()
        upper = torch.where(safe > 0, value, 1 - value)
        x = 1 + torch.log(upper + (1 - upper) * torch.exp(-steep)) / steep
        return torch.where(small, value, torch.where(safe > 0, x, 1 - x)).clamp(0, 1)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """The quantile at a uniform draw."""
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device))

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """As rsample, without gradients."""
        return self.rsample(sample_shape)

    def _log_normalizer(self) -> Tensor:
        small, safe = self._away_from_zero()
        return torch.where(small, math.log(2) + self.logits.square() / 12, torch.log(safe / torch.tanh(safe / 2)))

    def _away_from_zero(self, near: float = 0.02) -> tuple[Tensor, Tensor]:
        small = self.logits.abs() < near
        return small, torch.where(small, torch.ones_like(self.logits), self.logits)


@choice("likelihood")
class ContinuousBernoulli(Likelihood):
    """Independent grey pixels in [0, 1], p(x|λ) = C(λ) λˣ (1 − λ)¹⁻ˣ with its normalizer C.

    Should not be confused with the Bernoulli on grey pixels, which lacks C and is no density.

    Shapes: features (logits of λ) and event ``x_shape``. Reference: Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845.
    """

    kinds = ("unit",)
    reads_logits = True
    support = constraints.unit_interval
    hull = constraints.unit_interval

    def __init__(self) -> None:
        super().__init__()

    def forward(self, features: Tensor) -> Distribution:
        """The continuous Bernoulli with the features as logits."""
        return UnclampedContinuousBernoulli(logits=features).to_event(len(self.x_shape))
