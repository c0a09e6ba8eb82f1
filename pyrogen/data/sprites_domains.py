"""Two domains of sprites that were never paired, while what each of their test data would be in the other is known."""

from __future__ import annotations

import torch

from pyrogen.data.source import PHOTO_KINDS, SPLITS, Source
from pyrogen.data.sprites import Sprites
from pyrogen.data.sprites_reading import SpriteReader
from pyrogen.data.sprites_sets import draw_factors, left_of
from pyrogen.registry import choice


@choice("data", "domains")
def domains(style: str = "light", size: int = 32, n: int = 5000, ambiguous: bool = False, seed: int = 0) -> Source:
    """Filled sprites as x, and sprites in another style as y: unpaired in train and valid, hidden partners in test.

    In train and valid the factors of x and of y are drawn apart, so that nothing but their styles relates the two. In test y
    is x drawn in the other style, the one picture that a translation should make of it.

    Backgrounds are black, navy and forest. With grey among them two are without a hue, and exchanging them keeps the laws of
    both domains and all that comes back: what a cycle leaves open nothing but luck decides. Reference: Moriakov et al. 2020,
    Kernel of CycleGAN as a principal homogeneous space, arXiv:2001.09061.

    Args:
        style: of y: "light", on lighter backgrounds; "outline"; or "chalk", white outlines, which do not tell the colour.
        size: side in pixels, 16, 32 or 64.
        n: training data of each domain; valid are a tenth, test a quarter as many.
        ambiguous: whether there are grey backgrounds too.
        seed: of the factors.

    Raises:
        ValueError: there are no such sprites, or fewer than 10.
    """
    one, other = Sprites(size), Sprites(size, style=style)
    if n < 10:
        raise ValueError(f"n={n}: take 10 sprites of each domain or more, of which a tenth are for validation.")
    generator = torch.Generator().manual_seed(seed)
    left_out = [] if ambiguous else [{"background": one.values["background"].index("grey")}]
    splits = {}
    for split, many in zip(SPLITS, (n, n // 10, n // 4), strict=True):
        f = draw_factors(one, many, generator, left_out)
        g = f if split == "test" else draw_factors(one, many, generator, left_out)
        splits[split] = (one.pictures(f), other.pictures(g).float() / 255)
    return Source(
        name="domains",
        reference="drawn by pyrogen.data.sprites.Sprites with a fixed seed",
        kinds=PHOTO_KINDS,
        levels=256,
        splits=splits,
        oracle=SpriteReader(one, drawn=left_of(one, left_out)),
        paired=False,
    )
