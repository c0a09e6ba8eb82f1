"""A run's scores: of what, on disk, and on the page that explains the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import torch
import xarray as xr
import yaml

from pyrogen.base import HasGenerator, HasLogProb, Model, Pair
from pyrogen.data import Data, Split
from pyrogen.figures import score_plots
from pyrogen.files import first_line, write
from pyrogen.inference.evidence import asked
from pyrogen.inference.evidence.comparison import unlike
from pyrogen.inference.evidence.diagnosis import diagnose
from pyrogen.inference.evidence.noise import Observed, observe
from pyrogen.inference.evidence.rules import ACCEPTANCE, largest_k
from pyrogen.inference.evidence.summary import Summary, summarize
from pyrogen.inference.pages.report_sections import ADVICE, Panel
from pyrogen.inference.training.trainer import read_history
from pyrogen.registry import unknown

SCORES, SPLITS = "scores", ("train", "valid", "test")
# what a score may carry for each datum, and what must then stand beside it
CARRIED: Mapping[str, Sequence[str]] = {
    "log_evidence": ("mc_se",),
    "mc_se": (),
    "ess": (),
    "pareto_k": (),
    "jackknife": (),
    "psis": (),
    "acceptance": (),
    "half": ("half_se",),
    "half_se": (),
    "lower": ("lower_se", "upper"),
    "lower_se": (),
    "upper": ("upper_se", "lower"),
    "upper_se": (),
}


def save_score(folder: str | Path, evidence: xr.Dataset) -> Path:
    """Write an estimate as NetCDF, and its summary as YAML beside it; returns the NetCDF file's path.

    The name says all that tells scores apart, so that none replaces another that was asked for otherwise.
    """
    path = Path(folder) / SCORES / f"{asked.file_name(evidence.attrs)}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f"{path.name}.part")
    evidence.to_netcdf(whole, engine="h5netcdf")
    whole.replace(path)
    write(path.with_name(f"{path.stem}.yaml"), yaml.safe_dump(summarize(evidence).to_dict(), sort_keys=False))
    return path


def read_scores(folder: str | Path) -> dict[str, xr.Dataset]:
    """The estimates that were saved in a run's folder, by the names of their files.

    Raises:
        ValueError: a file is damaged, or no estimate.
    """
    return {path.stem: _read_score(path) for path in sorted((Path(folder) / SCORES).glob("*.nc"))}


def _read_score(path: Path) -> xr.Dataset:
    try:
        # h5netcdf cannot close what it fails to open
        with h5py.File(path) as file:
            file.attrs.get("_nc3_strict")
        score = xr.load_dataset(path, engine="h5netcdf")
    except Exception as error:  # whatever HDF5 and its readers raise on broken bytes
        raise ValueError(f"{path} is damaged: {first_line(error)}") from error
    shapes: dict[str, tuple[str, ...]] = dict.fromkeys(("log_evidence", "mc_se"), ("datum",))
    for name, beside in CARRIED.items():
        shapes |= dict.fromkeys((name, *beside), ("datum",)) if name in score else {}
    shapes |= {"k_curve": ("k", "datum"), "k": ("k",)} if "k_curve" in score else {}
    wrong = [
        k for k, dims in shapes.items() if k not in score or score[k].dims != dims or score[k].dtype.kind not in "iuf"
    ]
    words = [k for k in ("estimator", "bound", "split") if not isinstance(score.attrs.get(k), str)]
    size = score.attrs.get("dimensions")
    words += [] if isinstance(size, (int, np.integer)) and size > 0 else ["dimensions"]
    if wrong or words or score.sizes["datum"] == 0:
        what = f"its {(wrong + words)[0]} is missing or malformed" if wrong or words else "it has no data"
        raise ValueError(f"{path} is no estimate that pyrogen wrote: {what}.")
    try:
        summarize(score).text()
        asked.file_name(score.attrs)
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
        raise ValueError(f"{path} is no estimate that pyrogen wrote: {first_line(error)}") from error
    return score


# -- what is scored --------------------------------------------------------------------------------------------------


def part_of(
    folder: str | Path, data: Data, split: str, limit: int | None = None, flagged_by: str | None = None
) -> tuple[Split, np.ndarray, dict[str, Any]]:
    """The part of a split that shall be scored: all, the first so many, or what the diagnosis of a score flags.

    Returns:
        The part, its rows in the split, and the attributes that say so.

    Raises:
        ValueError: no such split or score, or nothing is flagged.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    whole: Split = getattr(data, split)
    if flagged_by is None:
        part = whole if limit is None else whole.take(limit)
        return part, np.arange(len(part)), {} if limit is None else {"limit": limit}
    if limit is not None:
        raise ValueError("--limit and --flagged_by each choose data; give one of them.")
    scores = read_scores(folder)
    if flagged_by not in scores:
        raise unknown(f"score in {folder}", flagged_by, scores or ["(it has not been scored)"])
    score = scores[flagged_by]
    if score.attrs["split"] != split:
        raise ValueError(f"the score {flagged_by} is of the split {score.attrs['split']}, and not of {split}.")
    rows = diagnose(score).flagged
    if not len(rows):
        raise ValueError(f"the diagnosis of {flagged_by} flags no data; there is nothing to score again.")
    x, *y = whole[torch.from_numpy(rows)]
    return Split(x, y[0] if y else None, split, whole.view), rows, {"flagged_by": flagged_by}


def density_of(model: Model, data: Data, sigma: float | None, seed: int) -> tuple[Model, dict[str, Any]]:
    """A model that has a density: itself, or a generator with an observation noise, fitted on the validation split.

    Returns:
        The model, and the attributes ``sigma`` and ``sigma_from`` where noise was put on it.

    Raises:
        ValueError: a noise was given for a model that has a density.
    """
    if isinstance(model, (Pair, HasLogProb)) or not isinstance(model, HasGenerator):
        if sigma is not None:
            raise ValueError(f"{type(model).__name__} needs no observation noise; leave --sigma out.")
        return model, {}
    if sigma is not None:
        return Observed(model, sigma), {"sigma": sigma, "sigma_from": "given"}
    observed = observe(model, data.valid, seed=seed)
    return observed, {"sigma": float(observed.sigma), "sigma_from": f"fitted on {data.name} valid"}


def beware(folder: str | Path) -> Iterator[str]:
    """What a run's training warned of, and whoever reads a score should know."""
    history = read_history(folder)
    if history and history[-1].get("valid/active_units") == 0:
        yield "the posterior has collapsed: no latent is active, and the score is that of a model that does without"


# -- on the page -----------------------------------------------------------------------------------------------------


def shown_scores(folder: str | Path, scores: Mapping[str, xr.Dataset], data: Data) -> Iterator[Panel]:
    """A table of all scores, how those of the same data compare, and of each what it is judged by."""
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
    yield Panel("Scores", caption, table=_table(list(summaries.values())))
    for name, summary in summaries.items():
        advice = summary.diagnosis.advice
        next_one = f"# {_label(summary)}: {advice.says}\n{advice.command(str(folder), name)}" if advice else ""
        yield Panel(ADVICE, f"{_label(summary)}: {' '.join(_said(summary, data))}", code=next_one)
    yield from _side_by_side(scores, summaries)
    for name, score in scores.items():
        yield from _figures(name, score, summaries[name])


def _label(summary: Summary) -> str:
    return f"{asked.title(summary.attributes)} on {asked.part(summary.attributes)}"


def _said(summary: Summary, data: Data) -> Iterator[str]:
    """The diagnosis as sentences, and what limits the mean."""
    diagnosis = summary.diagnosis
    yield f"{diagnosis.verdict[0].upper()}{diagnosis.verdict[1:]}."
    yield from (f"{f.says[0].upper()}{f.says[1:]}." for f in diagnosis.findings.values())
    if not math.isfinite(summary.data_se) or summary.data_se <= 3 * summary.mc_se or "valid_for" in summary.attributes:
        return
    splits = {"train": data.train, "valid": data.valid, "test": data.test}
    available = len(splits.get(summary.attributes["split"], ()))
    draws = "" if summary.mc_se == 0 else f", and by ± {summary.mc_se:.2g} because of the draws"
    more = f"; the split has {available}" if available > summary.count else ""
    yield f"The mean is uncertain by ± {summary.data_se:.2g} nats because it is over {summary.count} data{draws}{more}."


def _table(summaries: Sequence[Summary]) -> Sequence[Sequence[str]]:
    rows: list[Sequence[str]] = [
        (
            "estimate",
            "split",
            "N",
            "nats per datum",
            "± Monte Carlo",
            "± data",
            "bits/dim",
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
        rows.append((asked.title(a), asked.part(a), str(s.count), *numbers, direction, *judged))
    return rows


def _side_by_side(scores: Mapping[str, xr.Dataset], summaries: Mapping[str, Summary]) -> Iterator[Panel]:
    """The scores of the same data, every such group in one figure."""
    left = list(scores)
    while left:
        alike = [name for name in left if not unlike(scores[name], scores[left[0]])]
        left = [name for name in left if name not in alike]
        if len(alike) < 2:
            continue
        group = [summaries[name] for name in alike]
        figure = score_plots.estimates(
            [asked.title(s.attributes) for s in group],
            [s.nats for s in group],
            [s.mc_se for s in group],
            [s.data_se for s in group],
            [s.attributes["bound"] for s in group],
        )
        caption = (
            f"{len(group)} estimates of the same {group[0].count} data, {asked.part(group[0].attributes)}. An arrow points "
            "to where the mean of log p(x) lies; thick bars are the error of the draws, thin ones that of the data, which "
            "they share."
        )
        yield Panel("Scores", caption, f"estimates-{alike[0]}", figure)


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
        yield Panel("Scores", caption, f"k-curve-{name}", figure)
    if "pareto_k" in score:
        most = largest_k(int(score.attrs["num_samples"]))
        caption = (
            f"{label}: Pareto k̂ of each datum's weights; to the right of {most:.2g}, the most for so many draws, no error "
            "bar can be believed."
        )
        yield Panel("Scores", caption, f"pareto-{name}", score_plots.pareto_histogram(score["pareto_k"].values, most))
    if "acceptance" in score:
        caption = f"{label}: how often the transitions of each datum's chains were accepted."
        figure = score_plots.acceptance_histogram(score["acceptance"].values, *ACCEPTANCE)
        yield Panel("Scores", caption, f"acceptance-{name}", figure)
    if "half" in score:
        caption = (
            f"{label}: what doubling the temperatures changed, with two errors; estimates that have converged stay where "
            "they were."
        )
        error = np.hypot(score["mc_se"].values, score["half_se"].values)
        figure = score_plots.doubling(score["half"].values, score["log_evidence"].values, error)
        yield Panel("Scores", caption, f"doubling-{name}", figure)
    if "lower" in score:
        sides = (score[side].values for side in ("lower", "upper", "lower_se", "upper_se"))
        caption = (
            f"{label}: two bounds on log p(x) of each datum that the model simulated; on their means they hold the truth "
            "between them."
        )
        yield Panel("Scores", caption, f"bracket-{name}", score_plots.brackets(*sides))


def _error(curve: np.ndarray) -> np.ndarray:
    """The standard error over data of each row's mean; 0 of a single datum."""
    n = curve.shape[1]
    return curve.std(1, ddof=1) / math.sqrt(n) if n > 1 else np.zeros(len(curve))
