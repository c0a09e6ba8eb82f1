"""Priors that draw a grid of bits or classes place after place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Blueprint, Distribution, Prior, bit_vector, refuse_one_class
from pyrogen.conditions import Condition
from pyrogen.distributions.autoregressive import Autoregressive
from pyrogen.distributions.finite import grid_of
from pyrogen.distributions.grids import OneHotImage, OnGrid
from pyrogen.likelihoods.pixels import IndependentBernoulli
from pyrogen.nets.batch_dims import BatchDims
from pyrogen.nets.causal import Causal
from pyrogen.nets.pixelcnn import GatedPixelCNNNet
from pyrogen.registry import choice


def _bits(logits: Tensor) -> Distribution:
    return IndependentBernoulli(logits, 3)


class GridPrior(Prior):
    """An autoregressive law of a grid of bits or classes; told y where the model is.

    Args:
        classes: how many at each place; None: bits.
        grid: (H, W), places in rows; empty: all bits in one row.

    Raises:
        ValueError: classes without a grid.
    """

    learned = True
    support: constraints.Constraint | None = bit_vector

    def __init__(self, classes: int | None, grid: Sequence[int]) -> None:
        super().__init__()
        self.classes, self.grid, who = classes, tuple(grid), type(self).__name__
        if len(self.grid) not in (0, 2) or any(side < 1 for side in self.grid):
            raise ValueError(f"{who}(grid={self.grid}): a grid is (H, W), or () for bits in one row.")
        if classes is not None:
            if not self.grid:
                raise ValueError(f"{who}(classes={classes}) needs grid=(H, W): how many places there are.")
            self.support = grid_of(self.grid[0] * self.grid[1])

    @abstractmethod
    def network(self, shape: torch.Size, told: int) -> Causal:
        """A network of bits or one-hot vectors ``(channels, H, W)``, and of so many numbers that say y."""

    def build(self, plan: Blueprint) -> None:
        """Take the latent size, and y."""
        self.size(plan.latent_size, plan.condition, plan.read)

    def size(
        self,
        latent_size: int,
        condition: Condition | None = None,
        read: Callable[[Tensor | None], Tensor] | None = None,
    ) -> None:
        """Create the network.

        Raises:
            ValueError: the grid does not divide the latents, or classes of which there is one.
        """
        h, w = self.grid or (1, latent_size)
        channels = latent_size // (h * w)
        if self.classes is not None:
            refuse_one_class(self.classes)
        if channels * h * w != latent_size or channels < 1 or self.classes not in (None, channels):
            per = "some bits" if self.classes is None else f"{self.classes} classes"
            fits = h * w * (self.classes or max(channels, 1))
            raise ValueError(
                f"{type(self).__name__} has a grid of {h} × {w} places with {per} at each, and latent_size={latent_size} is "
                f"not so many numbers; use latent_size={fits}."
            )
        self.told, told = read, 0 if condition is None else condition.size
        shape = torch.Size([channels, h, w])
        self.net = BatchDims(self.network(shape, told), shape, shape, "prior's network")
        values = torch.tensor([[0.0], [1.0]]) if self.classes is None else torch.eye(channels)
        self.register_buffer("values", values, persistent=False)

    def read(self, y: Tensor | None) -> Tensor | None:
        """y as the network reads it; None where the model has none.

        Raises:
            ValueError: it has one, and was told none.
        """
        return None if self.told is None else self.told(y)

    def on_grid(self, y: Tensor | None = None) -> Autoregressive:
        """p(z) over the grid itself, event ``(bits or classes, H, W)``."""
        if self.classes is None:
            return Autoregressive(self.net, _bits, constraints.boolean, condition=self.read(y))
        return Autoregressive(self.net, OneHotImage, constraints.boolean, condition=self.read(y))

    def law(self, y: Tensor | None = None) -> Distribution:
        """p(z), or p(z|y), as a distribution of vectors, which can be enumerated where there are few."""
        assert self.support is not None
        return OnGrid(self.on_grid(y), self.support, self.get_buffer("values"))


@choice("prior")
class PixelCNNPrior(GridPrior):
    """A gated PixelCNN over a grid of latents, p(z) = Π_d p(z_d | z_<d), row by row; told y where the model is.

    Bits that share a place follow one another; a class is drawn as a whole.

    Shapes: event ``(latent_size,)``: the bits, or the one-hot vector, of each place lie together, places row by row.
    Reference: van den Oord et al. 2017, VQ-VAE, arXiv:1711.00937; the network: van den Oord et al. 2016, arXiv:1606.05328.

    Args:
        classes: how many at each place; None: bits.
        grid: (H, W), places in rows; empty: all bits in one row.
        width: hidden channels of the network.
        layers: how many.
        kernel: side of the first kernel, odd.

    Raises:
        ValueError: classes without a grid.
    """

    def __init__(
        self,
        classes: int | None = None,
        grid: Sequence[int] = (),
        width: int = 32,
        layers: int = 3,
        kernel: int = 5,
    ) -> None:
        super().__init__(classes, grid)
        self.width, self.layers, self.kernel = width, layers, kernel

    def network(self, shape: torch.Size, told: int) -> Causal:
        """The gated PixelCNN."""
        return GatedPixelCNNNet(shape, shape[0], self.classes is None, self.width, self.layers, self.kernel, told)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """p(z), or p(z|y)."""
        return self.law(y)
