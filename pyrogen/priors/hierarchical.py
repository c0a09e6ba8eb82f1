"""A prior of several levels."""

from __future__ import annotations

from collections.abc import Sequence

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, HasLevels, Prior
from pyrogen.distributions.bounds import scale_of
from pyrogen.distributions.levels import Levels
from pyrogen.nets import mlp
from pyrogen.registry import choice


@choice("prior")
class Hierarchical(Prior, HasLevels):
    """Levels of latents, p(z) = N(z₁; 0, I) Π_l N(z_l; μ_l(z_{l−1}), diag σ_l²(z_{l−1})), of which the data see the last.

    z holds the levels side by side, the top one first. The posterior :class:`~pyrogen.posteriors.Ladder` infers them from the
    top down; with DiagonalNormal they are inferred apart.

    Shapes: event ``(latent_size,)``, the sum of all levels. Reference: Rezende et al. 2014, arXiv:1401.4082.

    Args:
        upper: sizes of the levels above the last, the top one first; the last has what is left of ``latent_size``. Empty: one
            level above, of a third.
        hidden: width of the hidden layer between levels.
    """

    learned = True
    like: Tensor

    def __init__(self, upper: Sequence[int] = (), hidden: int = 64) -> None:
        super().__init__()
        self.upper, self.hidden = tuple(upper), hidden
        if any(size < 1 for size in self.upper):
            raise ValueError(f"Hierarchical(upper={self.upper}): every level needs at least one latent.")

    def size(self, latent_size: int) -> None:
        """Share the latents out, and make the networks between levels."""
        self.bottom_size(latent_size)
        self.sizes = (*self._upper(latent_size), self.bottom_size(latent_size))
        self.between = nn.ModuleList(
            mlp((above,), (self.hidden,), (2 * below,))
            for above, below in zip(self.sizes, self.sizes[1:], strict=False)
        )
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def bottom_size(self, latent_size: int) -> int:
        """The size of the last level.

        Raises:
            ValueError: nothing is left for it.
        """
        left = latent_size - sum(self._upper(latent_size))
        if left < 1:
            raise ValueError(
                f"the levels of Hierarchical(upper={self.upper}) take all of latent_size={latent_size}; use a latent_size of "
                f"at least {sum(self._upper(latent_size)) + 1}, their sum and the last level."
            )
        return left

    def level(self, number: int, above: Tensor) -> Distribution:
        """N(0, I) at the top, below it a normal whose mean and variance the level above sets."""
        if number == 0:
            zeros = above.new_zeros(*above.shape[:-1], self.sizes[0])
            return dist.Normal(zeros, torch.ones_like(zeros)).to_event(1)
        nearest = above[..., -self.sizes[number - 1] :]
        flat = self.between[number - 1](nearest.reshape(-1, nearest.shape[-1]))
        loc, log_variance = flat.reshape(*nearest.shape[:-1], -1).chunk(2, -1)
        return dist.Normal(loc, scale_of(log_variance)).to_event(1)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The joint distribution of all levels."""
        return Levels(self.sizes, self.level, self.like)

    def _upper(self, latent_size: int) -> tuple[int, ...]:
        return self.upper or (max(1, latent_size // 3),)
