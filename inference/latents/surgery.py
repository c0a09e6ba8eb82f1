"""Surgery on the KL of the ELBO: what codes say of data, and how far all codes together are from the prior."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyro.distributions as dist
import torch
import xarray as xr
from torch import Tensor

from pyrogen.axes import Distribution
from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.distributions.shaped import vectors_of
from pyrogen.figures.belief_plots import brackets, rate_bars
from pyrogen.inference.evidence.weights import Weighable
from pyrogen.inference.latents.activity import ACTIVE
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, Verdict, by_trying
from pyrogen.inference.latents.joint import Joint, joints, placed
from pyrogen.inference.latents.mixtures import Mixed, estimate, left_out
from pyrogen.inference.latents.two_sample import energy_test
from pyrogen.memory import enough_memory
from pyrogen.registry import choice

CODES, PRIOR, SIMULATED = 20, 21, 22  # places of the random draws
SIDES = ("low", "high")
SMALL = 0.01  # a p-value below which codes are no draws of the prior
UNDER = {"model": "data of the model's own", "data": "these"}
PARTS = {
    "mutual_information": "mutual information",
    "marginal_kl": "marginal KL",
    "total_correlation": "total correlation",
    "dimension_wise": "dimension-wise KL",
}


def surgery(
    model: Model | Weighable,
    x: Any,
    y: Any = None,
    *,
    draws: int = 4,
    permutations: int = 999,
    seed: int = 0,
) -> xr.Dataset:
    """The average KL of the ELBO taken apart, in nats a datum: KL = mutual information + marginal KL.

    E KL(q(z|x) ‖ p(z)) = I(x; z) + KL(q(z) ‖ p(z)), q(z) = E q(z|x); and where p(z) = Πⱼ p(zⱼ), the last is the total
    correlation KL(q(z) ‖ Πⱼ q(zⱼ)) + the dimension-wise Σⱼ KL(q(zⱼ) ‖ p(zⱼ)).

    q(z) is known from N data only, and what is made of it is biased: a mixture over all N, a code's own datum among them,
    gives at most log N nats of information, and exactly that of a world of these N data; without its own datum it gives too
    much. In expectation the two hold the truth between them, for every part: ``low`` and ``high``, the information's high end
    no more than the average KL, which bounds it too. A marginal KL is never negative, and no end of one is; what is left
    of the average KL is the information, whose ends may come out below 0 where codes say next to nothing, by the noise that
    their errors tell of.

    The aggregated posterior is also held against the prior by a two-sample test, under data that the model made, where only
    the encoder can be at fault, and under these data, where the model can too.

    Args:
        model: a model of the zoo, or a tuple ``(model, guide)`` of plain Pyro functions, whose guide draws one latent each.
        x: data, ``(N, ...)``; time and memory grow with N².
        y: conditions.
        draws: codes of each datum.
        permutations: of the two-sample tests.
        seed: of all random draws.

    Returns:
        Over ``side`` ("low", "high"): ``mutual_information``, ``marginal_kl`` and, where posterior and prior have known
        coordinates, ``total_correlation`` and ``dimension_wise``, each with its error ``…_se`` (a jackknife over data);
        ``kl`` and ``kl_se``; over ``latent`` ``rate``, each coordinate's average KL, with ``rate_se``; over ``under``
        ("model", "data") the two-sample ``energy`` and ``p``.

    Raises:
        ValueError: a point-mass guide, an improper prior or one that depends on the condition, or a guide of several latents.

    Reference: Hoffman & Johnson 2016, ELBO surgery; brackets: Poole et al. 2019, arXiv:1905.06922; total correlation: Chen et
    al. 2018, arXiv:1802.04942.
    """
    x, y = placed(model, x, y)
    if draws < 1 or len(x) < 3:
        raise ValueError(f"surgery(draws={draws}) of {len(x)} data: needs at least 1 draw and 3 data.")
    with enough_memory("give fewer data"), joints(model, x, y, seed) as blocks:
        posteriors = _posteriors(blocks)
        codes = [block.guide(draws, CODES)[0] for block in blocks]
        found, parts = _taken_apart(posteriors, codes, _log_priors(blocks, codes))
        tests = {"model": _of_simulated(blocks), "data": torch.cat(codes, 1)[0]}
        prior = torch.cat([block.prior(1, PRIOR)[0] for block in blocks])
        rows = {
            k: (np.nan, np.nan) if z is None else energy_test(z, prior, permutations, seed) for k, z in tests.items()
        }
    variables: dict[str, Any] = dict(found)
    for name, sides in parts.items():
        variables[name], variables[f"{name}_se"] = (("side", [side[i] for side in sides]) for i in range(2))
    variables["energy"], variables["p"] = (("under", [row[i] for row in rows.values()]) for i in range(2))
    return xr.Dataset(
        variables,
        coords={"side": list(SIDES), "under": [*rows], "latent": blocks[0].names},
        attrs={"num_data": len(x), "draws": draws, "seed": seed, "log_n": math.log(len(x)), "unit": "nats per datum"},
    )


def _posteriors(blocks: list[Joint]) -> list[Distribution]:
    found = [block.only_guide() for block in blocks]
    known = [q for q in found if q is not None]
    if len(known) < len(blocks):
        raise ValueError(
            "surgery holds every code against every datum's q(z|x), and this guide draws several latents; give it one that "
            "draws them jointly, as the zoo's do."
        )
    return known


def _log_priors(blocks: list[Joint], codes: list[Tensor]) -> tuple[Tensor, Tensor | None]:
    """log p(z) of codes, ``(draw, N)``, and of their coordinates, ``(draw, N, size)``, where those are independent."""
    whole = torch.cat([block.at(z).prior for block, z in zip(blocks, codes, strict=True)], 1)
    if blocks[0].y is not None:
        turned = [block.turned().at(z).prior for block, z in zip(blocks, codes, strict=True)]
        if not torch.allclose(whole, torch.cat(turned, 1)):
            raise ValueError(
                "the prior depends on the condition, so that there is no one p(z) to hold all codes together against; use "
                "prior='StandardNormal' to take the KL apart."
            )
    each = []
    for block, z in zip(blocks, codes, strict=True):
        prior = block.only_prior()
        parts = None if prior is None or _is_tied(prior) else _coordinates(prior, z)
        if parts is None:
            return whole, None
        each.append(parts)
    return whole, torch.cat(each, 1)


def _of_simulated(blocks: list[Joint]) -> Tensor | None:
    """A code of q(z|x) for each of as many data that the model made; None where it observes more than x."""
    try:
        made = [block.of(block.simulate(SIMULATED)[1]) for block in blocks]
    except ValueError:
        return None
    return torch.cat([block.guide(1, SIMULATED, 1)[0][0] for block in made])


def _coordinates(q: Distribution, z: Tensor) -> Tensor | None:
    """log q(zⱼ) of codes ``(..., data, size)``, as z; None where q does not tell its coordinates."""
    q = vectors_of(q)
    if not q.event_shape:
        return q.log_prob(z.squeeze(-1)).double().unsqueeze(-1)
    if isinstance(q, dist.MultivariateNormal | dist.LowRankMultivariateNormal):
        return dist.Normal(q.mean, q.variance.sqrt()).log_prob(z).double()
    if isinstance(q, torch.distributions.Independent) and len(q.event_shape) == q.reinterpreted_batch_ndims == 1:
        return q.base_dist.log_prob(z).double()
    return None


def _is_tied(p: Distribution) -> bool:
    """Whether the coordinates of p may depend on one another."""
    return bool(p.event_shape) and not isinstance(vectors_of(p), torch.distributions.Independent)


def _taken_apart(
    posteriors: list[Distribution], codes: list[Tensor], priors: tuple[Tensor, Tensor | None]
) -> tuple[dict[str, Any], dict[str, list[tuple[float, float]]]]:
    """KL and rates, and the low and the high end of every part, with their errors."""
    shape, z = posteriors[0].event_shape, torch.cat(codes, 1)
    log_p, each_p = priors
    own, joint, single, rates = [], [], [], []
    for s in range(len(z)):
        each = z[s].reshape(-1, 1, *shape)
        crossed = torch.cat([q.log_prob(each).double() for q in posteriors], 1)
        own.append(crossed.diagonal())
        joint.append(Mixed.of(crossed))
        columns = [_coordinates(q, z[s].unsqueeze(1).expand(-1, q.batch_shape[0], -1)) for q in posteriors]
        known = [c for c in columns if c is not None]
        if each_p is not None and len(known) == len(columns):
            every = torch.cat(known, 1)
            rates.append(every.diagonal().T - each_p[s])
            single.append(Mixed.sum([Mixed.of(column) for column in every.unbind(-1)]))
    own_q, p, q = left_out(torch.stack(own)), left_out(log_p), Mixed.mean(joint)
    low, high = _ends(q.low - p, q.high - p)
    parts = {"mutual_information": (own_q - p - high, own_q - p - low), "marginal_kl": (low, high)}
    found: dict[str, Any] = dict(zip(("kl", "kl_se"), estimate(own_q - p), strict=True))
    if single:
        one = Mixed.mean(single)
        parts["total_correlation"] = _ends(q.low - one.high, q.high - one.low)
        parts["dimension_wise"] = _ends(one.low - p, one.high - p)
        rate = torch.stack(rates).mean(0)
        found["rate"] = ("latent", rate.mean(0).cpu().numpy())
        found["rate_se"] = ("latent", (rate.std(0) / math.sqrt(len(rate))).cpu().numpy())
    return found, {name: [estimate(side) for side in sides] for name, sides in parts.items()}


def _ends(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Ends of a KL, which is never negative, in order: by the noise of few draws estimates may be neither."""
    return torch.minimum(low, high).clamp(min=0), torch.maximum(low, high).clamp(min=0)


@choice("analysis", "surgery")
class Surgery(Analysis):
    """What the KL of the ELBO is made of, and whether codes fill the prior.

    Args:
        num_data: data that are encoded.
        draws: codes of each.
    """

    title: ClassVar[str] = "What is the KL made of?"
    order: ClassVar[int] = 25

    def __init__(self, num_data: int = 500, draws: int = 2) -> None:
        self.num_data, self.draws = num_data, draws

    @by_trying
    def refusal(self, model: Model, data: Data) -> str:
        """A guide of one latent with a density, and a proper prior that is one for all data, are needed."""
        some = data.test.take(min(4, len(data.test)))
        surgery(model, some.x, some.y, draws=1, permutations=1)
        return ""

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Take it apart."""
        split = data.test.spread(self.num_data)
        found = surgery(model, split.x, split.y, draws=self.draws, seed=seed)
        parts = {name: tuple(found[name].values.tolist()) for name in PARTS if name in found}
        errors = {name: tuple(found[f"{name}_se"].values.tolist()) for name in parts}
        p = {under: float(found["p"].sel(under=under)) for under in ("model", "data")}
        said = ", ".join(f"{PARTS[name]} {_between(parts[name], errors[name])}" for name in parts)
        says = f"The KL of {_nats(float(found['kl']), float(found['kl_se']))} nats a datum is {said}"
        numbers: dict[str, Any] = {
            "kl": float(found["kl"]),
            "kl_se": float(found["kl_se"]),
            "p": p,
            "log_n": found.attrs["log_n"],
        }
        numbers |= {
            name: dict(zip(("low", "high", "low_se", "high_se"), (*parts[name], *errors[name]), strict=True))
            for name in parts
        }
        named = {PARTS[name]: parts[name] for name in parts}
        figure = brackets(named, {PARTS[name]: errors[name] for name in parts})
        caption = "Between which ends each part of the KL lies; lighter, one error more."
        pictures = [Picture("surgery", caption, figure)]
        if "rate" in found:
            rate, error = found["rate"].values, found["rate_se"].values
            active = int((rate >= ACTIVE).sum())
            says += f"; {active} of {len(rate)} latents are active, at {ACTIVE} nat or more"
            numbers |= {"rate": rate.tolist(), "rate_se": error.tolist(), "active": active}
            pictures.append(Picture("rates", "What each latent costs.", rate_bars(rate, error, ACTIVE)))
        under = ", ".join(f"p = {p[k]:.2g} under {UNDER[k]}" for k in p if np.isfinite(p[k]))
        table = [["part", "low", "high"]]
        table += [[PARTS[k], *(_nats(*end, 3) for end in zip(parts[k], errors[k], strict=True))] for k in parts]
        return Finding(
            f"{says}. Codes are draws of the prior: {under}.",
            *_judged(p, numbers.get("active")),
            numbers,
            pictures,
            table,
        )


def _between(ends: tuple[float, float], errors: tuple[float, float]) -> str:
    """Both ends with their errors; of ones below 0, which no part of a KL is, why they are."""
    told = " to ".join(_nats(*end) for end in zip(ends, errors, strict=True))
    return f"{told} (below 0 by the noise of few data or draws)" if round(min(ends), 2) < 0 else told


def _nats(value: float, error: float, digits: int = 2) -> str:
    """As it is printed: what is rounded to 0 has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f} ± {error:.{digits}f}"


def _judged(p: Mapping[str, float], active: int | None) -> tuple[Verdict, str]:
    if active == 0:
        return "beware", (
            "no latent is active, and codes that say nothing of data fill any prior: try a KL warm-up, as "
            "`objective=ELBO(warmup=1000)`, a smaller beta, or a weaker decoder."
        )
    if p["model"] < SMALL:
        return "beware", (
            "even on data of the model's own codes do not fill the prior: the encoder is at fault; `gaps(model, x)` says how "
            "much, and more epochs or a richer posterior mend it."
        )
    if p["data"] < SMALL:
        return "beware", (
            "codes of data leave places of the prior empty, and samples come from there: a learned prior such as "
            "`prior='VampPrior'` follows the codes."
        )
    return "well", ""
