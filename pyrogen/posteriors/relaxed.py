"""Posteriors over relaxed bits and classes, which are reparameterized."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from pyro.distributions import constraints
from torch import Tensor

from pyrogen import schedules
from pyrogen.axes import Distribution, Posterior, unit_vector
from pyrogen.distributions.relaxed import check_temperature, relaxed_bits, relaxed_classes
from pyrogen.distributions.simplex import refuse_one_part
from pyrogen.registry import choice


class _Relaxed(Posterior):
    """Relaxed at a temperature that may fall while it is trained."""

    coldest: ClassVar[float]

    def __init__(self, temperature: float = 2 / 3, start: float | None = None, cooling: int = 0) -> None:
        super().__init__()
        check_temperature(self, temperature, self.coldest)
        if cooling < 0 or (start is None) != (cooling == 0):
            raise ValueError(
                f"{type(self).__name__}(start={start}, cooling={cooling}): the temperature falls from a start in some steps; "
                "give both, as in start=2.0, cooling=5000, or neither."
            )
        if start is not None:
            check_temperature(self, start, self.coldest)
        self.temperature, self.start, self.cooling = temperature, start, cooling

    def now(self, like: Tensor) -> Tensor:
        """τ at this step of training, a scalar tensor; the last one outside of training."""
        start = self.temperature if self.start is None else self.start
        return schedules.geometric(start, self.temperature, self.cooling, like)

    def width(self, latent_size: int) -> int:
        """latent_size."""
        return latent_size


@choice("posterior")
class RelaxedBernoulli(_Relaxed):
    """Bits relaxed to (0, 1), zᵢ = σ((lᵢ(x) + gᵢ) / τ), g standard logistic.

    Should not be confused with the posterior Bernoulli, whose draws are bits and whose gradients come by the score function.

    Shapes: features ``(..., latent_size)`` are logits l, bounded smoothly at ±10 τ, so that no bit is surer than σ(10 τ);
    event ``(latent_size,)``, in (0, 1).
    Reference: Maddison et al. 2017, arXiv:1611.00712.

    Args:
        temperature: τ, at the end of training and ever after, 0.4 or more.
        start: τ at the first step of training.
        cooling: steps over which τ falls from ``start``, evenly in log τ, counted anew in each game; 0: it is constant.
    """

    support = unit_vector
    coldest = 0.4

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The joint distribution of the coordinates."""
        return relaxed_bits(features, self.now(features))


@choice("posterior")
class RelaxedCategorical(_Relaxed):
    """One of K classes relaxed to the simplex, z = softmax((l(x) + g) / τ), g standard Gumbel (Gumbel-softmax, Concrete).

    Should not be confused with the posterior Categorical, whose draws are one-hot vectors.

    Shapes: features ``(..., latent_size)`` are logits l, bounded smoothly at 60 τ below the largest; event
    ``(latent_size,)``, on the simplex.
    Reference: Maddison et al. 2017, arXiv:1611.00712; Jang et al. 2017, arXiv:1611.01144.

    Args:
        temperature: τ, at the end of training and ever after, 0.1 or more.
        start: τ at the first step of training.
        cooling: steps over which τ falls from ``start``, evenly in log τ, counted anew in each game; 0: it is constant.
    """

    support = constraints.simplex
    coldest = 0.1

    def width(self, latent_size: int) -> int:
        """latent_size.

        Raises:
            ValueError: there is one class.
        """
        refuse_one_part(self, latent_size)
        return latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The distribution on the simplex."""
        return relaxed_classes(features, self.now(features))
