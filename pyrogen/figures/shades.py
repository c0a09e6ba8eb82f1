"""What is black and what is white in pictures that are to be compared."""

from __future__ import annotations

import torch

from pyrogen.data import Data, Split
from pyrogen.figures.plots import Shades, limits
from pyrogen.kinds import kind_named

COUNTED = 500  # data, whose least and greatest values these are


def shades_of(data: Data) -> Shades:
    """Those of test data, for all pictures that show or stand for them."""
    return shades(data.test.spread(COUNTED), data.kind)


def shades(part: Split, kind: str) -> Shades:
    """One pair of values for all pictures, those of the kind, or the least and the greatest of the data.

    Standardized data have it of their raw values, and so another pair for each channel: colours are those of the raw data.
    """
    scale = part.view.scale
    if scale is None or kind_named(kind).limits is not None:
        return limits(part.x, kind)
    low, high = (scale(torch.full(part.x.shape[1:], v)).numpy() for v in raw_limits(part, kind))
    return low, high


def raw_limits(part: Split, kind: str) -> tuple[float, float]:
    """The pair of values in the data's own units."""
    scale = part.view.scale
    return limits(part.x if scale is None else scale.restore(part.x), kind)
