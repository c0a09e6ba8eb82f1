"""Continuous flows that are trained without being followed: by matching a velocity, or a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import transforms
from torch import Tensor

from pyrogen.axes import Distribution
from pyrogen.base import HasGenerator, Objective
from pyrogen.capabilities import HasODE, HasScore, HasVelocity
from pyrogen.distributions.densities import Density
from pyrogen.distributions.ode import AlongODE, check_tolerance
from pyrogen.inference.objectives.matching import DenoisingScoreMatching, FlowMatching
from pyrogen.models.flows import RealFlow
from pyrogen.nets import BatchDims
from pyrogen.nets.denoisers import DenoiserNet, denoiser_of
from pyrogen.noise import Linear, alpha, beside, sigma
from pyrogen.registry import entry


class VelocityDensity(Density, ABC):
    """The law that a velocity makes of noise, moved and scaled to the data.

    Args:
        net: the network of the velocity, ``(N, *x_shape)`` and levels ``(N, 1)`` in [0, 1].
        x_shape: shape of x.
        tolerance: of the solver.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, net: torch.nn.Module, x_shape: torch.Size, tolerance: float) -> None:
        super().__init__()
        check_tolerance(tolerance)
        self.net, self.x_shape, self.tolerance = BatchDims(net, x_shape, x_shape, "velocity"), x_shape, tolerance
        self.register_buffer("loc", torch.zeros(x_shape))
        self.register_buffer("scale", torch.ones(()))

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v(x, t) of scaled x, times ``(N,)``: 0 where x is noise, 1 where it is data."""

    def along(self, tolerance: float | None = None) -> AlongODE:
        """The law before it is moved and scaled."""
        return AlongODE(self.velocity, self.loc, self.tolerance if tolerance is None else tolerance)

    def forward(self) -> Distribution:
        """The law."""
        # of a scale without dimensions torch would count the slope of one element for all
        moved = transforms.AffineTransform(self.loc, self.scale.expand_as(self.loc), event_dim=len(self.x_shape))
        return dist.TransformedDistribution(self.along(), [moved])

    def scaled(self, x: Tensor) -> Tensor:
        """(x − m) / s."""
        return (x - self.loc) / self.scale

    def start(self, x: Tensor) -> None:
        """Take the mean, and one standard deviation of all elements."""
        self.loc.copy_(x.double().mean(0))
        self.scale.copy_((x.double() - self.loc).square().mean().sqrt().clamp(min=1e-6))


class StraightDensity(VelocityDensity):
    """The law of a network that says the velocity itself."""

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v(x, t)."""
        v: Tensor = self.net(x, t.unsqueeze(-1))
        return v


class ScoreDensity(VelocityDensity):
    """The law of a network that knows noisy data, by the equation whose x have the laws of a diffusion.

    Of z = α u + σ ε the network says w = α ε − σ u, so that ε̂ = σ z + α w; and dz/dγ = ½ α σ w, from γ₁ of noise at t = 0 to
    γ₀ of data at t = 1, evenly in t. Reference: Song et al. 2021, arXiv:2011.13456.

    Args:
        net: of w, ``(N, *x_shape)`` and levels ``(N, 1)``, (γ − γ₀)/(γ₁ − γ₀).
        x_shape: shape of x.
        tolerance: of the solver.
        low: γ₀.
        high: γ₁.

    Raises:
        ValueError: noise does not grow from low to high.
    """

    def __init__(self, net: torch.nn.Module, x_shape: torch.Size, tolerance: float, low: float, high: float) -> None:
        super().__init__(net, x_shape, tolerance)
        Linear(low, high)  # refuses ends between which no noise grows
        self.low, self.high = low, high

    def noise_in(self, z: Tensor, gamma: Tensor) -> Tensor:
        """ε̂(z, γ)."""
        wide = beside(gamma, len(self.x_shape))
        return sigma(wide) * z + alpha(wide) * self._seen(z, (gamma - self.low) / (self.high - self.low))

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """dx/dt = (γ₀ − γ₁) dx/dγ."""
        gamma = beside(self.high + (self.low - self.high) * t, len(self.x_shape))
        return (self.low - self.high) * 0.5 * alpha(gamma) * sigma(gamma) * self._seen(x, 1 - t)

    def _seen(self, z: Tensor, level: Tensor) -> Tensor:
        w: Tensor = self.net(z, level.unsqueeze(-1))
        return w


class AlongVelocity(RealFlow, HasGenerator, HasODE):
    """x = m + s x(1), dx/dt = v(x, t), x(0) ~ N(0, I).

    Args:
        density: the law.
        x_shape: shape of one datum.
        objective: what :func:`pyrogen.inference.fit` optimizes.
    """

    density: VelocityDensity

    def __init__(self, density: VelocityDensity, x_shape: torch.Size, objective: Objective | str) -> None:
        super().__init__(density, x_shape, objective)
        self.latent_shape, self.tolerance = x_shape, density.tolerance

    def log_prob_along(self, x: Tensor, tolerance: float, probes: Tensor | None = None) -> Tensor:
        """log p(x) at a tolerance, exact or by each probe."""
        along, at = self.density.along(tolerance), self.scaled(self.read(x))
        log_p = along.log_prob(at) if probes is None else along.probed(at, probes.to(at))
        return log_p - self.x_shape.numel() * self.density.scale.log()

    def scaled(self, x: Tensor) -> Tensor:
        """(x − m) / s."""
        return self.density.scaled(x)

    def latent_prior(self, y: Tensor | None = None) -> Distribution:
        """N(0, I) of the shape of x."""
        zero = self.density.loc
        return dist.Normal(torch.zeros_like(zero), torch.ones_like(zero)).to_event(len(self.x_shape))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """m + s x(1) from x(0) = z."""
        return self.density.loc + self.density.scale * self.density.along().push(z)


class FlowMatched(AlongVelocity, HasVelocity):
    """x = m + s x(1), dx/dt = v(x, t), x(0) ~ N(0, I), with v matched to the velocity of straight paths to the data.

    Args:
        density: the law.
        x_shape: shape of one datum.
        objective: what :func:`pyrogen.inference.fit` optimizes; by default FlowMatching().
    """

    def __init__(self, density: StraightDensity, x_shape: torch.Size, objective: Objective | str | None = None) -> None:
        super().__init__(density, x_shape, FlowMatching() if objective is None else objective)

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v(x, t), of scaled data and times ``(N,)``."""
        return self.density.velocity(x, t)


class ScoreMatched(AlongVelocity, HasScore):
    """x = m + s x(1) along the equation of a score, dx/dt = ½ (γ₁ − γ₀) σ² [x + s(x, γ)], x(0) ~ N(0, I).

    Args:
        density: the law.
        x_shape: shape of one datum.
        objective: what :func:`pyrogen.inference.fit` optimizes; by default DenoisingScoreMatching().
    """

    density: ScoreDensity

    def __init__(self, density: ScoreDensity, x_shape: torch.Size, objective: Objective | str | None = None) -> None:
        super().__init__(density, x_shape, DenoisingScoreMatching() if objective is None else objective)
        self.low, self.high = density.low, density.high

    def noise_in(self, z: Tensor, gamma: Tensor) -> Tensor:
        """ε̂(z, γ) of noisy scaled data."""
        return self.density.noise_in(z, gamma)


@entry(
    "flow-matching",
    reference="Lipman et al. 2023, Flow matching for generative modeling, arXiv:2210.02747",
    data="ring",
    recipe={"epochs": 60, "lr": 2e-3, "batch_size": 256, "lr_milestones": [40, 54]},
)
def flow_matching(
    x_shape: Sequence[int],
    net: DenoiserNet | str | Mapping[str, Any] | None = None,
    tolerance: float = 1e-5,
    objective: Objective | str | None = None,
) -> FlowMatched:
    """The continuous flow whose velocity is matched to that of straight paths from noise to data, with an exact log p(x).

    Args:
        x_shape: shape of one datum; where it has more than 256 elements log p is by probes of the divergence, ODE(probes=16).
        net: of the velocity; by default UNet of images and Perceptron of others.
        tolerance: of the solver, relative and absolute.
        objective: the default objective of ``fit``: FlowMatching().
    """
    shape = torch.Size(x_shape)
    return FlowMatched(StraightDensity(denoiser_of(shape, net).build(shape), shape, tolerance), shape, objective)


@entry(
    "score-matching",
    reference="Song et al. 2021, Score-based generative modeling through stochastic differential equations, arXiv:2011.13456",
    data="ring",
    recipe={"epochs": 60, "lr": 2e-3, "batch_size": 256, "lr_milestones": [40, 54]},
)
def score_matching(
    x_shape: Sequence[int],
    net: DenoiserNet | str | Mapping[str, Any] | None = None,
    low: float = -12.0,
    high: float = 5.0,
    tolerance: float = 1e-5,
    objective: Objective | str | None = None,
) -> ScoreMatched:
    """The score of data under all amounts of noise, with the exact log p(x) of the differential equation that follows it.

    Args:
        x_shape: shape of one datum; where it has more than 256 elements log p is by probes of the divergence, ODE(probes=16).
        net: of what is seen in noisy data; by default UNet of images and Perceptron of others.
        low: γ at the data, minus the log of the ratio of signal to noise.
        high: γ at the noise.
        tolerance: of the solver, relative and absolute.
        objective: the default objective of ``fit``: DenoisingScoreMatching(); or SlicedScoreMatching().
    """
    shape = torch.Size(x_shape)
    return ScoreMatched(
        ScoreDensity(denoiser_of(shape, net).build(shape), shape, tolerance, low, high), shape, objective
    )
