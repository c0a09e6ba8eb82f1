"""Many draws of every datum's latents at once: in front of the batch where a pair knows of that, else along it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from pyrogen.base import Pair
from pyrogen.inference.programs.checks import plate_dim
from pyrogen.inference.programs.record import PlainFunction, Site, particles, record


def run(
    program: PlainFunction,
    pair: Pair,
    x: Tensor,
    y: Tensor | None,
    n: int | None,
    values: Mapping[str, Tensor] | None = None,
    *,
    fixed: bool = False,
    guarded: bool = True,
) -> dict[str, Site]:
    """The sites of a program with ``n`` particles, None for none: in front of the batch where the pair is vectorized.

    Where it is not, its data are repeated along the batch, the particles the slower; see :func:`record` for the rest.
    """
    if n is None or pair.vectorized:
        with particles(n):
            return record(program, x, y, values, fixed=fixed, guarded=guarded)
    told = None if y is None else tiled(y, n)
    return record(program, tiled(x, n), told, values, fixed=fixed, guarded=guarded)


def tiled(data: Tensor, n: int) -> Tensor:
    """Data ``n`` times over, ``(n B, ...)``."""
    return data.repeat(n, *[1] * (data.dim() - 1))


def per_datum(value: Tensor, site: Site, pair: Pair, n: int | None, plate: str | None = None) -> Tensor:
    """What a site has over its batch shape, summed to ``(n, B)``, or to ``(B,)`` without particles, or what broadcasts to it.

    Args:
        value: over the site's batch shape.
        site: whose.
        pair: whose program it is of.
        n: as in :func:`run`.
        plate: over the data; by default the pair's.
    """
    if pair.vectorized:
        return value
    if value.dim() > 1:
        value = value.movedim(plate_dim(site, plate or pair.plate), 0).flatten(1).sum(1)
    return value if n is None else value.unflatten(0, (n, -1))


def over_batch(weights: Tensor, site: Site, pair: Pair) -> Tensor:
    """Weights of each draw, ``(n, B)``, in the shape that multiplies what a site has drawn."""
    if pair.vectorized:
        return weights.reshape(weights.shape + (1,) * (site["value"].dim() - 2))
    shape = [1] * site["value"].dim()
    shape[plate_dim(site, pair.plate) - site["fn"].event_dim] = -1
    return weights.reshape(shape)
