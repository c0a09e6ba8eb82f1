"""Clips of a thing before a background, each drawn once for the whole clip, and of the way that the thing goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import interpolate

from pyrogen.conditions import Condition
from pyrogen.nets.clips import content_of
from pyrogen.nets.critics import one_of
from pyrogen.nets.generators import ENDS, GeneratorNet, Grown
from pyrogen.nets.mlp import mlp
from pyrogen.registry import choice, make

FINER = 2  # pixels of the thing's picture along one of a frame
RADIUS, WITHIN, WITHOUT = 0.2, 3.0, -4.0  # of the disc: radius, of the side; log odds in its middle, and the least
SHARP = 5.0  # log odds of the mask that 1 of the network's numbers stands for
VELOCITY, BEND = 0.1, 0.02  # sides a frame, and a frame more, that 1 of the network's numbers stands for


@choice("generator")
@dataclass(frozen=True)
class Layered(GeneratorNet):
    """Frames x_t = a(· − s_t) o(· − s_t) + (1 − a(· − s_t)) b of one thing o with mask a, and one background b: z = (c, m).

    c draws o, a and b once for all frames, and m says the places s_t, so that what is shown cannot change. The thing begins
    as a disc that moves slowly; where it starts, its velocity and how that changes are learned. A pixel of a frame is the
    mean of what it covers of the thing's picture, which is twice as fine. A VAE needs a likelihood that minds small errors,
    and on some seeds the thing vanishes before its places are known: reconstructions show it.

    Should not be confused with :class:`~pyrogen.nets.clips.Moving`, which draws each frame anew. References: layers: Wang &
    Adelson 1994, Representing moving images with layers; a mask before a background that stands still: Vondrick et al. 2016,
    arXiv:1609.02612; where it is as numbers that learn: Jaderberg et al. 2015, Spatial transformer networks,
    arXiv:1506.02025.

    Args:
        frame: the network that draws the thing and its mask.
        motion: numbers of m; c has what is left of z.
        hidden: width of the hidden layers between m and the way, and between c and the background.
        window: side of the thing's picture, of that of a frame.
        cells: side of the background in numbers that are enlarged to a frame; 1: it has one colour.
        wraps: whether what leaves on one side comes back on the other.
    """

    # an annotation with GeneratorNet would let the command line import whatever path is typed there
    frame: Any = "Convolutional"
    motion: int = 4
    hidden: int = 64
    window: float = 1.0
    cells: int = 1
    wraps: bool = False

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if min(self.motion, self.hidden, self.cells) < 1 or not 0 < self.window <= 1:
            raise ValueError(
                f"Layered(motion={self.motion}, hidden={self.hidden}, cells={self.cells}, window={self.window}): needs "
                "numbers of 1 or more, and a window in (0, 1]."
            )
        object.__setattr__(self, "frame", make("generator", self.frame))

    def latents(self, content: int, x_shape: Sequence[int]) -> int:
        """Those of c and of m."""
        return content + self.motion

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The one layer that all is."""
        return [self._scene(latent_size, x_shape, condition, "real")]

    def build(
        self, latent_size: int, x_shape: Sequence[int], kind: str = "real", condition: Condition | None = None
    ) -> nn.Module:
        """As any generator's; colours are kept in their range before the thing is laid upon the background.

        Raises:
            ValueError: data of this shape or kind, or a condition, that the network cannot make, or read.
        """
        one_of("kind that a generator makes", kind, tuple(ENDS))
        return Grown([self._scene(latent_size, Size(x_shape), condition, kind)], nn.Identity())

    def _scene(self, latent_size: int, x_shape: Size, condition: Condition | None, kind: str) -> Scene:
        content = content_of(self, latent_size, self.motion, x_shape, condition)
        frames, channels, *sides = x_shape
        picture = Size((channels + 1, *(max(4, round(FINER * self.window * side)) for side in sides)))
        thing = nn.Sequential(*self.frame.layers(content, picture, None), Masked(picture, sides, ENDS[kind]()))
        behind = nn.Sequential(Background(content, self.hidden, x_shape[1:], self.cells), ENDS[kind]())
        return Scene(thing, behind, Way(self.motion, self.hidden, frames), sides, self.wraps)


class SaysWay(nn.Module, ABC):
    """What says of z where a thing is in every frame."""

    @abstractmethod
    def way_of(self, z: Tensor) -> Tensor:
        """How far down and to the right of the middle it is, of the sides: ``(N, latents)`` to ``(N, T, 2)``."""

    @abstractmethod
    def way_modules(self) -> Sequence[nn.Module]:
        """The networks that say it."""


class Scene(SaysWay):
    """A thing before a background: ``(N, content + motion)`` to ``(N, T, C, H, W)``.

    Args:
        thing: ``(N, content)`` to ``(N, C + 1, h, w)``, a o and after it a.
        background: ``(N, content)`` to ``(N, C, H, W)``.
        way: ``(N, motion)`` to ``(N, T, 2)``, how far down and to the right of the middle it is, of the sides.
        sides: H and W.
        wraps: whether what leaves on one side comes back on the other.
    """

    def __init__(self, thing: nn.Module, background: nn.Module, way: Way, sides: Sequence[int], wraps: bool) -> None:
        super().__init__()
        self.thing, self.background, self.way, self.sides, self.wraps = thing, background, way, sides, wraps

    def forward(self, z: Tensor) -> Tensor:
        """The frames."""
        content = z[:, : -self.way.motion]
        picture, behind = self.thing(content).unsqueeze(1), self.background(content).unsqueeze(1)
        rows, columns = (
            shares(at, side, cells, self.wraps).unsqueeze(2)
            for at, side, cells in zip(self.way_of(z).unbind(-1), self.sides, picture.shape[-2:], strict=True)
        )
        # two products for the one translation: they are the same to the bit on any device, as grid_sample's gradient is not
        seen = rows @ picture @ columns.mT
        x: Tensor = seen[:, :, :-1] + (1 - seen[:, :, -1:]) * behind
        return x

    def way_of(self, z: Tensor) -> Tensor:
        """What m says."""
        at: Tensor = self.way(z[:, -self.way.motion :])
        return at

    def way_modules(self) -> Sequence[nn.Module]:
        """That of m."""
        return [self.way]


def shares(at: Tensor, side: int, cells: int, wraps: bool, finer: int = FINER) -> Tensor:
    """How much of each pixel of a frame lies over each cell of a picture: ``(..., )`` to ``(..., side, cells)``.

    Args:
        at: how far the middle of the picture is from that of the frame, of the side.
        side: pixels of the frame along it.
        cells: of the picture along it.
        wraps: whether the frame goes on at its other end.
        finer: cells to a pixel.
    """
    pixel = torch.arange(side, device=at.device) + (1 - side) / 2
    cell = (torch.arange(cells, device=at.device) + (1 - cells) / 2) / finer
    apart = pixel[:, None] - cell - side * at[..., None, None]
    if wraps:
        apart = torch.remainder(apart + side / 2, side) - side / 2
    return ((1 + 1 / finer) / 2 - apart.abs()).clamp(0, 1 / finer)


class Masked(nn.Module):
    """Colours o and the log odds of a mask a as (a o, a), which begins as that of a disc: ``(N, C + 1, h, w)`` to the same.

    Args:
        picture: (C + 1, h, w).
        sides: H and W of a frame.
        end: what keeps colours in their range.
    """

    def __init__(self, picture: Size, sides: Sequence[int], end: nn.Module) -> None:
        super().__init__()
        self.end = end
        down, right = (
            ((torch.arange(cells) + (1 - cells) / 2) / (FINER * side)).square()
            for cells, side in zip(picture[1:], sides, strict=True)
        )
        inside = WITHIN * (1 - (down[:, None] + right) / RADIUS**2)
        self.log_odds = nn.Parameter(inside.clamp(min=WITHOUT))

    def forward(self, h: Tensor) -> Tensor:
        """The thing before nothing, and where it is."""
        mask = (SHARP * h[:, -1:] + self.log_odds).sigmoid()
        return torch.cat([mask * self.end(h[:, :-1]), mask], 1)


class Background(nn.Module):
    """``cells²`` colours, and linear in between: ``(N, content)`` to ``(N, C, H, W)``.

    Args:
        content: numbers.
        hidden: width of the hidden layer.
        frame: (C, H, W).
        cells: colours along each side.
    """

    def __init__(self, content: int, hidden: int, frame: Size, cells: int) -> None:
        super().__init__()
        self.colours = mlp((content,), (hidden,), (frame[0], cells, cells))
        for name, side in zip(("down", "right"), frame[1:], strict=True):
            between = interpolate(torch.eye(cells).unsqueeze(0), size=side, mode="linear")[0]
            self.register_buffer(name, between, persistent=False)

    def forward(self, content: Tensor) -> Tensor:
        """The background of every frame."""
        x: Tensor = self.get_buffer("down").mT @ self.colours(content) @ self.get_buffer("right")
        return x


class Way(nn.Module):
    """Where a thing is: s₁, s₂ = s₁ + v₂, and from then on s_t = s_{t−1} + v_t and v_t = v_{t−1} + b_t.

    Args:
        motion: numbers that say it.
        hidden: width of the hidden layer.
        frames: T, 2 or more.
    """

    def __init__(self, motion: int, hidden: int, frames: int) -> None:
        super().__init__()
        self.motion, self.net = motion, nn.Sequential(Bent(motion, hidden, 2 * frames), nn.Unflatten(1, (frames, 2)))
        units = torch.tensor([VELOCITY, *[BEND] * (frames - 2)]).unsqueeze(1)
        self.register_buffer("units", units, persistent=False)

    def forward(self, motion: Tensor) -> Tensor:
        """``(N, motion)`` to ``(N, T, 2)``."""
        said = self.net(motion)
        velocity = (self.get_buffer("units") * said[:, 1:]).cumsum(1)
        return torch.cat([said[:, :1], velocity], 1).cumsum(1)


class Bent(nn.Module):
    """What is linear, and what a hidden layer adds to it: ``(N, inputs)`` to ``(N, outputs)``.

    Args:
        inputs: numbers.
        hidden: width of the hidden layer.
        outputs: numbers.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.straight, self.bend = nn.Linear(inputs, outputs), mlp((inputs,), (hidden,), (outputs,))

    def forward(self, h: Tensor) -> Tensor:
        """The sum of both."""
        made: Tensor = self.straight(h) + self.bend(h)
        return made
