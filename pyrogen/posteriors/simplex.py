"""Posteriors over the simplex."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Distribution, Posterior
from pyrogen.distributions.bounds import scale_of
from pyrogen.distributions.simplex import AdditiveLogRatio, refuse_one_part
from pyrogen.distributions.transformed import Transformed
from pyrogen.registry import choice


@choice("posterior")
class LogisticNormal(Posterior):
    """Normal log ratios, z = softmax(u, 0), q(u|x) = N(u; μ(x), diag exp s(x)).

    Shapes: features ``(..., 2 (latent_size − 1))`` are μ and s = log σ²; event ``(latent_size,)``, on the simplex.
    Reference: Aitchison & Shen 1980; Srivastava & Sutton 2017, arXiv:1703.01488.
    """

    support = constraints.simplex

    def __init__(self) -> None:
        super().__init__()

    def width(self, latent_size: int) -> int:
        """2 (latent_size − 1).

        Raises:
            ValueError: there is one part.
        """
        refuse_one_part(self, latent_size)
        return 2 * (latent_size - 1)

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """N(μ, diag σ²), carried to the simplex."""
        loc, log_variance = features.chunk(2, -1)
        ratios = dist.Normal(loc, scale_of(log_variance)).to_event(1)
        return Transformed(ratios, [AdditiveLogRatio()])
