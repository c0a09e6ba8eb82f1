"""Networks that tell the signal in noisy data, as choices: of data, of how noisy they are, and perhaps of a condition."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Size, Tensor, nn

from pyrogen.nets.conv import sides_of
from pyrogen.registry import choice, make

WAVES = 16  # sines and as many cosines of the level


class DenoiserNet(ABC):
    """What a denoising network is made of."""

    axes: ClassVar[tuple[str, ...]] = ("denoiser",)

    @abstractmethod
    def build(self, x_shape: Sequence[int], condition: int = 0, channels: int | None = None) -> nn.Module:
        """A network with weights of its own: ``(N, *x_shape)``, and ``(N, 1 + condition)``, to ``(N, *x_shape)``.

        The first number of what it is told is the level of noise in [0, 1], and the others say the condition. With
        ``channels`` it says so many numbers at each position, ``(N, channels, *x_shape[1:])``.

        Raises:
            ValueError: data of a shape that it cannot read.
        """


def denoiser_of(
    x_shape: Sequence[int],
    asked: DenoiserNet | str | Mapping[str, Any] | None,
    otherwise: str | Mapping[str, Any] = "Perceptron",
) -> DenoiserNet:
    """The network that is asked for; of None ``UNet`` for images ``(C, H, W)``, and another one for other data."""
    usual = "UNet" if len(x_shape) == 3 else otherwise
    net: DenoiserNet = make("denoiser", usual if asked is None else asked)
    return net


class Level(nn.Module):
    """A level in [0, 1] as sines and cosines, and what comes after it as it is: ``(N, 1 + C)`` to ``(N, 2 WAVES + C)``."""

    speed: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("speed", torch.logspace(0, math.log10(200.0), WAVES), persistent=False)

    def forward(self, told: Tensor) -> Tensor:
        """The waves."""
        angles = told[:, :1] * self.speed.to(told)
        return torch.cat([angles.sin(), angles.cos(), told[:, 1:]], 1)


@choice("denoiser")
@dataclass(frozen=True)
class Perceptron(DenoiserNet):
    """Fully connected layers, each told the level anew, with skips from layer to layer.

    Beside each number they read its sines and cosines, sin 2ᵏ x and cos 2ᵏ x, as what is fine in data is smooth in none of a
    few units. Reference: Kingma et al. 2021, Variational diffusion models, arXiv:2107.00630, appendix C.

    Args:
        hidden: widths of the hidden layers, all alike.
        octaves: how many k there are, from 0.
    """

    hidden: Sequence[int] = (128, 128, 128)
    octaves: int = 6

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if not self.hidden or min(self.hidden) < 1 or len(set(self.hidden)) > 1 or self.octaves < 0:
            raise ValueError(
                f"Perceptron(hidden={self.hidden}, octaves={self.octaves}): a denoiser has hidden layers of one width, each "
                "of 1 unit or more, and 0 octaves or more."
            )

    def build(self, x_shape: Sequence[int], condition: int = 0, channels: int | None = None) -> nn.Module:
        """The network."""
        outputs = Size([channels or x_shape[0], *x_shape[1:]])
        return _Perceptron(Size(x_shape), outputs, self.hidden[0], len(self.hidden), condition, self.octaves)


class _Perceptron(nn.Module):
    octaves: Tensor

    def __init__(self, x_shape: Size, outputs: Size, width: int, depth: int, condition: int, octaves: int) -> None:
        super().__init__()
        self.outputs, self.level = outputs, Level()
        self.register_buffer("octaves", 2.0 ** torch.arange(octaves).unsqueeze(1), persistent=False)
        self.first = nn.Linear((1 + 2 * octaves) * x_shape.numel(), width)
        self.told = nn.ModuleList(nn.Linear(2 * WAVES + condition, width) for _ in range(depth))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, outputs.numel())

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """The output."""
        flat = x.flatten(1)
        waves = (flat.unsqueeze(1) * self.octaves.to(x)).flatten(1)
        level, h = self.level(told), self.first(torch.cat([flat, waves.sin(), waves.cos()], 1))
        for layer, say in zip(self.layers, self.told, strict=True):
            h = h + layer(nn.functional.silu(h + say(level)))
        out: Tensor = self.last(nn.functional.silu(h))
        return out.unflatten(1, self.outputs)


@choice("denoiser")
@dataclass(frozen=True)
class UNet(DenoiserNet):
    """Residual blocks of convolutions on the way down to a quarter of the sides and back, each told the level, with skips.

    Reference: Ho et al. 2020, Denoising diffusion probabilistic models, arXiv:2006.11239.

    Args:
        width: channels at full size; twice as many below.
        blocks: residual blocks at each size on either way.
    """

    width: int = 32
    blocks: int = 1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.width < 1 or self.blocks < 1:
            raise ValueError(f"UNet(width={self.width}, blocks={self.blocks}): needs 1 channel or more, and 1 block.")

    def build(self, x_shape: Sequence[int], condition: int = 0, channels: int | None = None) -> nn.Module:
        """The network."""
        if len(x_shape) != 3:
            raise ValueError(
                f"the denoiser UNet reads images, x_shape=(C, H, W); got x_shape={tuple(x_shape)}; take "
                "denoiser='Perceptron'."
            )
        return _UNet(Size(x_shape), channels or x_shape[0], self.width, self.blocks, condition)


class _UNet(nn.Module):
    def __init__(self, x_shape: Size, channels: int, width: int, blocks: int, condition: int) -> None:
        super().__init__()
        sides = sides_of(x_shape)[:3]
        self.sizes = [tuple(side) for side in sides]
        widths = [width, *[2 * width] * (len(sides) - 1)]
        said = 4 * width
        self.say = nn.Sequential(Level(), nn.Linear(2 * WAVES + condition, said), nn.SiLU())
        self.first = nn.Conv2d(x_shape[0], width, 3, padding=1)
        self.down = nn.ModuleList(
            nn.ModuleList(_Block(before if not k else after, after, said) for k in range(blocks))
            for before, after in pairwise([width, *widths])
        )
        self.up = nn.ModuleList(
            nn.ModuleList(_Block((below + here) if not k else here, here, said) for k in range(blocks))
            for here, below in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.last = nn.Sequential(_norm(width), nn.SiLU(), nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """The output."""
        said, h, skips = self.say(told), self.first(x), []
        for size, blocks in zip(self.sizes, self.down, strict=True):
            if h.shape[-2:] != size:
                h = nn.functional.interpolate(h, size, mode="area")
            assert isinstance(blocks, nn.ModuleList)
            for block in blocks:
                h = block(h, said)
            skips.append(h)
        h = skips.pop()
        for blocks in self.up:
            across = skips.pop()
            h = torch.cat([nn.functional.interpolate(h, across.shape[-2:], mode="nearest"), across], 1)
            assert isinstance(blocks, nn.ModuleList)
            for block in blocks:
                h = block(h, said)
        out: Tensor = self.last(h)
        return out


class _Block(nn.Module):
    """h + conv(silu(norm(conv(silu(norm(h))) + what is said)))."""

    def __init__(self, before: int, after: int, said: int) -> None:
        super().__init__()
        self.one = nn.Sequential(_norm(before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1))
        self.say = nn.Linear(said, after)
        self.two = nn.Sequential(_norm(after), nn.SiLU(), nn.Conv2d(after, after, 3, padding=1))
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, h: Tensor, said: Tensor) -> Tensor:
        inner = self.one(h) + self.say(said)[..., None, None]
        out: Tensor = self.skip(h) + self.two(inner)
        return out


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(channels, 8), channels)
