"""Likelihoods of angles, where −π and π are the same."""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from pyrogen.axes import Distribution, Likelihood, average
from pyrogen.likelihoods.precise import InDouble
from pyrogen.registry import choice


class NaturalVonMises(TorchDistribution):
    """The von Mises distribution by its natural parameters, log p(x) = a cos x + b sin x − log 2π I₀(κ), κ = |(a, b)|.

    Should not be confused with torch's, by location and concentration: the location of (0, 0) is undefined, and so is its
    gradient there; this density has one everywhere.

    Args:
        a: κ cos μ.
        b: κ sin μ.
    """

    arg_constraints = {"a": constraints.real, "b": constraints.real}  # noqa: RUF012  (torch's own protocol)
    support = constraints.real

    def __init__(self, a: Tensor, b: Tensor, validate_args: bool | None = None) -> None:
        self.a, self.b = torch.broadcast_tensors(a, b)
        # the root has no gradient at 0
        self.concentration = (self.a.square() + self.b.square() + 1e-24).sqrt()
        super().__init__(self.a.shape, torch.Size(), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The circular mean μ, the direction of (a, b)."""
        return torch.atan2(self.b, self.a)

    @property
    def moments(self) -> tuple[Tensor, Tensor]:
        """E cos x and E sin x."""
        length = torch.special.i1e(self.concentration) / torch.special.i0e(self.concentration) / self.concentration
        return self.a * length, self.b * length

    def expand(self, batch_shape: Any, _instance: Any = None) -> NaturalVonMises:
        """The same distribution with another batch shape."""
        return NaturalVonMises(self.a.expand(batch_shape), self.b.expand(batch_shape), self._validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x) in nats per radian, for x in any turn."""
        if self._validate_args:
            self._validate_sample(value)
        # I₀(κ) = exp(κ) i0e(κ) overflows, its scaled part does not
        normalizer = self.concentration + (2 * math.pi * torch.special.i0e(self.concentration)).log()
        return self.a * value.cos() + self.b * value.sin() - normalizer

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Angles in [−π, π)."""
        draw: Tensor = dist.VonMises(self.mean, self.concentration).sample(sample_shape)
        return draw


@choice("likelihood")
class VonMises(Likelihood):
    """Angles, p(x|·) = Πᵢ exp(κᵢ cos(xᵢ − μᵢ)) / (2π I₀(κᵢ)); the mean is the direction μ.

    The features are a = κ cos μ and b = κ sin μ, so that no turn of the circle is a jump for the network.

    Shapes: features ``(2 C, ...)``; event ``x_shape``. Reference: Bishop & Legleye 1995, Estimating conditional probability
    densities for periodic variables.

    Args:
        floor: the least standard deviation 1/√κ, so that the density cannot grow without limit on values that repeat.
    """

    kinds = ("angle",)
    support = constraints.interval(-math.pi, math.pi)
    hull = constraints.interval(-math.pi, math.pi)
    per_element = 2

    def __init__(self, floor: float = 1e-3) -> None:
        super().__init__()
        if not floor > 0:
            raise ValueError(f"VonMises(floor={floor}): needs floor > 0.")
        self.floor = floor

    def forward(self, features: Tensor) -> Distribution:
        """One von Mises an element."""
        a, b = self.parts(features.double())
        shrink = 1 + self.floor**2 * (a.square() + b.square() + 1e-24).sqrt()
        return InDouble(NaturalVonMises(a / shrink, b / shrink), len(self.x_shape), features.dtype)

    def rescale(self, x: Tensor) -> Tensor:
        """Half turns, in [−1, 1]."""
        return x / math.pi

    def blend(self, weights: Tensor, parts: Distribution) -> Tensor:
        """The circular mean of a mixture, the direction of Σₖ wₖ (E cos x, E sin x)."""
        x, y = (average(weights, moment) for moment in parts.base_dist.moments)
        return torch.atan2(y, x).to(parts.mean.dtype)
