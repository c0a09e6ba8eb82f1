"""Networks of generators, as choices: each is made of its settings, and builds a network from noise to data of a shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import ClassVar

import torch
from torch import Size, Tensor, nn

from pyrogen.conditions import Condition
from pyrogen.nets.attention import SelfAttention
from pyrogen.nets.conv import sides_of
from pyrogen.nets.critics import middle, one_of, start_small, widths
from pyrogen.nets.spectral import spectral
from pyrogen.registry import choice

ENDS = {"unit": nn.Sigmoid, "binary": nn.Sigmoid, "real": nn.Identity}
GROWTHS = ("strided", "resize")
NORMALIZATIONS = ("none", "batch")
CONDITIONS = ("concatenation", "normalization")


class GeneratorNet(ABC):
    """What a generator's network is made of."""

    axes: ClassVar[tuple[str, ...]] = ("generator",)

    def build(
        self, latent_size: int, x_shape: Sequence[int], kind: str = "real", condition: Condition | None = None
    ) -> nn.Module:
        """A network with weights of its own: ``(N, latent_size)``, and ``(N, condition.size)``, to ``(N, *x_shape)``.

        Args:
            latent_size: size of z.
            x_shape: shape of one datum.
            kind: of the data: "unit" and "binary" end in a sigmoid, "real" is left as it is.
            condition: what y is.

        Raises:
            ValueError: data of this shape or kind, or a condition, that the network cannot make, or read.
        """
        one_of("kind that a generator makes", kind, tuple(ENDS))
        return Grown(self.layers(latent_size, Size(x_shape), condition), ENDS[kind]())

    def latents(self, content: int, x_shape: Sequence[int]) -> int:
        """How many numbers z has where ``content`` of them say what is shown: those of clips need more, for how it moves.

        Args:
            content: numbers.
            x_shape: shape of one datum.
        """
        return content

    @abstractmethod
    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The layers, all but the last that keeps numbers in their range; those that look at y take it with h."""


class Grown(nn.Module):
    """Layers one after the other, of which some read a condition with what the one before made.

    Args:
        layers: the layers.
        end: what keeps numbers in their range.
    """

    def __init__(self, layers: Sequence[nn.Module], end: nn.Module) -> None:
        super().__init__()
        self.layers, self.end = nn.ModuleList(layers), end

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """The data."""
        h = z
        for layer in self.layers:
            h = layer(h, condition) if isinstance(layer, ReadsCondition) else layer(h)
        x: Tensor = self.end(h)
        return x


class ReadsCondition(nn.Module, ABC):
    """A layer that takes a condition, ``(N, condition)``, beside what the one before made."""

    @abstractmethod
    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """What the next layer reads."""


class Joined(ReadsCondition):
    """Noise and condition as one vector."""

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """``(N, latent_size)`` and ``(N, condition)`` side by side."""
        return h if condition is None else torch.cat([h, condition.to(h)], 1)


class ConditionalBatchNorm(ReadsCondition):
    """Batch norm whose scale and shift are linear in y: (1 + Γ y) ⊙ ĥ + B y, Γ and B from 0.

    Reference: de Vries et al. 2017, arXiv:1707.00683; Miyato & Koyama 2018, arXiv:1802.05637.

    Args:
        channels: of h, ``(N, channels, H, W)``.
        condition: numbers of y.
    """

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.affine = nn.Parameter(torch.zeros(2 * channels, condition))

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """h, normalized, scaled and shifted."""
        normal: Tensor = self.norm(h)
        if condition is None:
            raise ValueError("the generator scales its batch norms by a condition, and was told none.")
        scale, shift = nn.functional.linear(condition.to(h), self.affine)[..., None, None].chunk(2, 1)
        return (1 + scale) * normal + shift


class Constant(nn.Module):
    """The same numbers whatever it is given, ``(N, *)`` to ``(N, width)``, learned from 0.

    Args:
        width: how many.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, h: Tensor) -> Tensor:
        """The numbers."""
        return self.bias.expand(len(h), -1)


def first_layer(numbers: int, width: int) -> nn.Module:
    """A linear layer; where there is nothing to read, as without noise and with y told further on, a constant."""
    return nn.Linear(numbers, width) if numbers else Constant(width)


def numbers_of(condition: Condition | None) -> int:
    """As how many numbers a layer reads y; 0 without."""
    return 0 if condition is None else condition.size


@choice("generator")
@dataclass(frozen=True)
class Perceptron(GeneratorNet):
    """Fully connected layers; a condition is concatenated with z.

    Args:
        hidden: widths of the hidden layers.
        normalization: of hidden layers: "none" or "batch".
    """

    hidden: Sequence[int] = (128, 128, 128)
    normalization: str = "none"

    def __post_init__(self) -> None:
        """Keep the widths as a tuple; refuse those below 1."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        one_of("normalization", self.normalization, NORMALIZATIONS)
        if min(self.hidden, default=1) < 1:
            raise ValueError(f"Perceptron(hidden={self.hidden}): each hidden layer has 1 unit or more.")

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The layers."""
        sizes = [latent_size + numbers_of(condition), *self.hidden]
        made: list[nn.Module] = [Joined()] if condition is not None else []
        for before, after in pairwise(sizes):
            norm = [nn.BatchNorm1d(after)] if self.normalization == "batch" else []
            made += [nn.Linear(before, after), *norm, nn.ReLU()]
        return [*made, nn.Linear(sizes[-1], x_shape.numel()), nn.Unflatten(1, tuple(x_shape))]


@choice("generator")
@dataclass(frozen=True)
class Convolutional(GeneratorNet):
    """A linear layer to a small image, doubled until it has the size of the data.

    Before batch norms weights start at N(0, 0.02²). Strided doubles by transposed convolutions, as the DCGAN does, which may
    leave a checkerboard; resize repeats each pixel and convolves. References: Radford et al. 2016, arXiv:1511.06434; Odena
    et al. 2016, Deconvolution and checkerboard artifacts.

    Args:
        width: channels before the last layer; each halving of the image doubles them, up to 8 × width.
        growth: how an image is doubled: "strided" or "resize".
        normalization: of hidden layers: "batch" or "none".
        attention: whether the positions of the image at half depth attend to one another.
        conditioning: how it reads a condition: by "concatenation" with z, or "normalization", batch norms that depend on it.
        spectral: whether weights are divided by their largest singular values, as in the SAGAN.
    """

    width: int = 64
    growth: str = "strided"
    normalization: str = "batch"
    attention: bool = False
    conditioning: str = "concatenation"
    spectral: bool = False

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        one_of("growth", self.growth, GROWTHS)
        one_of("normalization", self.normalization, NORMALIZATIONS)
        one_of("way of conditioning", self.conditioning, CONDITIONS)
        if self.width < 1:
            raise ValueError(f"Convolutional(width={self.width}): a generator has 1 channel or more.")
        if self.conditioning == "normalization" and self.normalization != "batch":
            raise ValueError(
                f"conditioning='normalization' tells a generator of y by its batch norms, and normalization="
                f"{self.normalization!r} leaves it none; take normalization='batch', or conditioning='concatenation'."
            )

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The layers."""
        sides = sides_of(x_shape)
        depth = len(sides) - 1
        channels = [*reversed(widths(self.width, depth)), x_shape[0]]
        told = numbers_of(condition)
        joined = told if self.conditioning == "concatenation" else 0
        made: list[nn.Module] = [Joined()] if joined else []
        made += [first_layer(latent_size + joined, channels[0] * prod(sides[-1]))]
        made += [nn.Unflatten(1, (channels[0], *sides[-1]))]
        made += [*self._norm(channels[0], told), nn.ReLU()]
        for i, ((height, breadth), (before, after)) in enumerate(zip(sides[-2::-1], pairwise(channels), strict=True)):
            # the critic's attention looks at an image of the same size
            made += [SelfAttention(before)] if self.attention and depth - i == middle(depth) else []
            made += self._doubled(before, after)
            # what the critic puts after an odd side is taken off
            odd = height % 2, breadth % 2
            made += [nn.ZeroPad2d((0, -odd[1], 0, -odd[0]))] if any(odd) else []
            made += [*self._norm(after, told), nn.ReLU()] if i + 1 < depth else []
        for layer in made:
            if self.spectral:
                spectral(layer)  # which takes the scale of the weights away
            elif self.normalization == "batch":
                start_small(layer)
        return made

    def _doubled(self, before: int, after: int) -> list[nn.Module]:
        if self.growth == "strided":
            return [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        return [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1)]

    def _norm(self, channels: int, condition: int) -> list[nn.Module]:
        if condition and self.conditioning == "normalization":
            return [ConditionalBatchNorm(channels, condition)]
        return [nn.BatchNorm2d(channels)] if self.normalization == "batch" else []
