"""A posterior with several modes."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
from torch import Tensor

from pyrogen.axes import Distribution, Posterior
from pyrogen.distributions.bounds import scale_of
from pyrogen.distributions.mixtures import NormalMixture
from pyrogen.registry import choice


@choice("posterior")
class MixtureOfGaussians(Posterior):
    """A mixture of normals, q(z|x) = Σₖ wₖ(x) N(z; μₖ(x), diag exp sₖ(x)), components summed out.

    Its draws are reparameterized implicitly: see :class:`~pyrogen.distributions.mixtures.NormalMixture`.

    Shapes: features ``(..., K + 2 K latent_size)`` are log w, the μₖ and the sₖ = log σₖ²; event ``(latent_size,)``.
    Reference: Figurnov et al. 2018, arXiv:1805.08498; Morningstar et al. 2021, arXiv:2003.01687.

    Args:
        components: K.
    """

    def __init__(self, components: int = 3) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"MixtureOfGaussians(components={components}): a mixture needs at least one component.")
        self.components = components

    def width(self, latent_size: int) -> int:
        """K + 2 K latent_size."""
        return self.components * (1 + 2 * latent_size)

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The mixture."""
        size = self.components * self.latent_size
        logits, *rest = features.split([self.components, size, size], -1)
        loc, log_variance = (part.unflatten(-1, (self.components, self.latent_size)) for part in rest)
        parts = dist.Normal(loc, scale_of(log_variance)).to_event(1)
        return NormalMixture(dist.Categorical(logits=logits), parts)
