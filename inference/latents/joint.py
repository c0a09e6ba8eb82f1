"""A pair at some data: draws of its latents, side by side in one vector a datum, and the densities that judge them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor

from pyrogen.axes import Distribution
from pyrogen.base import Model, Pair
from pyrogen.distributions.finite import is_discrete
from pyrogen.inference.evidence.bdmc import simulated
from pyrogen.inference.evidence.latent_space import DATUM_BLOCK
from pyrogen.inference.evidence.weights import SAMPLE_BLOCK, Weighable, total_log_prob
from pyrogen.inference.programs.checks import check_programs, plate_dim
from pyrogen.inference.programs.contexts import evaluating, seeded, standing_still
from pyrogen.inference.programs.door import taken
from pyrogen.inference.programs.particles import run
from pyrogen.inference.programs.plain import Program, as_model, without_guide
from pyrogen.inference.programs.record import Site, lacks_density, latent_sites, latents, record
from pyrogen.inference.programs.supports import unwrap
from pyrogen.seeds import derived

ROWS = 8192  # rows that are scored at once
TRIED = 4  # data on which programs are tried


@dataclass(frozen=True)
class Scores:
    """Log densities of latents ``z (n, data, size)``, each ``(n, data)`` in float64 and nats.

    Attributes:
        prior: log p(z).
        likelihood: log p(x|z).
    """

    prior: Tensor
    likelihood: Tensor

    @property
    def joint(self) -> Tensor:
        """log p(x, z)."""
        return self.prior + self.likelihood


class Joint:
    """A block of data with its latents as vectors, all sites one after the other, each flat and in the program's own values.

    Made by :func:`joints`.

    Attributes:
        size: numbers that make up one datum's latents.
        names: one for each.
        discrete: whether some site is.
    """

    def __init__(self, pair: Pair, x: Tensor, y: Tensor | None, place: tuple[int, ...], frame: str) -> None:
        self.pair, self.x, self.y, self.place, self.data, self.frame = pair, x, y, place, len(x), frame
        self.plate = "particles" if pair.vectorized else frame
        with self.seeded():
            sites = latent_sites(run(pair.model, pair, x, y, 1))
        self.discrete = any(is_discrete(site["fn"]) for site in sites.values())
        self._spots: dict[str, _Spot] = {}
        for name, site in sites.items():
            self._spots[name] = self._spot(site, sum(spot.size for spot in self._spots.values()))
        self.size = sum(spot.size for spot in self._spots.values())
        self.names = [label for name, spot in self._spots.items() for label in spot.labels(name)]

    @contextmanager
    def seeded(self, *place: int) -> Iterator[None]:
        """Random draws that depend on the seed, the block of data and a place in the work, and on nothing else."""
        (state,) = derived(*self.place, *place)
        with seeded(state, self.x.device):
            yield

    def guide(self, n: int, *place: int) -> tuple[Tensor, Tensor]:
        """``n`` draws of q(z|x), ``(n, data, size)``, and their log q, ``(n, data)``."""
        drawn, scored = [], []
        for b in range(-(-n // SAMPLE_BLOCK)):
            with self.seeded(*place, b):
                sites = latent_sites(run(self.pair.guide, self.pair, self.x, self.y, SAMPLE_BLOCK))
            drawn.append(self._pack(sites, SAMPLE_BLOCK))
            scored.append(total_log_prob(sites, self.pair, SAMPLE_BLOCK, self.data, self.plate))
        return torch.cat(drawn)[:n], torch.cat(scored)[:n]

    def log_weights(self, n: int, *place: int) -> Tensor:
        """log p(x, z) − log q(z|x) of n draws of q(z|x), ``(n, data)``; differentiable where gradients are enabled."""
        with self.seeded(*place):
            drawn = latent_sites(run(self.pair.guide, self.pair, self.x, self.y, n))
            scored = run(self.pair.model, self.pair, self.x, self.y, n, latents(drawn))
        log_q = total_log_prob(drawn, self.pair, n, self.data, self.plate)
        return total_log_prob(scored, self.pair, n, self.data, self.plate) - log_q

    def prior(self, n: int, *place: int) -> Tensor:
        """``n`` draws of p(z), ``(n, data, size)``."""
        blocks = []
        for b in range(-(-n // SAMPLE_BLOCK)):
            with self.seeded(*place, b):
                sites = latent_sites(run(self.pair.model, self.pair, self.x, self.y, SAMPLE_BLOCK))
            blocks.append(self._pack(sites, SAMPLE_BLOCK))
        return torch.cat(blocks)[:n]

    def simulate(self, *place: int) -> tuple[Tensor, Tensor]:
        """One exact pair of z, ``(data, size)``, and x, as the data, of p(x, z) for each datum's place.

        Raises:
            ValueError: the model does not observe exactly one site of the shape of x.
        """
        with self.seeded(*place):
            sites = run(poutine.uncondition(self.pair.model), self.pair, self.x, self.y, 1)
        made = simulated(sites, self.x, self.pair.vectorized)
        return self._pack({name: sites[name] for name in self._spots}, 1)[0], made

    def replicate(self, latents_of: Literal["prior", "posterior"], *place: int) -> Tensor:
        """Data in the place of these, their latents from the prior or from q(z|x).

        Raises:
            ValueError: the model does not observe exactly one site of the shape of x.
        """
        with self.seeded(*place):
            values = None
            if latents_of == "posterior":
                values = latents(run(self.pair.guide, self.pair, self.x, self.y, 1))
            sites = run(poutine.uncondition(self.pair.model), self.pair, self.x, self.y, 1, values)
        return simulated(sites, self.x, self.pair.vectorized)

    def of(self, x: Tensor) -> Joint:
        """The same for other data in the place of these."""
        return Joint(self.pair, x, self.y, self.place, self.frame)

    def turned(self) -> Joint:
        """The same with each datum's condition exchanged for another's."""
        return Joint(self.pair, self.x, None if self.y is None else self.y.roll(1, 0), self.place, self.frame)

    def at(self, z: Tensor) -> Scores:
        """log p(z) and log p(x|z) of latents ``(n, data, size)``."""
        parts = [self._scores(part) for part in z.split(max(1, ROWS // self.data))]
        return Scores(torch.cat([p.prior for p in parts]), torch.cat([p.likelihood for p in parts]))

    def log_guide(self, z: Tensor) -> Tensor:
        """log q(z|x) of latents ``(n, data, size)``, ``(n, data)``."""
        found = []
        for part in z.split(max(1, ROWS // self.data)):
            with self.seeded():
                sites = latent_sites(run(self.pair.guide, self.pair, self.x, self.y, len(part), self._unpack(part)))
            found.append(total_log_prob(sites, self.pair, len(part), self.data, self.plate))
        return torch.cat(found)

    def only_guide(self) -> Distribution | None:
        """The guide's one distribution, batch shape ``(data,)``; None where it draws several sites, or several a datum."""
        return self._only(self.pair.guide)

    def only_prior(self) -> Distribution | None:
        """The same of the model's latents."""
        return self._only(self.pair.model)

    def _only(self, program: Callable[..., object]) -> Distribution | None:
        with self.seeded():
            sites = list(latent_sites(record(program, self.x, self.y)).values())
        fn = sites[0]["fn"]
        return fn if len(sites) == 1 and fn.batch_shape == torch.Size([self.data]) else None

    def _scores(self, z: Tensor) -> Scores:
        n = len(z)
        with self.seeded():  # what obs_mask leaves out is drawn, and counts nothing
            sites = run(self.pair.model, self.pair, self.x, self.y, n, self._unpack(z))
        sides = ({k: s for k, s in sites.items() if (k in self._spots) is latent} for latent in (True, False))
        return Scores(*(total_log_prob(side, self.pair, n, self.data, self.plate) for side in sides))

    def _spot(self, site: Site, start: int) -> _Spot:
        events = site["fn"].event_dim
        at = plate_dim(site, self.frame) - events
        value = site["value"]
        if self.pair.vectorized:
            dims = plate_dim(site, "particles") - events, at
            shape = value.movedim(dims, (0, 1)).shape[2:]
        else:
            dims = at, at
            shape = value.movedim(at, 0).shape[1:]
        return _Spot(start, shape, dims, value.dtype)

    def _pack(self, sites: dict[str, Site], n: int) -> Tensor:
        parts = []
        for name, spot in self._spots.items():
            value = sites[name]["value"]
            if self.pair.vectorized:
                value = value.movedim(spot.dims, (0, 1))
            else:
                value = value.movedim(spot.dims[1], 0).unflatten(0, (n, self.data))
            parts.append(value.reshape(n, self.data, spot.size))
        return torch.cat(parts, 2)

    def _unpack(self, z: Tensor) -> dict[str, Tensor]:
        values = {}
        for name, spot in self._spots.items():
            value = z.narrow(2, spot.start, spot.size).reshape(*z.shape[:2], *spot.shape).to(spot.dtype)
            values[name] = (
                value.movedim((0, 1), spot.dims)
                if self.pair.vectorized
                else value.flatten(0, 1).movedim(0, spot.dims[1])
            )
        return values


@dataclass(frozen=True)
class _Spot:
    """Where a site's numbers lie among all, and how the program shapes them."""

    start: int
    shape: torch.Size
    dims: tuple[int, int]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        return self.shape.numel()

    def labels(self, name: str) -> list[str]:
        """The site's name, with the place of each of its numbers where they are several."""
        if not self.shape:
            return [name]
        return [f"{name}[{','.join(map(str, place))}]" for place in np.ndindex(*self.shape)]


@contextmanager
def joints(
    pair: Model | Weighable, x: Tensor, y: Tensor | None, seed: int, guided: bool = True
) -> Iterator[list[Joint]]:
    """Fixed blocks of the data, inside which the pair is in evaluation mode and nothing has gradients.

    Raises:
        ValueError: it is no pair, its guide has no density (where asked), its prior is improper, or the data do not fit.
    """
    model = as_model(pair)
    if not isinstance(model, Pair):
        raise ValueError(
            f"{type(model).__name__} is no (model, guide) pair, and has no p(x, z) to judge draws of z by."
        )
    model.check(x, y)
    with evaluating(model), standing_still(model.parameters()):
        frame = _frame(model, x[:TRIED], None if y is None else y[:TRIED], guided)
        rows = [slice(start, start + DATUM_BLOCK) for start in range(0, len(x), DATUM_BLOCK)]
        yield [Joint(model, x[part], None if y is None else y[part], (seed, i), frame) for i, part in enumerate(rows)]


def _frame(pair: Pair, x: Tensor, y: Tensor | None, guided: bool) -> str:
    """The plate over the data of programs that can be asked."""
    with seeded(0, x.device):
        # a plain program's guide need not fit where it is not asked; the zoo's does, and may have no prior to draw from
        asked = pair if guided or not isinstance(pair, Program) else without_guide(pair)
        trial = check_programs(asked, x, y)
    sites = latent_sites(trial.scored)
    if not sites:
        raise ValueError(f"{type(pair).__name__} draws no latents, and there is nothing to ask of them.")
    for name, site in sites.items():
        if isinstance(unwrap(site["fn"]), dist.ImproperUniform):
            raise ValueError(
                f"the prior of {name!r} is improper, so that nothing can be drawn from it to compare the posterior with; "
                "use a proper prior such as StandardNormal."
            )
        lack = lacks_density(trial.drawn[name]["fn"]) if guided else ""
        if lack:
            raise ValueError(
                f"the guide's {name!r} {lack} to judge its beliefs by; use a posterior such as DiagonalNormal."
            )
    return trial.plate


def placed(model: Model | Weighable, x: Any, y: Any = None) -> tuple[Tensor, Tensor | None]:
    """Data where the model is, and the y that it asks for; of a split, an array, or whatever else holds data."""
    found, x, told, _ = taken(model, x, y)
    return x, found.condition_for(told) if found is model else told
