"""The one core of every evidence estimate: log p(x, z) − log q(z|x), for draws of z, per datum."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import Pair
from pyrogen.inference.programs import (
    Site,
    as_pair,
    check_programs,
    evaluating,
    is_point,
    latents,
    log_prob,
    particles,
    plate_dim,
    record,
    seeded,
)

# Draws are made in blocks of these sizes, each seeded by its place, so that no answer depends on how much is decoded at once.
DATA_BLOCK = 10
SAMPLE_BLOCK = 100

Weighable = Pair | tuple[Callable[..., object], Callable[..., object]]


def log_weights(
    pair: Weighable,
    x: Tensor,
    num_samples: int = 5000,
    chunk_size: int = 100,
    seed: int = 0,
    y: Tensor | None = None,
) -> xr.DataArray:
    """Importance log weights log w = log p(x, z) − log q(z|x) with z ~ q(z|x), for every datum apart.

    Scales on the programs (``poutine.scale``, KL weights) do not enter; masks do. The programs run in evaluation mode.

    Args:
        pair: a model of the zoo, or a tuple ``(model, guide)`` of plain Pyro functions.
        x: data, ``(B, ...)``.
        num_samples: draws a datum.
        chunk_size: draws decoded at once for each block of 10 data; it changes memory and speed, not the answer.
        seed: of the draws; the global generator is left as it was.
        y: conditions, passed on where given.

    Returns:
        float64 nats with dimensions ``(sample, datum)``.

    Raises:
        ValueError: data that do not fit, a point-mass guide, or programs that have no weight per datum.
    """
    pair = as_pair(pair)
    if num_samples < 1 or chunk_size < 1:
        raise ValueError(f"num_samples={num_samples} and chunk_size={chunk_size} must be at least 1.")
    blocks = list(blocks_of_weights(pair, x, y, num_samples, chunk_size, seed))
    weights = torch.cat(blocks, 1).cpu().numpy()
    coordinates = {"sample": np.arange(weights.shape[0]), "datum": np.arange(weights.shape[1])}
    attributes = {"unit": "nats", "num_samples": num_samples, "seed": seed}
    return xr.DataArray(weights, coords=coordinates, dims=("sample", "datum"), name="log_weight", attrs=attributes)


def blocks_of_weights(
    pair: Pair, x: Tensor, y: Tensor | None, num_samples: int, chunk_size: int, seed: int
) -> Iterator[Tensor]:
    """The weights of one block of data after the other, each ``(num_samples, block)`` in float64."""
    plate = check_weighable(pair, x, y)
    with evaluating(pair):
        for block in range(0, x.shape[0], DATA_BLOCK):
            rows = slice(block, block + DATA_BLOCK)
            some = x[rows], None if y is None else y[rows]
            yield torch.cat(list(_weigh(pair, *some, num_samples, chunk_size, (seed, block // DATA_BLOCK), plate)))


def check_weighable(pair: Pair, x: Tensor, y: Tensor | None) -> str:
    """Refuse data and programs for which there are no importance weights per datum.

    Returns:
        The plate along which the particles lie: one of their own, or the data's where they are laid along the batch.

    Raises:
        ValueError: as said in :func:`log_weights`.
    """
    pair.check(x, y)
    with evaluating(pair), seeded(0, x.device):
        head = min(x.shape[0], DATA_BLOCK)
        trial = check_programs(pair, x[:head], None if y is None else y[:head])
    for name, site in trial.drawn.items():
        if is_point(site["fn"]) and not is_point(trial.scored[name]["fn"]):
            raise ValueError(
                f"the guide's {name!r} is a point mass, which has no density: log p(x, z) − log q(z|x) would lie above "
                "log p(x) and bound nothing. Use a posterior such as DiagonalNormal, or score by "
                "estimator=Reconstruction() (--estimator Reconstruction)."
            )
    return "particles" if pair.vectorized else trial.plate


def _weigh(
    pair: Pair, x: Tensor, y: Tensor | None, num_samples: int, chunk_size: int, place: tuple[int, int], plate: str
) -> Iterator[Tensor]:
    per_group = -(-chunk_size // SAMPLE_BLOCK)  # blocks of draws that one decoding spans
    blocks = -(-num_samples // SAMPLE_BLOCK)
    done = 0
    for first in range(0, blocks, per_group):
        drawn = [_draw(pair, x, y, (*place, b), plate) for b in range(first, min(first + per_group, blocks))]
        n = min(SAMPLE_BLOCK * len(drawn), num_samples - done)
        for start in range(0, n, chunk_size):
            stop = min(start + chunk_size, n)
            values = {name: _cut([d[0][name] for d in drawn], start, stop, x.shape[0], pair) for name in drawn[0][0]}
            log_q = torch.cat([d[1] for d in drawn])[start:stop]
            scored = _run(pair.model, pair, x, y, stop - start, values)
            yield _total(scored, pair, stop - start, x.shape[0], plate) - log_q
        done += n


def _draw(
    pair: Pair, x: Tensor, y: Tensor | None, place: tuple[int, ...], plate: str
) -> tuple[dict[str, tuple[Tensor, int]], Tensor]:
    """One block of draws: the values of the latents, with the dimension along which their particles lie, and log q."""
    with seeded(int(np.random.SeedSequence(place).generate_state(1)[0]), x.device):
        sites = _run(pair.guide, pair, x, y, SAMPLE_BLOCK)
    values = {
        name: (value, plate_dim(sites[name], plate) - sites[name]["fn"].event_dim)
        for name, value in latents(sites).items()
    }
    return values, _total(sites, pair, SAMPLE_BLOCK, x.shape[0], plate)


def _cut(blocks: list[tuple[Tensor, int]], start: int, stop: int, data: int, pair: Pair) -> Tensor:
    dim = blocks[0][1]
    whole = blocks[0][0] if len(blocks) == 1 else torch.cat([value for value, _ in blocks], dim)
    stride = 1 if pair.vectorized else data
    return whole.narrow(dim, start * stride, (stop - start) * stride)


def _run(
    program: Callable[..., object],
    pair: Pair,
    x: Tensor,
    y: Tensor | None,
    n: int,
    values: dict[str, Tensor] | None = None,
) -> dict[str, Site]:
    if pair.vectorized:
        with particles(n):
            return record(program, x, y, values)
    tiled = [None if t is None else t.repeat(n, *[1] * (t.dim() - 1)) for t in (x, y)]
    return record(program, tiled[0], tiled[1], values)  # type: ignore[arg-type]


def _total(sites: dict[str, Site], pair: Pair, n: int, data: int, plate: str) -> Tensor:
    """The sum of all sites' log densities, ``(n, data)`` in float64."""
    total = torch.zeros((), dtype=torch.float64)
    for site in sites.values():
        value = log_prob(site)
        if not pair.vectorized:
            value = value.movedim(plate_dim(site, plate), 0).flatten(1).sum(1) if value.dim() > 1 else value
            value = value.unflatten(0, (n, data))
        total = total.to(value.device) + value.double()
    return total.expand(n, data)
