"""Likelihoods of bounded pixels with one parameter each."""

from __future__ import annotations

import pyro.distributions as dist
from pyro.distributions import constraints
from torch import Tensor

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
        return dist.ContinuousBernoulli(logits=features).to_event(len(self.x_shape))
