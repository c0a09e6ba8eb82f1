"""Is the encoder right? What its bound loses for want of a better network, and what for want of a better family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.figures.belief_plots import carried, gap_bars
from pyrogen.inference.evidence.ais import AIS
from pyrogen.inference.evidence.diagnosis import diagnose
from pyrogen.inference.evidence.estimator import Estimates, Estimator, joined, log_evidence
from pyrogen.inference.evidence.guide_check import MOST, check_guide
from pyrogen.inference.evidence.importance import diagnostics
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.weight_stream import WeightStream
from pyrogen.inference.evidence.weights import SAMPLE_BLOCK, Weighable
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, Verdict, by_trying
from pyrogen.inference.latents.best_posterior import Advance, Family, families
from pyrogen.inference.latents.joint import Joint, placed
from pyrogen.inference.programs.door import verb
from pyrogen.memory import enough_memory
from pyrogen.registry import choice

# from the encoder's answer to p(x, z): their few steps correct what weights of q alone leave to its tails
ANNEALED = AIS(temperatures=100, chains=32, leapfrogs=3, init="guide", doubling=False)
CLIMB, DRAWS = 10, 11  # places of the random draws
TENTH = 0.1
MATTERS = 0.1  # nats a datum, below which a gap is nobody's trouble
WEIGHED = ("ess", "pareto_k", "k_curve", "k_curve_se", "k")
OF_Q = {"estimator": "IWAE", "bound": "lower", "averages_weights": 1, "settings": "{}", "unit": "nats per datum"}

PARTS = {"amortization": "for want of a better network", "approximation": "for want of a better family"}
ADVICE = {
    "amortization": "a larger encoder, more epochs, or `posterior='SemiAmortized'` closes what the network loses.",
    "approximation": "a richer family, posterior='FullRankNormal' or posterior='FlowPosterior', closes what this loses.",
}


@verb
def gaps(
    model: Model | Weighable,
    x: Any,
    y: Any = None,
    *,
    estimator: Estimator | str | Mapping[str, Any] | None = None,
    num_samples: int = 2000,
    steps: int = 300,
    draws: int = 16,
    check: bool = True,
    seed: int = 0,
) -> xr.Dataset:
    """log p(x) = ELBO + amortization gap + approximation gap, per datum in nats, with Monte-Carlo errors.

    The best q*(z) of the family is found for each datum by climbing its own ELBO from the encoder's answer. The amortization
    gap, ELBO(q*) − ELBO(q(z|x)), is what the network loses; the approximation gap, log p(x) − ELBO(q*) =
    KL(q* ‖ p(z|x)), what the family does. log p(x) is found by chains that are annealed from the guide to p(x, z), or, where
    chains cannot move in the latents, by the weights of q*; the attribute ``estimator`` says which. Neither finds a mode that
    the guide is far from: chains from the prior look at a few data, :func:`~pyrogen.inference.diagnose` reads what they find,
    and ``estimator=AIS()`` answers.

    The family is the encoder's own where the pair has one posterior axis that reads features; those are climbed, the rest of
    the axis (the networks of a flow) stays. Of any other pair it is independent normals on unconstrained coordinates, as the
    attribute ``family`` says: then an amortization gap below 0 is a guide that is better than those.

    Args:
        model: a model of the zoo, or a tuple ``(model, guide)`` of plain Pyro functions.
        x: data, ``(B, ...)``.
        y: conditions.
        estimator: of log p(x), such as ``AIS()`` from the prior, or ``Exact()``; by default as said above.
        num_samples: draws K of each q.
        steps: of the climb.
        draws: of each step.
        check: whether chains from the prior look at some data, at most 8.
        seed: of all random draws.

    Returns:
        A dataset over ``datum``: ``elbo``, ``best``, ``log_evidence``, ``amortization``, ``approximation``, each with its
        error ``…_se`` (``mc_se`` of the evidence); differences on shared draws have the error of the difference. ``rising``:
        what a tenth of the climb still gained at its end. Beside them all that the estimator of log p(x) tells.

    Raises:
        ValueError: a point-mass guide, discrete latents, an improper prior, or data that do not fit.

    Reference: Cremer, Li & Duvenaud 2018, Inference suboptimality in variational autoencoders, arXiv:1801.03558.
    """
    if num_samples < SAMPLE_BLOCK or steps < 20 or draws < 1:
        raise ValueError(
            f"gaps(num_samples={num_samples}, steps={steps}, draws={draws}): needs num_samples >= {SAMPLE_BLOCK}, "
            "steps >= 20 and draws >= 1."
        )
    x, y = placed(model, x, y)
    with (
        enough_memory("lower draws, or give fewer data"),
        families(model, x, y, seed) as blocks,
        track(steps * len(blocks), "climbing to the best posteriors") as advance,
    ):
        parts = [_of_block(joint, family, num_samples, steps, draws, advance) for joint, family in blocks]
        name = blocks[0][1].name
    found = joined(parts)
    of_q = {k: found.pop(k) for k in parts[0] if k in ("log_evidence", "mc_se", "approximation_se", *WEIGHED)}
    settings = {"family": name, "num_samples": num_samples, "steps": steps, "draws": draws, "gaps_seed": seed}
    evidence = _evidence(model, x, y, estimator, seed)
    if evidence is None:
        evidence = xr.Dataset({k: v for k, v in of_q.items() if k != "k"}, coords={"k": of_q["k"][1]}, attrs=OF_Q)
    else:
        error = np.hypot(evidence["mc_se"].values, found["best_se"][1])
        evidence = evidence.assign(approximation_se=("datum", error))
    gap = evidence["log_evidence"].values - found["best"][1]
    whole = evidence.assign({**found, "approximation": ("datum", gap)}).assign_attrs(settings)
    return check_guide(model, x, whole, num_data=MOST, seed=seed, y=y) if check else whole


def _evidence(
    model: Model | Weighable,
    x: Tensor,
    y: Tensor | None,
    estimator: Estimator | str | Mapping[str, Any] | None,
    seed: int,
) -> xr.Dataset | None:
    """log p(x) by an estimator; by default by chains from the guide, and None where they cannot move in the latents."""
    if estimator is not None:
        return log_evidence(model, x, estimator, seed, y)
    try:
        return log_evidence(model, x, ANNEALED, seed, y)
    except ValueError:
        return None


def _of_block(joint: Joint, family: Family, num_samples: int, steps: int, draws: int, advance: Advance) -> Estimates:
    best, course = family.climb(steps, draws, CLIMB, advance)
    blocks = range(-(-num_samples // SAMPLE_BLOCK))
    # with equal seeds both draw by the same noise, where the family is the encoder's own
    own = torch.cat([joint.log_weights(SAMPLE_BLOCK, DRAWS, b) for b in blocks])
    top = torch.cat([family.log_weights(best, SAMPLE_BLOCK, (DRAWS, b)) for b in blocks])
    stream = WeightStream.of(top.cpu().numpy())
    evidence = stream.log_mean()
    ratio = (top - torch.from_numpy(evidence).to(top.device)).exp()
    tenth = max(1, int(TENTH * steps))
    rising = course[-tenth:].mean(0) - course[-2 * tenth : -tenth].mean(0)
    # of the same draws: log of their mean less mean of their logs, and the difference of two q
    found = {
        "log_evidence": evidence,
        "mc_se": stream.standard_error(),
        "approximation_se": _mean(ratio - top)[1],
        "rising": rising.cpu().numpy(),
    }
    for key, values in {"elbo": own, "best": top, "amortization": top - own}.items():
        found[key], found[f"{key}_se"] = _mean(values)
    return {**{k: (("datum",), v) for k, v in found.items()}, **diagnostics(stream)}


def _mean(values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return values.mean(0).cpu().numpy(), (values.std(0) / math.sqrt(len(values))).cpu().numpy()


def mean_of(found: xr.Dataset, name: str) -> tuple[float, float]:
    """The mean of a gap over the data, and its Monte-Carlo error."""
    errors = found[f"{name}_se"].values
    return float(found[name].values.mean()), float(np.sqrt((errors**2).sum()) / len(errors))


@choice("analysis", "gaps")
class Gaps(Analysis):
    """What the encoder's bound loses, and why: amortization and approximation gaps on train and test.

    Args:
        num_data: data of each split that are looked at.
        steps: of the climb to each datum's best posterior.
        num_samples: draws of each q.
    """

    title: ClassVar[str] = "Is the encoder right?"
    order: ClassVar[int] = 10

    def __init__(self, num_data: int = 32, steps: int = 300, num_samples: int = 500) -> None:
        self.num_data, self.steps, self.num_samples = num_data, steps, num_samples

    @by_trying
    def refusal(self, model: Model, data: Data) -> str:
        """Latents that have gradients, and a guide with a density, are needed."""
        with families(model, *placed(model, data.test.take(1)), 0):
            return ""

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """The gaps of train and test side by side."""
        found = {}
        for split in (data.train, data.test):
            part = split.spread(self.num_data)
            found[split.name] = gaps(
                model,
                part.x,
                part.y,
                num_samples=self.num_samples,
                steps=self.steps,
                check=split is data.test,
                seed=seed,
            )
        means = {split: {part: mean_of(f, part) for part in PARTS} for split, f in found.items()}
        test = found["test"]
        guide = diagnose(test).findings.get("guide")
        missed = guide is not None and guide.broken
        verdict, advice = _judged(means["test"], missed)
        lost = test["log_evidence"].values - test["elbo"].values
        said = ", ".join(f"{v:.2f} ± {e:.2f} {PARTS[part]}" for part, (v, e) in means["test"].items())
        heaviest = lost.argsort()[::-1]
        half = int(np.searchsorted(lost[heaviest].clip(0).cumsum(), lost.clip(0).sum() / 2)) + 1
        says = (
            f"On test the ELBO stays {lost.mean():.2f} nats a datum below log p(x): {said} "
            f"({test.attrs['family']}); {half} of {len(lost)} data carry half of it."
        )
        if guide is not None:
            says += f" Checked from the prior: {guide.says}."
        bars = {f"{part} gap": [means[split][part] for split in means] for part in PARTS}
        clouds = {split: {f"{part} gap": f[part].values for part in PARTS} for split, f in found.items()}
        return Finding(
            says,
            verdict,
            advice,
            {
                "family": test.attrs["family"],
                "estimator": test.attrs["estimator"],
                **{s: {p: {"nats": v, "error": e} for p, (v, e) in parts.items()} for s, parts in means.items()},
                "heaviest": heaviest[:5].tolist(),
            },
            (
                Picture(
                    "gaps",
                    "What the bound loses, in parts that add up, with Monte-Carlo errors.",
                    gap_bars([*means], bars),
                ),
                Picture(
                    "gap-data", "Each datum: to the right the network's loss, upwards the family's.", carried(clouds)
                ),
            ),
            [
                ["split", *(f"{part} gap" for part in PARTS)],
                *([s, *(f"{v:.3f} ± {e:.3f}" for v, e in parts.values())] for s, parts in means.items()),
            ],
        )


def _judged(test: Mapping[str, tuple[float, float]], missed: bool) -> tuple[Verdict, str]:
    if missed:
        return "beware", "the guide misses part of p(z|x): `gaps(model, x, estimator=AIS())` says how much is missing."
    worst = max(test, key=lambda part: test[part][0])
    value, error = test[worst]
    if value - 2 * error > MATTERS:
        return "beware", ADVICE[worst]
    return ("well" if all(v + 2 * e < MATTERS for v, e in test.values()) else "open"), ""
