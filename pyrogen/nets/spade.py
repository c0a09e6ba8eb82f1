"""Generators that let a layout scale and shift what they make at every place and every size."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import interpolate

from pyrogen.conditions import Condition
from pyrogen.nets.conv import sides_of
from pyrogen.nets.critics import widths
from pyrogen.nets.generators import GeneratorNet, ReadsCondition, first_layer
from pyrogen.registry import choice


class SpatialNorm(ReadsCondition):
    """A norm whose scale and shift are pictures made of y: (1 + γ(y)) ⊙ ĥ + β(y), so that a flat region keeps its class.

    γ and β are two convolutions of y at the size of h, the last from 0. The norm is that of each picture, where the reference
    has a batch norm. Reference: Park et al. 2019, Semantic image synthesis
    with spatially-adaptive normalization, arXiv:1903.07291, section 3.

    Args:
        channels: of h, ``(N, channels, H, W)``.
        condition: what y is, a picture.
        hidden: channels between the two convolutions.
    """

    def __init__(self, channels: int, condition: Condition, hidden: int) -> None:
        super().__init__()
        self.condition = condition
        # of each picture alone, which then does not hang on others of its batch; of all channels together, or it forgot z
        self.norm = nn.GroupNorm(1, channels, affine=False)
        self.look = nn.Conv2d(condition.need_picture("a spatially adaptive norm")[0], hidden, 3, padding=1)
        self.say = nn.Conv2d(hidden, 2 * channels, 3, padding=1)
        nn.init.zeros_(self.say.weight)
        nn.init.zeros_(self.say.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        """h, normalized, scaled and shifted."""
        if condition is None:
            raise ValueError("the generator scales its norms by a layout, and was told none.")
        picture = self.condition.as_picture(condition.to(h))
        seen = torch.relu(self.look(interpolate(picture, h.shape[-2:], mode="nearest")))
        scale, shift = self.say(seen).chunk(2, 1)
        normal: Tensor = self.norm(h)
        return (1 + scale) * normal + shift


@choice("generator")
@dataclass(frozen=True)
class Spade(GeneratorNet):
    """z as a small image, doubled until it has the size of the data, each time normalized as the layout y says.

    Noise decides how things look, the layout where they are. Should not be confused with Convolutional with
    conditioning="normalization", whose scales are the same at every place.

    Reference: Park et al. 2019, arXiv:1903.07291.

    Args:
        width: channels before the last layer; each halving of the image doubles them, up to 8 × width.
        hidden: channels of the networks that read the layout.
    """

    width: int = 32
    hidden: int = 32

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if min(self.width, self.hidden) < 1:
            raise ValueError(f"Spade(width={self.width}, hidden={self.hidden}): networks have 1 channel or more.")

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The layers."""
        if condition is None:
            raise ValueError("the generator Spade makes pictures of layouts, and is told none; take Convolutional().")
        sides = sides_of(x_shape)
        channels = [*reversed(widths(self.width, len(sides))), self.width]
        made: list[nn.Module] = [first_layer(latent_size, channels[0] * prod(sides[-1]))]
        made += [nn.Unflatten(1, (channels[0], *sides[-1]))]
        for (height, breadth), before, after in zip(sides[-2::-1], channels, channels[1:], strict=False):
            made += [SpatialNorm(before, condition, self.hidden), nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2)]
            made += [nn.Conv2d(before, after, 3, padding=1)]
            # what is one row or column too many of an odd side is taken off
            odd = height % 2, breadth % 2
            made += [nn.ZeroPad2d((0, -odd[1], 0, -odd[0]))] if any(odd) else []
        made += [SpatialNorm(channels[len(sides) - 1], condition, self.hidden), nn.LeakyReLU(0.2)]
        return [*made, nn.Conv2d(channels[len(sides) - 1], x_shape[0], 3, padding=1)]
