"""Networks of critics, as choices: each is made of its settings, and builds a network for data of a shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any, ClassVar

import torch
from torch import Size, Tensor, nn

from pyrogen.conditions import Condition
from pyrogen.nets.attention import SelfAttention
from pyrogen.nets.beside import BesidePicture, picture_beside
from pyrogen.nets.conv import sides_of
from pyrogen.nets.minibatch import MinibatchDeviation, MinibatchDiscrimination
from pyrogen.nets.packs import Packed
from pyrogen.nets.spectral import spectral
from pyrogen.registry import choice, make, unknown

SLOPE = 0.2  # of the leaky units
NORMALIZATIONS = ("none", "batch", "layer", "spectral")
STATISTICS = ("none", "deviation", "discrimination")
CONDITIONS = ("concatenation", "projection", "picture")


class CriticNet(ABC):
    """What a critic's network is made of.

    Attributes:
        pack: how many data it reads at once, see :class:`pyrogen.nets.packs.Packed`.
        minibatch: what it is told of its batch: "none", "deviation" or "discrimination", see :mod:`pyrogen.nets.minibatch`.
        conditioning: how it reads a condition: "concatenation" with x, or "projection" of its features, as a vector, see
            :class:`Scores`; or as a "picture" beside x, see :class:`pyrogen.nets.beside.BesidePicture`.
    """

    axes: ClassVar[tuple[str, ...]] = ("critic",)
    pack: int
    minibatch: str
    conditioning: str

    def build(self, x_shape: Sequence[int], condition: Condition | None = None) -> nn.Module:
        """A network with weights of its own: ``(N, *x_shape)``, and ``(N, condition.size)`` if there is one, to ``(N, 1)``.

        With packs it gives ``(N // pack, 1)``.

        Args:
            x_shape: shape of one datum.
            condition: what y is.

        Raises:
            ValueError: data of this shape, or a condition, that the network cannot read.
        """
        if condition is not None and self.conditioning == "picture":
            joined = picture_beside(Size(x_shape), condition, f"the critic {type(self).__name__}")
            net: nn.Module = BesidePicture(self.scores(self._packed(joined), 0), condition, self.pack)
        else:
            net = self.scores(self._packed(x_shape), 0 if condition is None else self.pack * condition.size)
        return net if self.pack == 1 else Packed(net, self.pack)

    def _packed(self, x_shape: Sequence[int]) -> Size:
        return Size([self.pack * x_shape[0], *x_shape[1:]])

    @abstractmethod
    def scores(self, x_shape: Size, condition: int) -> nn.Module:
        """The network of data that are packed already, and of so many numbers that say their condition as a vector."""


@dataclass(frozen=True)
class OfAnother(CriticNet):
    """A critic that shows its data to another in a way of its own, and has the settings of that.

    Args:
        of: the other critic.
    """

    of: Any
    minibatch: str = field(init=False)
    pack: int = field(init=False)
    conditioning: str = field(init=False)

    def __post_init__(self) -> None:
        """Take the settings of the other."""
        object.__setattr__(self, "of", make("critic", self.of))
        for name in ("minibatch", "pack", "conditioning"):
            object.__setattr__(self, name, getattr(self.of, name))


class Scores(nn.Module):
    """Features of data, and a linear score of them: s(x) = wᵀ φ(x) + b.

    A condition y is concatenated with x, to an image as constant channels, or read by the projection
    s(x, y) = wᵀ φ(x) + b + yᵀ V φ(x). Reference: Miyato & Koyama 2018, cGANs with projection discriminator, arXiv:1802.05637.

    Args:
        features: a network of ``(N, *x_shape)``, or of what x and y are together, to ``(N, size)``.
        size: number of features.
        condition: numbers of y.
        settings: of the critic.
        flat: whether features are of x as a vector.
    """

    def __init__(self, features: nn.Module, size: int, condition: int, settings: CriticNet, flat: bool = False) -> None:
        super().__init__()
        self.features, self.statistics, self.flat = features, _statistics(settings.minibatch, size), flat
        more = {"deviation": 1, "discrimination": 16}.get(settings.minibatch, 0)
        self.head = nn.Linear(size + more, 1)
        projected = bool(condition) and settings.conditioning == "projection"
        self.projection = nn.Linear(condition, size, bias=False) if projected else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The scores, ``(N, 1)``."""
        x = x.flatten(1) if self.flat else x
        joined = x if condition is None or self.projection is not None else beside(x, condition)
        h = self.features(joined)
        score: Tensor = self.head(self.statistics(h))
        if condition is not None and self.projection is not None:
            score = score + (h * self.projection(condition)).sum(1, keepdim=True)
        return score

    def see(self, x: Tensor) -> Tensor:
        """φ(x), ``(N, size)``, of a critic without a condition."""
        h: Tensor = self.features(x.flatten(1) if self.flat else x)
        return h


def beside(x: Tensor, condition: Tensor) -> Tensor:
    """x with a condition as further numbers, or further channels that are the same everywhere."""
    told = condition.to(x).reshape(*condition.shape, *[1] * (x.dim() - 2))
    return torch.cat([x, told.expand(*condition.shape, *x.shape[2:])], 1)


@choice("critic")
@dataclass(frozen=True)
class Perceptron(CriticNet):
    """Fully connected layers with leaky units.

    Args:
        hidden: widths of the hidden layers.
        spectral: whether weights are divided by their largest singular values.
        minibatch: what it is told of its batch: "none", "deviation" or "discrimination".
        pack: how many data it reads at once.
        conditioning: how it reads a condition: by "concatenation", "projection" or as a "picture".
    """

    hidden: Sequence[int] = (128, 128, 128)
    spectral: bool = False
    minibatch: str = "none"
    pack: int = 1
    conditioning: str = "concatenation"

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"Perceptron(hidden={self.hidden}): a critic has hidden layers, each of 1 unit or more.")
        check_critic(self)

    def scores(self, x_shape: Size, condition: int) -> nn.Module:
        """The network of data that are packed already."""
        joined = condition if self.conditioning == "concatenation" else 0
        layers: list[nn.Module] = []
        for before, after in pairwise([x_shape.numel() + joined, *self.hidden]):
            layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE)]
        net = Scores(nn.Sequential(*layers), self.hidden[-1], condition, self, flat=True)
        return spectral(net) if self.spectral else net


@choice("critic")
@dataclass(frozen=True)
class Convolutional(CriticNet):
    """Strided convolutions with leaky units, each halving the image, as the critic of a DCGAN.

    Weights start at N(0, 0.02²), unless the spectral norm takes their scale away. All layers have the spectral norm, all but
    the first the others. Batch norm is no good with a gradient penalty, which is of each datum alone; take "layer" there.

    References: Radford et al. 2016, arXiv:1511.06434; Miyato et al. 2018, arXiv:1802.05957; Gulrajani et al. 2017,
    arXiv:1704.00028, section 4.

    Args:
        width: channels of the first layer; each halving doubles them, up to 8 × width.
        normalization: "batch", "layer", "spectral" or "none".
        attention: whether the positions of the image at half depth attend to one another.
        minibatch: what it is told of its batch: "none", "deviation" or "discrimination".
        pack: how many data it reads at once, as further channels.
        conditioning: how it reads a condition: by "concatenation", "projection" or as a "picture".
    """

    width: int = 64
    normalization: str = "batch"
    attention: bool = False
    minibatch: str = "none"
    pack: int = 1
    conditioning: str = "concatenation"

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        one_of("normalization", self.normalization, NORMALIZATIONS)
        if self.width < 1:
            raise ValueError(f"Convolutional(width={self.width}): a critic has 1 channel or more.")
        check_critic(self)

    def scores(self, x_shape: Size, condition: int) -> nn.Module:
        """The network of data that are packed already."""
        sides = sides_of(x_shape)
        depth = len(sides) - 1
        joined = condition if self.conditioning == "concatenation" else 0
        channels = [x_shape[0] + joined, *widths(self.width, depth)]
        layers: list[nn.Module] = []
        for i, ((height, breadth), (before, after)) in enumerate(zip(sides, pairwise(channels), strict=False)):
            # one more row or column after an odd side, which then is halved upwards
            odd = height % 2, breadth % 2
            layers += [nn.ZeroPad2d((0, odd[1], 0, odd[0]))] if any(odd) else []
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1)]
            layers += [] if i == 0 else normalized(self.normalization, after)
            layers += [nn.LeakyReLU(SLOPE)]
            layers += [SelfAttention(after)] if self.attention and i + 1 == middle(depth) else []
        size = channels[-1] * prod(sides[-1])
        net = Scores(nn.Sequential(*layers, nn.Flatten()), size, condition, self)
        if self.normalization == "spectral":
            return spectral(net)  # of small weights, whose scale it takes away, an optimizer's steps would be large
        start_small(net)
        return net


def widths(width: int, depth: int) -> list[int]:
    """Channels after each halving of an image."""
    return [min(width * 2**i, 8 * width) for i in range(depth)]


def middle(depth: int) -> int:
    """After how many halvings attention looks at an image: 14 of 28 pixels, 16 of 32 and of 64."""
    return max(1, depth // 2)


def start_small(net: nn.Module) -> None:
    """Weights of N(0, 0.02²), biases 0, scales of norms N(1, 0.02²). Reference: Radford et al. 2016, arXiv:1511.06434."""
    for layer in net.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, std=0.02)
        elif isinstance(layer, (nn.BatchNorm2d, nn.GroupNorm)) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, 0.02)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def one_of(setting: str, value: str, known: Sequence[str]) -> None:
    """Refuse a value that a setting cannot have.

    Raises:
        ValueError: what was asked, what is near, what there is.
    """
    if value not in known:
        raise unknown(setting, value, known)


def normalized(normalization: str, channels: int) -> list[nn.Module]:
    """The norm of a hidden layer of convolutions by its name; none by another."""
    if normalization == "instance":
        return [nn.InstanceNorm2d(channels, affine=True)]
    if normalization == "layer":
        return [nn.GroupNorm(1, channels)]
    return [nn.BatchNorm2d(channels)] if normalization == "batch" else []


def _statistics(minibatch: str, size: int) -> nn.Module:
    if minibatch == "discrimination":
        return MinibatchDiscrimination(size)
    return MinibatchDeviation() if minibatch == "deviation" else nn.Identity()


def check_critic(critic: CriticNet) -> None:
    """Refuse settings of a critic that mean nothing.

    Raises:
        ValueError: an unknown statistic or way of conditioning, or a pack of less than 1.
    """
    one_of("minibatch statistic", critic.minibatch, STATISTICS)
    one_of("way of conditioning", critic.conditioning, CONDITIONS)
    if critic.pack < 1:
        raise ValueError(f"{type(critic).__name__}(pack={critic.pack}): a critic reads 1 datum or more at a time.")
