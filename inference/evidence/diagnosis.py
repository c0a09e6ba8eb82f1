"""Whether an estimate can be believed, datum by datum, and what to try where it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from pyrogen import html
from pyrogen.inference.evidence import request
from pyrogen.inference.evidence.rules import Finding, averages, bias, blind, from_guide, judge

# draws from which importance weights that are still unreliable are better given up
ENOUGH = 5000
FOR_BRACKET = ("temperatures", "chains", "init", "schedule", "leapfrogs", "acceptance")  # AIS and BDMC have in common


@dataclass(frozen=True)
class Advice:
    """The estimator to try next.

    Attributes:
        says: why.
        estimator: its name.
        arguments: its arguments.
        only_flagged: whether the flagged data are enough.
        attributes: those of the estimate that led here.
    """

    says: str
    estimator: str
    arguments: Mapping[str, Any]
    only_flagged: bool
    attributes: Mapping[str, Any]

    @property
    def python(self) -> str:
        """What to call, with ``x`` the data and ``diagnosis`` the one that says so."""
        x = "x[diagnosis.flagged]" if self.only_flagged else "x"
        return f"log_evidence(pair, {x}, {request.expression(self.estimator, self.arguments)})"

    def command(self, run: str = "RUN", score: str = "SCORE") -> str:
        """What to type, for a run's folder and the name of the score that led here."""
        flagged_by = score if self.only_flagged else ""
        return request.command(run, self.estimator, self.arguments, self.attributes, flagged_by)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What can be said for and against an estimate.

    Attributes:
        findings: by rule, of every rule that found what it reads.
        flagged: labels on ``datum`` of the data whose estimate cannot be believed.
        bias: how far the mean is expected to lie from that of log p(x), in nats.
        advice: the estimator to try next, None where nothing is to be gained.
        count: number of data.
        unchecked: what nothing here could see, in words; "" where there is no such thing.
    """

    findings: Mapping[str, Finding]
    flagged: np.ndarray
    bias: float
    advice: Advice | None
    count: int
    unchecked: str = ""

    @property
    def reasons(self) -> dict[str, Finding]:
        """The findings against it, by rule."""
        return {rule: finding for rule, finding in self.findings.items() if finding.broken}

    @property
    def trusted(self) -> bool:
        """Nothing speaks against it."""
        return not self.reasons

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.trusted:
            return "nothing speaks against it" if self.findings else "there is nothing to judge it by"
        if len(self.flagged):
            return f"not to be believed for {len(self.flagged)} of {self.count} data"
        return "its mean is not yet that of log p(x)"

    def text(self, run: str = "", score: str = "") -> str:
        """The verdict, the reasons, and what to try next: as a command on a run and one of its scores, or in Python."""
        lines = [f"verdict   {self.verdict}"]
        heads = ["because", *[""] * len(self.findings)]
        shown = self.findings if self.trusted else self.reasons
        lines += [f"{head:10}{finding.says}" for head, finding in zip(heads, shown.values(), strict=False)]
        lines += [f"unchecked {self.unchecked}"] if self.unchecked else []
        if self.advice is not None:
            how = self.advice.command(run, score) if run else self.advice.python
            lines += [f"next      {self.advice.says}:", f"          {how}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html.text(self.text())

    def __str__(self) -> str:
        return self.text()


def diagnose(evidence: xr.Dataset) -> Diagnosis:
    """Judge an estimate by whatever it carries: Pareto k̂, errors, the k-curve, the jackknife, doubling, acceptance, bracket.

    Args:
        evidence: from :func:`~pyrogen.inference.log_evidence`.

    Returns:
        What speaks for and against it, the data not to be believed (``x[d.flagged]``), the estimator to try next:
        IWAE(100) → IWAE(5000) → AIS from the guide on the flagged data → BDMC on simulated data; and, where all was judged by
        the guide's own draws, that a part of p(z|x) which the guide misses was not looked for, as
        :func:`~pyrogen.inference.check_guide` does.
    """
    findings = judge(evidence)
    flagged = np.unique(np.concatenate([np.zeros(0, int), *(f.data for f in findings.values())])).astype(int)
    broken = any(f.broken for f in findings.values())
    missing = findings["guide"].broken if "guide" in findings else False
    advice = _from_prior(evidence) if missing else _next(evidence, broken, len(flagged))
    return Diagnosis(findings, flagged, bias(evidence), advice, evidence.sizes["datum"], _unchecked(evidence, findings))


def _unchecked(evidence: xr.Dataset, findings: Mapping[str, Finding]) -> str:
    if not from_guide(evidence) or "guide" in findings:
        return ""
    why = evidence.attrs.get("guide_unchecked") or blind(evidence)
    how = f"; it could not be: {why}" if why else "; check_guide(pair, x, evidence) does, by chains from the prior"
    return f"whether the guide misses part of p(z|x), which its own draws cannot see{how}"


def _from_prior(evidence: xr.Dataset) -> Advice:
    return Advice("chains from the prior, on all data", "AIS", {"temperatures": 1000}, False, evidence.attrs)


def _next(evidence: xr.Dataset, broken: bool, flagged: int) -> Advice | None:
    """The next link of the chain."""
    a = evidence.attrs
    tempered = request.settings(a) if "temperatures" in a else {}
    doubled = {**tempered, "temperatures": 4 * int(a.get("temperatures", 250))}
    if "upper" in evidence or ("temperatures" in a and broken):
        some = 0 < flagged < evidence.sizes["datum"] and "upper" not in evidence
        return Advice("four times the temperatures", a["estimator"], doubled, some, a) if broken else None
    if "half" in evidence and "log_partition" not in evidence:  # of which no data can be simulated from exact latents
        shared = {k: v for k, v in tempered.items() if k in FOR_BRACKET}
        return Advice("a bracket around the truth, on data that the model simulates", "BDMC", shared, False, a)
    if not broken or "k_curve" not in evidence:
        return None
    if int(a["num_samples"]) < ENOUGH or not averages(evidence):
        return Advice("more draws, averaged inside the logarithm", "IWAE", {"k": ENOUGH}, False, a)
    if "chains_stand" in a:  # the reason that no chain can move in these latents names what can
        return None
    if not np.isfinite(evidence["log_evidence"].values).any():  # nor would chains that start where the guide draws
        return _from_prior(evidence)
    says = "annealed chains from the guide" + (", on the flagged data alone" if flagged else "")
    return Advice(says, "AIS", {"temperatures": 1000, "init": "guide"}, flagged > 0, a)
