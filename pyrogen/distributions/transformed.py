"""Distributions pushed through transforms, and the transforms that Pyro lacks."""

from __future__ import annotations

import functools
import math

import pyro.distributions as dist
import torch
from pyro.distributions import constraints, transforms
from torch import Tensor
from torch.distributions import Transform
from torch.nn.functional import softplus
from torch.quasirandom import SobolEngine

POINTS = 128  # that stand for a distribution in its mean


@functools.cache
def spread(
    size: int, points: int = POINTS, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Tensor:
    """Points that fill the unit cube evenly, each with its mirror image, always the same: ``(points, size)``."""
    if torch.device(device).type != "cpu":
        return spread(size, points, dtype).to(device)  # once
    half = SobolEngine(size, scramble=True, seed=0).draw(points // 2, dtype=torch.float64)
    return torch.cat([half, 1 - half]).to(dtype)


class Transformed(dist.TransformedDistribution):
    """log p(z) = log p₀(f⁻¹(z)) + log |det ∂f⁻¹/∂z|, for independent coordinates pushed through f.

    Its mean has no closed form: that of 128 fixed points is given, which is as good a code, and the same at every call.
    """

    @property
    def mean(self) -> Tensor:
        """The mean of the images of points that are spread evenly over the base."""
        base = self.base_dist.base_dist
        u = spread(base.batch_shape[-1], dtype=base.loc.dtype, device=base.loc.device)
        z = base.icdf(u.reshape(len(u), *[1] * (len(base.batch_shape) - 1), -1))
        for transform in self.transforms:
            z = transform(z)
        return z.mean(0)

    def log_prob(self, value: Tensor) -> Tensor:
        """The density, at values of any batch shape that fits."""
        # the conditional transforms of Pyro expand what they are conditioned on, never what they transform
        batch = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        log_p: Tensor = super().log_prob(value if value.shape[:-1] == batch else value.expand(*batch, -1))
        return log_p


class AffineAutoregressive(transforms.AffineAutoregressive):
    """y_i = μ_i(x_{<i}) + σ_i(x_{<i}) x_i; its inverse keeps the dtype, which Pyro's does not."""

    def _inverse(self, y: Tensor) -> Tensor:
        # each round makes one more coordinate right
        x = torch.zeros_like(y)
        for _ in range(y.shape[-1]):
            mean, log_scale = self.arn(x)
            log_scale = log_scale.clamp(self.log_scale_min_clip, self.log_scale_max_clip)
            x = (y - mean) * (-log_scale).exp()
        self._cached_log_scale = log_scale
        return x


class Planar(Transform):
    """y = x + û tanh(wᵀx + b), with û such that wᵀû > −1.

    û = u + (m(wᵀu) − wᵀu) w / ‖w‖², m(a) = softplus(a + log(e − 1)) − 1. Pyro's has no inverse; here the one unknown, wᵀx, is
    found by bisection, and differentiated by one step of Newton's at the solution.

    Shapes: w, u ``(..., d)``, b ``(...)``. Reference: Rezende & Mohamed 2015, arXiv:1505.05770.
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, w: Tensor, u: Tensor, b: Tensor) -> None:
        super().__init__(cache_size=1)
        along = (w * u).sum(-1, keepdim=True)
        # in float32 m is −1 itself from wᵀu = −18 on, where the slope has no logarithm
        self.least = torch.finfo(w.dtype).eps ** 0.5 - 1
        # 0 at 0, unlike the paper's m, so that û stays finite as w vanishes
        allowed = (softplus(along + math.log(math.e - 1)) - 1).clamp(min=self.least)
        self.w, self.b = w, b
        self.u = u + (allowed - along) * w / (w.square().sum(-1, keepdim=True) + 1e-12)

    def _call(self, x: Tensor) -> Tensor:
        return x + self.u * self._bend(self._along(x)).unsqueeze(-1)

    def _inverse(self, y: Tensor) -> Tensor:
        target, strength = self._along(y), self._strength()
        with torch.no_grad():
            low, high = target - strength.abs(), target + strength.abs()
            for _ in range(64 if y.dtype == torch.float64 else 32):
                middle = (low + high) / 2
                over = middle + strength * self._bend(middle) > target
                low, high = torch.where(over, low, middle), torch.where(over, middle, high)
            a = (low + high) / 2
        a = a - (a + strength * self._bend(a) - target) / self._slope(a).detach()
        return y - self.u * self._bend(a).unsqueeze(-1)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log (1 + wᵀû (1 − tanh²(wᵀx + b)))."""
        return self._slope(self._along(x)).log()

    def _along(self, x: Tensor) -> Tensor:
        return (self.w * x).sum(-1)

    def _strength(self) -> Tensor:
        return self._along(self.u).clamp(min=self.least)  # û is rounded too

    def _bend(self, a: Tensor) -> Tensor:
        return torch.tanh(a + self.b)

    def _slope(self, a: Tensor) -> Tensor:
        return 1 + self._strength() * (1 - self._bend(a).square())
