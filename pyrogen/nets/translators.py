"""Networks from picture to picture, as generators that are told one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Size, Tensor, nn

from pyrogen.conditions import Condition
from pyrogen.nets.critics import normalized, one_of, start_small
from pyrogen.nets.generators import ENDS, GeneratorNet, Grown, ReadsCondition
from pyrogen.registry import choice

NORMALIZATIONS = ("none", "batch", "instance", "layer")
EDGE = 0.02  # of values in [0, 1], so that their log odds are finite


class Translator(nn.Module):
    """A generator that is told a picture and reads no noise, as a network of that picture.

    Args:
        net: of ``(N, 0)`` and ``(N, numbers of x)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """What it makes of x."""
        made: Tensor = self.net(x.new_zeros(len(x), 0), x.flatten(1))
        return made


class AsPicture(ReadsCondition):
    """The picture that y is, with each number of z as a further channel that is the same everywhere.

    Args:
        condition: what y is.
    """

    def __init__(self, condition: Condition) -> None:
        super().__init__()
        self.condition = condition

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """``(N, latent_size)`` and ``(N, condition.size)`` to ``(N, C + latent_size, H, W)``."""
        assert condition is not None
        picture = self.condition.as_picture(condition.to(h))
        return (
            torch.cat([picture, h[..., None, None].expand(*h.shape, *picture.shape[-2:])], 1) if h.shape[1] else picture
        )


class Added(ReadsCondition):
    """The picture that y is, added to what was made: as log odds where that ends in a sigmoid.

    Args:
        condition: what y is.
        odds: whether y is given as log odds.
    """

    def __init__(self, condition: Condition, odds: bool) -> None:
        super().__init__()
        self.condition, self.odds = condition, odds

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """y + h, ``(N, *x_shape)``."""
        assert condition is not None
        picture = self.condition.as_picture(condition.to(h))
        return h + (torch.logit(picture, EDGE) if self.odds else picture)


class Block(nn.Module):
    """h + f(h), f two convolutions with a normalization each."""

    def __init__(self, channels: int, normalization: str) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for last in (False, True):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), *normalized(normalization, channels)]
            layers += [] if last else [nn.ReLU()]
        self.net = nn.Sequential(*layers)

    def forward(self, h: Tensor) -> Tensor:
        """h + f(h)."""
        made: Tensor = h + self.net(h)
        return made


@choice("generator")
@dataclass(frozen=True)
class ResidualTranslator(GeneratorNet):
    """From picture to picture: strided convolutions, blocks h + f(h), and transposed convolutions back; y is told, z may be.

    Weights start at N(0, 0.02²). Reference: Johnson et al. 2016, Perceptual losses for real-time style transfer,
    arXiv:1603.08155; Zhu et al. 2017, arXiv:1703.10593, appendix.

    Args:
        width: channels of the first layer; each halving doubles them.
        halvings: of the picture.
        blocks: how many.
        normalization: of hidden layers: "none", "batch", "instance" or "layer". In a cycle a network reads pictures of three
            kinds, whose statistics a batch norm mixes; those of each picture alone forget how bright it is all over, and of
            each channel alone also in which colour.
        shortcut: whether what it makes is added to the picture that it is told, which an untrained network then returns.
    """

    width: int = 32
    halvings: int = 2
    blocks: int = 3
    normalization: str = "instance"
    shortcut: bool = False

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        one_of("normalization", self.normalization, NORMALIZATIONS)
        if min(self.width, self.halvings + 1, self.blocks + 1) < 1:
            raise ValueError(
                f"ResidualTranslator(width={self.width}, halvings={self.halvings}, blocks={self.blocks}): it needs 1 channel "
                "or more, and no fewer halvings or blocks than 0."
            )

    def build(
        self, latent_size: int, x_shape: Sequence[int], kind: str = "real", condition: Condition | None = None
    ) -> nn.Module:
        """As of any generator.

        Raises:
            ValueError: it is told no picture, or one of another height or width than data have, or of sides that cannot be
                halved as often; with the shortcut also one of other channels.
        """
        one_of("kind that a generator makes", kind, tuple(ENDS))
        shape = Size(x_shape)
        layers = self.layers(latent_size, shape, condition)
        if not self.shortcut:
            return Grown(layers, ENDS[kind]())
        assert condition is not None
        if condition.picture != shape:
            raise ValueError(
                f"ResidualTranslator(shortcut=True) adds the picture it is told to what it makes; got y of {condition} for "
                f"x_shape={tuple(shape)}; take shortcut=False."
            )
        return Grown([*layers, Added(condition, kind != "real")], ENDS[kind]())

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The layers."""
        if condition is None:
            raise ValueError(
                "the generator ResidualTranslator makes pictures of pictures, and is told none; take Convolutional()."
            )
        picture = condition.need_picture("the generator ResidualTranslator")
        if picture[1:] != x_shape[1:] or any(side % 2**self.halvings for side in x_shape[1:]):
            raise ValueError(
                f"ResidualTranslator(halvings={self.halvings}) makes pictures as large as those it is told, of sides that "
                f"are multiples of {2**self.halvings}; got y of {tuple(picture)} and x_shape={tuple(x_shape)}; resize them, "
                "or take fewer halvings."
            )
        if self.normalization == "instance" and max(x_shape[1:]) == 2**self.halvings:
            raise ValueError(
                f"ResidualTranslator(halvings={self.halvings}, normalization='instance') leaves 1 pixel of x_shape="
                f"{tuple(x_shape)}, whose statistics tell nothing; take fewer halvings, or normalization='layer'."
            )
        # as often halved as doubled; without either, the first and the last layer keep the size
        widths = [self.width * 2**i for i in range(max(1, self.halvings))]
        strided = (4, 2, 1) if self.halvings else (3, 1, 1)
        down = [picture[0] + latent_size, *widths]
        up = [*widths[::-1], x_shape[0]]
        made: list[nn.Module] = [AsPicture(condition)]
        for before, after in pairwise(down):
            made += [nn.Conv2d(before, after, *strided), *normalized(self.normalization, after), nn.ReLU()]
        made += [Block(down[-1], self.normalization) for _ in range(self.blocks)]
        grow = nn.ConvTranspose2d if self.halvings else nn.Conv2d
        for before, after in pairwise(up[:-1]):
            made += [grow(before, after, *strided), *normalized(self.normalization, after), nn.ReLU()]
        made += [grow(up[-2], up[-1], *strided)]
        for layer in made:
            start_small(layer)
        return made
