"""Networks that grow: a generator and a critic of small images that are doubled, each doubling fading in; as choices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from pyrogen.conditions import Condition
from pyrogen.nets.critics import SLOPE, CriticNet, Scores, check_critic, widths
from pyrogen.nets.equalized import PixelNorm, equalized
from pyrogen.nets.generators import GeneratorNet, Joined, ReadsCondition, numbers_of
from pyrogen.registry import choice

SMALLEST = 4  # pixels

_grown: ContextVar[tuple[int, Tensor | None] | None] = ContextVar("grown", default=None)


def doublings(x_shape: Sequence[int], what: str) -> int:
    """How often an image of 4 × 4 pixels is doubled to have the size of x.

    Raises:
        ValueError: x is no image, or of another size.
    """
    side = x_shape[-1]
    times = (side // SMALLEST).bit_length() - 1
    if len(x_shape) != 3 or x_shape[1] != side or times < 1 or SMALLEST * 2**times != side:
        raise ValueError(
            f"{what} doubles {SMALLEST} × {SMALLEST} pixels once or more, to 8, 16, 32 …, and x_shape={tuple(x_shape)} is "
            f"not (C, side, side) of such a side; resize the data (data.load(..., size=32)), or take Convolutional."
        )
    return times


@contextmanager
def grown_to(level: int, share: Tensor | None = None) -> Iterator[None]:
    """Let growing networks inside stand at a level that is in by a share α, a scalar tensor; None: wholly."""
    token = _grown.set((level, share))
    try:
        yield
    finally:
        _grown.reset(token)


class Growing(nn.Module):
    """A network of levels 0 … top: at the top, unless its ``level`` or :func:`grown_to` say otherwise.

    Levels above are not computed. Those further below the one that fades in have the weight 0, and a gradient of 0.

    Args:
        blocks: between each level and the next.
        colours: what makes an image of features or the reverse, of each level.
    """

    level: Tensor
    grows = True

    def __init__(self, blocks: Sequence[nn.Module], colours: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks, self.colours = nn.ModuleList(blocks), nn.ModuleList(colours)
        self.top = len(blocks)
        self.register_buffer("level", torch.tensor(self.top))

    def now(self, like: Tensor) -> tuple[int, Tensor]:
        """The level l, and the share α by which it is in."""
        # of one that does not grow the level is no tensor's value, so that a step can be recorded
        level, share = (_grown.get() or (int(self.level), None)) if self.grows else (self.top, None)
        return level, like.new_ones(()) if share is None else share

    def faded(self, before: Tensor | None, made: Tensor, number: int, level: int, share: Tensor) -> Tensor:
        """What is seen of level l ``number``: x_l, and at the ``level`` that fades in (1 − α) up(x_{l−1}) + α x_l.

        Below that level x_{l−1} has the weight 0, so that its colours have a gradient; the first has none ``before`` it.
        """
        if before is None:
            return made
        inside = share if number == level else torch.ones_like(share)
        return (1 - inside) * repeated(before, 1) + inside * made

    def settle(self) -> None:
        """Grow no more: all levels are in, whatever the level says."""
        self.grows = False

    def above(self, level: int) -> list[nn.Module]:
        """The layers that are not used at a level."""
        return [*self.blocks[level:], *self.colours[level + 1 :]]


class GrowingGenerator(Growing, ReadsCondition):
    """x = (1 − α) up(rgb_{l−1}(h_{l−1})) + α rgb_l(h_l), repeated to the size of x, with h_l = block_l(up h_{l−1}).

    At α = 0 it is the net of level l − 1, exactly.

    Args:
        latent_size: numbers of z.
        channels: of each level.
        outputs: channels of x.
        condition: numbers of y, read with z.
    """

    def __init__(self, latent_size: int, channels: Sequence[int], outputs: int, condition: int) -> None:
        blocks = [nn.Sequential(*_layer(a, b), PixelNorm(), *_layer(b, b), PixelNorm()) for a, b in pairwise(channels)]
        super().__init__(blocks, [nn.Conv2d(width, outputs, 1) for width in channels])
        self.normal, self.joined = PixelNorm(), Joined()
        self.start = nn.Sequential(
            nn.Linear(latent_size + condition, channels[0] * SMALLEST**2),
            nn.Unflatten(1, (channels[0], SMALLEST, SMALLEST)),
            nn.LeakyReLU(SLOPE),
            PixelNorm(),
            *_layer(channels[0], channels[0]),
            PixelNorm(),
        )
        for part, gain in ((self.start, math.sqrt(2)), (self.blocks, math.sqrt(2)), (self.colours, 1.0)):
            equalized(part, gain)

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """``(N, latent_size)`` to ``(N, outputs, H, W)``."""
        level, share = self.now(h)
        h = self.start(self.joined(self.normal(h), condition))
        x: Tensor = self.colours[0](h)
        for number in range(1, level + 1):
            h = self.blocks[number - 1](repeated(h, 1))
            x = self.faded(x, self.colours[number](h), number, level, share)
        return repeated(x, self.top - level)


class GrowingFeatures(Growing):
    """φ(x): h_l = rgb_l(x_l), h_{l−1} = (1 − α) rgb_{l−1}(x_{l−1}) + α down(block_l(h_l)), and so on down to 4 × 4 positions.

    x_l is x, halved to the size of level l.

    Args:
        inputs: channels of x, and of y beside it.
        channels: of each level, from the smallest image.
    """

    def __init__(self, inputs: int, channels: Sequence[int]) -> None:
        blocks = [nn.Sequential(*_layer(b, b), *_layer(b, a)) for a, b in pairwise(channels)]
        super().__init__(
            blocks, [nn.Sequential(nn.Conv2d(inputs, width, 1), nn.LeakyReLU(SLOPE)) for width in channels]
        )
        self.end = nn.Sequential(*_layer(channels[0], channels[0]), nn.Flatten())
        equalized(self)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, 16 channels)``."""
        level, share = self.now(x)
        x = pooled(x, self.top - level)
        h: Tensor = self.colours[level](x)
        for number in reversed(range(level)):
            x = pooled(x, 1)
            inside = share if number == level - 1 else torch.ones_like(share)
            h = (1 - inside) * self.colours[number](x) + inside * pooled(self.blocks[number](h), 1)
        seen: Tensor = self.end(h)
        return seen


def pooled(x: Tensor, times: int) -> Tensor:
    """An image halved so often, by means over squares."""
    return avg_pool2d(x, 2**times) if times else x


def repeated(x: Tensor, times: int) -> Tensor:
    """An image doubled so often, by repeating pixels, which :func:`pooled` undoes."""
    return interpolate(x, scale_factor=float(2**times)) if times else x


@choice("generator", "Growing")
@dataclass(frozen=True)
class GrowingChoice(GeneratorNet):
    """Images from 4 × 4 pixels on, doubled by convolutions of features that have length √C at each position.

    In the entry 'progan' it grows while it is trained; elsewhere all of it is trained at once. Weights are used at an
    equalized rate. Reference: Karras et al. 2018, Progressive growing of GANs, arXiv:1710.10196.

    Args:
        width: channels of the largest image; each halving of it doubles them, up to 8 × width.
    """

    width: int = 32

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        _some_width(self.width, "generator")

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The network as one layer."""
        channels = widths(self.width, doublings(x_shape, "a Growing generator") + 1)[::-1]
        return [GrowingGenerator(latent_size, channels, x_shape[0], numbers_of(condition))]


@choice("critic", "Growing")
@dataclass(frozen=True)
class GrowingCritic(CriticNet):
    """The mirror image of the Growing generator, which is told how its batch deviates.

    Reference: Karras et al. 2018, arXiv:1710.10196.

    Args:
        width: channels at the largest image; each halving of it doubles them, up to 8 × width.
        minibatch: what it is told of its batch: "none", "deviation" or "discrimination".
        pack: how many data it reads at once, as further channels.
        conditioning: how it reads a condition: by "concatenation" or "projection".
    """

    width: int = 32
    minibatch: str = "deviation"
    pack: int = 1
    conditioning: str = "concatenation"

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        _some_width(self.width, "critic")
        check_critic(self)

    def scores(self, x_shape: Size, condition: int) -> nn.Module:
        """The network of data that are packed already."""
        channels = widths(self.width, doublings(x_shape, "a Growing critic") + 1)[::-1]
        joined = condition if self.conditioning == "concatenation" else 0
        net = Scores(GrowingFeatures(x_shape[0] + joined, channels), SMALLEST**2 * channels[0], condition, self)
        equalized(net.head, 1.0)
        return net


def _layer(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(SLOPE)]


def _some_width(width: int, what: str) -> None:
    if width < 1:
        raise ValueError(f"Growing(width={width}): a {what} has 1 channel or more.")


def settle(model: nn.Module) -> None:
    """Let no network of a model grow, since nobody makes it: so its steps can be recorded."""
    for module in [m for m in model.modules() if isinstance(m, Growing)]:
        module.settle()
