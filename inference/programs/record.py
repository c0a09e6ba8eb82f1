"""Running a pair's two Pyro programs and keeping what their sites were: the ground under objectives and evidence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext, suppress
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor

from pyrogen.base import unannounced
from pyrogen.distributions.certain import Certain
from pyrogen.distributions.implicit import Implicit
from pyrogen.inference.programs.supports import inside, moves, put_inside, unwrap, without_masked_nan

Site = Mapping[str, Any]


PlainFunction = Callable[..., Any]


class _Reached(Exception):
    """All sites that were asked for have run."""


class Recorder(Messenger):
    """Keeps every sample site; takes the values of given latents from ``values`` instead of drawing them.

    With ``fixed`` no gradient flows through what is drawn, not even into the sites that depend on it. With ``guarded`` a
    given value outside a site's support is exchanged for one inside, and the site remembers which were, as ``"outside"``
    over its batch shape: they have density 0, and the rest of the program need not cope with them. So is a NaN that the
    program observes and masks, which counts nothing. With ``until`` the program ends by an exception of this module where the
    last of these sites has run.

    Where a program observes by ``obs_mask``, Pyro draws the rest at a site ``…_unobserved``. Unless it is given a value it is
    none of the latents: its draw weighs what it is drawn with.
    """

    def __init__(
        self,
        values: Mapping[str, Tensor] | None = None,
        fixed: bool = False,
        guarded: bool = False,
        until: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.values, self.fixed, self.guarded, self.until = values or {}, fixed, guarded, until
        self.sites: dict[str, Site] = {}
        self._left_out: set[str] = set()

    def _pyro_sample(self, msg: Any) -> None:
        if not msg["is_observed"] and msg["name"] in self.values:
            msg["value"] = self.values[msg["name"]]
            msg["done"] = True
            if self.guarded and not is_point(msg["fn"]):
                kept = inside(msg["fn"], msg["value"])
                msg["outside"] = ~kept
                msg["value"] = put_inside(msg["fn"], msg["value"], kept)
        elif self.guarded and msg["is_observed"] and not isinstance(msg["fn"], dist.Unit) and not is_point(msg["fn"]):
            msg["value"] = without_masked_nan(msg["fn"], msg["value"], msg["mask"])
        elif not (msg["is_observed"] or msg["done"]) and self._completes(msg["name"]):
            self._left_out.add(msg["name"])

    def _pyro_post_sample(self, msg: Any) -> None:
        unscored = msg["infer"].get("_deterministic") or msg["name"] in self._left_out
        if isinstance(msg["fn"], _Subsample) or unscored:
            return
        if self.fixed and not msg["is_observed"]:
            msg["value"] = msg["value"].detach()
        self.sites[msg["name"]] = msg
        if self.until and self.until <= self.sites.keys():
            raise _Reached

    def _completes(self, name: str) -> bool:
        """Whether a draw stands for what an observation by ``obs_mask`` leaves out."""
        stem, _, rest = name.rpartition("_")
        return rest == "unobserved" and f"{stem}_observed" in self.sites


def record(
    program: PlainFunction,
    x: Tensor,
    y: Tensor | None,
    values: Mapping[str, Tensor] | None = None,
    *,
    fixed: bool = False,
    guarded: bool = False,
    until: Collection[str] = (),
) -> dict[str, Site]:
    """Run a program on ``x`` and return its sample sites by name, in the order in which they ran, as :class:`Recorder`.

    With names in ``until`` it is run no further than to the last of these: who draws latents alone decodes none.
    """
    recorder = Recorder(values, fixed, guarded, frozenset(until))
    with unannounced(), suppress(_Reached), recorder:
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


def is_point(distribution: Distribution) -> bool:
    """Whether all mass is at one point, so that there is no density."""
    return isinstance(unwrap(distribution), dist.Delta)


def is_certain(distribution: Distribution) -> bool:
    """Whether one state of many has all the probability, so that all draws are one."""
    return isinstance(unwrap(distribution), Certain)


def lacks_density(distribution: Distribution) -> str:
    """Why a distribution cannot be weighed, as the end of a sentence about it; "" where it has a density."""
    if is_point(distribution):
        return "is a point mass, which has no density"
    return "is known by its draws alone and has no density" if isinstance(unwrap(distribution), Implicit) else ""


def has_density(sites: Mapping[str, Site]) -> bool:
    """Whether every drawn site has one: none is a point mass, or known by its draws alone."""
    return not any(lacks_density(site["fn"]) for site in latent_sites(sites).values())


def log_prob(site: Site) -> Tensor:
    """log p of one site over its batch shape: masks applied, scales (weights on the loss, not on the density) left out."""
    value: Tensor = site["fn"].log_prob(site["value"])
    mask = site["mask"]
    if mask is None or mask is True:
        return value
    return torch.zeros_like(value) if mask is False else torch.where(mask, value, torch.zeros_like(value))


def outside(site: Site) -> Tensor | None:
    """Where a recorded value has density 0 because it is outside the support, over the batch shape; None: nowhere."""
    found: Tensor | None = site.get("outside")
    if found is None and site["is_observed"] and moves(site["fn"]):
        found = ~inside(site["fn"], site["value"])
    mask = site["mask"]
    if found is None or mask is None or mask is True:
        return found
    return None if mask is False else found & mask


def log_density(site: Site) -> Tensor:
    """log p of one site over its batch shape, −∞ outside the support, whatever the formula or a validation say there."""
    lost = outside(site)
    if lost is None:
        return log_prob(site)
    return torch.where(lost, -torch.inf, log_prob({**site, "value": put_inside(site["fn"], site["value"], ~lost)}))
