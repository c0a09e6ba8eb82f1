"""Pictures, and what is left of them at a smaller size: data for super-resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pyrogen.data.named import source_named
from pyrogen.data.source import Source
from pyrogen.registry import choice

CHUNK = 1000


@choice("data", "reduced")
def reduced(of: str = "sprites", by: int = 4, n: int | None = None) -> Source:
    """Other pictures, whose y is the same picture with fewer pixels, by bicubic interpolation with antialiasing, in [0, 1].

    Reference: Ledig et al. 2017, arXiv:1609.04802, section 3.

    Args:
        of: the data, as ``load`` names them, "mnist" or "sprites(size=64)".
        by: how many times fewer pixels a side has.
        n: of the training data the first so many, and a tenth as many for validation; None: all.

    Raises:
        ValueError: there are no such data, or not as many; or they are no pictures in grey levels of sides that are
            multiples of ``by``.
    """
    source = source_named(of)
    shape = source.splits["train"][0].shape[1:]
    if len(shape) != 3 or source.levels is None or by < 2 or any(side % by or side == by for side in shape[1:]):
        raise ValueError(
            f"reduced(of={of!r}, by={by}) reduces pictures in grey levels whose sides are multiples of it; {source.name!r} "
            f"has x of shape {tuple(shape)}."
        )
    kept = {split: len(x) for split, (x, _) in source.splits.items()}
    if n is not None:
        if not 10 <= n <= kept["train"]:
            raise ValueError(
                f"reduced(of={of!r}, n={n}): {source.name!r} has {kept['train']} training data; keep 10 to as many."
            )
        kept |= {"train": n, "valid": min(n // 10, kept["valid"])}
    pictures = {split: x[: kept[split]] for split, (x, _) in source.splits.items()}
    splits = {split: (x, _reduced(x, by, source.levels - 1)) for split, x in pictures.items()}
    said = f"{source.reference}; reduced by {by}"
    return replace(source, name="reduced", reference=said, splits=splits, class_names=(), labelled=of)


def _reduced(pictures: Tensor | np.ndarray, by: int, most: int) -> Tensor:
    parts = []
    for start in range(0, len(pictures), CHUNK):
        raw = pictures[start : start + CHUNK]
        part = (raw if isinstance(raw, Tensor) else torch.from_numpy(np.array(raw))).float() / most
        size = [side // by for side in part.shape[2:]]
        parts.append(interpolate(part, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1))
    return torch.cat(parts)
