"""A prior made of training data."""

from __future__ import annotations

import math

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyrogen.axes import Blueprint, Distribution, Prior
from pyrogen.distributions.mixtures import Mixture
from pyrogen.nets.switch import Switch
from pyrogen.registry import choice


@choice("prior")
class ExemplarPrior(Prior):
    """A mixture around the codes of training data, p(z) = Σₖ wₖ N(z; μ(xₖ), σ² I), with w and σ learned, μ the encoder's.

    The xₖ are drawn from the training data by ``model.before_training(x)`` and saved with the weights. Should not be
    confused with :class:`VampPrior`, whose data are learned themselves. Unlike in the paper a datum is not left out of its
    own prior, which matters where the exemplars are a large part of the data.

    Shapes: event ``(latent_size,)``. Reference: Norouzi, Fleet & Norouzi 2020, Exemplar VAE, arXiv:2004.04795.

    Args:
        components: K.
    """

    learned = True
    needs_training_data = True
    made_of_posteriors = True
    exemplars: Tensor

    def __init__(self, components: int = 500) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"ExemplarPrior(components={components}): a mixture needs at least one component.")
        self.components = components

    def build(self, plan: Blueprint) -> None:
        """Make room for the exemplars, and remember how the model encodes."""
        # bound methods, not submodules: the encoder's weights belong to the model alone
        self._encode, self._code = plan.encode, plan.posterior.code
        self.logits = nn.Parameter(torch.zeros(self.components))
        self.log_scale = nn.Parameter(torch.tensor(math.log(0.5)))
        self.register_buffer("exemplars", torch.zeros(self.components, *plan.x_shape))
        self.prepared = Switch()

    @torch.no_grad()
    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Draw the exemplars from the training data ``x``, none twice, and once: what is learned of them is of them alone.

        Raises:
            ValueError: there are too few data.
        """
        if self.prepared.on:
            return
        if len(x) < self.components:
            raise ValueError(
                f"ExemplarPrior(components={self.components}) needs as many training data, and there are {len(x)}; use "
                f"components={len(x)} or fewer, or prior='VampPrior', which learns its own."
            )
        self.exemplars.copy_(x[torch.randperm(len(x), device=x.device)[: self.components]])
        self.prepared.turn(True)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The mixture around the codes of the exemplars.

        Raises:
            ValueError: it has seen no training data.
        """
        if not self.prepared.on:
            raise ValueError(
                "the ExemplarPrior has seen no training data; call model.before_training(x) before anything else, or use "
                "prior='VampPrior', which needs none."
            )
        codes = self._code(self._encode(self.exemplars))
        parts = dist.Normal(codes, self.log_scale.exp()).to_event(1)
        return Mixture(dist.Categorical(logits=self.logits), parts)
