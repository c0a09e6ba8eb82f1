"""Walks through the space of codes: straight lines between data, and one coordinate at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyrogen.base import HasPosterior


def interpolate(
    model: HasPosterior, first: Tensor, second: Tensor, steps: int = 8, y: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Means of p(x|z) at z = (1 − t) z(first) + t z(second) for t from 0 to 1: ``(B, steps, *x_shape)``.

    Should not be confused with a mixture of the two data: only their codes are mixed. Of two conditions ``y`` the first
    stays.
    """
    ys = (None, None) if y is None else y
    a, b = (model.code(x, c).unsqueeze(1) for x, c in zip((first, second), ys, strict=True))
    t = torch.linspace(0, 1, steps, device=a.device).unsqueeze(-1)
    mean: Tensor = model.decode(torch.lerp(a, b, t), None if y is None else y[0].unsqueeze(1)).mean
    return mean


def traverse(
    model: HasPosterior, z: Tensor, coordinates: Sequence[int], values: Tensor, y: Tensor | None = None
) -> Tensor:
    """Means of p(x|z) while one coordinate of a code takes other values: ``(coordinates, steps, *x_shape)``.

    Args:
        model: what decodes.
        z: the code whose other coordinates stay, ``(latent_size,)``.
        coordinates: which ones move, each in a row of its own.
        values: what they take, ``(coordinates, steps)``.
        y: the condition of that datum.
    """
    codes = z.repeat(*values.shape, 1)
    for row, coordinate in enumerate(coordinates):
        codes[row, :, coordinate] = values[row]
    mean: Tensor = model.decode(codes, y).mean
    return mean


def aggregate(model: HasPosterior, x: Tensor, y: Tensor | None = None) -> Tensor:
    """One draw of q(z|x) for each datum, together a sample of the aggregated posterior: ``(B, latent_size)``."""
    z: Tensor = model.encode(x, y).sample()
    return z
