"""The one core of every evidence estimate: log p(x, z) − log q(z|x), for draws of z, per datum."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.arguments import at_least
from pyrogen.base import Pair
from pyrogen.inference.programs.checks import check_programs, need_support, plate_dim
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import taken, verb
from pyrogen.inference.programs.lengths import by_length, cut
from pyrogen.inference.programs.particles import per_datum, run
from pyrogen.inference.programs.plain import as_pair
from pyrogen.inference.programs.record import (
    Site,
    is_certain,
    is_point,
    lacks_density,
    latent_sites,
    latents,
    log_prob,
    outside,
)
from pyrogen.inference.replay.often import Recorded
from pyrogen.memory import enough_memory
from pyrogen.seeds import derived

# Draws are made in blocks of these sizes, each seeded by its place, so that no answer depends on how much is decoded at once.
DATA_BLOCK = 10
SAMPLE_BLOCK = 100

TOGETHER = 5000  # weights of a datum that are handed on at once: enough to make what is done with them cheap

Weighable = Pair | tuple[Callable[..., object], Callable[..., object]]


@verb
def log_weights(
    pair: Weighable,
    x: Any,
    num_samples: int = 5000,
    chunk_size: int = 100,
    seed: int = 0,
    y: Tensor | None = None,
) -> xr.DataArray:
    """Importance log weights log w = log p(x, z) − log q(z|x) with z ~ q(z|x), for every datum apart.

    Scales on the programs (``poutine.scale``, KL weights) do not enter; masks do. The programs run in evaluation mode.

    Args:
        pair: a model of the zoo, or a tuple ``(model, guide)`` of plain Pyro functions.
        x: data ``(B, ...)``, as of :func:`~pyrogen.inference.log_evidence`.
        num_samples: draws a datum.
        chunk_size: draws decoded at once for each block of 10 data; where there are fewer data, more draws, up to as many
            rows. It changes memory and speed, not the answer.
        seed: of the draws; the global generator is left as it was.
        y: conditions, passed on where given.

    Returns:
        float64 nats with dimensions ``(sample, datum)``.

    Raises:
        ValueError: data that do not fit, a point-mass guide, or programs that have no weight per datum.
        MemoryError: there is not enough memory; the sentence says what to lower.
    """
    at_least(1, num_samples=num_samples, chunk_size=chunk_size)
    model, x, y, _ = taken(pair, x, y)
    pair = as_pair(model)
    weighed = weigh(pair, x, y, num_samples, chunk_size, seed)
    with enough_memory("lower num_samples or chunk_size, or weigh fewer data"), closing(weighed.blocks) as blocks:
        found = torch.cat([torch.cat(list(block)) for _, block in blocks], 1)
        weights = found[:, weighed.places].cpu().numpy()
    coordinates = {"sample": np.arange(weights.shape[0]), "datum": np.arange(weights.shape[1])}
    attributes = {"unit": "nats", "num_samples": num_samples, "seed": seed}
    return xr.DataArray(weights, coords=coordinates, dims=("sample", "datum"), name="log_weight", attrs=attributes)


class Weighed(NamedTuple):
    """The weights of data, a block after the other.

    Attributes:
        certain: whether the guide has but one state for a datum, so that one draw weighs what all do.
        places: where among the blocks' data each of those that were given is, ``(B,)``: sequences that end are weighed beside
            others of their length, and no further than these go.
        blocks: how many data a block has, and their weights in parts ``(n, block)`` in float64, which must be taken before
            the next block is asked for. It is to be closed: until then gradients are off, and the pair evaluates.
    """

    certain: bool
    places: Tensor
    blocks: Generator[tuple[int, Iterator[Tensor]], None, None]


def weigh(pair: Pair, x: Tensor, y: Tensor | None, num_samples: int, chunk_size: int, seed: int) -> Weighed:
    """The log weights of :func:`log_weights`, as they are made.

    Raises:
        ValueError: as there.
    """
    found = check_weighable(pair, x, y)
    different = 1 if found.certain else num_samples
    order = by_length(pair, x)

    calls = -(-len(order) // DATA_BLOCK) * (-(-different // chunk_size) - 1)  # but for the first of each block
    scores = _Scores(pair, found.plate, calls)

    def blocks() -> Generator[tuple[int, Iterator[Tensor]], None, None]:
        _keep_freed_memory()
        with evaluating(pair):
            for start in range(0, x.shape[0], DATA_BLOCK):
                rows = order[start : start + DATA_BLOCK]
                some, labels = cut(pair, x[rows]), None if y is None else y[rows]
                block = _Block(pair, some, labels, (seed, start // DATA_BLOCK), scores)
                yield len(some), _gather(block.weigh(different, chunk_size), num_samples // different)

    return Weighed(found.certain, order.argsort(), blocks())


def _keep_freed_memory() -> None:
    # glibc keeps twice the largest block that it has seen freed, up to 64 MB; what is more goes back to the system and comes
    # anew page by page, zeroed: for the few megabytes of each chunk that is up to a tenth of the time
    torch.empty(32_000_000, dtype=torch.uint8)


def _gather(chunks: Iterator[Tensor], times: int) -> Iterator[Tensor]:
    """The weights in large parts, each as often as it stands for so many draws."""
    filled, whole = 0, torch.empty(0, 0)
    for chunk in chunks:
        if filled + len(chunk) > len(whole):
            yield from _repeated(whole[:filled], times)
            # one tensor that is filled: many small ones among the large that are decoded would scatter the memory
            filled, whole = 0, chunk.new_empty(max(TOGETHER, len(chunk)), chunk.shape[1])
        whole[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    yield from _repeated(whole[:filled], times)


def _repeated(part: Tensor, times: int) -> Iterator[Tensor]:
    """A part as often as that, so many at once that they are large again."""
    at_once = max(1, TOGETHER // max(1, len(part)))
    for done in range(0, times if len(part) else 0, at_once):
        yield part.expand(min(at_once, times - done), -1, -1).flatten(0, 1)


class Weighing(NamedTuple):
    """How the programs of a pair are weighed.

    Attributes:
        plate: along which the particles lie: one of their own, or the data's where they are laid along the batch.
        certain: whether the guide has but one state for a datum.
    """

    plate: str
    certain: bool


def check_weighable(pair: Pair, x: Tensor, y: Tensor | None) -> Weighing:
    """Refuse data and programs for which there are no importance weights per datum.

    Raises:
        ValueError: as said in :func:`log_weights`.
    """
    pair.check(x, y)
    with evaluating(pair), seeded(0, x.device):
        head = min(x.shape[0], DATA_BLOCK)
        trial = check_programs(pair, x[:head], None if y is None else y[:head])
    drawn = latent_sites(trial.drawn)
    for name, site in drawn.items():
        lack = lacks_density(site["fn"])
        if lack and not is_point(trial.scored[name]["fn"]):
            raise ValueError(
                f"the guide's {name!r} {lack}: log p(x, z) − log q(z|x) would lie above "
                "log p(x) and bound nothing. Use a posterior such as DiagonalNormal, or score by "
                "estimator=Reconstruction()."
            )
    certain = bool(drawn) and all(is_certain(site["fn"]) for site in drawn.values())
    return Weighing("particles" if pair.vectorized else trial.plate, certain)


class _Scores:
    """log p(x, z) − log q(z|x) of given draws, below Python where there are many of a kind.

    Args:
        pair: whose.
        plate: as in :class:`Weighing`.
        calls: how many are to be expected.
    """

    def __init__(self, pair: Pair, plate: str, calls: int) -> None:
        self.pair, self.plate, self.names = pair, plate, tuple[str, ...]()
        self.weigh = Recorded(self._weigh, calls)

    def __call__(self, x: Tensor, y: Tensor | None, values: dict[str, Tensor], log_q: Tensor) -> Tensor:
        """The log weights ``(n, data)``."""
        self.names = tuple(values)
        return self.weigh(x, log_q, *values.values(), *(() if y is None else (y,)))[0]

    def _weigh(self, x: Tensor, log_q: Tensor, *rest: Tensor) -> list[Tensor]:
        values = dict(zip(self.names, rest, strict=False))
        scored = self.scored(x, rest[len(values)] if len(rest) > len(values) else None, values, len(log_q))
        return [self.weighed(scored, log_q)]

    def weighed(self, scored: dict[str, Site], log_q: Tensor) -> Tensor:
        """The log weights ``(n, data)`` of sites that were scored already."""
        n, data = log_q.shape
        return total_log_prob(scored, self.pair, n, data, self.plate) - log_q

    def scored(self, x: Tensor, y: Tensor | None, values: dict[str, Tensor], n: int) -> dict[str, Site]:
        """The sites of the model there."""
        with seeded(0, x.device):  # what obs_mask leaves out is drawn, and counts nothing
            return run(self.pair.model, self.pair, x, y, n, values)


@dataclass
class _Block:
    """Some data with their place among all, from which the seeds of their draws come."""

    pair: Pair
    x: Tensor
    y: Tensor | None
    place: tuple[int, int]
    scores: _Scores
    only: dict[str, Site] | None = None

    def weigh(self, num_samples: int, chunk_size: int) -> Iterator[Tensor]:
        """The log weights in chunks ``(n, data)``."""
        data = self.x.shape[0]
        at_once = chunk_size * (DATA_BLOCK // data)
        per_group = -(-at_once // SAMPLE_BLOCK)  # blocks of draws that one decoding spans
        blocks = -(-num_samples // SAMPLE_BLOCK)
        done = 0
        for first in range(0, blocks, per_group):
            drawn = [self.draw(b) for b in range(first, min(first + per_group, blocks))]
            n = min(SAMPLE_BLOCK * len(drawn), num_samples - done)
            log_q = torch.cat([block[1] for block in drawn])
            for start in range(0, n, at_once):
                stop = min(start + at_once, n)
                values = {k: _cut([d[0][k] for d in drawn], start, stop, data, self.pair) for k in drawn[0][0]}
                if first == start == 0:
                    # as it is, since what is recorded has no sites to be looked at
                    scored = self.scores.scored(self.x, self.y, values, stop - start)
                    need_support(scored)
                    yield self.scores.weighed(scored, log_q[start:stop])
                else:
                    yield self.scores(self.x, self.y, values, log_q[start:stop])
            done += n

    def draw(self, number: int) -> tuple[dict[str, tuple[Tensor, int]], Tensor]:
        """One block of draws: the values of the latents, with the dimension along which their particles lie, and log q."""
        (state,) = derived(*self.place, number)
        with seeded(state, self.x.device):
            sites = self._guide()
        values = {
            name: (value, plate_dim(sites[name], self.scores.plate) - sites[name]["fn"].event_dim)
            for name, value in latents(sites).items()
        }
        # what a guide observes, a factor say, is part of no log q
        return values, total_log_prob(latent_sites(sites), self.pair, SAMPLE_BLOCK, self.x.shape[0], self.scores.plate)

    def _guide(self) -> dict[str, Site]:
        if self.only is None:
            sites = latent_sites(run(self.pair.guide, self.pair, self.x, self.y, SAMPLE_BLOCK))
            # a guide of one latent has the same distribution at every run: the data need not be encoded again
            self.only = sites if len(sites) == 1 else None
            return sites
        return {name: {**site, "value": site["fn"]()} for name, site in self.only.items()}


def _cut(blocks: list[tuple[Tensor, int]], start: int, stop: int, data: int, pair: Pair) -> Tensor:
    dim = blocks[0][1]
    whole = blocks[0][0] if len(blocks) == 1 else torch.cat([value for value, _ in blocks], dim)
    stride = 1 if pair.vectorized else data
    return whole.narrow(dim, start * stride, (stop - start) * stride)


def total_log_prob(sites: dict[str, Site], pair: Pair, n: int, data: int, plate: str) -> Tensor:
    """The sum of all sites' log densities, ``(n, data)`` in float64; −inf where a given value is outside a support."""
    total = torch.zeros((), dtype=torch.float64)
    for site in sites.values():
        value = per_datum(log_prob(site), site, pair, n, plate)
        total = total.to(value.device) + value.double()
    total = total.expand(n, data)
    for site in sites.values():
        lost = outside(site)
        if lost is not None:
            total = total.masked_fill(per_datum(lost, site, pair, n, plate) > 0, -torch.inf)
    return total
