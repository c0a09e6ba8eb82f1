"""Distributions at a temperature: p(x)^(1/T), normalized, of each draw among finitely many values."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pyro.distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from torch import Tensor

# where only the likeliest value is left, of any two whose probabilities float32 tells apart; dividing by it rounds nothing
COLDEST = 2.0**-30


class HasTemperature(ABC):
    """A distribution that can be sharpened or flattened."""

    stepwise: bool = False
    """Whether it is drawn in steps, each given those before, so that its "mean" is but one way to draw it."""

    @abstractmethod
    def at(self, temperature: float) -> Distribution:
        """Each draw among finitely many values from p^(1/T), normalized: T = 1 is p itself, T = 0 the likeliest value.

        What is drawn in several steps is so at each step, which is not p(x)^(1/T) of the whole.

        Raises:
            ValueError: what is drawn at a step is not one of finitely many values with a probability each.
        """


class HasChoices(ABC):
    """A distribution of a single element that is one of finitely many values."""

    @abstractmethod
    def choices(self) -> tuple[Tensor, Tensor]:
        """The values ``(K,)``, and log p of each in nats, ``(*batch, K)``.

        Raises:
            ValueError: there are more elements than one, and too many values to be tried.
        """


def check(temperature: float) -> None:
    """Refuse what is no temperature.

    Raises:
        ValueError: it is negative, or not a number.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature={temperature}: scales the spread of what is drawn, and is 0 or more.")


def tempered(p: Distribution, temperature: float) -> Distribution:
    """p^(1/T), normalized.

    Raises:
        ValueError: p is not over finitely many values with a probability each.
    """
    if isinstance(p, HasTemperature):
        return p.at(temperature)
    if isinstance(p, dist.Independent):
        whole: Distribution = tempered(p.base_dist, temperature).to_event(p.reinterpreted_batch_ndims)
        return whole
    if isinstance(p, (dist.Bernoulli, dist.Categorical, dist.OneHotCategorical)):
        made: Distribution = type(p)(logits=p.logits / max(temperature, COLDEST))
        return made
    raise ValueError(
        f"a temperature sharpens draws from finitely many values with a probability each, and {type(p).__name__} is none; "
        "take a model with likelihood='Bernoulli' or 'Categorical', or leave the temperature out."
    )
