"""The posterior that says of each level how it differs from what the levels above expect."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from pyrogen.axes import Blueprint, Distribution, HasLevels, Posterior
from pyrogen.distributions.bounds import scale_of
from pyrogen.distributions.levels import Levels
from pyrogen.nets import mlp
from pyrogen.registry import choice


@choice("posterior")
class ResidualNormal(Posterior):
    """Each level as a change of what is expected, q(z_l|z_{<l}, x) = N(μ_p + σ_p δ_l, diag (σ_p e^{ρ_l})²).

    N(μ_p, σ_p²) is the prior's level. δ_l and ρ_l are read from the features, from the levels above and from what these
    expect, by one network that is asked for each level in turn, and in whose inputs what is not known yet is 0. Where it
    says 0 the posterior is the prior, and the level costs nothing.

    Should not be confused with :class:`~pyrogen.posteriors.Ladder`, where what the data say of a level does not depend on
    those above. Shapes: features ``(..., 2 latent_size)``; event ``(latent_size,)``.
    Reference: Vahdat & Kautz 2020, NVAE, arXiv:2007.03898, section 3.2; Child 2021, arXiv:2011.10650.

    Args:
        hidden: width of the network's hidden layer.
    """

    follows_levels = True

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"ResidualNormal(hidden={hidden}): needs 1 hidden unit or more.")
        self.hidden = hidden

    def build(self, plan: Blueprint) -> None:
        """Make the network, and remember the prior's levels."""
        super().build(plan)
        self.net = mlp((5 * plan.latent_size,), (self.hidden,), (2 * plan.latent_size,), nn.SiLU)
        # by way of the plan, not as a submodule: the networks between levels belong to the prior
        self._plan = plan

    def width(self, latent_size: int) -> int:
        """2 latent_size."""
        return 2 * latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The joint distribution of all levels given x."""
        levels = self._plan.prior
        assert isinstance(levels, HasLevels)

        def level(number: int, above: Tensor) -> Distribution:
            prior = levels.level(number, above).base_dist
            start, size = above.shape[-1], levels.sizes[number]
            left = self.latent_size - start - size
            known = [pad(above, (0, size + left)), *(pad(t, (start, left)) for t in (prior.loc, prior.scale.log()))]
            lead = torch.broadcast_shapes(above.shape[:-1], features.shape[:-1])
            read = torch.cat([t.expand(*lead, -1) for t in (features, *known)], -1)
            said = self.net(read.reshape(-1, read.shape[-1])).reshape(*lead, 2, -1)[..., start : start + size]
            shift, stretch = said.unbind(-2)
            scale = scale_of(2 * (prior.scale.log() + stretch))
            return dist.Normal(prior.loc + prior.scale * shift, scale).to_event(1)

        return Levels(levels.sizes, level, features, features.shape[:-1])
