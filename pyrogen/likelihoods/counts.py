"""Likelihoods of counts: whole numbers from 0, with and without more zeros than their mean explains."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Literal

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.nn.functional import softplus

from pyrogen.axes import Distribution, Likelihood
from pyrogen.distributions.bounds import soft_clamp
from pyrogen.likelihoods.precise import InDouble
from pyrogen.registry import choice

# the counts above it are not all numbers of float32, and exp of what is larger comes near to overflow
LARGEST = 2**24


class ZeroInflated(dist.ZeroInflatedDistribution):
    """Pyro's, by the logit of its gate alone: once asked for its mean, Pyro's scores by the gate and cannot be expanded."""

    @property
    def gate(self) -> Tensor:
        """The probability of a zero for the second reason."""
        return torch.sigmoid(self.gate_logits)


class _Counts(Likelihood):
    """Independent counts with a positive mean, scored in float64.

    Args:
        positive: what makes the mean positive: "softplus", or "exp", the log link of generalized linear models.
        floor: added to what must be positive, so that no count has probability zero in float32.
    """

    kinds = ("counts",)
    support = constraints.nonnegative_integer
    hull = constraints.nonnegative

    def __init__(self, positive: Literal["softplus", "exp"] = "softplus", floor: float = 1e-6) -> None:
        super().__init__()
        name = type(self).__name__
        if positive not in ("softplus", "exp"):
            raise ValueError(f"{name}(positive={positive!r}): choose 'softplus' or 'exp'.")
        if not floor > 0:
            raise ValueError(f"{name}(floor={floor}): needs floor > 0.")
        self.positive, self.floor = positive, floor

    @abstractmethod
    def family(self, *parts: Tensor) -> Distribution:
        """The distribution of one element, from its ``per_element`` features in float64."""

    def forward(self, features: Tensor) -> Distribution:
        """One distribution an element."""
        return InDouble(self.family(*self.parts(features.double())), len(self.x_shape), features.dtype)

    def rescale(self, x: Tensor) -> Tensor:
        """log(1 + x)."""
        return torch.log1p(x)

    def _mean(self, raw: Tensor) -> Tensor:
        if self.positive == "softplus":
            return self.floor + softplus(raw)
        return self.floor + soft_clamp(raw, -30.0, math.log(LARGEST) - 1, room=1.0).exp()

    def _poisson(self, mean: Tensor) -> Distribution:
        return dist.Poisson(self._mean(mean))

    def _negative_binomial(self, mean: Tensor, size: Tensor) -> Distribution:
        mean, size = self._mean(mean), self.floor + softplus(size)
        return dist.NegativeBinomial(size, logits=mean.log() - size.log())


@choice("likelihood")
class Poisson(_Counts):
    """Counts whose variance is their mean, p(x|·) = Πᵢ λᵢ^xᵢ exp(−λᵢ) / xᵢ!.

    Shapes: features and event ``x_shape``.

    Args:
        positive: what makes the mean λ positive: "softplus", or "exp", the log link of generalized linear models.
        floor: added to λ, so that no count has probability zero in float32.
    """

    def family(self, *parts: Tensor) -> Distribution:
        """Poisson(λ)."""
        return self._poisson(*parts)


@choice("likelihood")
class NegativeBinomial(_Counts):
    """Counts more spread than Poisson's: mean μ and variance μ + μ²/r.

    p(x|·) = Πᵢ Γ(xᵢ + rᵢ) / (Γ(rᵢ) xᵢ!) (rᵢ / (rᵢ + μᵢ))^rᵢ (μᵢ / (rᵢ + μᵢ))^xᵢ

    Shapes: features ``(2 C, ...)`` are μ and r; event ``x_shape``. Reference: Lopez et al. 2018, Deep generative modeling
    for single-cell transcriptomics.

    Args:
        positive: what makes the mean μ positive: "softplus", or "exp", the log link of generalized linear models.
        floor: added to μ and r, so that no count has probability zero in float32.
    """

    per_element = 2

    def family(self, *parts: Tensor) -> Distribution:
        """NegativeBinomial with mean μ and size r."""
        return self._negative_binomial(*parts)


@choice("likelihood")
class ZeroInflatedPoisson(_Counts):
    """Counts that are zero for a second reason, p(x|·) = Πᵢ πᵢ [xᵢ = 0] + (1 − πᵢ) Poisson(xᵢ; λᵢ).

    Shapes: features ``(2 C, ...)`` are λ and the logit of π; event ``x_shape``. Reference: Lambert 1992, Zero-inflated
    Poisson regression.

    Args:
        positive: what makes λ positive: "softplus", or "exp", the log link of generalized linear models.
        floor: added to λ, so that no count has probability zero in float32.
    """

    per_element = 2

    def family(self, *parts: Tensor) -> Distribution:
        """A Poisson and a point at zero."""
        *parameters, gate = parts
        return ZeroInflated(self._poisson(*parameters), gate_logits=gate)


@choice("likelihood")
class ZeroInflatedNegativeBinomial(_Counts):
    """Spread counts that are zero for a second reason, p(x|·) = Πᵢ πᵢ [xᵢ = 0] + (1 − πᵢ) NB(xᵢ; μᵢ, rᵢ).

    Shapes: features ``(3 C, ...)`` are μ, r and the logit of π; event ``x_shape``. Reference: Lopez et al. 2018, Deep
    generative modeling for single-cell transcriptomics.

    Args:
        positive: what makes the mean μ positive: "softplus", or "exp", the log link of generalized linear models.
        floor: added to μ and r, so that no count has probability zero in float32.
    """

    per_element = 3

    def family(self, *parts: Tensor) -> Distribution:
        """A negative binomial and a point at zero."""
        *parameters, gate = parts
        return ZeroInflated(self._negative_binomial(*parameters), gate_logits=gate)
