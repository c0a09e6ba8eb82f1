"""A posterior that is a flow of planar layers."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
from torch import Tensor

from pyrogen.axes import Distribution, Posterior
from pyrogen.distributions.bounds import scale_of
from pyrogen.distributions.transformed import Planar, Transformed
from pyrogen.registry import choice


@choice("posterior")
class PlanarFlow(Posterior):
    """Layers z ← z + û tanh(wᵀz + b) over a normal, every w, u and b from the encoder.

    z₀ ~ N(μ(x), diag exp s(x)); log q(z|x) = log q(z₀) − Σ_l log |1 + w_lᵀû_l tanh′(w_lᵀz_{l−1} + b_l)|.

    Shapes: features ``(..., 2 d + layers (2 d + 1))`` for d = latent_size are μ, s, and w, u, b of each
    layer; event ``(d,)``.
    Reference: Rezende & Mohamed 2015, arXiv:1505.05770.

    Args:
        layers: number of layers.
    """

    def __init__(self, layers: int = 8) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"PlanarFlow(layers={layers}): use 1 or more, or posterior='DiagonalNormal'.")
        self.layers = layers

    def width(self, latent_size: int) -> int:
        """2 d + layers (2 d + 1)."""
        return 2 * latent_size + self.layers * (2 * latent_size + 1)

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The normal pushed through the layers."""
        d = self.latent_size
        base, *layers = features.split([2 * d, *[2 * d + 1] * self.layers], -1)
        loc, log_variance = base.chunk(2, -1)
        flow = [Planar(w, u, b.squeeze(-1)) for w, u, b in (layer.split([d, d, 1], -1) for layer in layers)]
        return Transformed(dist.Normal(loc, scale_of(log_variance)).to_event(1), flow)
