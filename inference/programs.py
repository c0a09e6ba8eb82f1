"""Running a pair's two Pyro programs and keeping what its sites were: the ground under objectives and evidence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from pyrogen.base import Pair, unannounced
from pyrogen.files import first_line
from pyrogen.likelihoods.perceptual import Seen

Site = Mapping[str, Any]
PlainFunction = Callable[..., Any]


class Recorder(Messenger):
    """Keeps every sample site; takes the values of given latents from ``values`` instead of drawing them.

    With ``fixed`` no gradient flows through what is drawn, not even into the sites that depend on it.
    """

    def __init__(self, values: Mapping[str, Tensor] | None = None, fixed: bool = False) -> None:
        super().__init__()
        self.values, self.fixed = values or {}, fixed
        self.sites: dict[str, Site] = {}

    def _pyro_sample(self, msg: Any) -> None:
        if not msg["is_observed"] and msg["name"] in self.values:
            msg["value"] = self.values[msg["name"]]
            msg["done"] = True

    def _pyro_post_sample(self, msg: Any) -> None:
        if isinstance(msg["fn"], _Subsample):
            return
        if self.fixed and not msg["is_observed"]:
            msg["value"] = msg["value"].detach()
        self.sites[msg["name"]] = msg


def record(
    program: PlainFunction,
    x: Tensor,
    y: Tensor | None,
    values: Mapping[str, Tensor] | None = None,
    *,
    fixed: bool = False,
) -> dict[str, Site]:
    """Run a program on ``x`` and return its sample sites by name, in the order in which they ran."""
    recorder = Recorder(values, fixed)
    with unannounced(), recorder:
        program(x) if y is None else program(x, y)
    return recorder.sites


def particles(n: int | None) -> Any:
    """A context in which every latent has ``n`` particles in front of the batch; none for ``n=None``."""
    return nullcontext() if n is None else pyro.plate("particles", n, dim=-2)


def latent_sites(sites: Mapping[str, Site]) -> dict[str, Site]:
    """The sites that were drawn, not observed."""
    return {name: site for name, site in sites.items() if not site["is_observed"]}


def latents(sites: Mapping[str, Site]) -> dict[str, Tensor]:
    """The values of the sites that were drawn, not observed."""
    return {name: site["value"] for name, site in latent_sites(sites).items()}


def unwrap(distribution: Distribution) -> Distribution:
    """The distribution inside ``to_event``, ``mask`` and ``expand``."""
    while hasattr(distribution, "base_dist") and not isinstance(distribution, dist.TransformedDistribution):
        distribution = distribution.base_dist
    return distribution


def is_point(distribution: Distribution) -> bool:
    """Whether all mass is at one point, so that there is no density."""
    return isinstance(unwrap(distribution), dist.Delta)


def has_density(sites: Mapping[str, Site]) -> bool:
    """Whether no drawn site is a point mass."""
    return not any(is_point(site["fn"]) for site in latent_sites(sites).values())


def log_prob(site: Site) -> Tensor:
    """log p of one site over its batch shape: masks applied, scales (weights on the loss, not on the density) left out."""
    value: Tensor = site["fn"].log_prob(site["value"])
    mask = site["mask"]
    if mask is None or mask is True:
        return value
    return value * mask if mask is False else torch.where(mask, value, torch.zeros_like(value))


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Run from a seed and put torch's global generators back afterwards."""
    generators = [torch.default_generator]
    if device is not None and device.type == "cuda":
        torch.cuda.init()
        generators.append(torch.cuda.default_generators[device.index or 0])
    # torch.manual_seed asks every kind of device, 80 times as slow as its generator
    before = [g.get_state() for g in generators]
    try:
        for g in generators:
            g.manual_seed(seed)
        yield
    finally:
        for g, state in zip(generators, before, strict=True):
            g.set_state(state)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run with so many torch threads, and put their number back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def standing_still(parameters: Iterable[nn.Parameter], modules: Iterable[nn.Module] = ()) -> Iterator[None]:
    """No gradients into these parameters, and the batch norms among these modules use a batch without remembering it."""
    moving = [p for p in parameters if p.requires_grad]
    norms = [m for m in modules if isinstance(m, _NormBase)]
    tracked = [m.track_running_stats for m in norms]
    for p in moving:
        p.requires_grad_(False)
    for m in norms:
        m.track_running_stats = False
    try:
        yield
    finally:
        for p in moving:
            p.requires_grad_(True)
        for m, tracks in zip(norms, tracked, strict=True):
            m.track_running_stats = tracks


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inference as it is at test time: evaluation mode, no gradients, no validation; the modes come back afterwards."""
    modes = {m: m.training for m in module.modules()}
    module.eval()
    try:
        with torch.no_grad(), pyro.validation_enabled(False):
            yield
    finally:
        for m, training in modes.items():
            m.training = training


class Program(Pair):
    """A pair made of two plain Pyro functions, called as ``model(x)`` or ``model(x, y)``.

    Its batch plate is the one whose size follows ``x.shape[0]``, whatever its name. Particles are laid along the batch,
    because the functions' own networks may not know of other dimensions.
    """

    vectorized = False

    def __init__(self, model: PlainFunction, guide: PlainFunction) -> None:
        super().__init__()
        self.functions = model, guide
        owners = [getattr(f, "__self__", f) for f in self.functions]
        self.owners = nn.ModuleList([m for m in owners if isinstance(m, nn.Module)])

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """The function that was given."""
        self.functions[0](x) if y is None else self.functions[0](x, y)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """The function that was given."""
        self.functions[1](x) if y is None else self.functions[1](x, y)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Not from here: what a plain function observes has a shape that only its data know.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "a plain (model, guide) tuple is sampled by pyro.infer.Predictive, with an x of the right shape."
        )

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse what is no data at all; shapes are the functions' own business."""
        if not isinstance(x, Tensor) or x.dim() == 0 or x.shape[0] == 0:
            raise ValueError("expected a tensor of data with at least one row.")
        if not torch.isfinite(x).all():
            raise ValueError("the data hold NaN or infinite values; remove or impute them first.")


def as_pair(pair: Pair | tuple[PlainFunction, PlainFunction]) -> Pair:
    """A pair, from a pair or a tuple ``(model, guide)`` of plain Pyro functions.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(pair, Pair):
        return pair
    if isinstance(pair, tuple) and len(pair) == 2 and all(callable(f) for f in pair):
        return Program(*pair)
    raise ValueError(
        f"expected a latent-variable model of the zoo or a tuple (model, guide) of Pyro functions; got {type(pair).__name__}."
    )


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
            or a subsampled one, latents that model and guide do not share, a guide that cannot reach all that the model can,
            programs that are random apart from their latents, or whose data depend on one another.
    """
    drawn, scored = _validated(pair, x, y)
    _, twice = _validated(pair, torch.cat([x, x]), None if y is None else torch.cat([y, y]))
    if not any(site["is_observed"] for site in scored.values()):
        raise ValueError("the model observes nothing: pass the data to a site by obs=x.")
    for name, site in drawn.items():
        if not site["is_observed"] and name not in scored:
            raise ValueError(
                f"the guide draws {name!r}, which the model does not have; the two must share their latents."
            )
    plates = set()
    for name, site in scored.items():
        if site["is_observed"] and isinstance(unwrap(site["fn"]), Seen):
            raise ValueError(
                f"the likelihood of {name!r} is a density of what a network sees in it and not of {name!r} itself: it "
                "trains, and log p(x) does not exist; build the model with likelihood='Normal' to score it."
            )
        if not site["is_observed"] and name not in drawn:
            raise ValueError(f"the model draws {name!r}, which the guide does not; the two must share their latents.")
        plates |= {_batch_plate(name, site, twice.get(name), x.shape[0])}
    if len(plates) > 1:
        raise ValueError(
            f"the sites are in different plates over the data ({', '.join(sorted(plates))}); put them into one."
        )
    found = Checked(drawn, scored, plates.pop())
    _need_reach(found)
    _need_steady(pair, x, y, found)
    return found


def _need_reach(found: Checked) -> None:
    for name, site in found.drawn.items():
        if site["is_observed"] or is_point(site["fn"]):
            continue
        try:
            reachable = site["fn"].support.check(found.scored[name]["fn"].sample((100,)))
        except NotImplementedError:
            continue
        if not reachable.all():
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
            again = record(program, x, y, latents(found.drawn))
            beside = record(program, more, labels, values)
            for name, site in sites.items():
                if is_point(site["fn"]):
                    continue  # a point mass scores −∞ where the same encoder rounds otherwise in another batch
                once, dim = log_prob(site), plate_dim(site, found.plate)
                if not torch.allclose(once, log_prob(again[name]), rtol=1e-3, atol=1e-3):
                    raise ValueError(
                        f"the density of {name!r} is another at every run with the same latents, as dropout in training mode "
                        "makes it; call .eval() on the networks before scoring."
                    )
                if not torch.allclose(once, log_prob(beside[name]).narrow(dim, 0, len(x)), rtol=1e-3, atol=1e-3):
                    raise ValueError(
                        f"the density of {name!r} for one datum depends on the others in its batch, as batch norm in "
                        "training mode makes it; call .eval() on the networks before scoring."
                    )


def plate_dim(site: Site, name: str) -> int:
    """The dimension of a plate in a site's batch shape, negative."""
    return next(int(f.dim) for f in site["cond_indep_stack"] if f.name == name)


def _batch_plate(name: str, site: Site, twice: Site | None, size: int) -> str:
    """The one plate of a site whose size follows the data."""
    doubled = {f.name: f.size for f in twice["cond_indep_stack"]} if twice else {}
    frames = [f for f in site["cond_indep_stack"] if f.vectorized]
    for frame in frames:
        if frame.full_size is not None and frame.full_size != frame.size:
            raise ValueError(
                f"the plate {frame.name!r} around {name!r} is subsampled ({frame.size} of {frame.full_size}); evidence "
                "needs a plate of the size of x, as in `pyro.plate('datum', x.shape[0])`."
            )
    for frame in frames:
        if frame.size == size and doubled.get(frame.name) == 2 * size:
            return str(frame.name)
    raise ValueError(
        f"the site {name!r} is in no plate whose size follows the data (x has {size} rows), so its weight would be joint "
        "over the batch; write `with pyro.plate('datum', x.shape[0]):` around it."
    )


def _validated(pair: Pair, x: Tensor, y: Tensor | None) -> tuple[dict[str, Site], dict[str, Site]]:
    try:
        with torch.no_grad(), pyro.validation_enabled(True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = record(pair.guide, x, y)
            scored = record(pair.model, x, y, latents(drawn))
            for site in scored.values():
                if site["is_observed"]:
                    site["fn"].log_prob(site["value"])
    except (ValueError, NotImplementedError, RuntimeError) as error:
        first = first_line(error)
        raise ValueError(f"the program cannot score these data of shape {tuple(x.shape)}: {first}") from error
    return drawn, scored
