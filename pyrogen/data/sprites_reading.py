"""The factors of sprites, read from pictures: the exact nearest of all combinations, and how far it is."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from pyrogen.data.oracle import Oracle
from pyrogen.data.sprites import Sprites

TOLERANCE = 0.03
KINDS = ("shape", "colour", "size", "background")  # the factors whose combinations are modes: where it stands is free
ENTRIES = 4_000_000  # numbers that are compared at once
ALONG = 32  # places along either side where a shape in a frame is looked for: half a pixel apart where these are 16


class Reading(NamedTuple):
    """What pictures show.

    Attributes:
        factors: those of the nearest picture, ``(N, factors)`` int64.
        distance: the root of the mean squared difference from it, of all numbers of a picture in [0, 1], ``(N,)``.
    """

    factors: Tensor
    distance: Tensor


class Frames(NamedTuple):
    """What the frames of clips show.

    Attributes:
        modes: the combination of shape, colour, size and background of each, ``(N, T)``.
        centres: where the shape is, ``(N, T, 2)``, of the side, from the top left.
        visible: the share of the shape's contrast with the background that is there, ``(N, T)``: of a thing that fades, the
            share that is left of it.
    """

    modes: Tensor
    centres: Tensor
    visible: Tensor


class SpriteReader(Oracle):
    """Reads factors from pictures: f* = argmin_f ‖x − render(f)‖ over *all* combinations f, exactly.

    With the share a_k of each pixel that silhouette k covers, a colour c and a background b,

        ‖x − b − a_k (c − b)‖² = ‖x − b‖² − 2 (c − b)ᵀ Σ_p a_kp (x_p − b) + ‖c − b‖² Σ_p a_kp²,

    so that one matrix product of pictures and silhouettes tells all; a mark changes the terms of its own pixels alone. Under
    white noise f* is the maximum of the likelihood. Pictures whose distance is beyond ``tolerance`` show nothing that is
    drawn: they are blank (at 0.05 and more), means of two pictures (0.05), or have a shape half here and half there
    (0.035). White noise of standard deviation s is at distance s, and is read through far beyond the tolerance: two
    pictures without marks differ by 0.024 at least, those of 16 pixels by 0.019.

    Modes are the combinations of shape, colour, size and background that data have, wherever the shape stands: samples are
    placed among these alone, so that a picture of another one is in no mode.

    Memory is that of the silhouettes, 450 of pictures and 3,600 of clips, of T · size² numbers each; all is
    computed on the CPU.

    Args:
        sprites: what is drawn.
        tolerance: the distance up to which a picture is valid.
        drawn: the factors of data, which are drawn evenly among them, ``(K, factors)``; None: all there are.
    """

    def __init__(self, sprites: Sprites, tolerance: float = TOLERANCE, drawn: Tensor | None = None) -> None:
        self.sprites, self.tolerance = sprites, tolerance
        numbers = self.mode_of(sprites.every() if drawn is None else drawn)
        shares = torch.bincount(numbers, minlength=math.prod(len(sprites.values[name]) for name in KINDS)).double()
        self._exists = shares > 0
        self.weights = shares[self._exists] / len(numbers)
        self.good = (
            f"within {tolerance:g} of a picture that data could have, by the root mean square of all its numbers"
        )

    def read(self, x: Tensor) -> Reading:
        """The factors of pictures ``(N, *x_shape)`` in [0, 1], by parts; data have them or not.

        Raises:
            ValueError: the pictures are of another shape.
        """
        return self._nearest(x, None)

    def _nearest(self, x: Tensor, among: Tensor | None) -> Reading:
        """The same among silhouettes and pairs of colours, ``(silhouettes, pairs)``; None: all."""
        if x.shape[1:] != self.sprites.x_shape:
            raise ValueError(
                f"these sprites have x_shape={tuple(self.sprites.x_shape)}; got pictures of {tuple(x.shape[1:])}."
            )
        if not len(x):
            return Reading(torch.empty(0, len(self.sprites.names), dtype=torch.long), torch.empty(0))
        step = max(1, ENTRIES // (len(self.sprites.silhouettes) * len(self._pairs)))
        parts = [self._read(part, among) for part in x.detach().cpu().float().split(step)]
        return Reading(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def read_frames(self, x: Tensor) -> Frames:
        """What each frame of clips ``(N, T, 3, H, W)`` shows by itself: the nearest of all shapes at any place.

        Places are 1/32 of the side apart, those of the data among them. Looked for at those of the data alone, shapes that
        stay what they are but move elsewhere would seem to change, in 10 % of the frames of 16 pixels.

        Every frame has a nearest shape, one that shows nothing too. How much of it is there is told by the slope of the
        pixels on the share a_p of each that it covers,

            Σ_p (a_p − ā) x_pᵀ (c − b) / (‖c − b‖² Σ_p (a_p − ā)²),

        1 where it is drawn, ½ where it is as near to the background, 0 of one colour all over.

        Raises:
            ValueError: the clips are of another shape, or pictures.
        """
        drawn = self.sprites
        if drawn.frames == 1 or x.shape[1:] != drawn.x_shape:
            raise ValueError(
                f"these sprites have x_shape={tuple(drawn.x_shape)}, and clips of them are read frame by frame; got "
                f"{tuple(x.shape[1:])}."
            )
        kinds, centres, covered = self._anywhere
        pixels = x.detach().cpu().float().flatten(0, 1).flatten(2)
        step = max(1, ENTRIES // (len(covered) * len(self._pairs)))
        best = torch.cat([self._misfit(part, covered).flatten(1).argmin(1) for part in pixels.split(step)])
        which, pair = best // len(self._pairs), best % len(self._pairs)
        factors = torch.zeros(len(best), len(drawn.names), dtype=torch.long)
        for name, value in zip(
            ("shape", "size", "colour", "background"), (*kinds[which].T, *self._pairs[pair].T), strict=True
        ):
            factors[:, drawn.names.index(name)] = value
        modes, visible = self.mode_of(factors), self._visible(pixels, covered[which], self._pairs[pair])
        return Frames(*(of.unflatten(0, x.shape[:2]) for of in (modes, centres[which], visible)))

    def _visible(self, x: Tensor, covered: Tensor, pairs: Tensor) -> Tensor:
        """How much of the contrast of colour and background ``(N, 2)`` is in pixels ``(N, 3, P)`` of shapes ``(N, P)``."""
        colour, background = pairs.T
        apart = self.sprites.colours[colour] - self.sprites.backgrounds[background]
        inside = covered - covered.mean(1, keepdim=True)
        found = torch.einsum("ncp,np,nc->n", x, inside, apart)
        return found / (apart.square().sum(1) * inside.square().sum(1))

    @cached_property
    def _anywhere(self) -> tuple[Tensor, Tensor, Tensor]:
        """Each shape of each size at each place: the two ``(K, 2)``, the centre ``(K, 2)``, and the pixels ``(K, size²)``."""
        counts = (len(self.sprites.values["shape"]), len(self.sprites.values["size"]), ALONG, ALONG)
        every = torch.cartesian_prod(*map(torch.arange, counts))
        kinds, centres = every[:, :2], every[:, 2:] / ALONG
        return kinds, centres, self.sprites.covering(kinds[:, 0], kinds[:, 1], centres.unsqueeze(1)).flatten(1)

    def place(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The combination of shape, colour, size and background that data have, and whether the picture is valid."""
        found = self._nearest(x, None if self._exists.all() else self._existing)
        number = self._exists.cumsum(0) - 1  # of a mode among those that exist
        return number[self.mode_of(found.factors)], found.distance <= self.tolerance

    def mode_of(self, factors: Tensor) -> Tensor:
        """The number of the mode of factors, ``(N,)``."""
        number = torch.zeros(len(factors), dtype=torch.long)
        for name in KINDS:
            number = number * len(self.sprites.values[name]) + self.sprites.column(factors, name)
        return number

    @property
    def _pairs(self) -> Tensor:
        """Every colour with every background, ``(pairs, 2)``."""
        return torch.cartesian_prod(*(torch.arange(len(self.sprites.values[n])) for n in ("colour", "background")))

    @cached_property
    def _existing(self) -> Tensor:
        """Which silhouettes have which colours in a mode that exists, ``(silhouettes, pairs)``."""
        shape = len(self.sprites.silhouettes), len(self._pairs)
        which = torch.arange(math.prod(shape))
        return self._exists[self.mode_of(self._factors(which, torch.zeros_like(which)))].reshape(shape)

    def _read(self, x: Tensor, among: Tensor | None) -> tuple[Tensor, Tensor]:
        drawn, n = self.sprites, len(x)
        pixels = x.reshape(n, drawn.frames, 3, -1).transpose(1, 2).flatten(2)
        whole = self._misfit(pixels, drawn.silhouettes)
        if among is not None:
            whole = whole.masked_fill(~among, torch.inf)
        best, which = whole.flatten(1).min(1)
        mark = torch.zeros_like(which)
        for k, here in enumerate(drawn.marks[1:] if drawn.tiny else (), start=1):
            part = pixels[:, :, here]
            others = (whole - self._misfit(part, drawn.silhouettes[:, here])).flatten(1)
            least = others.amin(1) + (part - 1).square().sum((1, 2))
            better = (least < best).nonzero()[:, 0]
            best[better], which[better], mark[better] = least[better], others[better].argmin(1), k
        factors = self._factors(which, mark)
        return factors, (x - drawn.render(factors)).square().flatten(1).mean(1).sqrt()

    def _misfit(self, x: Tensor, covered: Tensor) -> Tensor:
        """‖x − b − a (c − b)‖² over pixels: ``(N, 3, P)`` and ``(K, P)`` to ``(N, K, pairs)``."""
        colour, background = self._pairs.T
        b = self.sprites.backgrounds[background]
        apart = self.sprites.colours[colour] - b
        plain = x.square().sum((1, 2)).unsqueeze(1) - 2 * x.sum(2) @ b.T + x.shape[2] * b.square().sum(1)
        drawn = 2 * torch.outer(covered.sum(1), (apart * b).sum(1))
        drawn += torch.outer(covered.square().sum(1), apart.square().sum(1))
        return (x @ covered.T).transpose(1, 2) @ (-2 * apart.T) + drawn + plain.unsqueeze(1)

    def _factors(self, which: Tensor, mark: Tensor) -> Tensor:
        """Factors of numbers of silhouette and pair, and of marks."""
        drawn = self.sprites
        value = dict(zip(("colour", "background"), self._pairs[which % len(self._pairs)].T, strict=True))
        rest = which // len(self._pairs)
        for name in reversed(drawn.moving):
            value[name], rest = rest % len(drawn.values[name]), rest // len(drawn.values[name])
        return torch.stack([{**value, "mark": mark}[name] for name in drawn.names], 1)
