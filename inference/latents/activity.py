"""How much the latents are used: the rate of each in nats, how many are active, and the mutual information."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pyro.distributions import Independent
from torch import Tensor
from torch.distributions import kl_divergence

from pyrogen.axes import Distribution, Prior
from pyrogen.base import HasPosterior, Model
from pyrogen.data import Split
from pyrogen.distributions.shaped import vectors_of
from pyrogen.inference.programs.record import is_certain, lacks_density

ACTIVE = 0.1  # nats a datum
VARIES = 0.01  # of codes that have no rate each
LEARNED = 500  # steps after which a model has learned enough to be told that it has collapsed
SHOWN = 500
DRAWS = 64
NAMED = 10


@torch.no_grad()
def activity(model: HasPosterior, split: Split) -> dict[str, Any]:
    """Diagnostics of q(z|x) on at most 500 data of a split, in nats per datum.

    ``kl_per_dim``: the rate of each coordinate, its mean KL, where prior and posterior are both independent over
    coordinates and the KL is known in closed form. ``information_per_dim``: elsewhere, ½ log(1 + Var E[z|x] / E Var[z|x]),
    what a normal channel of such a signal and noise lets through. ``active_units``: coordinates of at least 0.1 nat by
    either; of a posterior that has no density, or is certain of one state, no coordinate has a rate of its own, and those are
    counted whose codes have a variance over data above 0.01.
    ``mutual_information``: E log q(z|x) − E log 1/N Σₙ q(z|xₙ), the plug-in of Hoffman & Johnson 2016: at most log N and, in
    expectation, no more than the truth, since a code's own datum is in its mixture (Poole et al. 2019, arXiv:1905.06922).

    Returns:
        Numbers, and one list; where no coordinate has a rate, the active units only.
    """
    part = split.spread(SHOWN)
    q = model.encode(part.x, part.y)
    signal = q.mean.var(0, correction=0)
    if lacks_density(q) or is_certain(q):
        return {"active_units": int((signal > VARIES).sum())}
    rates = _closed(model, q, part.y)
    name = "information_per_dim" if rates is None else "kl_per_dim"
    rates = 0.5 * torch.log1p(signal / _noise(q)) if rates is None else rates
    return {
        "active_units": int((rates >= ACTIVE).sum()),
        name: rates.flatten().tolist(),
        "mutual_information": _mutual_information(q),
    }


def has_learned(line: Mapping[str, Any]) -> bool:
    """Whether the metrics of an epoch are of a model that can be said to have collapsed: before it learns, all look so."""
    step = line.get("step", LEARNED)
    return isinstance(step, (int, float)) and step >= LEARNED


def collapse_in_words(line: Mapping[str, Any]) -> tuple[str, str]:
    """What it is that no latent is active by the metrics of an epoch, and what to try: a point has no KL to be lowered."""
    if any(f"valid/{name}" in line for name in ("mutual_information", "kl_per_dim", "information_per_dim")):
        return (
            f"the posterior has collapsed: no latent is active, at {ACTIVE:g} nat or more",
            "try a KL warm-up, as objective=ELBO(warmup=1000), a smaller beta, or a weaker decoder.",
        )
    return (
        f"the codes have collapsed: none of them varies over data, by {VARIES:g} or more",
        "try a smaller lr, or less of what is charged for codes.",
    )


def in_words(found: Mapping[str, Any], size: int) -> str:
    """How many of ``size`` latents are active, by what measure, and the rates, largest first."""
    counted = f"{found['active_units']} of {size} latents are active"
    rates: Sequence[float] | None = found.get("kl_per_dim", found.get("information_per_dim"))
    if rates is None:
        return f"{counted}: their codes have a variance above {VARIES}, and none has a rate of its own"
    listed = sorted(rates, reverse=True)
    shown = ", ".join(f"{rate:.2g}" for rate in listed[:NAMED])
    rest = listed[NAMED:]
    more = f" and {len(rest)} more of {sum(rest):.2g} together" if rest else ""
    what = "KL(q(z|x) ‖ p(z))" if "kl_per_dim" in found else "information, as of normal channels,"
    return f"{counted}, at {ACTIVE} nat or more; {what} of each in nats: {shown}{more}"


def _closed(model: HasPosterior, q: Distribution, y: Tensor | None) -> Tensor | None:
    parts = model.children() if isinstance(model, Model) else ()
    priors = [part for part in parts if isinstance(part, Prior) and part.proper]
    q = vectors_of(q)
    if len(priors) == 1 and isinstance(q, Independent):
        p = priors[0](y)
        if isinstance(p, Independent) and p.event_shape == q.event_shape:
            with contextlib.suppress(NotImplementedError):
                rates: Tensor = kl_divergence(q.base_dist, p.base_dist).mean(0)
                return rates
    return None


def _noise(q: Distribution) -> Tensor:
    """E Var[z|x] of each coordinate, from draws where it is not known, and above 0."""
    try:
        variance = q.variance
    except (NotImplementedError, AttributeError):
        variance = q.sample((DRAWS,)).var(0)
    return variance.mean(0).clamp_min(torch.finfo(variance.dtype).tiny)


def _mutual_information(q: Any) -> float:
    z: Tensor = q.sample()
    crossed = q.log_prob(z.unsqueeze(1))  # (draw, datum)
    aggregated = torch.logsumexp(crossed, 1) - math.log(len(z))
    return float((crossed.diagonal() - aggregated).mean())
