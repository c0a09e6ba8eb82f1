"""Residual networks of a generator whose layers each read a part of z, and of a critic: those of the BigGAN, as choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from pyrogen.conditions import Condition
from pyrogen.nets.attention import SelfAttention
from pyrogen.nets.conv import sides_of
from pyrogen.nets.critics import CriticNet, Scores, check_critic, middle, widths
from pyrogen.nets.generators import ConditionalBatchNorm, GeneratorNet, ReadsCondition, numbers_of
from pyrogen.nets.spectral import spectral
from pyrogen.registry import choice


class GrowingBlock(nn.Module):
    """An image doubled: skip(up h) + conv(relu(norm(conv(up(relu(norm h)))))), both norms scaled by what the block is told.

    Args:
        before: channels of h.
        after: channels of what is made.
        told: numbers that it is told.
        side: height and width of what is made; what doubling an odd side's half adds is cut off.
    """

    def __init__(self, before: int, after: int, told: int, side: tuple[int, int]) -> None:
        super().__init__()
        self.side = side
        self.norms = nn.ModuleList([ConditionalBatchNorm(before, told), ConditionalBatchNorm(after, told)])
        self.convs = nn.ModuleList([nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)])
        self.skip = nn.Conv2d(before, after, 1)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        """``(N, before, H, W)`` and ``(N, told)`` to ``(N, after, *side)``."""
        inner = self.convs[0](self._doubled(relu(self.norms[0](h, told))))
        y: Tensor = self.skip(self._doubled(h)) + self.convs[1](relu(self.norms[1](inner, told)))
        return y

    def _doubled(self, h: Tensor) -> Tensor:
        return interpolate(h, scale_factor=2.0)[..., : self.side[0], : self.side[1]]


class HierarchicalNet(ReadsCondition):
    """x = g(z₀, z₁ … z_L, y): z₀ makes a small image; block l is told z_l and e(y), the embedding that all of them share.

    Args:
        parts: numbers of z₀, z₁ … z_L.
        channels: of the small image and after each block.
        sides: of the same.
        outputs: channels of x.
        condition: numbers of y; 0: there is none.
        embedding: numbers of e(y).
        attention: after which block positions attend to one another, or None.
    """

    def __init__(
        self,
        parts: Sequence[int],
        channels: Sequence[int],
        sides: Sequence[tuple[int, int]],
        outputs: int,
        condition: int,
        embedding: int,
        attention: int | None,
    ) -> None:
        super().__init__()
        self.parts, self.small = tuple(parts), (channels[0], *sides[0])
        self.embedding = nn.Linear(condition, embedding, bias=False) if condition else None
        self.start = nn.Linear(parts[0], prod(self.small))
        told = [part + (embedding if condition else 0) for part in parts[1:]]
        places = zip(pairwise(channels), told, sides[1:], strict=True)
        self.blocks = nn.ModuleList([GrowingBlock(*both, more, side) for both, more, side in places])
        self.attention, self.attentive = attention, None if attention is None else SelfAttention(channels[attention])
        self.norm, self.last = nn.BatchNorm2d(channels[-1]), nn.Conv2d(channels[-1], outputs, 3, padding=1)

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """``(N, latent_size)`` and ``(N, condition)`` to ``(N, outputs, H, W)``."""
        first, *rest = h.split(self.parts, 1)
        known = [] if self.embedding is None or condition is None else [self.embedding(condition.to(h))]
        h = self.start(first).unflatten(1, self.small)
        for number, (block, part) in enumerate(zip(self.blocks, rest, strict=True)):
            if self.attentive is not None and number == self.attention:
                h = self.attentive(h)
            h = block(h, torch.cat([*known, part], 1))
        y: Tensor = self.last(relu(self.norm(h)))
        return y


@choice("generator", "Residual")
@dataclass(frozen=True)
class ResidualGenerator(GeneratorNet):
    """Residual blocks that each read a part of z, and a shared embedding of y, in the scales of their batch norms.

    Weights start orthogonal, and are divided by their largest singular values.
    Reference: Brock et al. 2019, Large scale GAN training for high fidelity natural image synthesis, arXiv:1809.11096.

    Args:
        width: channels before the last layer; each halving of the image doubles them, up to 8 × width.
        attention: whether the positions of the image at half depth attend to one another.
        embedding: numbers of the embedding of y that all blocks share.
    """

    width: int = 64
    attention: bool = False
    embedding: int = 16

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if min(self.width, self.embedding) < 1:
            raise ValueError(
                f"Residual(width={self.width}, embedding={self.embedding}): a generator has 1 channel or more, and reads y "
                "as 1 number or more."
            )

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The network as one layer."""
        sides = sides_of(x_shape)[::-1]
        depth = len(sides) - 1
        if latent_size <= depth:
            raise ValueError(
                f"latent_size={latent_size}: a Residual generator of {tuple(x_shape)} has {depth} blocks, and the first "
                f"layer and each block read a part of z of their own; take latent_size={depth + 1} or more."
            )
        share = latent_size // (depth + 1)
        parts = [latent_size - depth * share, *[share] * depth]
        steps = widths(self.width, depth)
        channels = [steps[-1], *reversed(steps)]
        place = depth - middle(depth) if self.attention else None
        made = HierarchicalNet(parts, channels, sides, x_shape[0], numbers_of(condition), self.embedding, place)
        return [spectral(start_orthogonal(made))]


class ShrinkingBlock(nn.Module):
    """An image halved: skip(down h) + down(conv(relu(conv(relu h)))).

    Args:
        before: channels of h.
        after: channels of what is made.
        begins: whether h is an image, whose numbers are read as they are.
    """

    def __init__(self, before: int, after: int, begins: bool) -> None:
        super().__init__()
        self.begins = begins
        self.convs = nn.ModuleList([nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)])
        self.skip = nn.Conv2d(before, after, 1)

    def forward(self, h: Tensor) -> Tensor:
        """``(N, before, H, W)`` to ``(N, after, H/2, W/2)``, rounded up."""
        inner = self.convs[0](h if self.begins else relu(h))
        y: Tensor = self.skip(_halved(h)) + _halved(self.convs[1](relu(inner)))
        return y


class Summed(nn.Module):
    """The sum over positions of what is positive: ``(N, C, H, W)`` to ``(N, C)``."""

    def forward(self, h: Tensor) -> Tensor:
        """The sums."""
        return relu(h).sum((2, 3))


@choice("critic", "Residual")
@dataclass(frozen=True)
class ResidualCritic(CriticNet):
    """Residual blocks that each halve the image, of weights divided by their largest singular values; y by projection.

    Reference: Miyato & Koyama 2018, arXiv:1802.05637; Brock et al. 2019, arXiv:1809.11096.

    Args:
        width: channels of the first block; each halving doubles them, up to 8 × width.
        attention: whether the positions of the image at half depth attend to one another.
        minibatch: what it is told of its batch: "none", "deviation" or "discrimination".
        pack: how many data it reads at once, as further channels.
        conditioning: how it reads a condition: by "projection" or "concatenation".
    """

    width: int = 64
    attention: bool = False
    minibatch: str = "none"
    pack: int = 1
    conditioning: str = "projection"

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.width < 1:
            raise ValueError(f"Residual(width={self.width}): a critic has 1 channel or more.")
        check_critic(self)

    def scores(self, x_shape: Size, condition: int) -> nn.Module:
        """The network of data that are packed already."""
        depth = len(sides_of(x_shape)) - 1
        joined = condition if self.conditioning == "concatenation" else 0
        channels = [x_shape[0] + joined, *widths(self.width, depth)]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(channels)):
            layers += [ShrinkingBlock(before, after, i == 0)]
            layers += [SelfAttention(after)] if self.attention and i + 1 == middle(depth) else []
        net = Scores(nn.Sequential(*layers, Summed()), channels[-1], condition, self)
        return spectral(start_orthogonal(net))


def start_orthogonal(net: nn.Module) -> nn.Module:
    """Weights of orthogonal rows or columns, biases 0."""
    for layer in net.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.orthogonal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def _halved(h: Tensor) -> Tensor:
    return avg_pool2d(h, 2, ceil_mode=True)
