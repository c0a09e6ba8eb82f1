"""Networks from picture to picture: generators that read y as a picture, and a critic of patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, relu

from pyrogen.conditions import Condition
from pyrogen.nets.conv import sides_of
from pyrogen.nets.critics import SLOPE, CriticNet, Scores, check_critic, one_of, start_small, widths
from pyrogen.nets.generators import ENDS, GeneratorNet, Grown, ReadsCondition
from pyrogen.nets.spectral import spectral
from pyrogen.registry import choice

EDGE = 1e-3  # of values in [0, 1], so that their log odds are finite
NORMALIZATIONS = ("none", "batch", "spectral")


class UNetLayers(ReadsCondition):
    """Strided convolutions of a picture and transposed ones back, each of which also reads what came in at its size.

    z is added, through a linear layer, to all that grows, so that no size can forget it.

    Args:
        latent_size: size of z; 0: a translation, of y alone.
        x_shape: (C, H, W) of what is made.
        condition: what y is, a picture of the same height and width.
        width: channels after the first halving; each other doubles them, up to 8 × width.
        normalization: of hidden layers: "batch" or "none".
    """

    def __init__(self, latent_size: int, x_shape: Size, condition: Condition, width: int, normalization: str) -> None:
        super().__init__()
        self.condition, self.sides = condition, sides_of(x_shape)
        depth = len(self.sides) - 1
        down = [condition.need_picture("the generator UNet")[0], *widths(width, depth)]
        up = [*down[:0:-1], width]
        norm = nn.BatchNorm2d if normalization == "batch" else nn.Identity
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(down))
        # what grows reads, beside what the layer before made, what shrank to the same size; the first has one alone
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(a if i == 0 else 2 * a, b, 4, stride=2, padding=1)
            for i, (a, b) in enumerate(pairwise(up))
        )
        self.norms = nn.ModuleList(norm(b) for b in up[1:])
        self.told = nn.ModuleList(nn.Linear(latent_size, b) for b in up[1:] if latent_size)
        self.last = nn.Conv2d(width + down[0], x_shape[0], 3, padding=1)

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """``(N, latent_size)`` and ``(N, condition.size)`` to ``(N, *x_shape)``, before what keeps it in its range."""
        assert condition is not None
        z, seen = h, [self.condition.as_picture(condition.to(h))]
        for layer in self.shrink:
            # one more row or column after an odd side, which then is halved upwards
            odd = [side % 2 for side in seen[-1].shape[-2:]]
            seen.append(leaky_relu(layer(nn.functional.pad(seen[-1], (0, odd[1], 0, odd[0]))), SLOPE))
        h = seen.pop()
        added = [told(z)[..., None, None] for told in self.told] or [0.0] * len(self.grow)
        for grow, norm, said in zip(self.grow, self.norms, added, strict=True):
            beside = seen.pop()
            height, breadth = beside.shape[-2:]
            h = torch.cat([relu(norm(grow(h)[..., :height, :breadth]) + said), beside], 1)
        made: Tensor = self.last(h)
        return made


@choice("generator")
@dataclass(frozen=True)
class UNet(GeneratorNet):
    """From picture to picture: y is halved and doubled again, and what is lost by halving goes by its side; z is told to all.

    Odd sides are halved upwards. Weights start at N(0, 0.02²). References: Ronneberger et al. 2015, U-Net, arXiv:1505.04597;
    Isola et al. 2017, arXiv:1611.07004; z at every size: Zhu et al. 2017, BicycleGAN, arXiv:1711.11586.

    Args:
        width: channels after the first halving; each other doubles them, up to 8 × width.
        normalization: of hidden layers: "batch" or "none".
    """

    width: int = 64
    normalization: str = "batch"

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        one_of("normalization", self.normalization, ("none", "batch"))
        if self.width < 1:
            raise ValueError(f"UNet(width={self.width}): a generator has 1 channel or more.")

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The layers."""
        picture, told = _told("UNet", condition)
        if len(x_shape) != 3 or picture[1:] != x_shape[1:]:
            raise ValueError(
                f"the generator UNet makes pictures of the height and width of y; got y of {tuple(picture)} for x_shape="
                f"{tuple(x_shape)}; resize one of them, as pyrogen.data.load(..., size=...) does both."
            )
        net = UNetLayers(latent_size, x_shape, told, self.width, self.normalization)
        start_small(net)
        for layer in net.told:
            # as large as what it is added to, from the start: z is not to be learned to be heard
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=latent_size**-0.5)
        return [net]


class UpsamplingLayers(ReadsCondition):
    """A small picture through residual blocks, then enlarged, and added to what bicubic interpolation makes of it.

    Args:
        latent_size: size of z, which is told as constant channels.
        x_shape: (C, H, W) of what is made.
        condition: what y is, a picture of the same channels.
        doublings: how often y is doubled.
        width: channels.
        blocks: residual blocks.
        odds: whether it is added as log odds, of what ends in a sigmoid.
    """

    def __init__(
        self, latent_size: int, x_shape: Size, condition: Condition, doublings: int, width: int, blocks: int, odds: bool
    ) -> None:
        super().__init__()
        self.condition, self.size, self.odds = condition, tuple(x_shape[1:]), odds
        self.first = nn.Conv2d(x_shape[0] + latent_size, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
            for _ in range(blocks)
        )
        self.doubled = nn.Sequential(
            *(
                layer
                for _ in range(doublings)
                for layer in (nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.ReLU())
            )
        )
        self.last = nn.Conv2d(width, x_shape[0], 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """``(N, latent_size)`` and ``(N, condition.size)`` to ``(N, *x_shape)``, before what keeps it in its range."""
        assert condition is not None
        y = self.condition.as_picture(condition.to(h))
        shown = relu(self.first(torch.cat([y, h[..., None, None].expand(*h.shape, *y.shape[-2:])], 1)))
        for block in self.blocks:
            shown = shown + block(shown)
        more = self.last(self.doubled(shown))
        smooth = enlarged(y, self.size)
        made: Tensor = more + (torch.logit(smooth, EDGE) if self.odds else smooth)
        return made


@choice("generator")
@dataclass(frozen=True)
class Upsampling(GeneratorNet):
    """From a small picture to a large one: bicubic interpolation, and what residual blocks and pixel shuffles add to it.

    Untrained it is bicubic interpolation itself. Without batch norms, which cost super-resolution more than they gain.
    References: Shi et al. 2016, arXiv:1609.05158; Ledig et al. 2017, arXiv:1609.04802; Lim et al. 2017, EDSR,
    arXiv:1707.02921.

    Args:
        width: channels.
        blocks: residual blocks, at the size of the small picture.
    """

    width: int = 64
    blocks: int = 4

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.width < 1 or self.blocks < 0:
            raise ValueError(
                f"Upsampling(width={self.width}, blocks={self.blocks}): needs 1 channel and 0 blocks, or more."
            )

    def build(
        self, latent_size: int, x_shape: Sequence[int], kind: str = "real", condition: Condition | None = None
    ) -> nn.Module:
        """As of any generator.

        Raises:
            ValueError: y is no picture, of other channels than x, or no power of two smaller.
        """
        one_of("kind that a generator makes", kind, tuple(ENDS))
        return Grown(self._layers(latent_size, Size(x_shape), condition, kind != "real"), ENDS[kind]())

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The layers, of what has no range."""
        return self._layers(latent_size, x_shape, condition, odds=False)

    def _layers(self, latent_size: int, x_shape: Size, condition: Condition | None, odds: bool) -> list[nn.Module]:
        picture, told = _told("Upsampling", condition)
        times = x_shape[-1] // picture[-1]
        whole = len(x_shape) == 3 and tuple(times * side for side in picture[1:]) == tuple(x_shape[1:])
        if not whole or times < 2 or times & (times - 1) or picture[0] != x_shape[0]:
            raise ValueError(
                "the generator Upsampling enlarges a picture of the same channels by 2, 4, 8 ...; got y of "
                f"{tuple(picture)} for x_shape={tuple(x_shape)}; the data reduced(of='...', by=4) have such a y."
            )
        return [
            UpsamplingLayers(latent_size, x_shape, told, times.bit_length() - 1, self.width, self.blocks, odds),
        ]


def enlarged(y: Tensor, size: Sequence[int]) -> Tensor:
    """Pictures by bicubic interpolation."""
    larger: Tensor = interpolate(y, tuple(size), mode="bicubic", align_corners=False)
    return larger


class Mean(nn.Module):
    """The mean over positions, ``(N, C, H, W)`` to ``(N, C)``."""

    def forward(self, h: Tensor) -> Tensor:
        """The mean."""
        return h.mean((-2, -1))


@choice("critic")
@dataclass(frozen=True)
class Patch(CriticNet):
    """A score of every patch of a picture by the same convolutions, and their mean: it judges texture, and no arrangement.

    A patch has 4, 10, 22, 46 … pixels a side with 1, 2, 3, 4 halvings. y is read beside x, as a picture.
    Reference: Isola et al. 2017, Image-to-image translation with conditional adversarial networks, arXiv:1611.07004.

    Args:
        width: channels of the first layer; each halving doubles them, up to 8 × width.
        halvings: how often a patch is halved.
        normalization: "batch", "spectral" or "none".
        conditioning: how it reads a condition: as a "picture", by "concatenation" or "projection".
        minibatch: what it is told of its batch: "none", "deviation" or "discrimination".
        pack: how many data it reads at once, as further channels.
    """

    width: int = 64
    halvings: int = 3
    normalization: str = "spectral"
    conditioning: str = "picture"
    minibatch: str = "none"
    pack: int = 1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        one_of("normalization", self.normalization, NORMALIZATIONS)
        check_critic(self)
        if min(self.width, self.halvings, self.pack) < 1:
            raise ValueError(
                f"Patch(width={self.width}, halvings={self.halvings}, pack={self.pack}): a critic of patches has 1 channel "
                "or more, halves once or more often, and reads 1 datum or more at a time."
            )

    def scores(self, x_shape: Size, condition: int) -> nn.Module:
        """The network of data that are packed already."""
        least = 3 * 2**self.halvings - 2
        if len(x_shape) != 3 or min(x_shape[1:]) < least:
            raise ValueError(
                f"Patch(halvings={self.halvings}) scores patches of {least} × {least} pixels, and x_shape={tuple(x_shape)} "
                "has none; halve less often, or take critic='Convolutional'."
            )
        joined = condition if self.conditioning == "concatenation" else 0
        channels = [x_shape[0] + joined, *widths(self.width, self.halvings)]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(channels)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1)]
            layers += [nn.BatchNorm2d(after)] if self.normalization == "batch" and i else []
            layers += [nn.LeakyReLU(SLOPE)]
        net = Scores(nn.Sequential(*layers, Mean()), channels[-1], condition, self)
        if self.normalization == "spectral":
            return spectral(net)
        start_small(net)
        return net


def _told(who: str, condition: Condition | None) -> tuple[Size, Condition]:
    """The picture that a generator is told.

    Raises:
        ValueError: it is told none.
    """
    if condition is None:
        raise ValueError(
            f"the generator {who} makes pictures of pictures, and is told none; take generator='Convolutional'."
        )
    return condition.need_picture(f"the generator {who}"), condition
