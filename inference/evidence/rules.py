"""Rules that judge an estimate, each by its own variables and silent where there are none; and how biased a mean is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy.optimize import brentq

from pyrogen.inference.evidence.tail import FEWEST
from pyrogen.inference.evidence.weight_stream import FEWEST_OF_ERROR

# nats: the last digit that is published of a mean
LEAST = 0.01
# of the log of a mean weight, in nats: of 241,500 simulated estimates from 4 to 5000 lognormal or Pareto weights, ± 2 errors
# held the truth in 94 % where the error was below 0.05, in 86 % from 0.1 to 0.2, and in 82 % from 0.2 to 0.3
LARGEST_ERROR = 0.2
ACCEPTANCE = (0.3, 0.95)
# nats between the two sides of a bracket; Wu et al. 2017 (arXiv:1611.04273) have 0.6 to 1.5 where AIS is accurate, else 10
WIDEST = 1.0


@dataclass(frozen=True, eq=False)
class Finding:
    """What one rule says of an estimate.

    Attributes:
        broken: whether it speaks against the estimate.
        says: in words, with the numbers.
        data: the labels on ``datum`` of the data that it flags.
    """

    broken: bool
    says: str
    data: np.ndarray


def judge(evidence: xr.Dataset) -> dict[str, Finding]:
    """What every rule that applies says of an estimate, by rule; of which data, where some have no finite estimate."""
    finite = np.isfinite(evidence["log_evidence"].values)
    usable = evidence.isel(datum=finite)
    silent = OF_DRAWS if finite.any() and _alike(usable) else ()
    found = {name: rule(usable) for name, rule in RULES.items() if name not in silent} if finite.any() else {}
    findings = {name: finding for name, finding in found.items() if finding is not None}
    if finite.all():
        return findings
    lost = _finding(~finite, f"{_of(~finite)} have no finite estimate, and their mean has none", evidence)
    rest = f" (of the {int(finite.sum())} data that have one)"
    return {"finite": lost, **{name: replace(f, says=f.says + rest) for name, f in findings.items()}}


def bias(evidence: xr.Dataset) -> float:
    """How far the mean of an estimate is expected to lie from the mean of log p(x), in nats: the largest of what it shows.

    −½ mean se² for the log of a mean (delta method); −(the end of the k-curve extrapolated, less the estimate);
    estimate − jackknife; half − estimate for AIS, whose bias is inverse to the number of temperatures. 0 where it carries
    none of these; nan where a datum has no finite estimate, for then the mean has none.
    """
    if not np.isfinite(evidence["log_evidence"].values).all():
        return math.nan
    if evidence.attrs.get("bound") == "exact":
        return 0.0
    shown = [0.0]
    if averages(evidence) and np.isfinite(evidence["mc_se"]).all():
        # the log of a mean falls short: of a log Z that is subtracted, log p(x) exceeds
        short = float((evidence["mc_se"] ** 2).mean()) / 2
        shown.append(short if evidence.attrs.get("bound") == "upper" else -short)
    if "k_curve" in evidence:
        k, curve = _finite_curve(evidence)
        more = float(curve[-1].mean()) + left(k, curve.mean(1))
        shown.append(min(float(evidence["log_evidence"].mean()) - more, 0.0))
    if "jackknife" in evidence and np.isfinite(evidence["jackknife"]).all():
        shown.append(float((evidence["log_evidence"] - evidence["jackknife"]).mean()))
    if "half" in evidence:
        shown.append(float((evidence["half"] - evidence["log_evidence"]).mean()))
    return max(shown, key=abs)


def left(k: np.ndarray, bounds: np.ndarray) -> float:
    """By how much a k-curve will still rise, in nats: a k^−α through its last three points, 0.2 ≤ α ≤ 1.

    α is 1 where weights have a variance, and falls towards 0 as their tail grows heavier; two points alone take α = 1.
    """
    if len(k) < 2 or bounds[-1] <= bounds[-2]:
        return 0.0

    def share(alpha: float, i: int) -> float:
        return float(k[i - 1]) ** -alpha - float(k[i]) ** -alpha

    alpha, last = 1.0, float(bounds[-1] - bounds[-2])
    before = float(bounds[-2] - bounds[-3]) if len(k) > 2 else 0.0
    if before > 0:

        def excess(alpha: float) -> float:
            return share(alpha, -2) / share(alpha, -1) - before / last

        low, high = excess(0.2), excess(1.0)
        alpha = 0.2 if low >= 0 else 1.0 if high <= 0 else float(brentq(excess, 0.2, 1.0))
    return last * float(k[-1]) ** -alpha / share(alpha, -1)


def largest_k(draws: int) -> float:
    """The Pareto k̂ from which so many draws are too few, min(1 − 1/log₁₀ S, 0.7).

    Reference: Vehtari et al. 2024, arXiv:1507.02646.
    """
    return min(1 - 1 / math.log10(draws), 0.7) if draws > 10 else 0.0


def _nature(evidence: xr.Dataset) -> Finding | None:
    bound = evidence.attrs.get("bound")
    if bound == "exact":
        return _of_mean(False, "it is exact")
    quantity = evidence.attrs.get("quantity", "log p(x)")
    if bound == "none" and quantity != "log p(x)":
        return _of_mean(False, f"{quantity} bounds nothing, and can be compared with its like only")
    if _alike(evidence):
        return _of_mean(
            False,
            "all draws are one and the same, for the guide is certain: the bound counts one state of the latents alone, "
            "and no more draws make it tighter",
        )
    return None


def _alike(evidence: xr.Dataset) -> bool:
    """Whether all draws are one, those of a guide that is certain."""
    return "different_draws" in evidence and bool((evidence["different_draws"] == 1).all())


def _pareto(evidence: xr.Dataset) -> Finding | None:
    if "pareto_k" not in evidence or not evidence.attrs.get("averages_weights"):
        return None
    khat, draws = evidence["pareto_k"].values, int(evidence.attrs["num_samples"])
    if draws < FEWEST:
        return _finding(np.isnan(khat), f"Pareto k̂ needs at least {FEWEST} draws, and there are {draws}", evidence)
    most = largest_k(draws)
    large, none = khat > most, np.isnan(khat)
    said = [f"{_of(large)} have k̂ > {most:.2g}, where error bars cannot be believed"] if large.any() else []
    said += [f"{_of(none)} have no fit: beside their largest weights the others are nothing"] if none.any() else []
    return _finding(large | none, "; ".join(said) or f"no datum has k̂ > {most:.2g}", evidence)


def _error(evidence: xr.Dataset) -> Finding | None:
    if not averages(evidence):
        return None
    errors = evidence["mc_se"].values
    large, none = errors > LARGEST_ERROR, np.isnan(errors)
    said = [f"{_of(large)} have errors above {LARGEST_ERROR} nats"] if large.any() else []
    said += [f"{_of(none)} have no error, which takes {FEWEST_OF_ERROR} weights at least"] if none.any() else []
    bad, says = large | none, "; ".join(said) or f"no error is above {LARGEST_ERROR} nats"
    if "ess" in evidence:
        ess = evidence["ess"].values
        words = ("num_samples", "draws"), ("chains", "chains"), ("populations", "populations")
        of = next((f" of {evidence.attrs[k]} {word}" for k, word in words if k in evidence.attrs), "")
        says += f"; {_count(np.median(ess))}{of} are effective for the median datum, {_count(ess.min())} for the worst"
    return _finding(bad, says, evidence)


def _curve(evidence: xr.Dataset) -> Finding | None:
    if "k_curve" not in evidence or evidence.sizes["k"] < 2:
        return None
    k, curve = _finite_curve(evidence)
    if not averages(evidence):
        gap, error = _mean(curve[-1] - evidence["log_evidence"].values, evidence)
        says = f"averaged inside the logarithm, the same {k[-1]} draws give {gap:.3g} ± {error:.2g} nats more"
        return _of_mean(gap > max(LEAST, 2 * error), says)
    if len(k) < 2:
        return None
    rise, error = _mean(curve[-1] - curve[-2], evidence)
    more = left(k, curve.mean(1))
    if rise > max(LEAST, 2 * error):
        step = f"{rise:.2g} ± {error:.1g} nats from k = {k[-2]} to {k[-1]}"
        return _of_mean(True, f"the bound still rises, by {step}, and may by {more:.2g} more")
    return _of_mean(False, f"the bound has levelled off: {rise:+.2g} ± {error:.1g} nats from k = {k[-2]} to {k[-1]}")


def _finite_curve(evidence: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The k-curve from where it is finite for all data: with few draws a weight may be 0."""
    curve = evidence["k_curve"].values
    first = int(np.argmax(np.isfinite(curve).all(1)))
    return evidence["k"].values[first:], curve[first:]


def _jackknife(evidence: xr.Dataset) -> Finding | None:
    if "jackknife" not in evidence or not np.isfinite(evidence["jackknife"]).all():
        return None
    gap, error = _mean((evidence["jackknife"] - evidence["log_evidence"]).values, evidence)
    says = f"the jackknife lies {gap:+.2g} ± {error:.1g} nats from the bound"
    return _of_mean(abs(gap) > max(LEAST, 2 * error), says)


def _doubling(evidence: xr.Dataset) -> Finding | None:
    if "half" not in evidence:
        return None
    change = (evidence["log_evidence"] - evidence["half"]).values
    errors = np.hypot(evidence["mc_se"].values, evidence["half_se"].values)
    bad = ~(np.abs(change) <= np.maximum(3 * errors, 0.1))
    mean, error = _mean(change, evidence, errors)
    says = f"doubling the temperatures changed the mean by {mean:+.2g} ± {error:.1g} nats"
    says += f", and {_of(bad)} by more than their errors" if bad.any() else ""
    found = _finding(bad, says, evidence)
    return Finding(found.broken or abs(mean) > max(LEAST, 2 * error), says, found.data)


def _acceptance(evidence: xr.Dataset) -> Finding | None:
    if "acceptance" not in evidence:
        return None
    rate, (low, high) = evidence["acceptance"].values, ACCEPTANCE
    bad = ~((rate >= low) & (rate <= high))
    where = f"{_of(bad)} have it outside {low} to {high}" if bad.any() else f"all within {low} to {high}"
    return _finding(
        bad, f"transitions were accepted at a rate of {np.median(rate):.2g} for the median datum, {where}", evidence
    )


def _increments(evidence: xr.Dataset) -> Finding | None:
    if "incremental_ess" not in evidence or "particles" not in evidence.attrs:
        return None
    least, particles = evidence["incremental_ess"].values, int(evidence.attrs["particles"])
    bad = ~(least >= particles / 2)
    says = f"one step leaves {least.min():.3g} of {particles} particles effective at worst"
    says += f", less than half for {_of(bad)}" if bad.any() else ""
    return _finding(bad, says, evidence)


def _bracket(evidence: xr.Dataset) -> Finding | None:
    if not {"lower", "upper"} <= set(evidence):
        return None
    gap = (evidence["upper"] - evidence["lower"]).values
    errors = np.hypot(evidence["lower_se"].values, evidence["upper_se"].values)
    mean, error = _mean(gap, evidence, errors)
    if mean < -3 * error:
        return _of_mean(
            True, f"the bounds cross by {-mean:.2g} ± {error:.1g} nats on their means: the chains do not mix"
        )
    wide = ~(gap - 3 * errors <= WIDEST)
    where = " on simulated data" if "valid_for" in evidence.attrs else ""
    says = f"the bounds{where} are {mean:.2g} ± {error:.1g} nats apart"
    says += f", {_of(wide)} by more than {WIDEST:g}" if wide.any() else ""
    return Finding(mean > WIDEST or bool(wide.any()), says, _finding(wide, says, evidence).data)


def from_guide(evidence: xr.Dataset) -> bool:
    """Whether an estimate was made where the guide's draws are, which cannot see what the guide misses."""
    drawn_from = (evidence.attrs.get(name) for name in ("init", "proposal"))
    return "upper" not in evidence and ("k_curve" in evidence or "guide" in drawn_from)


def _beyond(evidence: xr.Dataset) -> tuple[np.ndarray, np.ndarray, xr.Dataset] | None:
    """By how much chains from the prior exceed the estimate, the errors of that, and the data where they were run."""
    if "from_prior" not in evidence or not np.isfinite(evidence["from_prior"]).any():
        return None
    some = evidence.isel(datum=np.isfinite(evidence["from_prior"].values))
    best, error = some["log_evidence"].values, np.nan_to_num(some["mc_se"].values)
    if not averages(some):
        best, error = _finite_curve(some)[1][-1], np.zeros(some.sizes["datum"])
    return some["from_prior"].values - best, np.hypot(some["from_prior_se"].values, error), some


def _gap(more: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    n = len(more)
    apart = float(more.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    return float(more.mean()), max(math.sqrt(float((errors**2).sum())) / n, apart)


def _guide(evidence: xr.Dataset) -> Finding | None:
    found = _beyond(evidence)
    if found is None or blind(evidence):
        return None
    more, errors, some = found
    mean, error = _gap(more, errors)
    far = _finding(more > np.maximum(4 * errors, 3 * LARGEST_ERROR), "", some)
    gap = f"{abs(mean):.2g} ± {error:.1g} nats"
    if far.broken or mean > max(10 * LEAST, 3 * error):
        says = f"chains from the prior find {gap} more on {len(more)} data: the guide misses part of p(z|x)"
        return Finding(True, says, far.data)
    says = f"chains from the prior, which know nothing of the guide, agree within {gap} on {len(more)} data"
    return Finding(False, says, far.data)


def blind(evidence: xr.Dataset) -> str:
    """Why chains from the prior cannot tell what a guide misses, in words; "" where they can, or were not run."""
    found = _beyond(evidence)
    if found is None:
        return ""
    mean, error = _gap(*found[:2])
    if -max(10 * LEAST, 3 * error) <= mean and error <= LARGEST_ERROR:
        return ""
    if mean > 3 * error:
        return ""
    side = "lower" if mean < 0 else "higher"
    return f"chains from the prior end {abs(mean):.2g} ± {error:.1g} nats {side} on {len(found[0])} data, too short to tell"


RULES: Mapping[str, Callable[[xr.Dataset], Finding | None]] = {
    "nature": _nature,
    "pareto_k": _pareto,
    "error": _error,
    "k_curve": _curve,
    "jackknife": _jackknife,
    "doubling": _doubling,
    "acceptance": _acceptance,
    "increments": _increments,
    "bracket": _bracket,
    "guide": _guide,
}

# of these, draws that are one and the same tell nothing
OF_DRAWS = ("pareto_k", "error", "k_curve", "jackknife")


def averages(evidence: xr.Dataset) -> bool:
    """Whether the estimate is the log of a mean of weights, of draws or of chains."""
    return bool(evidence.attrs.get("averages_weights")) or bool({"temperatures", "populations"} & set(evidence.attrs))


def _mean(values: np.ndarray, evidence: xr.Dataset, errors: np.ndarray | None = None) -> tuple[float, float]:
    """The mean over data and its error; of a single datum, the error of its draws, as of what all data share."""
    n = len(values)
    if errors is not None and "log_partition" in evidence:
        return float(values.mean()), float(errors.mean())
    error = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else float(evidence["mc_se"].values[0])
    return float(values.mean()), error


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _of(bad: np.ndarray) -> str:
    return f"{int(bad.sum())} of {len(bad)} data"


def _finding(bad: np.ndarray, says: str, evidence: xr.Dataset) -> Finding:
    labels = evidence["datum"].values if "datum" in evidence.coords else np.arange(len(bad))
    return Finding(bool(bad.any()), says, labels[bad])


def _of_mean(broken: bool, says: str) -> Finding:
    return Finding(broken, says, np.zeros(0, int))
