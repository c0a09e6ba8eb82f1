"""Small convolutional networks for images of any size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn


def sides_of(x_shape: Sequence[int]) -> list[tuple[int, int]]:
    """Height and width before each halving and after the last, rounded up, until the longer one is 7 or less."""
    if len(x_shape) != 3 or min(x_shape) < 1 or max(x_shape[1:]) < 4:
        raise ValueError(
            f"convolutional networks here take images of 4 pixels or more, (C, H, W); got x_shape={tuple(x_shape)}. "
            "Use a fully connected entry, or your own networks: pyrogen.vae(encoder=..., decoder=...); clips, (T, C, H, W), "
            "are made of pictures by generator='Layered' or 'Moving'."
        )
    sides = [(x_shape[1], x_shape[2])]
    # 8 pixels are halved once, 4 not further than once
    while len(sides) == 1 or max(sides[-1]) > 7:
        height, width = sides[-1]
        sides.append((-(-height // 2), -(-width // 2)))
    return sides


class ConvEncoder(nn.Module):
    """Strided convolutions, then a linear layer: ``(N, C, H, W)`` to ``(N, outputs)``.

    Args:
        x_shape: (C, H, W); an odd side is halved upwards.
        outputs: number of features.
        width: channels of the first layer; each halving of the image doubles them, up to 4 × width.
    """

    def __init__(self, x_shape: Sequence[int], outputs: int, width: int = 32) -> None:
        super().__init__()
        sides = sides_of(x_shape)
        depth = len(sides) - 1
        channels = [x_shape[0], *(min(width * 2**i, 4 * width) for i in range(depth))]
        layers: list[nn.Module] = []
        for (height, breadth), (before, after) in zip(sides, pairwise(channels), strict=False):
            # one more row or column after an odd side, which then is halved upwards
            odd = height % 2, breadth % 2
            layers += [nn.ZeroPad2d((0, odd[1], 0, odd[0]))] if any(odd) else []
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * prod(sides[-1]), outputs))

    def forward(self, x: Tensor) -> Tensor:
        """The features."""
        h: Tensor = self.net(x)
        return h


class ConvDecoder(nn.Module):
    """The mirror image: a linear layer, then transposed convolutions: ``(N, inputs)`` to ``(N, channels, H, W)``.

    Args:
        inputs: latent size.
        x_shape: (C, H, W), of which the sides count.
        channels: channels of the output.
        width: as in :class:`ConvEncoder`.
    """

    def __init__(self, inputs: int, x_shape: Sequence[int], channels: int, width: int = 32) -> None:
        super().__init__()
        sides = sides_of(x_shape)
        sizes = [min(width * 2**i, 4 * width) for i in reversed(range(len(sides) - 1))]
        layers: list[nn.Module] = [
            nn.Linear(inputs, sizes[0] * prod(sides[-1])),
            nn.ReLU(),
            nn.Unflatten(1, (sizes[0], *sides[-1])),
        ]
        for (height, breadth), (before, after) in zip(sides[-2::-1], pairwise([*sizes, channels]), strict=True):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
            # what the encoder put after an odd side is taken off
            odd = height % 2, breadth % 2
            layers += [nn.ZeroPad2d((0, -odd[1], 0, -odd[0]))] if any(odd) else []
            layers += [nn.ReLU()]
        self.net = nn.Sequential(*layers[:-1])

    def forward(self, z: Tensor) -> Tensor:
        """The parameters of every pixel."""
        h: Tensor = self.net(z)
        return h
