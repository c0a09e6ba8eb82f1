"""A run's scores on the page that explains the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from pyrogen.data import Data
from pyrogen.figures import score_plots
from pyrogen.files import sentence
from pyrogen.inference.evidence import request
from pyrogen.inference.evidence.comparison import groups_alike
from pyrogen.inference.evidence.rules import ACCEPTANCE, largest_k
from pyrogen.inference.evidence.summary import Summary, summarize
from pyrogen.inference.pages.panel import ADVICE, SCORES, Panel
from pyrogen.inference.runs.scores import stale_scores


def shown_scores(folder: str | Path, scores: Mapping[str, xr.Dataset], data: Data | None) -> Iterator[Panel]:
    """A table of all scores, how those of the same data compare, and of each what it is judged by."""
    yield from (Panel(ADVICE, sentence(says)) for says in stale_scores(folder).values())
    if not scores:
        return
    summaries = {name: summarize(score) for name, score in scores.items()}
    kinds = {
        f"{a.get('data')}, {a.get('kind')}, binarization {a.get('binarization')}, dequantization {a.get('dequantization')}"
        for a in (s.attributes for s in summaries.values())
    }
    caption = (
        "Estimates of log p(x), with the error of the draws and the error of having so many data. "
        f"Data: {'; '.join(sorted(kinds))}. A bound is on its expectation; the bias is what an estimate's own diagnostics "
        "expect its mean to be off by; flagged are data whose estimates cannot be believed."
    )
    yield Panel(SCORES, caption, table=score_table(list(summaries.values())))
    for name, summary in summaries.items():
        advice = summary.diagnosis.advice
        next_one = f"# {_label(summary)}: {advice.says}\n{advice.command(str(folder), name)}" if advice else ""
        yield Panel(ADVICE, f"{_label(summary)}: {' '.join(_said(summary, data))}", code=next_one)
    yield from _side_by_side(scores, summaries)
    for name, score in scores.items():
        yield from _figures(name, score, summaries[name])


def _label(summary: Summary) -> str:
    return f"{request.title(summary.attributes)} on {request.part(summary.attributes)}"


def _said(summary: Summary, data: Data | None) -> Iterator[str]:
    """The diagnosis as sentences, and what limits the mean."""
    diagnosis = summary.diagnosis
    yield sentence(diagnosis.verdict)
    yield from (sentence(f.says) for f in diagnosis.findings.values())
    if not math.isfinite(summary.data_se) or summary.data_se <= 3 * summary.mc_se or "valid_for" in summary.attributes:
        return
    splits = {} if data is None else data.splits
    available = len(splits.get(summary.attributes["split"], ()))
    draws = "" if summary.mc_se == 0 else f", and by ± {summary.mc_se:.2g} because of the draws"
    more = f"; the split has {available}" if available > summary.count else ""
    yield f"The mean is uncertain by ± {summary.data_se:.2g} nats because it is over {summary.count} data{draws}{more}."


def score_table(summaries: Sequence[Summary]) -> list[Sequence[str]]:
    """Rows of words, the first of them the head: each estimate with its errors, its direction and its verdict."""
    each = sorted({"token" if "tokens" in s.attributes else "dim" for s in summaries})
    rows: list[Sequence[str]] = [
        (
            "estimate",
            "split",
            "N",
            "nats per datum",
            "± Monte Carlo",
            "± data",
            f"bits/{' or '.join(each)}",
            "direction",
            "bias",
            "flagged",
            "trusted",
        )
    ]
    for s in summaries:
        a, d = s.attributes, s.diagnosis
        bits = "–" if s.bits_per_dim is None else f"{s.bits_per_dim:.4f}"
        numbers = (f"{s.nats:.3f}", f"{s.mc_se:.3f}", f"{s.data_se:.3f}", bits)
        direction = {"none": "no bound", "exact": "exact"}.get(a["bound"], f"{a['bound']} bound")
        judged = (f"{d.bias:+.3f}" if d.bias else "–", str(len(d.flagged)), "yes" if d.trusted else "no")
        rows.append((request.title(a), request.part(a), str(s.count), *numbers, direction, *judged))
    return rows


def _side_by_side(scores: Mapping[str, xr.Dataset], summaries: Mapping[str, Summary]) -> Iterator[Panel]:
    """The scores of the same data, every such group in one figure."""
    for alike in groups_alike(scores):
        if len(alike) < 2:
            continue
        group = [summaries[name] for name in alike]
        figure = score_plots.estimates(
            [request.title(s.attributes) for s in group],
            [s.nats for s in group],
            [s.mc_se for s in group],
            [s.data_se for s in group],
            [s.attributes["bound"] for s in group],
        )
        caption = (
            f"{len(group)} estimates of the same {group[0].count} data, {request.part(group[0].attributes)}. An arrow points "
            "to where the mean of log p(x) lies; thick bars are the error of the draws, thin ones that of the data, which "
            "they share."
        )
        yield Panel(SCORES, caption, f"estimates-{alike[0]}", figure)


def _figures(name: str, score: xr.Dataset, summary: Summary) -> Iterator[Panel]:
    """What an estimate is judged by, of each thing that it carries."""
    label = _label(summary)
    if "k_curve" in score:
        curve, others = score["k_curve"].values, {}
        for other in ("jackknife", "psis"):
            if other in score:
                values = score[other].values
                others[f"{other}, no bound"] = (float(values.mean()), float(_error(values[None])[0]))
        beside = "; beside its end other estimates from the same draws" if others else ""
        caption = (
            f"{label}: the importance-weighted bound against k, from the same draws; the band is the error of having "
            f"{summary.count} data{beside}."
        )
        figure = score_plots.k_curve(score["k"].values, curve.mean(1), _error(curve), others)
        yield Panel(SCORES, caption, f"k-curve-{name}", figure)
    if "pareto_k" in score:
        most = largest_k(int(score.attrs["num_samples"]))
        caption = (
            f"{label}: Pareto k̂ of each datum's weights; to the right of {most:.2g}, the most for so many draws, no error "
            "bar can be believed."
        )
        yield Panel(SCORES, caption, f"pareto-{name}", score_plots.pareto_histogram(score["pareto_k"].values, most))
    if "acceptance" in score:
        caption = f"{label}: how often the transitions of each datum's chains were accepted."
        figure = score_plots.acceptance_histogram(score["acceptance"].values, *ACCEPTANCE)
        yield Panel(SCORES, caption, f"acceptance-{name}", figure)
    if "half" in score:
        caption = (
            f"{label}: what doubling the temperatures changed, with two errors; estimates that have converged stay where "
            "they were."
        )
        error = np.hypot(score["mc_se"].values, score["half_se"].values)
        figure = score_plots.doubling(score["half"].values, score["log_evidence"].values, error)
        yield Panel(SCORES, caption, f"doubling-{name}", figure)
    if "lower" in score:
        sides = (score[side].values for side in ("lower", "upper", "lower_se", "upper_se"))
        caption = (
            f"{label}: two bounds on log p(x) of each datum that the model simulated; on their means they hold the truth "
            "between them."
        )
        yield Panel(SCORES, caption, f"bracket-{name}", score_plots.brackets(*sides))


def _error(curve: np.ndarray) -> np.ndarray:
    """The standard error over data of each row's mean; 0 of a single datum."""
    n = curve.shape[1]
    return curve.std(1, ddof=1) / math.sqrt(n) if n > 1 else np.zeros(len(curve))
