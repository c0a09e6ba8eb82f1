"""Estimates of the same data side by side: paired differences, the errors of draws and of data, and what to doubt."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import xarray as xr

from pyrogen.inference.evidence.diagnosis import Diagnosis, diagnose
from pyrogen.inference.evidence.rules import bias

# what two estimates must share for their difference to be one of models
MEANT = {
    "quantity": "log p(x)",
    "valid_for": "any data",
    "log_jacobian": 0.0,
    "unit": "nats per datum",
    "dimensions": None,
}
ORIGIN = (
    "data",
    "split",
    "kind",
    "binarization",
    "binarization_seed",
    "dequantization",
    "dequantization_seed",
    "levels",
    "standardization",
)
# what two estimates share that were made from the same draws
MADE = ("estimator", "settings", "seed", "dtype")
WORDS = {"lower": "a lower bound", "upper": "an upper bound", "exact": "exact", "none": "no bound"}

K = TypeVar("K")


class BiasWarning(UserWarning):
    """A difference between estimates that their own biases, or the directions of their bounds, may explain."""


def compare_evidence(estimates: Mapping[str, xr.Dataset], baseline: str | None = None) -> xr.Dataset:
    """Mean differences of log p(x) to a baseline, paired over the data, so that their spread cancels.

    Δ = 1/N Σₙ [ê(xₙ) − ê₀(xₙ)]. Its Monte-Carlo error is √Σ (se² + se₀²) / N over the data whose draws are not the same,
    and nothing of those whose are: an estimate differs from itself by 0 ± 0; what all data have in common, as the error of a
    log Z, does not shrink with N. Its error over data, sd(Δₙ) / √N, has the draws' noise in it already, but for that.

    Args:
        estimates: results of :func:`~pyrogen.inference.log_evidence` on the same data, by name.
        baseline: the name that the others are compared with; by default the first.

    Returns:
        A dataset over ``estimate``, in nats: ``nats``, ``mc_se``, ``data_se``, ``bound``, ``bias`` (how far each mean is
        expected to lie from that of log p(x), see :func:`~pyrogen.inference.evidence.rules.bias`), ``flagged``
        (data whose estimate is not to be believed), ``difference``, ``difference_mc_se``, ``difference_data_se``, and
        ``doubt``, a sentence where the difference may be due to the estimates, else "". ``.to_pandas()`` is a table.

    Raises:
        ValueError: fewer than two estimates, no such baseline, or estimates of unlike data or quantities.

    Warns:
        BiasWarning: each doubt.
    """
    if len(estimates) < 2:
        raise ValueError(f"a comparison needs at least two estimates; got {len(estimates)}.")
    first = next(iter(estimates)) if baseline is None else baseline
    if first not in estimates:
        raise ValueError(f"there is no estimate called {first!r} to compare with; there are {', '.join(estimates)}.")
    base = estimates[first]
    rows = {name: _row(name, evidence, first, base) for name, evidence in estimates.items()}
    for row in rows.values():
        if row["doubt"]:
            warnings.warn(str(row["doubt"]), BiasWarning, stacklevel=2)
    variables = {key: ("estimate", np.array([row[key] for row in rows.values()])) for key in rows[first]}
    attributes = {"baseline": first, "count": base.sizes["datum"]}
    attributes |= {key: base.attrs[key] for key in (*MEANT, *ORIGIN) if key in base.attrs}
    return xr.Dataset(variables, coords={"estimate": list(rows)}, attrs=attributes)


def groups_alike(scores: Mapping[K, xr.Dataset]) -> list[list[K]]:
    """The names of estimates in groups, each of the same data, in the order in which they are given."""
    groups: list[list[K]] = []
    for name, score in scores.items():
        same = next((group for group in groups if not unlike(score, scores[group[0]])), None)
        if same is None:
            groups.append([name])
        else:
            same.append(name)
    return groups


def unlike(evidence: xr.Dataset, base: xr.Dataset) -> str:
    """Why two estimates cannot be compared, in words; "" where they can."""
    a, b, n, m = evidence.attrs, base.attrs, evidence.sizes["datum"], base.sizes["datum"]
    # a tensor does not say where it is from, and is known by its values
    named = all(e.attrs.get("data") != "a tensor" or "fingerprint" not in e.coords for e in (evidence, base))
    differ = [
        f"{k} {a.get(k, usual)} and {b.get(k, usual)}"
        for k, usual in MEANT.items()
        if a.get(k, usual) != b.get(k, usual)
    ]
    differ += [f"{k} {a.get(k)} and {b.get(k)}" for k in ORIGIN if named and a.get(k) != b.get(k)]
    if differ:
        return ", ".join(differ)
    if "simulated" in evidence and not ("simulated" in base and evidence["simulated"].equals(base["simulated"])):
        return "bounds on data that each model simulated by itself"
    if n != m:
        return f"{n} and {m} data; select those that both have by .sel(datum=...)"
    told = (
        ("fingerprint", "are not the same values"),
        ("fingerprint_y", "have another y"),
        ("datum", "are other rows of the split"),
    )
    for key, what in told:
        if key in evidence.coords and key in base.coords and (named or key != "datum"):
            other = int((evidence[key].values != base[key].values).sum())
            if other:
                return f"{other} of {n} data {what}"
    return ""


def _row(name: str, evidence: xr.Dataset, first: str, base: xr.Dataset) -> dict[str, float | int | str]:
    if reason := unlike(evidence, base):
        raise ValueError(f"{name} and {first} are not estimates of the same thing: {reason}.")
    values, errors = evidence["log_evidence"].values, evidence["mc_se"].values
    with np.errstate(invalid="ignore"):  # where both are −∞ there is no difference
        difference = values - base["log_evidence"].values
    shared = _same_draws(evidence, base)
    apart = np.where(shared, 0.0, errors**2 + base["mc_se"].values ** 2)
    both = shared_variance(evidence) + shared_variance(base)
    same = name == first
    diagnosis = diagnose(evidence)
    found: dict[str, float | int | str] = {
        "nats": float(values.mean()),
        "mc_se": error_of_mean(errors**2, shared_variance(evidence)),
        "data_se": standard_error(values),
        "bound": str(evidence.attrs.get("bound", "none")),
        "bias": diagnosis.bias,
        "flagged": len(diagnosis.flagged),
        "difference": 0.0 if same else float(difference.mean()),
        "difference_mc_se": 0.0 if same else error_of_mean(apart, 0.0 if shared.all() else both),
        "difference_data_se": 0.0 if same else standard_error(difference),
    }
    # what is wrong with an estimate is wrong with its twin
    return {
        **found,
        "doubt": "" if same or shared.all() else _doubt(name, evidence, diagnosis, first, base, found["difference"]),
    }


def shared_variance(evidence: xr.Dataset) -> float:
    """The covariance of any two data's estimates, or its mean: of what all share, as one log Z or one set of samples."""
    own = float(evidence["log_partition_se"]) ** 2 if "log_partition_se" in evidence else 0.0
    return own + (float(evidence["shared_variance"]) if "shared_variance" in evidence else 0.0)


def error_of_mean(variances: np.ndarray, shared: float = 0.0) -> float:
    """√(Σ (v − s) / N² + s), of variances ``(datum,)`` of which s is shared: that does not average out, nor where s < 0."""
    return math.sqrt(max(float((variances - shared).sum()) / len(variances) ** 2 + shared, 0.0))


def in_common(error: float, variances: np.ndarray) -> float:
    """The mean covariance of two estimates where the mean of all has this error: the s of :func:`error_of_mean`."""
    n = len(variances)
    return (n * error**2 - float(variances.mean())) / (n - 1) if n > 1 else error**2


def standard_error(values: np.ndarray) -> float:
    """sd / √N, nan of one value or of some that are not finite."""
    spread = len(values) > 1 and np.isfinite(values).all()
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if spread else math.nan


def _same_draws(evidence: xr.Dataset, base: xr.Dataset) -> np.ndarray:
    """Of which data two estimates were made from the same draws by the same model, ``(datum,)``.

    Estimator, settings and seed must be the same; other models, even at one seed, differ in the last bits of value and error.
    """
    made = all(evidence.attrs.get(key) == base.attrs.get(key) for key in MADE)
    alike = [evidence[key].values == base[key].values for key in ("log_evidence", "mc_se")]
    return made & alike[0] & alike[1]


def _doubt(
    name: str, evidence: xr.Dataset, diagnosis: Diagnosis, first: str, base: xr.Dataset, difference: float | int | str
) -> str:
    said = []
    both = [diagnosis.bias, bias(base)]
    lost = ~(np.isfinite(evidence["log_evidence"].values) & np.isfinite(base["log_evidence"].values))
    if lost.any():
        said.append(
            f"{int(lost.sum())} of {len(lost)} data have no finite estimate by {name} or {first}, and so there is no mean "
            f"difference: {listed(evidence['datum'].values[lost])}"
        )
    if abs(float(difference)) < (unsure := sum(map(abs, both))):
        said.append(
            f"the difference of {float(difference):+.3g} nats between {name} and {first} is smaller than the bias that "
            f"their estimates show ({both[0]:+.2g} and {both[1]:+.2g}, together {unsure:.2g}): it orders nothing"
        )
    bounds = [str(e.attrs.get("bound", "none")) for e in (evidence, base)]
    if bounds[0] != bounds[1]:
        said.append(
            f"{name} is {WORDS[bounds[0]]} and {first} is {WORDS[bounds[1]]}: their difference is partly that of the bounds"
        )
    return "; ".join(said)


def listed(labels: Sequence[int] | np.ndarray) -> str:
    """Labels on ``datum`` in a sentence: the first ten."""
    return ", ".join(map(str, labels[:10])) + (", …" if len(labels) > 10 else "")
