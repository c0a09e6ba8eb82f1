"""Distributions on the unit sphere of d dimensions, {z : ‖z‖ = 1}, with densities per unit of its surface."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.distributions import register_kl
from torch.nn.functional import normalize, pad

from pyrogen.axes import Axis

NODES = 1024  # of the quadrature
REACH = 60.0  # standard deviations that it spans to either side of the mode: tails are exponential where d = 2
TINY = 1e-300


def log_area(d: int) -> float:
    """The logarithm of the sphere's surface, 2 π^(d/2) / Γ(d/2)."""
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


class UniformOnSphere(TorchDistribution):
    """p(z) = 1 / area.

    Args:
        like: a vector of the right size, device and dtype, ``(d,)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    support = constraints.sphere

    def __init__(self, like: Tensor, batch: Any = ()) -> None:
        self.like = like
        super().__init__(torch.Size(batch), like.shape, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> UniformOnSphere:
        """The same for another batch shape."""
        return UniformOnSphere(self.like, batch_shape)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Directions of standard normals."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return normalize(torch.randn(shape, dtype=self.like.dtype, device=self.like.device), dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """− log area."""
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return value.new_full((), -log_area(self.event_shape[0])).expand(shape)

    @property
    def mean(self) -> Tensor:
        """The centre, which is not on the sphere."""
        return torch.zeros_like(self.like).expand(self.batch_shape + self.event_shape)


class VonMisesFisher(TorchDistribution):
    """p(z) = exp(κ μᵀz) / Z(κ), Z = (2π)^(d/2) I_{d/2−1}(κ) κ^(1−d/2).

    z = w μ + √(1 − w²) v, with v uniform among the directions at right angles to μ and p(w) ∝ exp(κw) (1 − w²)^((d−3)/2). In
    s = artanh w that density is smooth, its tails fall at least as exp(−|s|), and sums over evenly spaced s integrate it to
    the last digits of float64. Z(κ), the mean A(κ) = E[w], the distribution function, by whose inverse w is drawn, and the
    gradient of a draw, ∂w/∂κ = −(∂F/∂κ) / p(w), are all of the same sums. No draw is rejected, so that the gradient needs no
    correction, as it does in the paper.

    Shapes: loc ``(..., d)`` on the sphere, d ≥ 2; concentration ``(...)``; event ``(d,)``.
    Reference: Davidson et al. 2018, Hyperspherical variational auto-encoders, arXiv:1804.00891; gradients: Figurnov et al.
    2018, arXiv:1805.08498.

    Args:
        loc: μ.
        concentration: κ ≥ 0.
    """

    arg_constraints = {"loc": constraints.sphere, "concentration": constraints.nonnegative}  # noqa: RUF012
    support = constraints.sphere
    has_rsample = True

    def __init__(
        self, loc: Tensor, concentration: Tensor, batch: Any = None, validate_args: bool | None = None
    ) -> None:
        self.loc, self.concentration = loc, concentration
        own = torch.broadcast_shapes(loc.shape[:-1], concentration.shape)
        super().__init__(own if batch is None else torch.Size(batch), loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> VonMisesFisher:
        """The same for another batch shape; the sums are still made once for each κ."""
        return VonMisesFisher(self.loc, self.concentration, batch_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """κ μᵀz − log Z(κ), in float64 and back."""
        if self._validate_args:
            self._validate_sample(value)
        along = (self.loc.double() * value.double()).sum(-1)
        log_p = (self.concentration.double() * along - self.log_normalizer()).to(value.dtype)
        return log_p.expand(torch.broadcast_shapes(log_p.shape, self.batch_shape))

    def log_normalizer(self) -> Tensor:
        """log Z(κ), in float64."""
        sums = self._sums()
        return sums.log_total + log_area(self.event_shape[0] - 1)

    def mean_length(self) -> Tensor:
        """A(κ) = E[μᵀz] = d log Z / dκ, in float64."""
        sums = self._sums()
        return (sums.mass * sums.s.tanh()).sum(-1)

    @property
    def mean(self) -> Tensor:
        """A(κ) μ, inside the sphere."""
        inside = self.mean_length().to(self.loc.dtype).unsqueeze(-1) * self.loc
        return inside.expand(self.batch_shape + self.event_shape)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Draws through which gradients flow, by the inverse of the distribution function of s."""
        shape = self._extended_shape(torch.Size(sample_shape))
        s = self._quantile(torch.rand(shape[:-1], dtype=torch.float64, device=self.loc.device))
        normal = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        across = normalize(normal - (normal * self.loc).sum(-1, keepdim=True) * self.loc, dim=-1)
        w, rest = (t.to(self.loc.dtype).unsqueeze(-1) for t in (s.tanh(), 1 / s.cosh()))
        return normalize(w * self.loc + rest * across, dim=-1)

    def _sums(self) -> _Sums:
        d, own = self.event_shape[0], max(self.loc.dim() - 1, self.concentration.dim())
        kappa = self.concentration.double().expand(self.batch_shape[len(self.batch_shape) - own :]).unsqueeze(-1)
        with torch.no_grad():
            # the mode of s, and the standard deviation that its curvature there gives
            mode = 2 * kappa / (d - 1 + ((d - 1) ** 2 + 4 * kappa.square()).sqrt())
            deviation = ((1 - mode.square()) * (2 * kappa * mode + d - 1)).rsqrt()
            u = torch.linspace(-REACH, REACH, NODES, dtype=torch.float64, device=kappa.device)
            s, step = mode.atanh() + deviation * u, deviation * (u[1] - u[0])
        log_cosh = s.abs() + torch.log1p((-2 * s.abs()).exp()) - math.log(2)
        log_f = kappa * s.tanh() - (d - 1) * log_cosh
        slope = kappa * (1 - s.tanh().square()) - (d - 1) * s.tanh()
        log_total = torch.logsumexp(log_f, -1)
        mass = (log_f - log_total.unsqueeze(-1)).exp()
        return _Sums(s, step, mass, mass * slope, log_total + step.squeeze(-1).log())

    def _quantile(self, u: Tensor) -> Tensor:
        shape = u.shape
        s, step, mass, slope, _ = self._sums()
        # trapezoids, corrected by the slopes at their sides
        cells = (mass[..., :-1] + mass[..., 1:]) / 2 + step * (slope[..., :-1] - slope[..., 1:]) / 12
        below = pad(cells.cumsum(-1), (1, 0))
        # draws along the last dimension, beside the nodes
        lead = u.dim() - below.dim() + 1
        u = u.reshape(-1, *shape[lead:]).movedim(0, -1).contiguous()
        with torch.no_grad():
            goal = u * below[..., -1:]
            left = (torch.searchsorted(below, goal) - 1).clamp(0, NODES - 2)
        low, high, first, last = (t.gather(-1, i) for t in (below, mass) for i in (left, left + 1))

        def inside(t: Tensor) -> Tensor:
            # the cubic with these values and slopes at the two nodes
            rise = high - low
            return low + t * (first + t * (3 * rise - 2 * first - last + t * (first + last - 2 * rise)))

        def density(t: Tensor) -> Tensor:
            rise = high - low
            return first + t * (2 * (3 * rise - 2 * first - last) + 3 * t * (first + last - 2 * rise))

        with torch.no_grad():
            t = ((goal - low) / (high - low)).nan_to_num(0.5)
            for _ in range(3):
                t = (t - (inside(t) - goal) / density(t).clamp(min=TINY)).clamp(0, 1)
            at, p = s.gather(-1, left) + t * step, density(t).clamp(min=TINY) / step
        reached = inside(t) / below[..., -1:]
        drawn = at - (reached - reached.detach()) / p
        return drawn.movedim(-1, 0).reshape(shape)


class _Sums(NamedTuple):
    """The nodes s, their distance, the probability of each, its slope, and log ∫ exp(κ tanh s) / cosh(s)^(d−1) ds."""

    s: Tensor
    step: Tensor
    mass: Tensor
    slope: Tensor
    log_total: Tensor


def _kl_to_uniform(p: VonMisesFisher, q: UniformOnSphere) -> Tensor:
    kappa = p.concentration.double()
    return (kappa * p.mean_length() - p.log_normalizer() + log_area(p.event_shape[0])).to(p.loc.dtype)


register_kl(VonMisesFisher, UniformOnSphere)(_kl_to_uniform)


def refuse_two_points(axis: Axis, latent_size: int) -> None:
    """Refuse a sphere without a surface.

    Raises:
        ValueError: it has one dimension.
    """
    if latent_size < 2:
        raise ValueError(
            f"the {axis.axes[0]} {type(axis).__name__} is over a sphere, and latent_size={latent_size} leaves it two points; "
            "use latent_size >= 2, or prior='Bernoulli' with posterior='Bernoulli'."
        )
