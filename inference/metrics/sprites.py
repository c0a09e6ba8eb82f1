"""Metrics of pictures of sprites that were asked for: whether an oracle reads from them what was said, laid out or lent."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.data.sprites_captions import Captions
from pyrogen.data.sprites_reading import SpriteReader
from pyrogen.inference.latents.measured import mean, ratio, share
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.quality.modes import raw_values
from pyrogen.registry import choice

STYLED = ("colour", "background")  # the factors that a layout does not tell
Style = Literal["prior", "own", "other"]


@choice("metric", "slots-right")
def slots_right(model: Model, data: Data, seed: int, limit: int = 1000, unseen: bool = False) -> WithError:
    """The share of what captions of test data say that an oracle reads from the pictures made for them, factor by factor.

    Args:
        model: conditional on captions.
        data: sprites with captions.
        seed: of the draws.
        limit: captions.
        unseen: whether only those count that name two values which never occur together in training.
    """
    reader = reader_of(data)
    captions = Captions(reader.sprites)
    if data.y_kind != "tokens" or data.class_names != captions.vocabulary or data.test.y is None:
        raise ValueError(f"slots-right reads captions of sprites, sprites(y='caption'); y of {data.name!r} is another.")
    asked = captions.understand(captions.spell(data.test.y))
    rows = torch.arange(len(asked))
    if unseen:
        assert data.train.y is not None
        rows = _with_new_pairs(asked, captions.understand(captions.spell(data.train.y)))
        if not len(rows):
            raise ValueError(
                f"in {data.name!r} all pairs of values occur in training; hold some out, as sprites(held_out=['red circle'])."
            )
    rows = rows[:limit]
    made = _made(model, len(rows), data.test.y[rows], seed)
    right = reader.read(raw_values(made, data)).factors == asked[rows]
    return WithError.of(mean(right.double().mean(1)).of_share())


@choice("metric", "layout-iou")
def layout_iou(model: Model, data: Data, seed: int, limit: int = 1000, style: Style = "prior") -> WithError:
    """How well pictures made for layouts keep to them: for each class |A ∩ B| / |A ∪ B| of pixels, and the mean over classes.

    A is where the layouts have the class, B where the pictures do, as an oracle reads them. Each is a ratio of sums over
    pictures, and the error that of the mean over classes of their deviations, picture by picture.

    Args:
        model: conditional on layouts.
        data: sprites with layouts.
        seed: of the draws.
        limit: layouts.
        style: z is drawn, "prior"; or the code of the "own" picture, or that of an "other".
    """
    reader, y = reader_of(data), _layouts(data, limit)
    made = raw_values(_styled(model, data, y, style, seed)[0], data)
    shown = reader.sprites.layout(reader.read(made).factors)
    asked = y.cpu()
    shares, deviations = [], []
    for k in asked.unique().tolist():
        a, b = asked == k, shown == k
        both, either = (pixels.flatten(1).sum(1).double() for pixels in (a & b, a | b))
        shares.append(ratio(both, either).value)
        deviations.append((both - shares[-1] * either) / either.mean())
    return WithError(sum(shares) / len(shares), mean(torch.stack(deviations).mean(0)).error)


@choice("metric", "style-carried")
def style_carried(model: Model, data: Data, seed: int, limit: int = 1000, style: Style = "other") -> WithError:
    """The share of pictures, made of a layout and the code of another picture, that have the colours of the latter.

    Both colours, of shape and background, must be those of the picture that lent its style, as an oracle reads them. The
    arguments are those of ``layout-iou``; of z that is drawn, "prior", it is what chance does.
    """
    reader, y = reader_of(data), _layouts(data, limit)
    made, lent = _styled(model, data, y, style, seed)
    seen, wished = (reader.read(raw_values(x, data)).factors for x in (made, lent))
    same = [reader.sprites.column(seen, name) == reader.sprites.column(wished, name) for name in STYLED]
    return WithError.of(share(torch.stack(same).all(0)))


def reader_of(data: Data) -> SpriteReader:
    """The oracle that reads factors off sprites.

    Raises:
        ValueError: the data are no sprites.
    """
    if not isinstance(data.oracle, SpriteReader):
        raise ValueError(f"pictures are read by the oracle of sprites, and {data.name!r} has none; take 'sprites'.")
    return data.oracle


def _layouts(data: Data, limit: int) -> Tensor:
    if data.y_kind != "layout" or data.test.y is None:
        raise ValueError(f"this needs layouts, as sprites(y='layout') has them; y of {data.name!r} is another.")
    return data.test.y[:limit]


def _made(model: Model, n: int, y: Tensor, seed: int) -> Tensor:
    with evaluating(model), seeded(seed, model.device):
        return model.sample_mean(n, model.condition_for(y.to(model.device))).cpu()


def _styled(model: Model, data: Data, y: Tensor, style: Style, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures of layouts in a style, and the pictures that lend it: of a drawn one, others."""
    x = data.test.x[: len(y)]
    lent = x if style == "own" else x.roll(1, 0)
    if style == "prior":
        return _made(model, len(y), y, seed), lent
    if not isinstance(model, HasPosterior):
        raise ValueError(f"{type(model).__name__} has no codes of pictures, by which these lend their style.")
    told, own = y.to(model.device), (y if style == "own" else y.roll(1, 0)).to(model.device)
    with evaluating(model):
        return model.decode(model.code(lent.to(model.device), own), told).mean.cpu(), lent


def _with_new_pairs(asked: Tensor, known: Tensor) -> Tensor:
    """The rows of factors of which two values never occur together in the known ones."""
    new = torch.zeros(len(asked), dtype=torch.bool)
    columns = asked.shape[1]
    for i in range(columns):
        for j in range(i + 1, columns):
            pairs = [rows[:, i] * 1000 + rows[:, j] for rows in (asked, known)]
            new |= ~torch.isin(*pairs)
    return new.nonzero()[:, 0]
