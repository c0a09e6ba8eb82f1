"""Priors that are mixtures: learned Gaussians, and the posteriors of learned pseudo-data."""

from __future__ import annotations

import math

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.distributions import transform_to

from pyrogen.axes import Blueprint, Distribution, Prior
from pyrogen.distributions.mixtures import Mixture
from pyrogen.registry import choice


def _at_least_one(name: str, components: int) -> int:
    if components < 1:
        raise ValueError(f"{name}(components={components}): a mixture needs at least one component.")
    return components


@choice("prior")
class MixtureOfGaussians(Prior):
    """A learned mixture, p(z) = Σₖ wₖ N(z; μₖ, diag σₖ²).

    Shapes: event ``(latent_size,)``. Reference: Dilokthanakul et al. 2016, arXiv:1611.02648 (there
    the component is sampled).

    Args:
        components: K.
    """

    learned = True

    def __init__(self, components: int = 10) -> None:
        super().__init__()
        self.components = _at_least_one("MixtureOfGaussians", components)

    def build(self, plan: Blueprint) -> None:
        """Start as a cloud that is, on the whole, about standard normal."""
        shape = (self.components, plan.latent_size)
        self.logits = nn.Parameter(torch.zeros(self.components))
        self.means = nn.Parameter(torch.randn(shape) * math.sqrt(0.5))
        self.log_scales = nn.Parameter(torch.full(shape, math.log(0.5) / 2))

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The mixture, components summed out."""
        parts = dist.Normal(self.means, self.log_scales.exp()).to_event(1)
        return Mixture(dist.Categorical(logits=self.logits), parts)


@choice("prior")
class VampPrior(Prior):
    """The variational mixture of posteriors, p(z) = 1/K Σₖ q(z|uₖ), with learned pseudo-data uₖ.

    The pseudo-data move inside the range of the data (for Bernoulli pixels, in (0, 1)). Its z is what the posterior's is,
    real or discrete.

    Shapes: event ``(latent_size,)``. Reference: Tomczak & Welling 2018, arXiv:1705.07120.

    Args:
        components: K.
    """

    support = None
    learned = True
    made_of_posteriors = True
    logits: Tensor

    def __init__(self, components: int = 500) -> None:
        super().__init__()
        self.components = _at_least_one("VampPrior", components)

    def build(self, plan: Blueprint) -> None:
        """Draw the first pseudo-data, and remember how the model encodes.

        Raises:
            ValueError: there is nothing between data.
        """
        if plan.likelihood.hull is None:
            raise ValueError(
                "the prior VampPrior moves pseudo-data between data, and the likelihood "
                f"{type(plan.likelihood).__name__} is of words, between which there is nothing; use "
                "prior='MixtureOfGaussians', or prior='ExemplarPrior', which is made of training data as they are."
            )
        self._to_hull = transform_to(plan.likelihood.hull)
        # a bound method, not a submodule: the encoder's weights belong to the model alone
        self._encode = plan.encode
        self.pseudo = nn.Parameter(torch.randn(self.components, *plan.x_shape))
        self.register_buffer("logits", torch.zeros(self.components), persistent=False)

    def pseudo_data(self) -> Tensor:
        """The pseudo-data uₖ, ``(K, *x_shape)``."""
        u: Tensor = self._to_hull(self.pseudo)
        return u

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The mixture of the posteriors of the pseudo-data."""
        return Mixture(dist.Categorical(logits=self.logits), self._encode(self.pseudo_data()))
