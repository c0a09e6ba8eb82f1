"""The shape of a density, found from draws and the slopes there, in whose coordinates it looks round."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

DENSE = 50  # coordinates up to which all of them may lean on one another
PER_COORDINATE = 2  # draws for each coordinate, below which a covariance says too little
RIDGE = 1e-5  # of the mean curvature: what makes the covariance of too like draws invertible


@dataclass(frozen=True)
class Metric:
    """Coordinates u, z = A u, in which Hamiltonian dynamics move with unit mass; in those of z the mass is (A Aᵀ)⁻¹.

    Attributes:
        factor: A for each datum, with or without chains in front: ``(..., datum, size)`` of a diagonal,
            ``(..., datum, size, size)`` of a dense one.
        dense: which of the two.
    """

    factor: Tensor
    dense: bool

    def along(self, momentum: Tensor) -> Tensor:
        """A p, ``(chain, datum, size)``."""
        return _times(self.factor, momentum) if self.dense else self.factor * momentum

    def against(self, slope: Tensor) -> Tensor:
        """Aᵀ g, ``(chain, datum, size)``."""
        return _times(self.factor.mT, slope) if self.dense else self.factor * slope

    def coordinates(self, z: Tensor) -> Tensor:
        """u = A⁻¹ z, ``(chain, datum, size)``, where the density is about as wide as a standard normal."""
        if not self.dense:
            return z / self.factor
        return torch.linalg.solve(self.factor, z.unsqueeze(-1)).squeeze(-1)

    @classmethod
    def between_quantiles(cls, z: Tensor) -> Metric:
        """Half the distance between the quantiles at 16 % and 84 % of draws ``(n, datum, size)``, where no slope is known."""
        low, high = torch.nanquantile(z, torch.tensor([0.16, 0.84], dtype=z.dtype, device=z.device), dim=0)
        return cls(((high - low) / 2).clamp(min=torch.finfo(z.dtype).tiny), False)

    @classmethod
    def of(cls, z: Tensor, slope: Tensor, before: Metric) -> Metric:
        """The metric in which the slopes of log f at draws are most like those of a standard normal.

        A Aᵀ is the geometric mean of cov(z) and cov(∇ log f)⁻¹, the X with X cov(∇ log f) X = cov(z). Of a normal it is
        the covariance exactly, once there are more draws than coordinates, and wherever they come from: also from chains
        that have not arrived yet. Data with fewer draws, or with draws that do not move, keep what they had.

        Reference: Seyboldt, Carlson & Carpenter 2026, on preconditioning by the Fisher divergence.

        Args:
            z: draws, ``(n, datum, size)``; what is not finite is left out.
            slope: ∇ log f there.
            before: what they had, dense or not.
        """
        known = (z.isfinite() & slope.isfinite()).all(-1, keepdim=True)
        count = known.sum(0)
        z, slope = (_centred(t.double(), known, count) for t in (z, slope))
        spread, steep = (t.square().mean(0).sqrt() for t in (z, slope))
        scale = (spread / steep).sqrt()
        size = z.shape[-1]
        dense = size <= DENSE and len(z) >= PER_COORDINATE * size
        factor = scale
        if dense:
            # in these coordinates both covariances have the same diagonal
            unit = torch.where(scale.isfinite() & (scale > 0), scale, 1.0)
            factor = unit.unsqueeze(-1) * _mean_of_covariances(z / unit, slope * unit)
        enough = (count >= PER_COORDINATE * size if dense else count >= 2) & (spread > 0) & (steep > 0)
        usable = enough.all(-1) & factor.flatten(1).isfinite().all(-1)
        old = before.spread_out(dense).double()
        chosen = torch.where(usable.reshape(-1, *[1] * (factor.dim() - 1)), factor, old)
        return cls(chosen.to(before.factor.dtype), dense)

    def width(self, z: Tensor) -> float:
        """How much wider than a standard normal draws ``(n, datum, size)`` are in their widest direction, on average.

        A dense metric leaves no such direction.
        """
        if self.dense or z.shape[-1] < 2:
            return 1.0
        known = z.isfinite().all(-1, keepdim=True)
        round_z = _centred(z.double() / self.factor.double(), known, known.sum(0)).transpose(0, 1)
        widest = torch.linalg.matrix_norm(round_z, 2) / known.sum(0).squeeze(-1).clamp(min=1).sqrt()
        return max(1.0, float(widest[widest.isfinite()].mean())) if widest.isfinite().any() else 1.0

    def spread_out(self, dense: bool) -> Tensor:
        """A as a matrix, where ``dense`` asks for one; of a dense one whose coordinates stand apart, their scales."""
        if dense == self.dense:
            return self.factor
        return torch.diag_embed(self.factor) if dense else self.factor.square().sum(-1).sqrt()


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    """Matrices of each datum, ``(datum, n, n)`` or ``(chain, datum, n, n)``, times vectors ``(chain, datum, n)``."""
    if matrix.dim() == 3:  # one product for all chains of a datum
        return torch.bmm(vector.transpose(0, 1), matrix.mT).transpose(0, 1)
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def _centred(values: Tensor, known: Tensor, count: Tensor) -> Tensor:
    values = values.masked_fill(~known, 0.0)
    return (values - values.sum(0) / count.clamp(min=1)).masked_fill(~known, 0.0)


def _mean_of_covariances(z: Tensor, slope: Tensor) -> Tensor:
    """A factor F of the geometric mean F Fᵀ of cov(z) and cov(slope)⁻¹, ``(datum, size, size)``.

    With cov(z) = L Lᵀ and Lᵀ cov(slope) L = V diag(m) Vᵀ it is F = L V diag(m)^(−1/4).
    """
    spread, steep = (_ridged(t.transpose(0, 1)) for t in (z, slope))
    lower, failed = torch.linalg.cholesky_ex(spread)
    middle = (lower.mT @ steep @ lower).nan_to_num(0.0)
    values, vectors = torch.linalg.eigh((middle + middle.mT) / 2)
    factor = lower @ vectors * values.clamp(min=torch.finfo(z.dtype).tiny).pow(-0.25).unsqueeze(-2)
    return factor.masked_fill((failed != 0).reshape(-1, 1, 1), torch.nan)


def _ridged(rows: Tensor) -> Tensor:
    """The covariance of centred rows ``(datum, n, size)``, up to a factor, with a ridge."""
    covariance = rows.mT @ rows
    mean = covariance.diagonal(dim1=-2, dim2=-1).mean(-1)
    return covariance + RIDGE * torch.diag_embed(mean.unsqueeze(-1).expand(rows.shape[::2]))
