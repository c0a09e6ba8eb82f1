"""The posterior that follows a hierarchical prior from the top down."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
from torch import Tensor

from pyrogen.axes import Blueprint, Distribution, HasLevels, Posterior
from pyrogen.distributions.bounds import scale_of
from pyrogen.distributions.levels import Levels
from pyrogen.registry import choice


@choice("posterior")
class Ladder(Posterior):
    """What the data say of each level is weighed against what the levels above expect, by precision.

    q(z₁|x) = N(μ̂₁, σ̂₁²); q(z_l|z_{<l}, x) = N(μ, σ²) with σ⁻² = σ̂_l⁻² + σ_p⁻², μ = σ² (μ̂_l σ̂_l⁻² + μ_p σ_p⁻²), where
    N(μ_p, σ_p²) is the prior's level. Where the data say nothing, the posterior is the prior.

    Shapes: features ``(..., 2 latent_size)`` are μ̂ and log σ̂²; event ``(latent_size,)``.
    Reference: Sønderby et al. 2016, Ladder variational autoencoders, arXiv:1602.02282.
    """

    follows_levels = True
    reads_pair = True

    def __init__(self) -> None:
        super().__init__()

    def build(self, plan: Blueprint) -> None:
        """Remember the prior's levels."""
        super().build(plan)
        # by way of the plan, not as a submodule: the networks between levels belong to the prior
        self._plan = plan

    def width(self, latent_size: int) -> int:
        """2 latent_size."""
        return 2 * latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The joint distribution of all levels given x."""
        levels = self._plan.prior
        assert isinstance(levels, HasLevels)
        locs, log_variances = (part.split(list(levels.sizes), -1) for part in features.chunk(2, -1))

        def level(number: int, above: Tensor) -> Distribution:
            loc, log_variance = locs[number], log_variances[number]
            if number == 0:
                return dist.Normal(loc, scale_of(log_variance)).to_event(1)
            prior = levels.level(number, above).base_dist
            precision, expected = scale_of(log_variance).pow(-2), prior.scale.pow(-2)
            variance = 1 / (precision + expected)
            return dist.Normal(variance * (loc * precision + prior.loc * expected), variance.sqrt()).to_event(1)

        return Levels(levels.sizes, level, features, features.shape[:-1])
