"""Posteriors over relaxed bits and classes, which are reparameterized."""

from __future__ import annotations

from collections.abc import Callable

from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Distribution, Posterior, unit_vector
from pyrogen.registry import choice
from pyrogen.relaxed import check_temperature, relaxed_bits
from pyrogen.simplex import RelaxedOneHot, refuse_one_part


class _Relaxed(Posterior):
    def __init__(self, temperature: float = 2 / 3) -> None:
        super().__init__()
        check_temperature(self, temperature)
        self.temperature = temperature

    def width(self, latent_size: int) -> int:
        """latent_size."""
        return latent_size


@choice("posterior")
class RelaxedBernoulli(_Relaxed):
    """Bits relaxed to (0, 1), zᵢ = σ((lᵢ(x) + gᵢ) / τ), g standard logistic.

    Should not be confused with the posterior Bernoulli, whose draws are bits and whose gradients come by the score function.

    Shapes: features ``(..., latent_size)`` are logits l, bounded smoothly at ±10 τ; event ``(latent_size,)``, in (0, 1).
    Reference: Maddison et al. 2017, arXiv:1611.00712.

    Args:
        temperature: τ.
    """

    support = unit_vector

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The joint distribution of the coordinates."""
        return relaxed_bits(features, self.temperature)


@choice("posterior")
class RelaxedCategorical(_Relaxed):
    """One of K classes relaxed to the simplex, z = softmax((l(x) + g) / τ), g standard Gumbel (Gumbel-softmax, Concrete).

    Should not be confused with the posterior Categorical, whose draws are one-hot vectors.

    Shapes: features ``(..., latent_size)`` are logits l; event ``(latent_size,)``, on the simplex.
    Reference: Maddison et al. 2017, arXiv:1611.00712; Jang et al. 2017, arXiv:1611.01144.

    Args:
        temperature: τ.
    """

    support = constraints.simplex

    def width(self, latent_size: int) -> int:
        """latent_size.

        Raises:
            ValueError: there is one class.
        """
        refuse_one_part(self, latent_size)
        return latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The distribution on the simplex."""
        return RelaxedOneHot(features.new_full((), self.temperature), logits=features)
