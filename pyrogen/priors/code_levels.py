"""A prior over two grids of classes, the finer one given the coarser: what VQ-VAE-2 draws its codes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor, nn
from torch.nn.functional import silu

from pyrogen.axes import Blueprint, Distribution, Prior, refuse_one_class
from pyrogen.distributions.autoregressive import Autoregressive
from pyrogen.distributions.finite import grid_of
from pyrogen.distributions.grids import OneHotImage, OnGrid
from pyrogen.distributions.tempered import HasTemperature, tempered
from pyrogen.nets.batch_dims import BatchDims
from pyrogen.nets.causal import Causal, Walk
from pyrogen.nets.pixelcnn import GatedPixelCNNNet
from pyrogen.priors.autoregressive import PixelCNNPrior


class Beneath(Causal):
    """A gated PixelCNN over a grid, beside a map of the grid above it, which every pixel sees the whole of.

    Shapes: ``(N, K, 2h, 2w)`` and a condition ``(N, h w K + size)``, the upper grid's one-hot vectors and then y, to
    ``(N, K, 2h, 2w)``.

    Args:
        classes: K.
        grid: (h, w) of the upper grid.
        width: channels.
        layers: of the gated network.
        kernel: side of its first kernel, odd.
        condition: numbers that y is read as; 0: there is none.
    """

    def __init__(
        self, classes: int, grid: tuple[int, int], width: int, layers: int, kernel: int, condition: int = 0
    ) -> None:
        super().__init__()
        self.upper, self.condition = (*grid, classes), condition
        shape = (classes, 2 * grid[0], 2 * grid[1])
        self.inner = GatedPixelCNNNet(shape, width, False, width, layers, kernel, condition)
        self.shape, self.places = self.inner.shape, self.inner.places
        self.spread = nn.Sequential(
            nn.Conv2d(classes, width, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(width, width, 4, 2, 1)
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The logits of every place."""
        above, y = self._told(condition)
        logits: Tensor = self.head(silu(self.inner(x, y) + above))
        return logits

    def begin(self, x: Tensor, condition: Tensor | None = None) -> Walk:
        """As the contract says."""
        above, y = self._told(condition)
        at = self.inner.begin(x, y)
        return lambda place: self.head(silu(at(place) + above[place.window]))

    def _told(self, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        assert condition is not None
        size = torch.Size(self.upper).numel()
        upper = condition[:, :size].reshape(-1, *self.upper).movedim(-1, 1)
        return self.spread(upper), condition[:, size:] if self.condition else None


class Stacked(TorchDistribution, HasTemperature):
    """z = (z₁, z₂), log p(z) = log p(z₁) + log p(z₂|z₁).

    Shapes: event, that of both side by side.

    Args:
        top: p(z₁).
        beneath: z₁ to p(z₂|z₁).
        size: numbers of z₂.
        support: the values that z may have.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    support: constraints.Constraint = constraints.real_vector

    def __init__(
        self, top: Distribution, beneath: Callable[[Tensor], Distribution], size: int, support: constraints.Constraint
    ) -> None:
        self.top, self.beneath, self.size, self.support = top, beneath, size, support
        event = torch.Size([top.event_shape.numel() + size])
        super().__init__(top.batch_shape, event, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Stacked:
        """The same for another batch shape."""
        return Stacked(self.top.expand(batch_shape), self.beneath, self.size, self.support)

    def at(self, temperature: float) -> Stacked:
        """Both at a temperature."""
        beneath = self.beneath
        return Stacked(
            tempered(self.top, temperature), lambda z: tempered(beneath(z), temperature), self.size, self.support
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z₁) + log p(z₂|z₁), in nats."""
        first, second = value[..., : -self.size], value[..., -self.size :]
        log_p: Tensor = self.top.log_prob(first) + self.beneath(first).log_prob(second)
        return log_p

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """The top first."""
        first = self.top.sample(torch.Size(sample_shape))
        return torch.cat([first, self.beneath(first).sample()], -1)


class PixelCNNLevels(Prior):
    """Two gated PixelCNNs, p(z) = p(z₁) p(z₂|z₁), of which the second is over a grid twice as fine; told y.

    Shapes: event ``(latent_size,)``, one-hot vectors place by place, the coarse grid first.
    Reference: Razavi et al. 2019, Generating diverse high-fidelity images with VQ-VAE-2, arXiv:1906.00446.

    Args:
        classes: how many at each place.
        grid: (H, W) of the coarse grid.
        width: hidden channels of the networks.
        layers: how many.
        kernel: side of the first kernels, odd.
    """

    learned = True

    def __init__(self, classes: int, grid: tuple[int, int], width: int = 32, layers: int = 3, kernel: int = 5) -> None:
        super().__init__()
        refuse_one_class(classes)
        self.classes, self.grid, self.width, self.layers, self.kernel = classes, grid, width, layers, kernel
        self.support = grid_of(5 * grid[0] * grid[1])

    def build(self, plan: Blueprint) -> None:
        """Make the networks, told y where the model is."""
        places = self.grid[0] * self.grid[1]
        self.top = PixelCNNPrior(self.classes, self.grid, self.width, self.layers, self.kernel)
        self.top.size(places * self.classes, plan.condition, plan.read)
        told = 0 if plan.condition is None else plan.condition.size
        beneath = Beneath(self.classes, self.grid, self.width, self.layers, self.kernel, told)
        self.beneath = BatchDims(beneath, beneath.shape, beneath.shape, "prior's network")
        self.register_buffer("values", torch.eye(self.classes), persistent=False)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """p(z), or p(z|y).

        Raises:
            ValueError: the model has a y, and was told none.
        """
        assert self.support is not None
        places = 4 * self.grid[0] * self.grid[1]

        def beneath(first: Tensor) -> Distribution:
            read = self.top.read(y)
            told = first if read is None else torch.cat([first, read.expand(*first.shape[:-1], -1)], -1)
            finer = Autoregressive(self.beneath, OneHotImage, constraints.boolean, condition=told)
            return OnGrid(finer, grid_of(places), self.get_buffer("values"))

        return Stacked(self.top(y), beneath, places * self.classes, self.support)
