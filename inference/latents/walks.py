"""Walks through the space of codes: straight lines between data, and one coordinate at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyrogen.base import HasPosterior


def interpolate(model: HasPosterior, first: Tensor, second: Tensor, steps: int = 8) -> Tensor:
    """Means of p(x|z) at z = (1 − t) μ(first) + t μ(second) for t from 0 to 1: ``(B, steps, *x_shape)``.

    Should not be confused with a mixture of the two data: only their mean codes are mixed.
    """
    a, b = (model.encode(x).mean.unsqueeze(1) for x in (first, second))
    t = torch.linspace(0, 1, steps, device=a.device).unsqueeze(-1)
    mean: Tensor = model.decode(torch.lerp(a, b, t)).mean
    return mean


def traverse(model: HasPosterior, z: Tensor, coordinates: Sequence[int], values: Tensor) -> Tensor:
    """Means of p(x|z) while one coordinate of a code takes other values: ``(coordinates, steps, *x_shape)``.

    Args:
        model: what decodes.
        z: the code whose other coordinates stay, ``(latent_size,)``.
        coordinates: which ones move, each in a row of its own.
        values: what they take, ``(coordinates, steps)``.
    """
    codes = z.repeat(*values.shape, 1)
    for row, coordinate in enumerate(coordinates):
        codes[row, :, coordinate] = values[row]
    mean: Tensor = model.decode(codes).mean
    return mean


def aggregate(model: HasPosterior, x: Tensor) -> Tensor:
    """One draw of q(z|x) for each datum, together a sample of the aggregated posterior: ``(B, latent_size)``."""
    z: Tensor = model.encode(x).sample()
    return z
