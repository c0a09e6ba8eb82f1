"""Shapes to be coloured: what is drawn is given, its colour is open, and every answer is known."""

from __future__ import annotations

import torch

from pyrogen.data.source import PHOTO_KINDS, SPLITS, Source
from pyrogen.data.sprites import BACKGROUNDS, COLOURS, Sprites
from pyrogen.data.sprites_sets import draw_factors
from pyrogen.registry import choice

GREY = (145, 145, 145)


@choice("data", "outlines")
def outlines(size: int = 32, n: int = 10_000, seed: int = 0) -> Source:
    """Shapes of sprites in one of seven colours on black, whose outline, ``(1, size, size)``, is the condition y.

    The colours are those of :mod:`pyrogen.data.sprites` and grey, each as often, whatever y is: of each outline there are
    seven pictures. Grey has in each channel the median of all seven, so that the answer of least absolute error is a grey
    shape, and no other.

    Args:
        size: side in pixels, 16, 32 or 64.
        n: training data; valid are a tenth, test a quarter as many.
        seed: of the factors.

    Raises:
        ValueError: another size, or too few.
    """
    if n < 10:
        raise ValueError(f"n={n}: take 10 outlines or more, of which a tenth are for validation.")
    drawn, generator = Sprites(size), torch.Generator().manual_seed(seed)
    colours = torch.tensor([*COLOURS.values(), GREY], dtype=torch.float32)
    splits = {}
    for split, many in zip(SPLITS, (n, n // 10, n // 4), strict=True):
        factors = draw_factors(drawn, many, generator)
        colour = colours[torch.randint(len(colours), (many,), generator=generator)]
        covered = drawn.silhouettes[drawn.silhouette_of(factors)].unsqueeze(1)
        x = torch.lerp(torch.tensor(BACKGROUNDS["black"], dtype=torch.float32)[:, None], colour.unsqueeze(2), covered)
        pictures = x.round().to(torch.uint8).reshape(-1, 3, size, size)
        splits[split] = (pictures, drawn.outlines(factors))
    return Source(
        name="outlines",
        reference="drawn by pyrogen.data.sprites.Sprites with a fixed seed",
        kinds=PHOTO_KINDS,
        levels=256,
        splits=splits,
    )
