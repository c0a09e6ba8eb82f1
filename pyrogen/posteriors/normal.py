"""Normal posteriors."""

from __future__ import annotations

import math
from collections.abc import Callable

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import register_kl
from torch.nn.functional import softplus

from pyrogen.axes import Distribution, Posterior
from pyrogen.distributions.bounds import scale_of
from pyrogen.registry import choice


@choice("posterior")
class DiagonalNormal(Posterior):
    """Independent normal coordinates, q(z|x) = N(z; μ(x), diag exp s(x)).

    Shapes: features ``(..., 2 latent_size)`` are μ and s = log σ², which an encoder may also return as a pair (μ, s), or
    under names such as "mean" and "log_variance"; event ``(latent_size,)``.
    Reference: Kingma & Welling 2014, arXiv:1312.6114.
    """

    reads_pair = True

    def __init__(self) -> None:
        super().__init__()

    def width(self, latent_size: int) -> int:
        """2 latent_size."""
        return 2 * latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """N(μ, diag σ²)."""
        loc, log_variance = features.chunk(2, -1)
        return dist.Normal(loc, scale_of(log_variance)).to_event(1)


@choice("posterior")
class FullRankNormal(Posterior):
    """A normal with every correlation, q(z|x) = N(z; μ(x), L(x) L(x)ᵀ), L lower triangular.

    Shapes: features ``(..., d + d (d + 1) / 2)`` for d = latent_size; event ``(latent_size,)``. The diagonal of L is
    softplus(·) + 10⁻⁵.
    """

    def __init__(self) -> None:
        super().__init__()

    def width(self, latent_size: int) -> int:
        """d + d (d + 1) / 2."""
        return latent_size + latent_size * (latent_size + 1) // 2

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """N(μ, LLᵀ)."""
        d = self.latent_size
        loc, diagonal, below = features.split([d, d, d * (d - 1) // 2], -1)
        tril = torch.diag_embed(softplus(diagonal) + 1e-5)
        if d > 1:
            rows, columns = torch.tril_indices(d, d, -1, device=features.device)
            tril[..., rows, columns] = below
        return dist.MultivariateNormal(loc, scale_tril=tril)


@choice("posterior")
class LowRankNormal(Posterior):
    """A normal with correlations in few directions, q(z|x) = N(z; μ(x), V(x) V(x)ᵀ + diag exp s(x)), V of shape (d, r).

    Shapes: features ``(..., d (2 + rank))`` for d = latent_size are μ, s, and V less the first columns of I, so that features
    of 0 are no saddle between V and −V; event ``(latent_size,)``. 10⁻⁴ of VVᵀ's diagonal is added to it: where correlations
    come nearer to 1, float32 loses the rest.
    Reference: Rezende et al. 2014, arXiv:1401.4082, section 4.3.

    Args:
        rank: r; with r = d − 1 every correlation can be met.
    """

    def __init__(self, rank: int = 2) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"LowRankNormal(rank={rank}): use 1 or more, or posterior='DiagonalNormal'.")
        self.rank = rank

    def width(self, latent_size: int) -> int:
        """d (2 + rank)."""
        return latent_size * (2 + self.rank)

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """N(μ, VVᵀ + diag exp s)."""
        d = self.latent_size
        loc, log_variance, directions = features.split([d, d, d * self.rank], -1)
        first = torch.eye(d, self.rank, dtype=features.dtype, device=features.device)
        factor = first + directions.unflatten(-1, (d, self.rank))
        rest = scale_of(log_variance).square() + 1e-4 * factor.square().sum(-1)
        return dist.LowRankMultivariateNormal(loc, factor, rest)


def _kl_to_independent(p: Distribution, q: dist.Independent) -> Tensor:
    """Σᵢ E_p[−log q(zᵢ)] − H(p), for a normal p and independent normal coordinates."""
    if not (isinstance(q.base_dist, torch.distributions.Normal) and q.reinterpreted_batch_ndims == 1):
        raise NotImplementedError
    loc, scale = q.base_dist.loc, q.base_dist.scale
    square = (p.variance + (p.mean - loc).square()) / scale.square()
    crossed: Tensor = (0.5 * (square + math.log(2 * math.pi)) + scale.log()).sum(-1)
    return crossed - p.entropy()


# torch and Pyro know neither: the other way round they know one
for _family in (dist.MultivariateNormal, dist.LowRankMultivariateNormal):
    register_kl(_family, dist.Independent)(_kl_to_independent)
