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


def sides_down_to(x_shape: Sequence[int], grid: Sequence[int]) -> list[tuple[int, int]]:
    """Height and width before each halving and after the last, rounded up, until they are those of a grid.

    Raises:
        ValueError: no halving gives them.
    """
    sides = sides_of(x_shape)[:1]
    while max(sides[-1]) > 1:
        height, width = sides[-1]
        sides.append((-(-height // 2), -(-width // 2)))
        if sides[-1] == tuple(grid):
            return sides
    halved = ", ".join(f"{height} × {width}" for height, width in sides[1:])
    raise ValueError(
        f"latents on a grid of {grid[0]} × {grid[1]} are not what halving the sides of x_shape={tuple(x_shape)} gives, which "
        f"are {halved}; take one of these as the last two of latent_size, or one number."
    )


class ConvEncoder(nn.Module):
    """Strided convolutions, then a linear layer: ``(N, C, H, W)`` to ``(N, outputs)``.

    On a grid the last layer is a convolution, too, and what is said of each place comes from around it alone:
    ``(N, C, H, W)`` to ``(N, outputs / (h w), h, w)``, as in the autoencoder of latent diffusion, Rombach et al. 2022,
    arXiv:2112.10752.

    Args:
        x_shape: (C, H, W); an odd side is halved upwards.
        outputs: number of features.
        width: channels of the first layer; each halving of the image doubles them, up to 4 × width.
        grid: (h, w), sides that halving those of x gives; None: no grid.
    """

    def __init__(
        self, x_shape: Sequence[int], outputs: int, width: int = 32, grid: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        sides = sides_of(x_shape) if grid is None else sides_down_to(x_shape, grid)
        depth = len(sides) - 1
        channels = [x_shape[0], *(min(width * 2**i, 4 * width) for i in range(depth))]
        layers: list[nn.Module] = []
        for (height, breadth), (before, after) in zip(sides, pairwise(channels), strict=False):
            # one more row or column after an odd side, which then is halved upwards
            odd = height % 2, breadth % 2
            layers += [nn.ZeroPad2d((0, odd[1], 0, odd[0]))] if any(odd) else []
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        if grid is None:
            layers += [nn.Flatten(), nn.Linear(channels[-1] * prod(sides[-1]), outputs)]
        else:
            layers += [nn.Conv2d(channels[-1], outputs // prod(grid), 3, padding=1)]
        self.net = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The features."""
        h: Tensor = self.net(x)
        return h


class ConvDecoder(nn.Module):
    """The mirror image: a linear layer, then transposed convolutions: ``(N, inputs)`` to ``(N, channels, H, W)``.

    On a grid the first layer is a convolution, too: ``(N, inputs / (h w), h, w)`` to ``(N, channels, H, W)``.

    Args:
        inputs: latent size.
        x_shape: (C, H, W), of which the sides count.
        channels: channels of the output.
        width: as in :class:`ConvEncoder`.
        grid: as in :class:`ConvEncoder`.
    """

    def __init__(
        self,
        inputs: int,
        x_shape: Sequence[int],
        channels: int,
        width: int = 32,
        grid: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        sides = sides_of(x_shape) if grid is None else sides_down_to(x_shape, grid)
        sizes = [min(width * 2**i, 4 * width) for i in reversed(range(len(sides) - 1))]
        layers: list[nn.Module]
        if grid is None:
            unflat = nn.Unflatten(1, (sizes[0], *sides[-1]))
            layers = [nn.Linear(inputs, sizes[0] * prod(sides[-1])), nn.ReLU(), unflat]
        else:
            layers = [nn.Conv2d(inputs // prod(grid), sizes[0], 3, padding=1), nn.ReLU()]
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
