"""The Beta likelihood of values strictly between 0 and 1."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.nn.functional import softplus

from pyrogen.axes import Distribution, Likelihood
from pyrogen.likelihoods.precise import InDouble
from pyrogen.registry import choice

# the least and the greatest number of float32 between 0 and 1
LEAST, GREATEST = 2.0**-126, 1 - 2.0**-24


class InnerBeta(dist.Beta):
    """A Beta whose draws stay between 0 and 1 when they are rounded to float32."""

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """A draw; what would round to an edge, where there is no density, becomes its neighbour."""
        draw: Tensor = super().rsample(sample_shape)
        return draw.clamp(LEAST, GREATEST)


@choice("likelihood")
class Beta(Likelihood):
    """Values in (0, 1), p(x|·) = Πᵢ xᵢ^(αᵢ − 1) (1 − xᵢ)^(βᵢ − 1) / B(αᵢ, βᵢ): bells, slopes and bowls alike.

    At exactly 0 and 1 the density is zero or infinite: such data are refused, where ContinuousBernoulli takes them.

    Shapes: features ``(2 C, ...)`` are α and β; event ``x_shape``. Reference: Ferrari & Cribari-Neto 2004, Beta regression
    for modelling rates and proportions.

    Args:
        floor: added to α and β; far below ½, so much mass lies within float32's last digit of 1 that draws pile up there.
    """

    kinds = ("unit",)
    support = constraints.interval(LEAST, GREATEST)
    hull = constraints.unit_interval
    per_element = 2

    def __init__(self, floor: float = 0.5) -> None:
        super().__init__()
        if not floor > 0:
            raise ValueError(f"Beta(floor={floor}): needs floor > 0.")
        self.floor = floor

    def check(self, x: Tensor) -> None:
        """Refuse values outside (0, 1); for the edges themselves say what becomes of them elsewhere."""
        edges = int(((x == 0) | (x == 1)).sum())
        if edges and constraints.unit_interval.check(x).all():
            raise ValueError(
                f"the likelihood Beta has no density at 0 and 1, and {edges} of {x.numel()} values are just there; load "
                "grey levels with dequantization=True, or use likelihood='ContinuousBernoulli'."
            )
        super().check(x)

    def forward(self, features: Tensor) -> Distribution:
        """One Beta an element."""
        alpha, beta = (self.floor + softplus(raw) for raw in self.parts(features.double()))
        return InDouble(InnerBeta(alpha, beta), len(self.x_shape), features.dtype)
