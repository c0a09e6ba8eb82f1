"""A score as one would report it: means with both errors, direction, how the data were prepared, and the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from pyrogen import html
from pyrogen.inference.evidence import request
from pyrogen.inference.evidence.comparison import WORDS, error_of_mean, listed, shared_variance, standard_error
from pyrogen.inference.evidence.diagnosis import Diagnosis, diagnose
from pyrogen.kinds import kind_named


@dataclass(frozen=True)
class Summary:
    """The mean of a per-datum estimate, with two errors: of the draws (Monte Carlo), and of having few data.

    Attributes:
        nats: mean log-evidence per datum.
        mc_se: its Monte-Carlo error, √Σ se² / N; of what all data share, as an estimate of log Z or samples, se itself.
        data_se: its error over data, sd / √N.
        bits_per_dim: −nats / (D ln 2), in the units of the data's levels; None where the data have none. Of texts D is the
            mean number of tokens that are scored, words or characters, and ends.
        bits_mc_se: Monte-Carlo error of bits_per_dim.
        bits_data_se: data error of bits_per_dim; of texts that of a ratio, for a long one has more tokens to be paid for.
        count: number of data N.
        failed: labels on ``datum`` of the data whose estimate is not finite; the mean is over them too.
        diagnosis: whether it can be believed, and what to try next.
        attributes: those of the estimate.
        log_partition: an estimate of log Z that is in all of them, with its error.
        solver_gap: of what follows a differential equation, by how much half the tolerance moves it: the mean, and the most.
    """

    nats: float
    mc_se: float
    data_se: float
    bits_per_dim: float | None
    bits_mc_se: float | None
    bits_data_se: float | None
    count: int
    failed: list[int]
    diagnosis: Diagnosis
    attributes: dict[str, Any]
    log_partition: tuple[float, float] | None = None
    solver_gap: tuple[float, float] | None = None

    @property
    def perplexity(self) -> float | None:
        """Of texts 2 to the power of their bits per token: among how many equally probable words the model wavers."""
        return 2.0**self.bits_per_dim if self.bits_per_dim is not None and "tokens" in self.attributes else None

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return html.text(self.text())

    def text(self, run: str = "", score: str = "") -> str:
        """As one reads it, with what to try next: as a command on a run and one of its scores, or in Python."""
        a = self.attributes
        origin = f"{a.get('data')}, {request.part(a)}, binarization {a.get('binarization')}"
        origin = "a tensor" if a.get("data") == "a tensor" else origin
        what = a.get("quantity", "log p(x)")
        lines = [
            f"{what:9} {self.nats:.3f} {a.get('unit', 'nats per datum')}  {_errors(self.mc_se, self.data_se, 3)}",
            f"by        {request.title(a)}, {WORDS[a['bound']]}",
            f"on        {self.count} data of {origin}",
        ]
        if self.failed:
            lines.append(
                f"failed    {len(self.failed)} of {self.count} data have no finite estimate: {listed(self.failed)}"
            )
        if self.log_partition is not None:
            value, error = self.log_partition
            below = "; log f(x) is a lower bound" if a["bound"] == "none" else ""
            lines.insert(-1, f"log Z     {value:.3f} ± {error:.3f}, an estimate whose error all data share{below}")
        if self.solver_gap is not None:
            mean, most = self.solver_gap
            lines.insert(
                -1, f"solver    half the tolerance moved a datum by {mean:.2g} nats, and by {most:.2g} at most"
            )
        if "valid_for" in a:
            lines.append(f"valid for {a['valid_for']}")
        if self.bits_per_dim is not None:
            errors = _errors(self.bits_mc_se, self.bits_data_se, 4)
            each = "dimension" if self.perplexity is None else "token"
            lines.insert(1, f"          {self.bits_per_dim:.4f} bits per {each}  {errors}")
        if self.perplexity is not None:
            lines.insert(
                2, f"          perplexity {self.perplexity:.3f}, of {a['tokens']:.2f} words and ends in each datum"
            )
        lines.append(self.diagnosis.text(run, score))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for YAML or JSON."""
        numbers = {k: v for k, v in vars(self).items() if k not in ("attributes", "diagnosis")}
        judged = {
            "trusted": self.diagnosis.trusted,
            "bias": self.diagnosis.bias,
            "flagged": self.diagnosis.flagged.tolist(),
            "reasons": [finding.says for finding in self.diagnosis.reasons.values()],
        }
        plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in self.attributes.items()}
        return {**numbers, **judged, **plain}


def summarize(evidence: xr.Dataset) -> Summary:
    """Summarize the result of :func:`~pyrogen.inference.log_evidence` over its data.

    Bits per dimension are −nats / (D ln 2) for binary data and levels, and add log₂(levels) where levels were dequantized
    into [0, 1]; grey values that were not dequantized have none, because their density compares with nothing. Of texts they
    are per token, Σ −log₂ p(x) over the number of all words and ends, whose power of two is the perplexity.
    """
    value = evidence["log_evidence"].values
    n = len(value)
    labels = evidence["datum"].values if "datum" in evidence.coords else np.arange(n)
    failed = labels[~np.isfinite(value)].tolist()
    nats = float(value.mean())
    mc_se = error_of_mean(evidence["mc_se"].values ** 2, shared_variance(evidence))
    data_se = standard_error(value)
    diagnosis, attributes = diagnose(evidence), dict(evidence.attrs)
    each = np.full(n, attributes.get("tokens", attributes["dimensions"]))
    if "tokens" in evidence.coords:
        each = evidence["tokens"].values
        attributes["tokens"] = float(each.mean())
    per_bit, offset = float(each.mean()) * math.log(2), _offset(attributes)
    bits, bits_mc, bits_data = None, None, None
    if offset is not None:
        bits, bits_mc = offset - nats / per_bit, mc_se / per_bit
        bits_data = math.nan if failed else standard_error(value - nats / each.mean() * each) / per_bit
    shared = (
        (float(evidence["log_partition"]), float(evidence["log_partition_se"])) if "log_partition" in evidence else None
    )
    gap = evidence["solver_gap"].values if "solver_gap" in evidence else None
    moved = None if gap is None else (float(gap.mean()), float(gap.max()))
    return Summary(nats, mc_se, data_se, bits, bits_mc, bits_data, n, failed, diagnosis, attributes, shared, moved)


def _errors(mc_se: float | None, data_se: float | None, digits: int) -> str:
    """Both errors; of draws that are too few to have one there is none, and of a mean that is not finite."""
    told = ((mc_se, "Monte Carlo"), (data_se, "data"))
    shown = (f"± {e:.{digits}f} ({of})" if e is not None and math.isfinite(e) else f"no error ({of})" for e, of in told)
    return "  ".join(shown)


def _offset(attributes: dict[str, Any]) -> float | None:
    """What bits per dimension add for the scale of the data: log₂ of the number of levels in [0, 1]; None: no such score."""
    if attributes.get("quantity", "log p(x)") not in ("log p(x)", "log p(x|y)"):
        return None
    kind = attributes.get("kind")
    if kind is not None and kind_named(kind).countable:
        return 0.0
    if kind == "unit" and attributes.get("dequantization") == "uniform":
        return math.log2(float(attributes["levels"]))
    return None
