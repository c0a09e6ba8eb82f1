"""A prior of many levels along one residual path."""

from __future__ import annotations

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from pyrogen.axes import Distribution, HasLevels, Prior
from pyrogen.distributions.bounds import scale_of
from pyrogen.distributions.levels import Levels
from pyrogen.nets.stacks import Residual
from pyrogen.registry import choice


@choice("prior")
class TopDown(Prior, HasLevels):
    """Levels along a residual path, p(z) = N(z₁; 0, I) Π_l N(z_l; μ_l(h_l), diag σ_l²(h_l)), h_{l+1} = f_l(h_l + W_l z_l).

    Each level sees all those above it through one state h, and adds to it, so that many of them can be stacked; the data are
    decoded from the last state, h_{L+1}.

    Should not be confused with :class:`~pyrogen.priors.hierarchical.Hierarchical`, of which each level sees the next one
    above only, and the data see the last.

    Shapes: event ``(latent_size,)``, the levels side by side, the top one first; h ``(..., width)``. Reference: Child 2021,
    Very deep VAEs generalize autoregressive models, arXiv:2011.10650; Vahdat & Kautz 2020, NVAE, arXiv:2007.03898.

    Args:
        levels: how many, of even shares of the latents.
        width: of h, and of the hidden layer of each f_l.
    """

    learned = True
    like: Tensor

    def __init__(self, levels: int = 3, width: int = 64) -> None:
        super().__init__()
        if levels < 1 or width < 1:
            raise ValueError(
                f"TopDown(levels={levels}, width={width}): needs 1 level or more, and a state of 1 number."
            )
        self.levels, self.width = levels, width

    def size(self, latent_size: int) -> None:
        """Share the latents out, and make the path.

        Raises:
            ValueError: there are fewer latents than levels.
        """
        if latent_size < self.levels:
            raise ValueError(
                f"TopDown(levels={self.levels}) has a latent or more at each level, and latent_size={latent_size} is fewer; "
                f"use latent_size >= {self.levels}."
            )
        share, over = divmod(latent_size, self.levels)
        self.sizes = tuple(share + (level >= self.levels - over) for level in range(self.levels))
        self.first = nn.Parameter(torch.zeros(self.width))
        self.beside = nn.ModuleList(nn.Linear(size, self.width, bias=False) for size in self.sizes)
        self.path = nn.ModuleList(Residual(self.width) for _ in self.sizes)
        self.expect = nn.ModuleList(nn.Linear(self.width, 2 * size) for size in self.sizes[1:])
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def bottom_size(self, latent_size: int) -> int:
        """The numbers of h."""
        return self.width

    def bottom(self, z: Tensor) -> Tensor:
        """h after all levels."""
        return self.state(z)

    def state(self, above: Tensor) -> Tensor:
        """h after the levels ``above``, ``(..., sum(sizes[:l]))`` to ``(..., width)``."""
        h, start = self.first.expand(*above.shape[:-1], -1), 0
        for size, beside, step in zip(self.sizes, self.beside, self.path, strict=True):
            if start == above.shape[-1]:
                break
            h, start = step(h + beside(above[..., start : start + size])), start + size
        return h

    def level(self, number: int, above: Tensor) -> Distribution:
        """N(0, I) at the top, below it a normal whose mean and variance are read from h."""
        if number == 0:
            zeros = above.new_zeros(*above.shape[:-1], self.sizes[0])
            return dist.Normal(zeros, torch.ones_like(zeros)).to_event(1)
        loc, log_variance = self.expect[number - 1](silu(self.state(above))).chunk(2, -1)
        return dist.Normal(loc, scale_of(log_variance)).to_event(1)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The joint distribution of all levels."""
        return Levels(self.sizes, self.level, self.like)
