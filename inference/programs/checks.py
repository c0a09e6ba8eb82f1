"""What two programs must fulfil to have a weight for each datum, tried before anything is scored."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.infer.autoguide import AutoGuide
from torch import Tensor

from pyrogen.base import Pair
from pyrogen.distributions.finite import is_discrete
from pyrogen.files import first_line
from pyrogen.inference.programs.plain import Program, without_guide
from pyrogen.inference.programs.record import Site, is_point, latent_sites, latents, log_density, record
from pyrogen.inference.programs.supports import inside, moves, unwrap
from pyrogen.likelihoods.perceptual import Seen
from pyrogen.memory import is_lack

UNSIZED = -1  # what Pyro calls the size of a plate that was given none


@dataclass(frozen=True)
class Checked:
    """A trial run of both programs: the guide's sites, the model's, and the name of the plate over the data."""

    drawn: Mapping[str, Site]
    scored: Mapping[str, Site]
    plate: str


def check_programs(pair: Pair, x: Tensor, y: Tensor | None = None) -> Checked:
    """Run both programs on the data, and on twice as many, and refuse what has no weight per datum.

    Raises:
        ValueError: data outside the support, a latent or an observation outside the batch plate, a plate of a fixed size
            or a subsampled one, latents that model and guide do not share, a guide with parameters for each datum, as
            Pyro's autoguides have, or one that cannot reach all that the model can, programs that are random apart from
            their latents, or whose data depend on one another.
    """
    if isinstance(pair, Program) and isinstance(pair.functions[1], AutoGuide):
        check_programs(without_guide(pair), x, y)  # latents that all data share are refused first
        raise ValueError(
            f"the guide is Pyro's {type(pair.functions[1]).__name__}: its parameters are those of the data that it was set "
            "up with, a set for each datum, and say nothing of other data, nor of the same in another order or number. Score "
            "without a guide by estimator=AIS(), or give a guide that computes its parameters from x."
        )
    drawn, scored = tried(pair, x, y)
    if not any(site["is_observed"] for site in scored.values()):
        raise ValueError("the model observes nothing: pass the data to a site by obs=x.")
    drawn = latent_sites(drawn)  # what a guide observes, a factor say, is part of no log q
    try:
        _, twice = tried(pair, torch.cat([x, x]), None if y is None else torch.cat([y, y]))
    except ValueError as error:
        raise ValueError(
            f"the programs run on {len(x)} data and not on the same twice ({first_line(error.__cause__ or error)}): a plate "
            "or parameters of a fixed size give no datum a weight of its own. Let plates have the size x.shape[0], and "
            "compute a guide's parameters from x; without a guide estimator=AIS() scores."
        ) from error
    plates = set()
    for name, site in scored.items():
        if site["is_observed"] and isinstance(unwrap(site["fn"]), Seen):
            raise ValueError(
                f"the likelihood of {name!r} is a density of what a network sees in it and not of {name!r} itself: it "
                "trains, and log p(x) does not exist; build the model with likelihood='Normal' to score it."
            )
        plates |= {_batch_plate(name, site, twice.get(name), x.shape[0])}
    if len(plates) > 1:
        raise ValueError(
            f"the sites are in different plates over the data ({', '.join(sorted(plates))}); put them into one."
        )
    _need_shared(drawn, scored)
    found = Checked(drawn, scored, plates.pop())
    for name, site in drawn.items():
        if found.plate not in {frame.name for frame in site["cond_indep_stack"]}:
            raise ValueError(
                f"the guide draws {name!r} outside the plate {found.plate!r}, in which the model has it; put it there."
            )
    _need_reach(found)
    _need_steady(pair, x, y, found)
    return found


def _need_shared(drawn: Mapping[str, Site], scored: Mapping[str, Site]) -> None:
    for name, site in drawn.items():
        if name not in scored:
            raise ValueError(
                f"the guide draws {name!r}, which the model does not have; the two must share their latents."
                + (
                    " What only helps the guide to draw needs a density in the model too, an r(a|x, z) of its own."
                    if site["infer"].get("is_auxiliary")
                    else ""
                )
            )
    latent = latent_sites(scored)
    for name in latent:
        if name not in drawn:
            kinds = {is_discrete(site["fn"]) for site in latent.values()}
            instead = "; without a guide, estimator=Enumerate() sums over all states." if kinds == {True} else "."
            instead = (
                "; without a guide, estimator=AIS() scores by chains from the prior." if kinds == {False} else instead
            )
            raise ValueError(
                f"the model draws {name!r}, which the guide does not; the two must share their latents{instead}"
            )


def _need_reach(found: Checked) -> None:
    for name, site in found.drawn.items():
        if is_point(site["fn"]):
            continue
        try:
            alike = site["fn"].support.is_discrete == found.scored[name]["fn"].support.is_discrete
        except NotImplementedError:
            continue
        if not alike:
            raise ValueError(
                f"the guide's {name!r} has the support {site['fn'].support} and the model's "
                f"{found.scored[name]['fn'].support}: a density is not weighed against a mass. Give both the same kind."
            )
        try:
            draws = found.scored[name]["fn"].sample((100,))
            reachable = site["fn"].support.check(draws)
        except NotImplementedError:
            continue
        # what overflowed, as the inverses of flows may that score data well, is nowhere
        nowhere = draws.isnan().reshape(*reachable.shape, -1).any(-1)
        if not (reachable | nowhere).all():
            raise ValueError(
                f"the guide's {name!r} stays within {site['fn'].support}, and the model's does not: what the guide never "
                "draws would be missing from p(x). Give the guide the support of the model."
            )


def _need_steady(pair: Pair, x: Tensor, y: Tensor | None, found: Checked) -> None:
    # the same latents and data again, and beside them the first datum once more, which must not matter to the others
    more, labels = torch.cat([x, x[:1]]), None if y is None else torch.cat([y, y[:1]])
    values = {}
    for name, value in latents(found.drawn).items():
        site = found.drawn[name]
        dim = plate_dim(site, found.plate) - site["fn"].event_dim
        values[name] = torch.cat([value, value.narrow(dim, 0, 1)], dim)
    with torch.no_grad():
        for program, sites in ((pair.guide, found.drawn), (pair.model, found.scored)):
            again = record(program, x, y, latents(found.drawn), guarded=True)
            beside = record(program, more, labels, values, guarded=True)
            for name, site in sites.items():
                if isinstance(site["fn"], dist.Unit) or is_point(site["fn"]):
                    continue  # a point mass scores −∞ where the same encoder rounds otherwise in another batch
                once, dim = log_density(site), plate_dim(site, found.plate)
                if not torch.allclose(once, log_density(again[name]), rtol=1e-3, atol=1e-3):
                    raise ValueError(
                        f"the density of {name!r} is another at every run with the same latents, as dropout in training mode "
                        "makes it, or a value that obs_mask leaves out; call .eval() on the networks before scoring, and let "
                        "the guide draw what is left out."
                    )
                if not torch.allclose(once, log_density(beside[name]).narrow(dim, 0, len(x)), rtol=1e-3, atol=1e-3):
                    raise ValueError(
                        f"the density of {name!r} for one datum depends on the others in its batch, as batch norm in "
                        "training mode makes it; call .eval() on the networks before scoring."
                    )


def need_support(sites: Mapping[str, Site]) -> None:
    """Refuse observations outside the support of their likelihood, however the program set validation.

    Raises:
        ValueError: some are, and the program masks them not.
    """
    for name, site in sites.items():
        fn, value = site["fn"], site["value"]
        if not site["is_observed"] or isinstance(fn, dist.Unit) or is_point(fn):
            continue
        mask = site["mask"]
        bad = ~inside(fn, value)
        bad = bad if mask is None else bad & mask
        if not bad.any():
            continue
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(
                f"the data hold NaN or infinite values where the program observes {name!r}; remove or impute them first, or "
                "mask them in the program by .mask(...)."
            )
        if not moves(fn):
            raise ValueError(
                f"what the program observes as {name!r} is outside the support of its likelihood "
                f"{type(unwrap(fn)).__name__}, {fn.support}; give it data of that kind, or another likelihood."
            )


def plate_dim(site: Site, name: str) -> int:
    """The dimension of a plate in a site's batch shape, negative."""
    return next(int(f.dim) for f in site["cond_indep_stack"] if f.name == name)


def _batch_plate(name: str, site: Site, twice: Site | None, size: int) -> str:
    """The one plate of a site whose size follows the data; an unsized plate is as wide as what is in it."""
    doubled = {f.name: _width(f, twice) for f in twice["cond_indep_stack"]} if twice else {}
    frames = [f for f in site["cond_indep_stack"] if f.vectorized]
    for frame in frames:
        if frame.full_size is not None and frame.full_size != frame.size:
            raise ValueError(
                f"the plate {frame.name!r} around {name!r} is subsampled ({frame.size} of {frame.full_size}); evidence "
                "needs a plate of the size of x, as in `pyro.plate('datum', x.shape[0])`."
            )
    for frame in frames:
        if _width(frame, site) == size and doubled.get(frame.name) == 2 * size:
            return str(frame.name)
    loops = [f.name for f in site["cond_indep_stack"] if not f.vectorized and f.size == size]
    if loops:
        raise ValueError(
            f"{name!r} is in a loop over the data, `for i in pyro.plate({loops[0]!r}, ...)`, with a site for each; evidence "
            f"needs one site for all, in `with pyro.plate({loops[0]!r}, x.shape[0]):`."
        )
    shared = not site["is_observed"] and twice is not None and twice["value"].shape == site["value"].shape
    if shared and any(frame.size == UNSIZED for frame in frames):
        raise ValueError(
            f"the plate around {name!r} has no size, so that one draw serves all data; write "
            "`pyro.plate('datum', x.shape[0])` for one each."
        )
    if shared:
        raise ValueError(
            f"the latent {name!r} is one for all data: given it they are independent, and without it they are not, so that "
            "no datum has a log p(x) of its own; log p of all data together would be one number, not estimated here. "
            f"What each datum has is its density given a value of {name!r}: score the model "
            f"poutine.block(poutine.condition(model, data={{{name!r}: value}}), hide=[{name!r}])."
        )
    raise ValueError(
        f"the site {name!r} is in no plate whose size follows the data (x has {size} rows), so its weight would be joint "
        "over the batch; write `with pyro.plate('datum', x.shape[0]):` around it."
    )


def _width(frame: Any, site: Site) -> int:
    """The size of a plate; where it was given none, that of what is in it."""
    if frame.size != UNSIZED:
        return int(frame.size)
    shape = site["fn"].batch_shape
    return int(shape[frame.dim]) if len(shape) >= -frame.dim else 1


def tried(pair: Pair, x: Tensor, y: Tensor | None) -> tuple[dict[str, Site], dict[str, Site]]:
    """The sites of the guide and of the model, run on the data with all that Pyro looks at.

    Raises:
        ValueError: they cannot.
    """
    try:
        with pyro.validation_enabled(True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = record(pair.guide, x, y)
            scored = record(pair.model, x, y, latents(drawn), guarded=True)
            need_support(scored)
            for site in scored.values():
                # what is masked or has density 0 may be any number
                if site["is_observed"] and inside(site["fn"], site["value"]).all():
                    site["fn"].log_prob(site["value"])
    except (ValueError, NotImplementedError, RuntimeError) as error:
        if is_lack(error):
            raise
        first = first_line(error)
        raise ValueError(f"the program cannot score these data of shape {tuple(x.shape)}: {first}") from error
    return drawn, scored
