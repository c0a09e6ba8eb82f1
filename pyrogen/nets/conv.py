"""Small convolutional networks for square images of 28, 32 or 64 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


def _depth(x_shape: Sequence[int]) -> int:
    """How often the image is halved: until its side is 7 or 4 (8 from 64 leaves 4 after one more)."""
    if len(x_shape) != 3 or x_shape[1] != x_shape[2] or x_shape[1] not in (8, 16, 28, 32, 64):
        raise ValueError(
            f"convolutional networks here take square images of 8, 16, 28, 32 or 64 pixels, (C, H, H); got x_shape="
            f"{tuple(x_shape)}. Use a fully connected entry, or your own networks: pyrogen.vae(encoder=..., decoder=...)."
        )
    return {8: 1, 16: 2, 28: 2, 32: 3, 64: 4}[x_shape[1]]


class ConvEncoder(nn.Module):
    """Strided convolutions, then a linear layer: ``(N, C, H, H)`` to ``(N, outputs)``.

    Args:
        x_shape: (C, H, H).
        outputs: number of features.
        width: channels of the first layer; each halving of the image doubles them, up to 4 × width.
    """

    def __init__(self, x_shape: Sequence[int], outputs: int, width: int = 32) -> None:
        super().__init__()
        depth = _depth(x_shape)
        channels = [x_shape[0], *(min(width * 2**i, 4 * width) for i in range(depth))]
        side = x_shape[1] // 2**depth
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * side**2, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """The features."""
        h: Tensor = self.net(x)
        return h


class ConvDecoder(nn.Module):
    """The mirror image: a linear layer, then transposed convolutions: ``(N, inputs)`` to ``(N, channels, H, H)``.

    Args:
        inputs: latent size.
        x_shape: (C, H, H), of which the sides count.
        channels: channels of the output.
        width: as in :class:`ConvEncoder`.
    """

    def __init__(self, inputs: int, x_shape: Sequence[int], channels: int, width: int = 32) -> None:
        super().__init__()
        depth = _depth(x_shape)
        sizes = [min(width * 2**i, 4 * width) for i in reversed(range(depth))]
        side = x_shape[1] // 2**depth
        layers: list[nn.Module] = [
            nn.Linear(inputs, sizes[0] * side**2),
            nn.ReLU(),
            nn.Unflatten(1, (sizes[0], side, side)),
        ]
        for before, after in pairwise(sizes):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.ConvTranspose2d(sizes[-1], channels, 4, stride=2, padding=1))

    def forward(self, z: Tensor) -> Tensor:
        """The parameters of every pixel."""
        h: Tensor = self.net(z)
        return h
