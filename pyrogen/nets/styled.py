"""A generator whose every layer is told a style: the network of the StyleGAN, as a choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from pyrogen.conditions import Condition
from pyrogen.nets.critics import SLOPE, one_of, widths
from pyrogen.nets.equalized import PixelNorm, equalized
from pyrogen.nets.generators import GeneratorNet, Joined, ReadsCondition, numbers_of
from pyrogen.nets.growing import SMALLEST, Growing, doublings, repeated
from pyrogen.registry import choice

STYLINGS = ("instance", "demodulation")
TINY = 1e-8
MAPPING_RATE = 0.01


class StyledLayer(nn.Module):
    """A convolution whose features have the scale that a style says, with noise of one number a position.

    "instance": y = (1 + s(w)) ⊙ ĥ + t(w), ĥ the convolution's features plus noise, after a leaky unit, each normalized over
    the positions. "demodulation": the convolution reads (1 + s(w)) ⊙ h, each of its features is divided by its standard
    deviation were h independent with variance 1, and noise, bias and leaky unit follow.

    References: Karras et al. 2019, arXiv:1812.04948; Karras et al. 2020, arXiv:1912.04958, section 2.2.

    Args:
        before: channels of h.
        after: channels of y.
        style: numbers of w.
        styling: "instance" or "demodulation".
        doubled: whether the image is doubled first.
    """

    def __init__(self, before: int, after: int, style: int, styling: str, doubled: bool) -> None:
        super().__init__()
        self.demodulates, self.doubled = styling == "demodulation", doubled
        self.conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.bias = nn.Parameter(torch.zeros(after, 1, 1))
        self.affine = nn.Linear(style, before if self.demodulates else 2 * after)
        self.strength = nn.Parameter(torch.zeros(()))  # of the noise

    def forward(self, h: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        """``(N, before, H, W)``, ``(N, style)`` and ``(N, 1, H', W')`` to ``(N, after, H', W')``; None: noise is drawn."""
        told = self.affine(style)[..., None, None]
        if self.demodulates:
            h = h * (1 + told)
        y = self.conv(interpolate(h, scale_factor=2.0) if self.doubled else h)
        if self.demodulates:
            spread = (1 + told).flatten(1).square() @ self.conv.weight.square().sum((2, 3)).T
            y = y * (spread + TINY).rsqrt()[..., None, None]
        drawn = torch.randn_like(y[:, :1]) if noise is None else noise
        y = leaky_relu(y + self.strength * drawn + self.bias, SLOPE)
        if self.demodulates:
            return y
        scale, shift = told.chunk(2, 1)
        centred = y - y.mean((2, 3), keepdim=True)
        return (1 + scale) * centred * (centred.square().mean((2, 3), keepdim=True) + TINY).rsqrt() + shift


class StyledNet(Growing, ReadsCondition):
    """x = g(w₁ … w_L, noise), w = f(z): a mapping, a learned image of 4 × 4 pixels, and L styled layers, two of each size.

    In training a share of the data has two styles: that of the datum before it in the batch from a random layer on. Each
    size has an image of its own, so that the network can grow, unless it is told to ``settle``.

    Args:
        latent_size: numbers of z.
        channels: of each size of the image, from the smallest.
        outputs: channels of x.
        condition: numbers of y, which the mapping reads with z.
        style: numbers of w.
        depth: layers of the mapping; 0: w is z, normalized.
        mixing: the share of the data with two styles.
        styling: see :class:`StyledLayer`.
    """

    def __init__(
        self,
        latent_size: int,
        channels: Sequence[int],
        outputs: int,
        condition: int,
        style: int,
        depth: int,
        mixing: float,
        styling: str,
    ) -> None:
        sizes = [latent_size + condition, *[style] * depth]
        pairs = [
            nn.ModuleList(
                [StyledLayer(a, b, sizes[-1], styling, number > 0), StyledLayer(b, b, sizes[-1], styling, False)]
            )
            for number, (a, b) in enumerate(pairwise([channels[0], *channels]))
        ]
        super().__init__(pairs[1:], [nn.Conv2d(width, outputs, 1) for width in channels])
        self.mixing, self.normal, self.joined = mixing, PixelNorm(), Joined()
        steps = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.LeakyReLU(SLOPE))]
        self.mapping, self.style_size = nn.Sequential(*steps), sizes[-1]
        self.start, self.first = nn.Parameter(torch.randn(channels[0], SMALLEST, SMALLEST)), pairs[0]
        equalized(self.mapping, rate=MAPPING_RATE)
        equalized(self.first)
        equalized(self.blocks)
        equalized(self.colours, gain=1.0)

    @property
    def layers(self) -> list[StyledLayer]:
        """All that are told a style, from coarse to fine."""
        return [layer for block in (self.first, *self.blocks) for layer in block]

    @property
    def sides(self) -> list[int]:
        """Height and width of the image after each layer."""
        return [SMALLEST * 2 ** (number // 2) for number in range(len(self.layers))]

    def style(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """w = f(z), or f(z, y): ``(N, style)``."""
        w: Tensor = self.mapping(self.joined(self.normal(z), condition))
        return w

    def settle(self) -> None:
        """Grow no more: of all images only the largest is left."""
        super().settle()
        self.colours = self.colours[-1:]

    def synthesize(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """g(w₁ … w_L, noise), ``(N, L, style)`` to ``(N, outputs, H, W)``."""
        level, share = self.now(styles)
        h, x = self.start.expand(len(styles), -1, -1, -1), None
        for number, layer in enumerate(self.layers[: 2 * level + 2]):
            h = layer(h, styles[:, number], None if noise is None else noise[number])
            if number % 2 and self.grows:
                x = self.faded(x, self.colours[number // 2](h), number // 2, level, share)
        x = self.colours[-1](h) if x is None else x
        return repeated(x, self.top - level)

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """``(N, latent_size)`` to ``(N, outputs, H, W)``."""
        w = self.style(h, condition)
        count = 2 * self.now(w)[0] + 2  # layers above are not computed
        styles = w.unsqueeze(1).expand(-1, count, -1)
        if self.training and self.mixing:
            other = w.roll(1, 0) if condition is None else self.style(h.roll(1, 0), condition)
            # from 1 on: a style that has all layers is no mixture
            first = torch.randint(1, count, (len(w), 1), device=w.device)
            mixed = torch.rand(len(w), 1, device=w.device) < self.mixing
            second = mixed & (torch.arange(count, device=w.device) >= first)
            styles = torch.where(second.unsqueeze(2), other.unsqueeze(1), styles)
        return self.synthesize(styles)


@choice("generator")
@dataclass(frozen=True)
class Styled(GeneratorNet):
    """A mapping of z to a style, which tells every layer the scale of its features, and noise for what no style says.

    Weights are used at an equalized rate, those of the mapping at a hundredth of it.
    References: Karras et al. 2019, A style-based generator architecture for GANs, arXiv:1812.04948; demodulation: Karras et
    al. 2020, Analyzing and improving the image quality of StyleGAN, arXiv:1912.04958.

    Args:
        width: channels of the last layers; each halving of the image doubles them, up to 8 × width.
        style: numbers of w.
        depth: layers of the mapping; 0: w is z, normalized.
        mixing: the share of training data with two styles.
        styling: how a style tells: by "instance" normalization, or "demodulation" as in StyleGAN2.
    """

    width: int = 32
    style: int = 64
    depth: int = 4
    mixing: float = 0.9
    styling: str = "instance"

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        one_of("styling", self.styling, STYLINGS)
        if min(self.width, self.style) < 1 or self.depth < 0 or not 0 <= self.mixing <= 1:
            raise ValueError(
                f"Styled(width={self.width}, style={self.style}, depth={self.depth}, mixing={self.mixing}): widths are 1 or "
                "more, a mapping has 0 layers or more, and a share lies between 0 and 1."
            )

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The network as one layer."""
        channels = widths(self.width, doublings(x_shape, "a Styled generator") + 1)[::-1]
        told = numbers_of(condition)
        return [StyledNet(latent_size, channels, x_shape[0], told, self.style, self.depth, self.mixing, self.styling)]
