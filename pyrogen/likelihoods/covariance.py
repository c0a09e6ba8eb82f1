"""Normal likelihoods of vectors whose elements vary together, in parametrizations that float32 can bear."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.nn.functional import softplus

from pyrogen.axes import Distribution, Likelihood, refuse_images
from pyrogen.registry import choice


class RegressedNormal(TorchDistribution):
    """A normal in which each element is regressed on those before it, xᵢ = μᵢ + Σ_{j<i} aᵢⱼ (xⱼ − μⱼ) + σᵢ εᵢ.

    Should not be confused with torch's MultivariateNormal, the same family by its covariance: scoring that solves a
    triangular system, which overflows where σ is small and correlations are strong; scoring this one multiplies.

    Args:
        loc: μ, ``(..., D)``.
        slopes: a, strictly lower triangular, ``(..., D, D)``.
        scale: σ, ``(..., D)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, slopes: Tensor, scale: Tensor, validate_args: bool | None = None) -> None:
        self.loc, self.slopes, self.scale = loc, slopes, scale
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """μ."""
        return self.loc

    @property
    def covariance_matrix(self) -> Tensor:
        """(1 − a)⁻¹ diag σ² (1 − a)⁻ᵀ, ``(..., D, D)``."""
        root = self._accumulate(torch.diag_embed(self.scale))
        return root @ root.mT

    def expand(self, batch_shape: Any, _instance: Any = None) -> RegressedNormal:
        """The same distribution with another batch shape."""
        shape = (*batch_shape, *self.event_shape)
        slopes = self.slopes.expand(*shape, *self.event_shape)
        return RegressedNormal(self.loc.expand(shape), slopes, self.scale.expand(shape), self._validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σᵢ log N(εᵢ σᵢ; 0, σᵢ²), in nats."""
        if self._validate_args:
            self._validate_sample(value)
        deviation = value - self.loc
        surprise = deviation - (self.slopes @ deviation.unsqueeze(-1)).squeeze(-1)
        return dist.Normal(torch.zeros_like(self.scale), self.scale, validate_args=False).log_prob(surprise).sum(-1)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Element after element, with gradients."""
        noise = self.scale * torch.randn(
            self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device
        )
        return self.loc + self._accumulate(noise.unsqueeze(-1)).squeeze(-1)

    def _accumulate(self, surprises: Tensor) -> Tensor:
        unit = torch.eye(self.event_shape[0], dtype=self.loc.dtype, device=self.loc.device)
        return torch.linalg.solve_triangular(unit - self.slopes, surprises, upper=False, unitriangular=True)


class FactorNormal(TorchDistribution):
    """A normal with few common factors, x = μ + σ (V f + ε), covariance diag σ (1 + V Vᵀ) diag σ.

    Should not be confused with torch's LowRankMultivariateNormal, the same family by W = diag σ V: its quadratic form is a
    difference of large numbers, this one |r − V f*|² + |f*|² at the factors f* that fit r = (x − μ) / σ best.

    Args:
        loc: μ, ``(..., D)``.
        loadings: V, in units of σ, ``(..., D, R)``.
        scale: σ, ``(..., D)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, loadings: Tensor, scale: Tensor, validate_args: bool | None = None) -> None:
        self.loc, self.loadings, self.scale = loc, loadings, scale
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """μ."""
        return self.loc

    @property
    def covariance_matrix(self) -> Tensor:
        """diag σ (1 + V Vᵀ) diag σ, ``(..., D, D)``."""
        root = self.scale.unsqueeze(-1) * self.loadings
        return torch.diag_embed(self.scale.square()) + root @ root.mT

    def expand(self, batch_shape: Any, _instance: Any = None) -> FactorNormal:
        """The same distribution with another batch shape."""
        shape = (*batch_shape, *self.event_shape)
        loadings = self.loadings.expand(*shape, self.loadings.shape[-1])
        return FactorNormal(self.loc.expand(shape), loadings, self.scale.expand(shape), self._validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(x; μ, diag σ (1 + V Vᵀ) diag σ), in nats."""
        if self._validate_args:
            self._validate_sample(value)
        # float32 would lose the 1 beside V'V where the loadings are large, and with it the Cholesky factor
        exact = self.loadings.double()
        unit = torch.eye(exact.shape[-1], dtype=exact.dtype, device=exact.device)
        root = torch.linalg.cholesky(unit + exact.mT @ exact)
        residual = (value - self.loc) / self.scale
        factors = torch.cholesky_solve(exact.mT @ residual.double().unsqueeze(-1), root)
        left = residual - (self.loadings @ factors.to(residual.dtype)).squeeze(-1)
        log_volume = root.diagonal(dim1=-2, dim2=-1).log().sum(-1).to(residual.dtype)
        own = dist.Normal(torch.zeros_like(left), torch.ones_like(left), validate_args=False).log_prob(left)
        return (own - self.scale.log()).sum(-1) - factors.square().sum((-2, -1)).to(residual.dtype) / 2 - log_volume

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Factors and noise, with gradients."""
        shape = self._extended_shape(sample_shape)
        own = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        factors = own.new_empty(*shape[:-1], self.loadings.shape[-1], 1).normal_()
        return self.loc + self.scale * ((self.loadings @ factors).squeeze(-1) + own)


class _Covariance(Likelihood):
    """A normal of vectors with covariances from the features.

    Args:
        floor: added to σ, so that the density cannot grow without limit on values that repeat.
    """

    kinds = ("real", "unit")

    def __init__(self, floor: float = 1e-3) -> None:
        super().__init__()
        if not floor > 0:
            raise ValueError(f"{type(self).__name__}(floor={floor}): needs floor > 0.")
        self.floor = floor

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data: vectors."""
        refuse_images(type(self).__name__, x_shape, "Normal")
        super().size(x_shape)

    def couples(self, x_shape: torch.Size) -> bool:
        """Whether there are two elements to vary together."""
        return x_shape.numel() > 1


@choice("likelihood")
class MultivariateNormal(_Covariance):
    """Vectors with every covariance, p(x|·) = N(x; μ, (1 − A)⁻¹ diag σ² (1 − A)⁻ᵀ), A strictly lower triangular.

    Shapes: features ``(D + D (D + 1) / 2,)`` are μ, σ and the rows of A; event ``(D,)``. References: Williams 1996, Using
    neural networks to model conditional multivariate densities; Pourahmadi 1999, Joint mean-covariance models.

    Args:
        floor: added to σ, so that the density cannot grow without limit on values that repeat.
    """

    def channels(self, x_shape: torch.Size) -> int:
        """D + D (D + 1) / 2."""
        d = x_shape[0]
        return d + d * (d + 1) // 2

    def forward(self, features: Tensor) -> Distribution:
        """A normal by the regression of each element on those before it."""
        d = self.x_shape[0]
        loc, raw, below = features.split([d, d, d * (d - 1) // 2], -1)
        slopes = features.new_zeros(*features.shape[:-1], d, d)
        rows, columns = torch.tril_indices(d, d, -1, device=features.device)
        slopes[..., rows, columns] = below
        return RegressedNormal(loc, slopes, self.floor + softplus(raw))


@choice("likelihood")
class LowRankMultivariateNormal(_Covariance):
    """Vectors with few common factors, p(x|·) = N(x; μ, diag σ (1 + V Vᵀ) diag σ): 2 D + D R numbers instead of D² / 2.

    Shapes: features ``(D (2 + R),)`` are μ, σ and V, row after row; event ``(D,)``. Reference: Monteiro et al. 2020,
    Stochastic segmentation networks, arXiv:2006.06015.

    Args:
        rank: R, the number of factors.
        floor: added to σ, so that the density cannot grow without limit on values that repeat.
    """

    def __init__(self, rank: int = 2, floor: float = 1e-3) -> None:
        super().__init__(floor)
        if rank < 1:
            raise ValueError(f"LowRankMultivariateNormal(rank={rank}): needs at least one factor.")
        self.rank = rank

    def channels(self, x_shape: torch.Size) -> int:
        """D (2 + R)."""
        return x_shape[0] * (2 + self.rank)

    def forward(self, features: Tensor) -> Distribution:
        """A normal by its factors."""
        d = self.x_shape[0]
        loc, raw, loadings = features.split([d, d, d * self.rank], -1)
        return FactorNormal(loc, loadings.unflatten(-1, (d, self.rank)), self.floor + softplus(raw))
