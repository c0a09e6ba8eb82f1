"""Fixed priors with independent coordinates."""

from __future__ import annotations

import math
from abc import abstractmethod

import pyro.distributions as dist
import torch
from torch import Tensor

from pyrogen.axes import Distribution, HasCentre, Prior
from pyrogen.registry import choice


class _Elementwise(Prior):
    """Independent coordinates at location 0 and scale 1."""

    loc: Tensor
    unit: Tensor

    def size(self, latent_size: int) -> None:
        """Take the latent size."""
        # not parameters, but they must follow the model to its device and dtype
        self.register_buffer("loc", torch.zeros(latent_size), persistent=False)
        self.register_buffer("unit", torch.ones(latent_size), persistent=False)

    @abstractmethod
    def coordinates(self) -> Distribution:
        """The distribution of one coordinate each, batch shape ``(latent_size,)``."""

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The joint distribution of the coordinates."""
        return self.coordinates().to_event(1)


@choice("prior")
class StandardNormal(_Elementwise, HasCentre):
    """The standard normal prior, p(z) = N(z; 0, I).

    Shapes: event ``(latent_size,)``. Reference: Kingma & Welling 2014, arXiv:1312.6114.
    """

    truncations = (2.0, 1.0, 0.5, 0.25)

    def __init__(self) -> None:
        super().__init__()

    def coordinates(self) -> Distribution:
        """N(0, 1)."""
        return dist.Normal(self.loc, self.unit)

    def draw_within(self, n: int, most: float) -> Tensor:
        """Its quantiles √2 erf⁻¹(u), u uniform on ±erf(most / √2)."""
        # a share of 0 would be at −∞ where nothing is cut off
        share = torch.rand(n, len(self.loc), device=self.loc.device).clamp(min=2.0**-25)
        return (math.sqrt(2) * torch.erfinv((2 * share - 1) * math.erf(most / math.sqrt(2)))).clamp(-most, most)


@choice("prior")
class Laplace(_Elementwise):
    """The sparse prior, p(z) = Πᵢ exp(−|zᵢ| / b) / 2b.

    With a point-mass posterior its −log p(z) is the L1 penalty of a sparse autoencoder.

    Shapes: event ``(latent_size,)``. Reference: Olshausen & Field 1996; Barello et al. 2018.

    Args:
        scale: b.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        if scale <= 0:
            raise ValueError(f"Laplace(scale={scale}): the scale must be positive.")
        self.scale = scale

    def coordinates(self) -> Distribution:
        """Laplace(0, b)."""
        return dist.Laplace(self.loc, self.unit * self.scale)


@choice("prior")
class StudentT(_Elementwise):
    """The heavy-tailed prior, p(z) = Πᵢ t(zᵢ; ν), which tolerates outlying codes.

    Shapes: event ``(latent_size,)``. Reference: Abiri & Ohlsson 2020, arXiv:2004.02581.

    Args:
        df: degrees of freedom ν; the variance is finite above 2.
    """

    def __init__(self, df: float = 5.0) -> None:
        super().__init__()
        if df <= 0:
            raise ValueError(f"StudentT(df={df}): the degrees of freedom must be positive.")
        self.df = df

    def coordinates(self) -> Distribution:
        """Student's t with ν degrees of freedom."""
        return dist.StudentT(self.unit * self.df, self.loc, self.unit)
