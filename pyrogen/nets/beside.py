"""Networks that read a condition beside their input."""

from __future__ import annotations

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import interpolate

from pyrogen.conditions import Condition


class Beside(nn.Module):
    """A network of vectors that reads a condition as further numbers: ``(N, *input)`` and ``(N, condition)``.

    Args:
        net: a network of ``(N, numbers of input + condition)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the network makes of both."""
        h: Tensor = self.net(torch.cat([x.flatten(1), condition.to(x)], 1))
        return h


class BesidePicture(nn.Module):
    """A network of pictures that reads a condition as further channels: an image as it is, a layout as a channel a class.

    A condition that is a whole number of times smaller, or larger, than the data is brought to their size, by repeating
    pixels or averaging them. Of packs of data, so is each one's.

    Shapes: ``(N, packs C, H, W)`` and ``(N, packs condition.size)`` to what ``net`` makes of
    ``(N, packs (C + condition.picture[0]), H, W)``.

    Args:
        net: the network.
        condition: what y is, a picture.
        packs: how many data are read at once.
    """

    def __init__(self, net: nn.Module, condition: Condition, packs: int = 1) -> None:
        super().__init__()
        self.net, self.condition, self.packs = net, condition, packs

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the network makes of both."""
        picture = self.condition.as_picture(condition.to(x).unflatten(-1, (self.packs, -1))).flatten(1, 2)
        if picture.shape[-2:] != x.shape[-2:]:
            picture = interpolate(picture, x.shape[-2:], mode="area")
        h: Tensor = self.net(torch.cat([x, picture], 1))
        return h


def picture_beside(x_shape: Size, condition: Condition, who: str) -> Size:
    """The shape of x with y as further channels.

    Raises:
        ValueError: x or y is no picture, or their sizes are not the same, nor multiples of one another.
    """
    picture = condition.need_picture(who)
    if len(x_shape) != 3:
        raise ValueError(f"{who} reads y as a picture beside x, (C, H, W); got x_shape={tuple(x_shape)}.")
    if any(max(sides) % min(sides) for sides in zip(x_shape[1:], picture[1:], strict=True)):
        raise ValueError(
            f"{who} reads y beside x, of the same height and width or whole multiples of them; got y of {tuple(picture)} for "
            f"x_shape={tuple(x_shape)}; resize one of them, as pyrogen.data.load(..., size=...) does both."
        )
    return Size((x_shape[0] + picture[0], *x_shape[1:]))
