"""Small colour pictures of one shape each, made from factors, which can be read back from them exactly.

=============  =====================================================================================================
factor         values
=============  =====================================================================================================
shape          circle, square, triangle, diamond, cross, ring
colour         red, green, blue, yellow, purple, cyan
size           small, medium, large: r = 1/8, 3/16, 1/4 of the side of the picture
row, column    five places each: the centre is at 1/4, 3/8, 1/2, 5/8 or 3/4 of the side
background     black, grey, navy, forest
mark           none, or a white square near one of four corners: 2 pixels wide ("small"), or 3/16 of the side ("large")
direction      of clips: right, left, up, down
speed          of clips: slow, fast: 1/32 or 1/16 of the side a frame; what leaves on one side comes back on the other
=============  =====================================================================================================

All are independent and evenly distributed. Of a point (u, v) from the centre of a shape, v downwards, the distance to its
edge is, negative inside,

========  ==========================================================
circle    ρ − r with ρ = √(u² + v²)
square    max(\\|u\\|, \\|v\\|) − 0.85 r
triangle  max(v, √3/2 \\|u\\| − v/2) − r/2
diamond   (\\|u\\| + \\|v\\| − r) / √2
cross     min(max(\\|u\\| − r, \\|v\\| − r/3), max(\\|v\\| − r, \\|u\\| − r/3))
ring      \\|ρ − 3r/4\\| − r/4
========  ==========================================================

and a pixel whose centre is d pixels from it has the colour (1 − a) background + a colour with a = min(1, max(0, ½ − d)), the
share of a pixel that a straight edge along its sides would cover. Marks are drawn over all of it, with hard edges.

That is the style "filled". In the style "light" all is the same on backgrounds that are lighter by 150 of 255. In "outline"
a shape is a line along the inner side of its edge, w = 3/64 of the side wide, of which a pixel that is d pixels from the edge
has the share min(1, max(0, ½ + w/2 − |d + w/2|)); and so it is in "chalk", in white, which does not tell the colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

from pyrogen.registry import unknown

COLOURS = {
    "red": (245, 40, 40),
    "green": (60, 235, 70),
    "blue": (50, 90, 255),
    "yellow": (250, 225, 50),
    "purple": (190, 50, 230),
    "cyan": (60, 220, 235),
}
BACKGROUNDS = {"black": (10, 10, 10), "grey": (70, 70, 70), "navy": (20, 25, 90), "forest": (20, 70, 40)}
RADII = {"small": 1 / 8, "medium": 3 / 16, "large": 1 / 4}
PLACES = (1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4)
ROWS = ("top", "upper", "middle", "lower", "bottom")
COLUMNS = ("leftmost", "left", "centre", "right", "rightmost")
MARKS = ("none", "top left", "top right", "bottom left", "bottom right")
DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}
SPEEDS = {"slow": 1 / 32, "fast": 1 / 16}
SIDES, TINY = (16, 32, 64), ("small", "large")
STYLES = ("filled", "light", "outline", "chalk")
LIGHTER = 150 / 255  # than others are backgrounds in the style "light"
LINE = 3 / 64  # width of an outline, of the side
CHUNK = 1000


def _circle(u: Tensor, v: Tensor, r: Tensor) -> Tensor:
    return torch.hypot(u, v) - r


def _square(u: Tensor, v: Tensor, r: Tensor) -> Tensor:
    return torch.maximum(u.abs(), v.abs()) - 0.85 * r


def _triangle(u: Tensor, v: Tensor, r: Tensor) -> Tensor:
    return torch.maximum(v, math.sqrt(3) / 2 * u.abs() - v / 2) - r / 2


def _diamond(u: Tensor, v: Tensor, r: Tensor) -> Tensor:
    return (u.abs() + v.abs() - r) / math.sqrt(2)


def _cross(u: Tensor, v: Tensor, r: Tensor) -> Tensor:
    lying = torch.maximum(u.abs() - r, v.abs() - r / 3)
    standing = torch.maximum(v.abs() - r, u.abs() - r / 3)
    return torch.minimum(lying, standing)


def _ring(u: Tensor, v: Tensor, r: Tensor) -> Tensor:
    return (torch.hypot(u, v) - 3 / 4 * r).abs() - r / 4


SHAPES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "diamond": _diamond,
    "cross": _cross,
    "ring": _ring,
}


class Sprites:
    """The pictures of given factors, or clips of them.

    Attributes:
        values: the words for the values of each factor, in the order of the columns of ``factors``.

    Args:
        size: side of a picture in pixels, 16, 32 or 64.
        tiny: whether there is a mark, "small" or, as its control, "large".
        frames: of a clip, T; 1 makes pictures.
        style: "filled"; "light", on lighter backgrounds; "outline"; or "chalk", white outlines, which do not tell the colour.

    Raises:
        ValueError: another size, mark, number of frames or style.
    """

    def __init__(self, size: int = 32, tiny: str | None = None, frames: int = 1, style: str = "filled") -> None:
        if size not in SIDES:
            raise ValueError(f"size={size}: sprites are drawn in 16, 32 or 64 pixels.")
        if tiny is not None and tiny not in TINY:
            raise unknown("mark of sprites", tiny, TINY)
        if frames < 1:
            raise ValueError(f"frames={frames}: a clip has 1 frame or more.")
        if style not in STYLES:
            raise unknown("style of sprites", style, STYLES)
        self.size, self.tiny, self.frames, self.style = size, tiny, frames, style
        self.values: dict[str, Sequence[str]] = {
            "shape": tuple(SHAPES),
            "colour": tuple(COLOURS),
            "size": tuple(RADII),
            "row": ROWS,
            "column": COLUMNS,
            "background": tuple(BACKGROUNDS),
        }
        if tiny:
            self.values["mark"] = MARKS
        if frames > 1:
            self.values |= {"direction": tuple(DIRECTIONS), "speed": tuple(SPEEDS)}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the factors."""
        return tuple(self.values)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many values each factor has."""
        return tuple(map(len, self.values.values()))

    @property
    def x_shape(self) -> torch.Size:
        """``(3, size, size)``; of clips ``(T, 3, size, size)``."""
        return torch.Size((*[self.frames] * (self.frames > 1), 3, self.size, self.size))

    def every(self) -> Tensor:
        """Every combination of values, ``(combinations, factors)`` int64."""
        return torch.cartesian_prod(*map(torch.arange, self.counts))

    def column(self, factors: Tensor, name: str) -> Tensor:
        """The values of one factor, ``(N,)``."""
        return factors[:, self.names.index(name)]

    def render(self, factors: Tensor) -> Tensor:
        """Pictures of factors ``(N, factors)``, ``(N, *x_shape)`` float32 in [0, 1]; all at once."""
        covered = self.silhouettes[self.silhouette_of(factors)].unsqueeze(1)
        colour, background = (
            table[self.column(factors, name)].unsqueeze(2)
            for table, name in ((self.colours, "colour"), (self.backgrounds, "background"))
        )
        x = torch.lerp(background, colour, covered)
        if self.tiny:
            for k, pixels in enumerate(self.marks):
                rows = (self.column(factors, "mark") == k).nonzero()
                x[rows, :, pixels] = 1.0
        return x.unflatten(2, (self.frames, self.size, self.size)).transpose(1, 2).reshape(-1, *self.x_shape)

    def pictures(self, factors: Tensor) -> Tensor:
        """The same in 256 levels, uint8, drawn by parts."""
        return torch.cat([(255 * self.render(part)).round().to(torch.uint8) for part in factors.split(CHUNK)])

    def layout(self, factors: Tensor) -> Tensor:
        """What each pixel shows, int64 of the shape of x without colours: 0 background, 1 … shapes, and last the mark.

        A pixel is of the shape where that covers more than half of it.
        """
        parts = []
        for part in factors.split(CHUNK):
            inside = self.silhouettes[self.silhouette_of(part)] > 0.5
            shown = torch.where(inside, 1 + self.column(part, "shape").unsqueeze(1), 0)
            if self.tiny:
                for k, pixels in enumerate(self.marks):
                    rows = (self.column(part, "mark") == k).nonzero()
                    shown[rows, pixels] = 1 + len(SHAPES)
            parts.append(shown.reshape(-1, *[self.frames] * (self.frames > 1), self.size, self.size))
        return torch.cat(parts)

    def outlines(self, factors: Tensor) -> Tensor:
        """The edges of shapes, 1 in the outermost pixels that a shape covers half of, ``(N, 1, size, size)`` of pictures.

        They tell where which shape is, and neither its colour nor the background: of each there are 24 pictures.
        """
        parts = []
        for part in factors.split(CHUNK):
            inside = self.silhouettes[self.silhouette_of(part)].reshape(-1, 1, self.size, self.size) > 0.5
            around = pad(inside, (1, 1, 1, 1))
            within = around[..., :-2, 1:-1] & around[..., 2:, 1:-1] & around[..., 1:-1, :-2] & around[..., 1:-1, 2:]
            parts.append(
                (inside & ~within).float().reshape(-1, *[self.frames] * (self.frames > 1), 1, self.size, self.size)
            )
        return torch.cat(parts)

    @cached_property
    def colours(self) -> Tensor:
        """Of shapes, ``(colours, 3)`` in [0, 1]."""
        drawn = torch.tensor(list(COLOURS.values())) / 255
        return torch.ones_like(drawn) if self.style == "chalk" else drawn

    @cached_property
    def backgrounds(self) -> Tensor:
        """``(backgrounds, 3)`` in [0, 1]."""
        drawn = torch.tensor(list(BACKGROUNDS.values())) / 255
        return drawn + LIGHTER if self.style == "light" else drawn

    @cached_property
    def moving(self) -> tuple[str, ...]:
        """The factors that decide which pixels a shape covers."""
        return tuple(n for n in self.names if n in ("shape", "size", "row", "column", "direction", "speed"))

    def silhouette_of(self, factors: Tensor) -> Tensor:
        """The number of the silhouette of factors, ``(N,)``."""
        number = torch.zeros(len(factors), dtype=torch.long)
        for name in self.moving:
            number = number * len(self.values[name]) + self.column(factors, name)
        return number

    @cached_property
    def silhouettes(self) -> Tensor:
        """What every shape covers of every pixel, a in [0, 1], ``(silhouettes, T · size²)``."""
        value = self._moving_values
        return self.covering(value["shape"], value["size"], self.centres).flatten(1)

    def covering(self, shape: Tensor, size: Tensor, centres: Tensor) -> Tensor:
        """What shapes of these sizes cover of every pixel, ``(K,)``, ``(K,)`` and ``(K, T, 2)`` to ``(K, T, side, side)``."""
        radii, middles = torch.tensor(list(RADII.values())), (torch.arange(self.size) + 0.5) / self.size
        # the picture is a torus: the nearest way from the centre
        u, v = (torch.remainder(middles - centres[..., i : i + 1] + 0.5, 1) - 0.5 for i in range(2))
        covered = torch.empty(*centres.shape[:2], self.size, self.size)
        for k, distance in enumerate(SHAPES.values()):
            here = shape == k
            r = radii[size[here]].view(-1, 1, 1, 1)
            edge = self.size * distance(u[here].unsqueeze(2), v[here].unsqueeze(3), r)
            covered[here] = self._covered(edge).clamp(0, 1)
        return covered

    @cached_property
    def _moving_values(self) -> Mapping[str, Tensor]:
        """The values of the factors that decide which pixels are covered, of every silhouette."""
        many = torch.cartesian_prod(*(torch.arange(len(self.values[name])) for name in self.moving))
        return dict(zip(self.moving, many.T, strict=True))

    @cached_property
    def centres(self) -> Tensor:
        """Where every silhouette has its centre in each frame, ``(silhouettes, T, 2)``, of the side, from the top left."""
        value, places = self._moving_values, torch.tensor(PLACES)
        centres = torch.stack([places[value["column"]], places[value["row"]]], 1).unsqueeze(1)
        if self.frames > 1:
            step = self.steps[value["direction"], value["speed"]]
            centres = centres + torch.arange(self.frames).view(1, -1, 1) * step.unsqueeze(1)
        return centres

    @cached_property
    def steps(self) -> Tensor:
        """How far a shape moves from frame to frame, ``(directions, speeds, 2)``, of the side."""
        return torch.tensor(list(DIRECTIONS.values())).unsqueeze(1) * torch.tensor(list(SPEEDS.values())).view(1, -1, 1)

    def _covered(self, edge: Tensor) -> Tensor:
        """The share of pixels that are so many pixels from the edge of a shape, before it is clamped to [0, 1]."""
        half = LINE * self.size / 2
        return 0.5 + half - (edge + half).abs() if self.style in ("outline", "chalk") else 0.5 - edge

    @cached_property
    def marks(self) -> Sequence[Tensor]:
        """The numbers of the pixels that each mark covers, among T · size²; none of the first, "none"."""
        margin, wide = max(1, self.size // 32), 2 if self.tiny == "small" else 3 * self.size // 16
        near = torch.zeros(self.size, dtype=torch.bool)
        near[margin : margin + wide] = True
        far = near.flip(0)
        corners = [torch.outer(rows, columns) for rows in (near, far) for columns in (near, far)]
        covered = [torch.zeros(self.size, self.size, dtype=torch.bool), *corners]
        return [c.expand(self.frames, -1, -1).flatten().nonzero()[:, 0] for c in covered]
