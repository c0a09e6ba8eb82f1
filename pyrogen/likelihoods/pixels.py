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
from pyrogen.registry import choice


@choice("likelihood")
class Bernoulli(Likelihood):
    """Independent binary pixels, log p(x|·) = Σᵢ xᵢ log πᵢ + (1 − xᵢ) log(1 − πᵢ), π = σ(features).

    It is a probability of x in {0, 1} only: grey pixels in between want ContinuousBernoulli.

    Shapes: features and event ``x_shape``.
    """

    kinds = ("binary",)
    support = constraints.boolean
    hull = constraints.unit_interval

    def __init__(self) -> None:
        super().__init__()

    def forward(self, features: Tensor) -> Distribution:
        """Bernoulli with the features as logits."""
        return dist.Bernoulli(logits=features).to_event(len(self.x_shape))


class UnclampedContinuousBernoulli(dist.ContinuousBernoulli):
    """The continuous Bernoulli in its logit l: log p(x) = x l − softplus(l) + log(l / tanh(l/2)).

    torch clamps λ = σ(l) to one float's distance from 0 and 1, so that its density does not integrate to one where |l| > 16.
    """

    @property
    def mean(self) -> Tensor:
        """1 / (1 − exp(−l)) − 1 / l, and ½ + l/12 near 0."""
        small, safe = self._away_from_zero()
        return torch.where(small, 0.5 + self.logits / 12, -1 / torch.expm1(-safe) - 1 / safe)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x), with log 2 + l²/12 for the normalizer near 0."""
        small, safe = self._away_from_zero()
        normalizer = torch.where(small, math.log(2) + self.logits.square() / 12, torch.log(safe / torch.tanh(safe / 2)))
        return value * self.logits - softplus(self.logits) + normalizer

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

    def _away_from_zero(self) -> tuple[Tensor, Tensor]:
        small = self.logits.abs() < 0.02
        return small, torch.where(small, torch.ones_like(self.logits), self.logits)


@choice("likelihood")
class ContinuousBernoulli(Likelihood):
    """Independent grey pixels in [0, 1], p(x|λ) = C(λ) λˣ (1 − λ)¹⁻ˣ with its normalizer C.

    Should not be confused with the Bernoulli on grey pixels, which lacks C and is no density.

    Shapes: features (logits of λ) and event ``x_shape``. Reference: Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845.
    """

    kinds = ("unit",)
    support = constraints.unit_interval
    hull = constraints.unit_interval

    def __init__(self) -> None:
        super().__init__()

    def forward(self, features: Tensor) -> Distribution:
        """The continuous Bernoulli with the features as logits."""
        return UnclampedContinuousBernoulli(logits=features).to_event(len(self.x_shape))
