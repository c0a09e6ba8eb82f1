"""The latents of a pair as vectors without constraints: where gradients, and so Hamiltonian dynamics, are at home."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.autograd import grad
from torch.distributions import biject_to

from pyrogen.base import Model, Pair
from pyrogen.distributions.finite import is_discrete
from pyrogen.inference.evidence.placing import Placed, Spot
from pyrogen.inference.evidence.request import instead
from pyrogen.inference.evidence.weights import DATA_BLOCK, SAMPLE_BLOCK
from pyrogen.inference.programs.checks import Checked, check_programs, need_support, plate_dim
from pyrogen.inference.programs.contexts import evaluating, seeded, standing_still
from pyrogen.inference.programs.enumeration import JointStates, joint_states
from pyrogen.inference.programs.particles import per_datum, run
from pyrogen.inference.programs.plain import Program, without_guide
from pyrogen.inference.programs.record import (
    Site,
    is_point,
    lacks_density,
    latent_sites,
    latents,
    log_density,
    outside,
    record,
)
from pyrogen.inference.programs.supports import inside, moves, unwrap
from pyrogen.inference.replay.often import Recorded
from pyrogen.seeds import derived

# Data are annealed in blocks of this size, and so many rows evaluated at once, whatever the chunk size: another rounding of
# one gradient would be another decision to accept, and so another answer.
DATUM_BLOCK = 64
ROWS = 1024

Init = Literal["prior", "guide"]


@dataclass(frozen=True)
class Point:
    """Positions, and all that a transition needs to know of them.

    Densities are of the unconstrained z: log f₀ of the base, and the lift log f₁ − log f₀ to the target p(x, z), so that
    log f_β = log f₀ + β lift. Their gradients are kept apart, and a new β needs no new one.

    Attributes:
        z: ``(chain, datum, size)``.
        base: log f₀, ``(chain, datum)`` in float64.
        lift: log f₁ − log f₀, ``(chain, datum)`` in float64.
        base_slope: ∇ log f₀, as z.
        lift_slope: ∇ (log f₁ − log f₀), as z.
    """

    z: Tensor
    base: Tensor
    lift: Tensor
    base_slope: Tensor
    lift_slope: Tensor

    def log_density(self, beta: float | Tensor) -> Tensor:
        """log f_β, ``(chain, datum)``; −∞ where it is no number. β is one for all, or ``(chain, datum)``."""
        raised = beta * self.lift
        if isinstance(beta, Tensor):
            raised = raised.masked_fill(beta == 0, 0.0)  # and not 0 · −∞: the base goes on where the target ends
        density = self.base + raised
        return density.masked_fill(~(density < torch.inf), -torch.inf)

    def lift_spread(self) -> Tensor:
        """The lift's standard deviation over the chains where it is finite, ``(datum,)``; 1 where fewer than two are."""
        known = self.lift.isfinite()
        middle = self.lift.masked_fill(~known, torch.nan).nanmean(0)
        widened = ((len(known) - 1) / (known.sum(0) - 1)).sqrt()  # what stands in the middle has no spread
        return (torch.where(known, self.lift, middle).std(0) * widened).nan_to_num(nan=1.0, posinf=1.0)

    def slope(self, beta: float | Tensor) -> Tensor:
        """∇ log f_β, as z."""
        if isinstance(beta, Tensor):
            return self.base_slope + beta.to(self.z).unsqueeze(-1) * self.lift_slope
        return torch.add(self.base_slope, self.lift_slope, alpha=beta)

    def where(self, accepted: Tensor, proposal: Point) -> Point:
        """The proposal where it is accepted, ``(chain, datum)``, else this."""
        wide = accepted.unsqueeze(-1)
        pairs = zip(vars(self).values(), vars(proposal).values(), strict=True)
        return Point(*(torch.where(wide if a.dim() == 3 else accepted, b, a) for a, b in pairs))

    def take(self, chains: Tensor) -> Point:
        """Other chains in place of these: ``chains[i, n]`` is the one that datum n has in place i."""
        wide = chains.unsqueeze(-1)
        return Point(
            *(t.gather(0, wide.expand_as(t)) if t.dim() == 3 else t.gather(0, chains) for t in vars(self).values())
        )


class LatentSpace:
    """A block of data, and the space of their latents: each site through the bijection onto its support, side by side.

    Chains lie along particles where the pair is vectorized, else along the batch. Discrete latents are summed out where
    their joint states are given: then f₀ = Σ p(z) and f₁ = Σ p(x, z) over them. Made by :func:`latent_spaces`.

    Attributes:
        size: coordinates of one datum's continuous latents.
        data: how many data.
    """

    def __init__(
        self,
        pair: Pair,
        x: Tensor,
        y: Tensor | None,
        init: Init,
        plate: str,
        place: tuple[int, ...],
        states: JointStates | None = None,
    ) -> None:
        self.pair, self.x, self.y, self.init, self.plate = pair, x, y, init, plate
        self.place, self.data, self.states = place, x.shape[0], states
        self._spots: dict[str, Spot] = {}
        self._values = Recorded(self._evaluate)
        self.draw(1)
        with self.seeded():
            need_support(run(pair.model, pair, x, y, 1))
        self.size = sum(spot.size for spot in self._spots.values())
        with self.seeded():
            drawn = {} if init == "prior" else latent_sites(record(pair.guide, x, y))
        # one distribution of the encoder serves all chains; a guide of several sites has to be run again
        self._guide = next(iter(drawn.values())) if len(drawn) == 1 else None

    @contextmanager
    def seeded(self, *place: int) -> Iterator[None]:
        """Random draws that depend on the seed, the block of data and a place in the program, and on nothing else."""
        (state,) = derived(*self.place, *place)
        with seeded(state, self.x.device):
            yield

    @property
    def sites(self) -> list[str]:
        """The names of the latents."""
        return list(self._spots)

    def of(self, x: Tensor) -> LatentSpace:
        """The same for other data in the place of these."""
        return LatentSpace(self.pair, x, self.y, self.init, self.plate, self.place, self.states)

    def draw(self, n: int, *place: int, init: Init | None = None) -> Tensor:
        """``n`` draws of the base, or of what ``init`` says, ``(n, data, size)``."""
        blocks = []
        for b in range(-(-n // SAMPLE_BLOCK)):
            with self.seeded(*place, b):
                rows = min(n, SAMPLE_BLOCK)
                values = None
                if (init or self.init) == "guide":
                    values = latents(run(self.pair.guide, self.pair, self.x, self.y, rows))
                blocks.append(self._pack(run(self.pair.model, self.pair, self.x, self.y, rows, values), rows))
        return torch.cat(blocks)[:n]

    def pack(self, values: dict[str, Tensor]) -> Tensor:
        """The coordinates of one draw for each datum, given as the program's own values: ``(1, data, size)``."""
        return self._pack(run(self.pair.model, self.pair, self.x, self.y, 1, values), 1)

    def at(self, z: Tensor) -> Point:
        """The densities of positions ``(n, data, size)``, and their gradients; the density of NaN is 0."""
        nowhere = z.isnan().any(-1)
        known = z.masked_fill(nowhere.unsqueeze(-1), 0.0)
        parts = [self._values(part.contiguous()) for part in known.split(self.at_once)]
        base, lift, *slopes = parts[0] if len(parts) == 1 else map(torch.cat, zip(*parts, strict=True))
        return Point(z, base.masked_fill(nowhere, -torch.inf), lift.masked_fill(nowhere, -torch.inf), *slopes)

    def _evaluate(self, z: Tensor) -> list[Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            base, lift = self._densities(z)
            (base_slope,) = grad(base.sum(), z, retain_graph=True)
            (lift_slope,) = grad(lift.sum(), z)
        lift = lift.detach()
        return [base.detach(), lift.masked_fill(lift.isnan(), -torch.inf), base_slope, lift_slope]

    @property
    def at_once(self) -> int:
        """How many positions of each datum are evaluated together."""
        return max(1, ROWS // (self.data * (self.states.count if self.states else 1)))

    def run_at(self, z: Tensor, states: dict[str, Tensor]) -> tuple[dict[str, Site], dict[str, Tensor]]:
        """The model's sites where its latents are at positions ``(n, data, size)`` and in states; log Jacobians by name."""
        placed = Placed({name: spot.part(z, self.pair.vectorized) for name, spot in self._spots.items()}, states)
        return run(placed.around(self.pair.model), self.pair, self.x, self.y, len(z)), placed.log_jacobians

    def _densities(self, z: Tensor) -> tuple[Tensor, Tensor]:
        if self.states is not None:
            terms = self.by_state(z)
            base, joint = (t.logsumexp(1) for t in terms)
            return base, joint - base
        n = len(z)
        sites, log_jacobians = self.run_at(z, {})
        stretch = self._sum({name: (log_jacobians[name], sites[name]) for name in self._spots}, n)
        prior = self._sum({name: (log_density(sites[name]), sites[name]) for name in self._spots}, n)
        seen = self._sum({k: (log_density(s), s) for k, s in sites.items() if k not in self._spots}, n)
        if self.init == "prior":
            return prior + stretch, seen
        base = self._log_guide(latents(sites), n)
        return base + stretch, prior + seen - base

    def by_state(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """log p(z) and log p(x, z) at positions ``(n, data, size)``, for each joint state: ``(n, states, data)``."""
        assert self.states is not None
        every = len(z) * self.states.count  # positions the slower
        values = self.states.values(0, every) if self.pair.vectorized else self.states.along_batch(0, every, self.data)
        sites, log_jacobians = self.run_at(z.repeat_interleave(self.states.count, 0), values)
        drawn = {k: (log_density(s), s) for k, s in sites.items() if k in self._spots or k in self.states.supports}
        seen = {k: (log_density(s), s) for k, s in sites.items() if k not in drawn}
        prior = self._sum(drawn, every)
        if self._spots:
            prior = prior + self._sum({k: (log_jacobians[k], sites[k]) for k in self._spots}, every)
        joint = prior + self._sum(seen, every)
        before, after = (t.expand(every, self.data).unflatten(0, (len(z), -1)) for t in (prior, joint))
        return before, after

    def _log_guide(self, values: dict[str, Tensor], n: int) -> Tensor:
        if self._guide is None:
            sites = latent_sites(run(self.pair.guide, self.pair, self.x, self.y, n, values))
            return self._sum({name: (log_density(site), site) for name, site in sites.items()}, n)
        site = self._guide
        (value,) = values.values()
        dim = plate_dim(site, self.plate)
        if not self.pair.vectorized:
            at = dim - site["fn"].event_dim
            value = value.unflatten(at, (n, self.data)).movedim(at - 1, 0)
        at_value = {**site, "value": value}
        if moves(site["fn"]):
            at_value["outside"] = ~inside(site["fn"], value)
        log_q = log_density(at_value).movedim(dim, 1)
        return log_q.flatten(2).sum(2).double() if log_q.dim() > 2 else log_q.double()

    def _sum(self, terms: dict[str, tuple[Tensor, Site]], n: int) -> Tensor:
        parts = [per_datum(value, site, self.pair, n, self.plate).double() for value, site in terms.values()]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]

    def _pack(self, sites: dict[str, Site], n: int) -> Tensor:
        parts: list[Tensor] = []
        for name, site in latent_sites(sites).items():
            if self.states is not None and name in self.states.supports:
                continue
            bijection = biject_to(site["fn"].support)
            u = bijection.inv(site["value"])
            events = site["fn"].event_dim - bijection.codomain.event_dim + bijection.domain.event_dim
            lost = outside(site)
            if lost is not None:  # a draw of the guide that the prior does not know has no place here, and weight 0
                u = u.masked_fill(lost.reshape(lost.shape + (1,) * events), torch.nan)
            at = plate_dim(site, self.plate) - events
            if self.pair.vectorized:
                dims = plate_dim(site, "particles") - events, at
                u = u.movedim(dims, (0, 1))
            else:
                dims = at, at
                u = u.movedim(at, 0).unflatten(0, (n, self.data))
            self._spots[name] = Spot(sum(p.shape[2] for p in parts), u[0, 0].numel(), u.shape[2:], dims)
            parts.append(u.flatten(2) if u.dim() > 2 else u.unsqueeze(2))
        return torch.cat(parts, 2) if parts else self.x.new_zeros(n, self.data, 0)


@contextmanager
def latent_spaces(
    model: Model, x: Tensor, y: Tensor | None, init: Init, seed: int, *, guided: bool = False, summed: bool = False
) -> Iterator[list[LatentSpace]]:
    """The latent spaces of fixed blocks of the data, inside which the pair is in evaluation mode and its parameters frozen.

    Args:
        model: a latent-variable model.
        x: data.
        y: conditions.
        init: the base, "prior" or "guide".
        seed: of all draws.
        guided: whether the guide is asked for draws whatever the base.
        summed: whether discrete latents are summed out.

    Raises:
        ValueError: there are no latents, discrete ones with too many states to sum over, or no density on unconstrained
            space to move them by.
    """
    if not isinstance(model, Pair):
        raise ValueError(_no_latents(model))
    if init not in ("prior", "guide"):
        raise ValueError(f"init={init!r}: choose 'prior' or 'guide'.")
    model.check(x, y)
    with evaluating(model), standing_still(model.parameters()):
        head = slice(0, DATA_BLOCK)
        with seeded(0, x.device):
            # chains from the prior need no guide of a plain program; the zoo's have one, and may have no prior to draw from
            alone = init == "prior" and not guided and isinstance(model, Program)
            asked = without_guide(model) if alone else model
            trial = check_programs(asked, x[head], None if y is None else y[head])
            states = None
            if summed and any(is_discrete(site["fn"]) for site in latent_sites(trial.scored).values()):
                states = joint_states(model.model, model, x, y, None if model.vectorized else trial.plate)
        _check_movable(model, trial, init, [] if states is None else [*states.supports])
        yield [
            LatentSpace(
                model,
                x[start : start + DATUM_BLOCK],
                None if y is None else y[start : start + DATUM_BLOCK],
                init,
                trial.plate,
                (seed, start // DATUM_BLOCK),
                states,
            )
            for start in range(0, len(x), DATUM_BLOCK)
        ]


def _check_movable(pair: Pair, trial: Checked, init: Init, summed: Sequence[str]) -> None:
    sites = latent_sites(trial.scored)
    if not sites:
        raise ValueError(_no_latents(pair))
    for name, site in trial.scored.items():
        if site["is_observed"] and is_point(site["fn"]):
            raise ValueError(
                f"the model's {name!r} is a point mass, a function of the latents that leaves chains no slope to move along; "
                "score by estimator=IWAE(5000), or write it as a density around that function."
            )
    for name, site in sites.items():
        fn = site["fn"]
        if name in summed:
            continue
        if isinstance(unwrap(fn), dist.ImproperUniform):
            raise ValueError(
                f"the prior of {name!r} is improper, so there is neither p(x) nor a draw to start from; use a proper prior "
                "such as StandardNormal, or score by estimator=Reconstruction()."
            )
        if is_point(fn):
            raise ValueError(f"the model's {name!r} is a point mass, which no chain can move; write it as a function.")
        if fn.support.is_discrete:
            raise ValueError(
                f"the latent {name!r} is discrete, and chains move along gradients; where its states are few, "
                "estimator=Enumerate() sums over them."
            )
        try:
            biject_to(fn.support)
        except NotImplementedError as error:
            raise ValueError(
                f"the latent {name!r} has the support {fn.support}, onto which there is no smooth map of all real vectors "
                "for chains to move in; score by estimator=IWAE(5000)."
            ) from error
        lack = lacks_density(trial.drawn[name]["fn"]) if init == "guide" else ""
        if lack:
            raise ValueError(f"the guide's {name!r} {lack} to start from; start from the prior (init='prior').")


def _no_latents(model: Model) -> str:
    return f"{type(model).__name__} has no latents to anneal or sample; {instead(model)}."
