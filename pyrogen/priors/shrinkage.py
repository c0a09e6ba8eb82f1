"""Priors that pull most coordinates to zero and leave a few alone."""

from __future__ import annotations

import math

import pyro.distributions as dist
import torch
from torch import Tensor

from pyrogen.axes import Distribution, Prior
from pyrogen.distributions.mixtures import Mixture
from pyrogen.registry import choice


class _ScaleMixture(Prior):
    """Independent coordinates, each a mixture of normals at 0, p(zᵢ) = Σₖ wₖ N(zᵢ; 0, σₖ²)."""

    scales: Tensor
    logits: Tensor

    def _mix(self, scales: Tensor, weights: Tensor) -> None:
        self.register_buffer("scales", scales, persistent=False)
        self.register_buffer("logits", weights.log(), persistent=False)

    def size(self, latent_size: int) -> None:
        """Take the latent size."""
        self.latent_size = latent_size

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The joint distribution of the coordinates."""
        scales = self.scales.expand(self.latent_size, -1)
        parts = dist.Normal(torch.zeros_like(scales), scales)
        return Mixture(dist.Categorical(logits=self.logits.expand_as(scales)), parts).to_event(1)


@choice("prior")
class Horseshoe(_ScaleMixture):
    """The horseshoe, zᵢ ~ N(0, τ²λᵢ²) with λᵢ ~ C⁺(0, 1): a pole at 0 and tails as heavy as Cauchy's, λ summed out.

    p(z) = (2π³)^(−½) τ⁻¹ exp(z²/2τ²) E₁(z²/2τ²), as a mixture over 101 scales from e⁻¹² τ to e¹² τ, evenly spaced in log λ.
    Its density differs from the formula by less than 10⁻⁴ of it for |z|/τ in [10⁻³, 10³], and is finite at 0.

    Shapes: event ``(latent_size,)``. Reference: Carvalho, Polson & Scott 2010, The horseshoe estimator for sparse signals.

    Args:
        scale: τ.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        if scale <= 0:
            raise ValueError(f"Horseshoe(scale={scale}): the scale must be positive.")
        self.scale = scale
        log_scale = torch.linspace(-12, 12, 101, dtype=torch.float64)
        weights = 1 / log_scale.cosh()  # of a half-Cauchy's logarithm
        self._mix((scale * log_scale.exp()).float(), (weights / weights.sum()).float())


@choice("prior")
class SpikeAndSlab(_ScaleMixture):
    """A narrow and a wide normal, p(z) = Πᵢ (1 − π) N(zᵢ; 0, s₀²) + π N(zᵢ; 0, s₁²).

    Should not be confused with a spike of no width, which is no density, and which no reparameterized posterior could meet.

    Shapes: event ``(latent_size,)``.
    Reference: George & McCulloch 1993, Variable selection via Gibbs sampling; Mathieu et al. 2019, arXiv:1812.02833.

    Args:
        slab_probability: π.
        spike: s₀.
        slab: s₁.
    """

    def __init__(self, slab_probability: float = 0.5, spike: float = 0.05, slab: float = 1.0) -> None:
        super().__init__()
        if not (0 < slab_probability < 1 and 0 < spike < slab < math.inf):
            raise ValueError(
                f"SpikeAndSlab(slab_probability={slab_probability}, spike={spike}, slab={slab}): needs a probability between "
                "0 and 1, and 0 < spike < slab."
            )
        self.slab_probability, self.spike, self.slab = slab_probability, spike, slab
        self._mix(torch.tensor([spike, slab]), torch.tensor([1 - slab_probability, slab_probability]))
