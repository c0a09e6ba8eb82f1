"""Flows of data of one shape, which start where these are."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pyro.distributions as dist
import torch
from pyro.distributions import transforms
from torch import Tensor, nn

from pyrogen.axes import Distribution
from pyrogen.distributions.pushed import Pushed
from pyrogen.nets.glow import MultiScale
from pyrogen.priors.flow import FlowPrior

STARTED_ON = 1000  # data that a flow starts from


class Density(nn.Module, ABC):
    """A flow of real numbers of one shape."""

    started: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    @abstractmethod
    def forward(self) -> Distribution:
        """p(x), event shape ``x_shape``."""

    @abstractmethod
    def start(self, x: Tensor) -> None:
        """Start where data are, ``(N, *x_shape)``."""

    @torch.no_grad()
    def before_training(self, x: Tensor) -> None:
        """Start where training data are, once: what has been trained is left alone."""
        if not self.started:
            self.start(x)
            self.started.fill_(True)


class VectorFlow(Density):
    """A :class:`~pyrogen.priors.FlowPrior` of the elements in order of memory, each of them standardized.

    Args:
        flow: its layers.
        x_shape: shape of x.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, flow: FlowPrior, x_shape: torch.Size) -> None:
        super().__init__()
        if x_shape.numel() < 2:
            raise ValueError(
                f"a flow of couplings moves elements of x by others, and x_shape={tuple(x_shape)} has one; a mixture density "
                "network, 'mdn', is a density of one number."
            )
        self.flow, self.x_shape = flow, x_shape
        self.flow.size(x_shape.numel())
        self.register_buffer("loc", torch.zeros(x_shape.numel()))
        self.register_buffer("scale", torch.ones(x_shape.numel()))

    def forward(self) -> Distribution:
        """The flow, moved and scaled to the data."""
        p = self.flow()
        shaped = transforms.ReshapeTransform(self.loc.shape, self.x_shape)
        moved = [transforms.AffineTransform(self.loc, self.scale, event_dim=1), shaped]
        return dist.TransformedDistribution(p.base_dist, [*p.transforms, *moved])

    def start(self, x: Tensor) -> None:
        """Take means and standard deviations."""
        flat = x.flatten(1).double()
        sd = flat.std(0, correction=0)
        self.loc.copy_(flat.mean(0))
        self.scale.copy_(torch.where(sd > 0, sd, 1.0))


class ImageFlow(Density):
    """A multi-scale flow of images, see :class:`pyrogen.nets.glow.MultiScale`.

    Args:
        net: the flow.
        x_shape: shape of x.
    """

    like: Tensor

    def __init__(self, net: MultiScale, x_shape: torch.Size) -> None:
        super().__init__()
        self.net, self.x_shape = net, x_shape
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def forward(self) -> Distribution:
        """The flow."""
        return Pushed(self.net.inward, self.net.outward, self.x_shape, torch.Size([self.x_shape.numel()]), self.like)

    def start(self, x: Tensor) -> None:
        """Start every normalization at the data."""
        self.net.start(x[torch.randperm(len(x), device=x.device)[:STARTED_ON]])
