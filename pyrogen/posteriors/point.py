"""The posterior of autoencoders: a point."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
from torch import Tensor

from pyrogen.axes import Distribution, Posterior
from pyrogen.registry import choice


@choice("posterior")
class PointMass(Posterior):
    """All mass at the encoder's answer, q(z|x) = δ(z − f(x)).

    With the Flat prior the pair is the plain autoencoder, whose objective is log p(x|f(x)); with a fixed prior it adds
    log p(f(x)), a penalty on the code (L2 for StandardNormal, L1 for Laplace). It has no density, so no evidence bound:
    the evaluator refuses it, and scores reconstruction only.

    Shapes: features and event ``(..., latent_size)``.
    """

    has_density = False

    def __init__(self) -> None:
        super().__init__()

    def width(self, latent_size: int) -> int:
        """latent_size."""
        return latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """δ at the features."""
        return dist.Delta(features).to_event(1)
