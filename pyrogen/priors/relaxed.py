"""Priors over relaxed bits and classes, for the posteriors of the same names."""

from __future__ import annotations

from typing import ClassVar

import torch
from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Distribution, Prior, unit_vector
from pyrogen.distributions.relaxed import check_temperature, relaxed_bits, relaxed_classes
from pyrogen.distributions.simplex import refuse_one_part
from pyrogen.registry import choice


class _Relaxed(Prior):
    logits: Tensor
    coldest: ClassVar[float]

    def __init__(self, temperature: float = 2 / 3) -> None:
        super().__init__()
        check_temperature(self, temperature, self.coldest)
        self.temperature = temperature

    def size(self, latent_size: int) -> None:
        """Take the latent size."""
        self.register_buffer("logits", torch.zeros(latent_size), persistent=False)


@choice("prior")
class RelaxedBernoulli(_Relaxed):
    """Fair bits relaxed to (0, 1), zᵢ = σ(gᵢ / τ), g standard logistic.

    p(z) = Πᵢ τ zᵢ^(−τ−1) (1 − zᵢ)^(−τ−1) / (zᵢ^(−τ) + (1 − zᵢ)^(−τ))². Should not be confused with the prior Bernoulli,
    against which a relaxed posterior has no ELBO: a density is no mass.

    Shapes: event ``(latent_size,)``, in (0, 1). Reference: Maddison et al. 2017, arXiv:1611.00712.

    Args:
        temperature: τ, 0.4 or more.
    """

    support = unit_vector
    coldest = 0.4

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The joint distribution of the coordinates."""
        return relaxed_bits(self.logits, self.temperature)


@choice("prior")
class RelaxedCategorical(_Relaxed):
    """One of K classes, all alike, relaxed to the simplex, z = softmax(g / τ), g standard Gumbel.

    p(z) = Γ(K) τ^(K−1) Πₖ zₖ^(−τ−1) / (Σₖ zₖ^(−τ))ᴷ. Should not be confused with the prior Categorical.

    Shapes: event ``(latent_size,)``, on the simplex; latent_size is K. Reference: Maddison et al. 2017, arXiv:1611.00712.

    Args:
        temperature: τ, 0.1 or more.
    """

    support = constraints.simplex
    coldest = 0.1

    def size(self, latent_size: int) -> None:
        """Take the number of classes."""
        refuse_one_part(self, latent_size)
        super().size(latent_size)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The distribution on the simplex."""
        return relaxed_classes(self.logits, self.logits.new_full((), self.temperature))
