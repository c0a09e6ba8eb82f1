"""Continuous flows that are trained without being followed: by matching their velocity to that of straight paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import transforms
from torch import Tensor

from pyrogen.axes import Distribution
from pyrogen.base import HasGenerator, Objective
from pyrogen.capabilities import HasVelocity
from pyrogen.distributions.densities import Density
from pyrogen.distributions.ode import AlongODE
from pyrogen.inference.objectives.matching import FlowMatching
from pyrogen.models.flows import RealFlow
from pyrogen.nets import BatchDims
from pyrogen.nets.denoisers import DenoiserNet
from pyrogen.registry import entry, make


class VelocityDensity(Density):
    """The law that a velocity makes of noise, moved and scaled to the data.

    Args:
        net: the network of v, ``(N, *x_shape)`` and times ``(N, 1)``.
        x_shape: shape of x.
        tolerance: of the solver.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, net: torch.nn.Module, x_shape: torch.Size, tolerance: float) -> None:
        super().__init__()
        self.net, self.x_shape, self.tolerance = BatchDims(net, x_shape, x_shape, "velocity"), x_shape, tolerance
        self.register_buffer("loc", torch.zeros(x_shape))
        self.register_buffer("scale", torch.ones(()))

    def along(self) -> AlongODE:
        """The law before it is moved and scaled."""
        return AlongODE(self.velocity, self.loc, self.tolerance)

    def forward(self) -> Distribution:
        """The law."""
        # of a scale without dimensions torch would count the slope of one element for all
        moved = transforms.AffineTransform(self.loc, self.scale.expand_as(self.loc), event_dim=len(self.x_shape))
        return dist.TransformedDistribution(self.along(), [moved])

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v(x, t) of scaled x, times ``(N,)``."""
        v: Tensor = self.net(x, t.unsqueeze(-1))
        return v

    def start(self, x: Tensor) -> None:
        """Take the mean, and one standard deviation of all elements."""
        self.loc.copy_(x.double().mean(0))
        self.scale.copy_((x.double() - self.loc).square().mean().sqrt().clamp(min=1e-6))


class FlowMatched(RealFlow, HasGenerator, HasVelocity):
    """x = m + s x(1), dx/dt = v(x, t), x(0) ~ N(0, I), with v matched to the velocity of straight paths to the data.

    Args:
        density: the law.
        x_shape: shape of one datum.
        objective: what :func:`pyrogen.inference.fit` optimizes; by default FlowMatching().
    """

    density: VelocityDensity

    def __init__(self, density: VelocityDensity, x_shape: torch.Size, objective: Objective | str | None = None) -> None:
        super().__init__(density, x_shape, FlowMatching() if objective is None else objective)
        self.latent_shape = x_shape

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v(x, t), of scaled data and times ``(N,)``."""
        return self.density.velocity(x, t)

    def scaled(self, x: Tensor) -> Tensor:
        """(x − m) / s."""
        return (x - self.density.loc) / self.density.scale

    def latent_prior(self, y: Tensor | None = None) -> Distribution:
        """N(0, I) of the shape of x."""
        zero = self.density.loc
        return dist.Normal(torch.zeros_like(zero), torch.ones_like(zero)).to_event(len(self.x_shape))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """m + s x(1) from x(0) = z."""
        return self.density.loc + self.density.scale * self.density.along().push(z)


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
        x_shape: shape of one datum, of 256 elements at most.
        net: of the velocity; by default UNet of images and Perceptron of others.
        tolerance: of the solver, relative and absolute.
        objective: the default objective of ``fit``: FlowMatching().
    """
    shape = torch.Size(x_shape)
    made: DenoiserNet = make("denoiser", ("UNet" if len(shape) == 3 else "Perceptron") if net is None else net)
    density = VelocityDensity(made.build(shape), shape, tolerance)
    density.along()  # refuses what it could not score
    return FlowMatched(density, shape, objective)
