"""Sprites as a data set: how many, what is asked of them, and which combinations training never sees."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pyrogen.data.source import PHOTO_KINDS, SPLITS, Source
from pyrogen.data.sprites import SHAPES, Sprites
from pyrogen.data.sprites_captions import Captions
from pyrogen.data.sprites_reading import SpriteReader
from pyrogen.registry import choice, unknown

# what y is, and what its values are called
CONDITIONS: dict[str, Callable[[Sprites, Tensor], tuple[Tensor, Sequence[str]]]] = {
    "factors": lambda drawn, f: (f, drawn.names),
    "label": lambda drawn, f: (drawn.column(f, "shape"), tuple(SHAPES)),
    "caption": lambda drawn, f: (Captions(drawn).tokens(f), Captions(drawn).vocabulary),
    "outline": lambda drawn, f: (drawn.outlines(f), ()),
    "grey": lambda drawn, f: (grey(drawn.pictures(f)), ()),
    "layout": lambda drawn, f: (drawn.layout(f), ("background", *SHAPES, *["mark"] * bool(drawn.tiny))),
}


@choice("data", "sprites")
def sprites(
    size: int = 32,
    tiny: str | None = None,
    frames: int = 1,
    y: str = "factors",
    held_out: Sequence[str] = (),
    only: Sequence[str] = (),
    biased: Sequence[str] = (),
    share: float = 0.95,
    n: int = 10_000,
    tests: int | None = None,
    seed: int = 0,
) -> Source:
    """Pictures of one shape each, made from six factors and more, which an oracle reads back exactly; or clips of them.

    Args:
        size: side in pixels, 16, 32 or 64.
        tiny: a factor more, a mark near a corner: "small", 2 pixels wide, or "large".
        frames: more than 1 for clips (T, 3, size, size), whose shapes move.
        y: "factors", whole numbers (N, factors); "label", the shape; "caption", numbers of words; "layout", what is at
            each pixel; "outline", the edge of the shape, (N, 1, size, size), which leaves the colours open; "grey", the
            picture without its colours.
        held_out: pairs of values that train and valid lack, as ("red circle", "large cross"); test has them. Of clips "left"
            and "right" are first of the column, then of the direction: "left right" stand left and go right.
        only: values, as ("large", "red", "blue"): of a factor that one is of, all data have one of those named.
        biased: pairs of values, as ("red circle", "green square"): in train and valid a ``share`` of all that have the second
            value, here circles, have the first one; test is drawn evenly.
        share: of those that have the second value of a biased pair.
        n: training data; valid are a tenth as many.
        tests: test data; None: a quarter of n.
        seed: of the factors.

    Raises:
        ValueError: what no sprites are, pairs of no two factors, or values of none; a share outside [0, 1]; biased pairs that
            would make those that are held out.
    """
    drawn = Sprites(size, tiny, frames)
    if y not in CONDITIONS:
        raise unknown("y of sprites", y, CONDITIONS)
    if n < 10:
        raise ValueError(f"n={n}: take 10 sprites or more, of which a tenth are for validation.")
    if not 0 <= share <= 1 or (tests is not None and tests < 1):
        raise ValueError(f"share={share}, tests={tests}: a share lies in [0, 1], and 1 datum or more is for tests.")
    generator = torch.Generator().manual_seed(seed)
    forbidden, leaning = ([pair_of(drawn, words) for words in pairs] for pairs in (held_out, biased))
    refuse_made(drawn, forbidden, leaning)
    absent = all_but(drawn, only)
    names: Sequence[str] = ()
    splits: dict[str, tuple[Tensor, Tensor]] = {}
    for split, many in zip(SPLITS, (n, n // 10, tests or n // 4), strict=True):
        f = draw_factors(drawn, many, generator, absent if split == "test" else [*absent, *forbidden, *leaning])
        if split != "test":
            lean(drawn, f, leaning, share, generator)
        condition, names = CONDITIONS[y](drawn, f)
        splits[split] = (drawn.pictures(f), condition)
    return Source(
        name="sprites",
        reference="drawn by pyrogen.data.sprites.Sprites with a fixed seed",
        kinds=PHOTO_KINDS,
        levels=256,
        splits=splits,
        class_names=tuple(names),
        oracle=SpriteReader(drawn, drawn=left_of(drawn, absent)),
    )


def grey(pictures: Tensor) -> Tensor:
    """The luma of pictures in 256 levels, in [0, 1]: 0.299 R + 0.587 G + 0.114 B, ``(N, ..., 1, H, W)``."""
    red, green, blue = (pictures.float() / 255).unbind(-3)
    return (0.299 * red + 0.587 * green + 0.114 * blue).unsqueeze(-3)


def pair_of(drawn: Sprites, words: str) -> dict[str, int]:
    """The values that two words name, by factor: "red circle" is ``{"colour": 0, "shape": 0}``.

    Raises:
        ValueError: they are no values of two factors.
    """
    said = words.split()
    found: dict[str, int] = {}
    for word in said:
        # "left" and "right" are values of two factors of clips
        free = [name for name in factors_of(drawn, word) if name not in found]
        if free:
            found[free[0]] = drawn.values[free[0]].index(word)
    if len(said) != 2 or len(found) != 2:
        raise ValueError(
            f"{words!r} names no values of two factors, as 'red circle' does; the values are "
            f"{'; '.join(', '.join(v) for v in drawn.values.values())}."
        )
    return found


def factors_of(drawn: Sprites, word: str) -> list[str]:
    """The factors that a word is a value of, in their order."""
    return [name for name, values in drawn.values.items() if word in values]


def all_but(drawn: Sprites, only: Sequence[str]) -> list[dict[str, int]]:
    """The values, by factor, that go where only some of it are to stay.

    Raises:
        ValueError: they are no values of sprites.
    """
    kept: dict[str, set[str]] = {}
    for word in only:
        names = factors_of(drawn, word)
        if not names:
            raise unknown("value of sprites", word, [v for values in drawn.values.values() for v in values])
        kept.setdefault(names[0], set()).add(word)
    return [
        {name: number}
        for name, values in kept.items()
        for number, value in enumerate(drawn.values[name])
        if value not in values
    ]


def left_of(drawn: Sprites, absent: Sequence[dict[str, int]]) -> Tensor:
    """Every combination of values without some, ``(combinations, factors)`` int64."""
    every = drawn.every()
    return every[~shows_any(drawn, every, absent)]


def refuse_made(drawn: Sprites, forbidden: Sequence[dict[str, int]], leaning: Sequence[dict[str, int]]) -> None:
    """Refuse pairs that data lean to where these make some of those that are held out.

    Raises:
        ValueError: they do.
    """
    for held, biased in itertools.product(forbidden, leaning):
        name, value = next(iter(biased.items()))
        # what is given the first value has the second one already
        if held.get(name) == value and all(held.get(other, number) == number for other, number in biased.items()):
            raise ValueError(
                f"biased={words_of(drawn, biased)!r} would make {words_of(drawn, held)!r}, which held_out keeps from "
                "training; leave one of them out."
            )


def words_of(drawn: Sprites, pair: dict[str, int]) -> str:
    """The two words of a pair."""
    return " ".join(drawn.values[name][number] for name, number in pair.items())


def draw_factors(
    drawn: Sprites, n: int, generator: torch.Generator | None = None, forbidden: Sequence[dict[str, int]] = ()
) -> Tensor:
    """Independent, evenly distributed factors ``(n, factors)`` int64, drawn anew as long as they have a forbidden pair.

    Raises:
        ValueError: the pairs forbid everything.
    """
    if forbidden and shows_any(drawn, drawn.every(), forbidden).all():
        raise ValueError("held_out, only: these leave no combination to train on; hold out fewer.")

    def draw(many: int) -> Tensor:
        return torch.stack([torch.randint(count, (many,), generator=generator) for count in drawn.counts], 1)

    f = draw(n)
    while len(again := shows_any(drawn, f, forbidden).nonzero()[:, 0]):
        f[again] = draw(len(again))
    return f


def lean(
    drawn: Sprites, factors: Tensor, pairs: Sequence[dict[str, int]], share: float, generator: torch.Generator
) -> None:
    """Give a share of the data that have the second value of a pair, which none of them shows, the first one too."""
    for pair in pairs:
        (name, value), (of, held) = pair.items()
        with_it = (drawn.column(factors, of) == held) & (torch.rand(len(factors), generator=generator) < share)
        factors[with_it, drawn.names.index(name)] = value


def shows_any(drawn: Sprites, factors: Tensor, pairs: Sequence[dict[str, int]]) -> Tensor:
    """Which of factors ``(N, factors)`` have one of the pairs: ``(N,)``."""
    shows = torch.zeros(len(factors), dtype=torch.bool)
    for pair in pairs:
        shows |= torch.stack([drawn.column(factors, name) == value for name, value in pair.items()]).all(0)
    return shows
