"""Priors over the simplex: proportions of latent_size parts."""

from __future__ import annotations

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Distribution, Prior
from pyrogen.distributions.simplex import AdditiveLogRatio, refuse_one_part
from pyrogen.registry import choice


class _Proportions(Prior):
    support = constraints.simplex

    def size(self, latent_size: int) -> None:
        """Take the number of parts."""
        refuse_one_part(self, latent_size)
        self.latent_size = latent_size


@choice("prior")
class Dirichlet(_Proportions):
    """The symmetric Dirichlet, p(z) = Γ(Kα) / Γ(α)ᴷ Πₖ zₖ^(α−1).

    Shapes: event ``(latent_size,)``, on the simplex; latent_size is K. Reference: Blei, Ng & Jordan 2003 (latent Dirichlet
    allocation); Joo et al. 2019, arXiv:1901.02739.

    Args:
        concentration: α; below 1 a few parts have most of the whole.
    """

    alpha: Tensor

    def __init__(self, concentration: float = 1.0) -> None:
        super().__init__()
        if concentration <= 0:
            raise ValueError(f"Dirichlet(concentration={concentration}): the concentration must be positive.")
        self.concentration = concentration

    def size(self, latent_size: int) -> None:
        """Take the number of parts."""
        super().size(latent_size)
        self.register_buffer("alpha", torch.full((latent_size,), float(self.concentration)), persistent=False)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """Dirichlet(α, …, α)."""
        return dist.Dirichlet(self.alpha)


@choice("prior")
class LogisticNormal(_Proportions):
    """Proportions of exponentials of normals, z = softmax(ε), ε ~ N(0, σ² I).

    In the coordinates log zₖ/z_K it is N(0, σ² (I + 11ᵀ)), so that no part is before another. With the posterior of the same
    name the KL is closed.

    Shapes: event ``(latent_size,)``, on the simplex. Reference: Aitchison & Shen 1980; Srivastava & Sutton 2017,
    arXiv:1703.01488.

    Args:
        scale: σ.
    """

    scale_tril: Tensor

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        if scale <= 0:
            raise ValueError(f"LogisticNormal(scale={scale}): the scale must be positive.")
        self.scale = scale

    def size(self, latent_size: int) -> None:
        """Take the number of parts."""
        super().size(latent_size)
        covariance = torch.eye(latent_size - 1, dtype=torch.float64) + 1
        tril = self.scale * torch.linalg.cholesky(covariance)
        self.register_buffer("scale_tril", tril.float(), persistent=False)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The normal distribution of log ratios, carried to the simplex."""
        ratios = dist.MultivariateNormal(torch.zeros_like(self.scale_tril[0]), scale_tril=self.scale_tril)
        return dist.TransformedDistribution(ratios, [AdditiveLogRatio()])
