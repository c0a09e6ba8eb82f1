"""Images in arrays, cut to a centred square and resized."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pyrogen.data.source import Source

CHUNK = 1000


def resize(source: Source, size: int) -> Source:
    """The same images ``(C, H, W)`` as ``(C, size, size)``, bilinear with antialiasing; whole numbers stay whole.

    A y that is an image, or a layout of classes, of the same height and width is resized with its x; of a layout whole
    pixels are taken. No oracle knows images of another size.

    Raises:
        ValueError: the data are no images, or size is below 1.
    """
    shape = tuple(source.splits["train"][0].shape[1:])
    if len(shape) != 3 or not {"binary", "unit", "levels", "real"} & set(source.kinds):
        raise ValueError(
            f"size={size} resizes images, and {source.name!r} has none but x of shape {shape}; leave size out."
        )
    if size < 1:
        raise ValueError(f"size={size}: expected at least 1 pixel.")
    splits: dict[str, tuple[Tensor | np.ndarray, Tensor | None]] = {}
    for split, (x, y) in source.splits.items():
        beside = y is not None and y.dim() in (3, 4) and y.shape[-2:] == x.shape[2:]
        splits[split] = (_resized(x, size), _resized_beside(y, size) if beside and y is not None else y)
    return replace(source, splits=splits, oracle=None)


def _resized_beside(y: Tensor, size: int) -> Tensor:
    if y.dim() == 4:
        return _resized(y, size)
    if y.is_floating_point():
        return _resized(y.unsqueeze(1), size).squeeze(1)
    side = min(y.shape[1:])
    top, left = ((edge - side) // 2 for edge in y.shape[1:])
    rows = ((torch.arange(size) + 0.5) * side / size).long()
    return y[:, top + rows][:, :, left + rows]


def _resized(images: Tensor | np.ndarray, size: int) -> Tensor:
    side = min(images.shape[2:])
    top, left = ((edge - side) // 2 for edge in images.shape[2:])
    parts = []
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK, :, top : top + side, left : left + side]
        whole = part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))
        values = interpolate(whole.float(), (size, size), mode="bilinear", antialias=True, align_corners=False)
        # means lie between what they are of, and rounding must not leave [0, 1]
        values = values.clamp(whole.nan_to_num(math.inf).min(), whole.nan_to_num(-math.inf).max())
        parts.append(values if whole.is_floating_point() else values.round().to(whole.dtype))
    return torch.cat(parts)
