"""A run's scores on disk, and its report: what was trained, how, what came out, in numbers and pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import xarray as xr
import yaml
from matplotlib.figure import Figure

from pyrogen import plots, storage
from pyrogen.axes import Axis
from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data, load
from pyrogen.files import write
from pyrogen.inference.evidence.summary import Summary, summarize
from pyrogen.inference.programs import evaluating, seeded
from pyrogen.inference.trainer import METRICS
from pyrogen.report import Section, save_figures, write_report

SCORES = "scores"
SHOWN = 64


def data_of(folder: str | Path) -> Data:
    """The data that a run was trained on, loaded again as its config says.

    Raises:
        ValueError: the config has no data, or they are not to be had.
    """
    section = storage.read_config(folder).get("data")
    if not isinstance(section, dict) or "source" not in section:
        raise ValueError(f"{folder} does not say what it was trained on; name the data.")
    kind, binarization = section.get("kind"), section.get("binarization")
    # written as they came out, and only dequantized data may ask for it again
    dequantization = section.get("dequantization") if kind == "unit" else None
    data = load(section["source"], kind, binarization, dequantization, section.get("seed", 0))
    if section.get("sha256") not in (None, data.sha256):
        raise ValueError(
            f"the data {section['source']} have changed since {folder} was trained on them (training values hash to "
            f"{data.sha256}, then {section['sha256']})."
        )
    return data


def save_score(folder: str | Path, evidence: xr.Dataset) -> Path:
    """Write an estimate as NetCDF, and its summary as YAML beside it; returns the NetCDF file's path."""
    a = evidence.attrs
    draws = f"-{a['num_samples']}" if "num_samples" in a else ""
    path = Path(folder) / SCORES / f"{a['estimator'].lower()}{draws}-{a['split']}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".nc.part")
    evidence.to_netcdf(whole, engine="h5netcdf")
    whole.replace(path)
    write(path.with_suffix(".yaml"), yaml.safe_dump(summarize(evidence).to_dict(), sort_keys=False))
    return path


def write_run_report(folder: str | Path) -> Path:
    """Write ``report.html`` and ``figures/`` of a run from what is in its folder."""
    folder = Path(folder)
    config, model, data = storage.read_config(folder), storage.load(folder), data_of(folder)
    figures: dict[str, tuple[str, Figure]] = {}
    with evaluating(model), seeded(0):
        _draw_samples(figures, model, data)
        _draw_codes(figures, model, data)
    history = _history(folder)
    if history:
        figures["curves"] = "Every term of the objective, nats per datum, over the epochs.", plots.curves(history)
    scores = [xr.load_dataset(path, engine="h5netcdf") for path in sorted((folder / SCORES).glob("*.nc"))]
    for score in scores:
        _draw_score(figures, score)
    save_figures(folder / "figures", {name: figure for name, (_, figure) in figures.items()})
    title = f"{config['model'].get('entry', type(model).__name__)} on {data.name}"
    sections = [
        _scores_section([summarize(score) for score in scores], figures),
        _section("Samples", figures, "samples", "manifold"),
        _section("Reconstructions", figures, "reconstructions"),
        _section("Latents", figures, "latents"),
        _section("Training", figures, "curves"),
        _setup_section(config, model, folder),
    ]
    return write_report(folder / "report.html", title, _subtitle(model, data), [s for s in sections if s is not None])


def _draw_samples(figures: dict[str, tuple[str, Figure]], model: Model, data: Data) -> None:
    plane = model.x_shape == (2,)
    shown = data.test.x[: 2500 if plane else SHOWN]
    try:
        drawn = model.picture(len(shown))
    except ValueError:
        return  # an improper prior to which nothing has been fitted
    if plane:
        figures["samples"] = f"{len(drawn)} samples over as many test data.", plots.points(drawn, shown)
        return
    what = "Means of p(x|z) at z drawn from the prior" if isinstance(model, HasPosterior) else "Samples of the model"
    figures["samples"] = f"{what}.", plots.samples(drawn, data.kind)


def _draw_codes(figures: dict[str, tuple[str, Figure]], model: Model, data: Data) -> None:
    if not isinstance(model, HasPosterior):
        return
    x, test = data.test.x[:SHOWN], data.test.take(2000)
    figures["reconstructions"] = (
        "Test data, and the mean of p(x|z) at their mean codes.",
        plots.reconstructions(x, model.decode(model.encode(x).mean).mean, data.kind),
    )
    codes = model.encode(test.x).mean
    figures["latents"] = (
        f"Mean codes of {len(test)} test data{', coloured by label' if test.y is not None else ''}.",
        plots.latent_scatter(codes, test.y),
    )
    if model.latent_size == 2 and len(model.x_shape) == 3:
        side = 15
        axis = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.03, 0.97, side))
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
        figures["manifold"] = (
            "The plane of latents, decoded at the quantiles of a standard normal.",
            plots.manifold(model.decode(grid).mean, data.kind, side),
        )


def _draw_score(figures: dict[str, tuple[str, Figure]], score: xr.Dataset) -> None:
    if "k_curve" not in score:
        return
    curve = score["k_curve"]
    n = curve.sizes["datum"]
    name = f"{score.attrs['estimator'].lower()}-{score.attrs['split']}"
    figures[f"k-curve-{name}"] = (
        f"{score.attrs['estimator']}: the importance-weighted bound against k, from the same draws; bars are data errors.",
        plots.k_curve(score["k"].values, curve.mean("datum").values, curve.std("datum", ddof=1).values / math.sqrt(n)),
    )
    figures[f"pareto-{name}"] = (
        f"{score.attrs['estimator']}: Pareto k of each datum's weights; to the right of 0.7 no error bar can be believed.",
        plots.pareto_histogram(score["pareto_k"].values),
    )


def _scores_section(summaries: Sequence[Summary], figures: dict[str, tuple[str, Figure]]) -> Section | None:
    if not summaries:
        return None
    head = ("estimate", "split", "N", "nats per datum", "± Monte Carlo", "± data", "bits/dim", "direction", "k̂ > 0.7")
    rows = [head]
    for s in summaries:
        a = s.attributes
        bits = "–" if s.bits_per_dim is None else f"{s.bits_per_dim:.4f}"
        draws = f"({a['num_samples']})" if "num_samples" in a else ""
        numbers = (f"{s.nats:.3f}", f"{s.mc_se:.3f}", f"{s.data_se:.3f}", bits)
        beware = "–" if s.unreliable is None else str(s.unreliable)
        direction = {"none": "no bound", "exact": "exact"}.get(a["bound"], f"{a['bound']} bound")
        rows.append((f"{a['estimator']}{draws}", str(a["split"]), str(s.count), *numbers, direction, beware))
    first = summaries[0].attributes
    text = (
        f"Estimates of log p(x), with the error of the draws and the error of having {summaries[0].count} data. "
        f"Data: {first.get('data')}, {first.get('kind')}, binarization {first.get('binarization')}, dequantization "
        f"{first.get('dequantization')}, seed {first.get('seed')}. A bound is on its expectation."
    )
    return Section(
        "Scores", text, table=rows, figures=[v for k, v in figures.items() if k.startswith(("k-curve", "pareto"))]
    )


def _section(title: str, figures: dict[str, tuple[str, Figure]], *names: str) -> Section | None:
    found = [figures[name] for name in names if name in figures]
    return Section(title, figures=found) if found else None


def _setup_section(config: dict[str, Any], model: Model, folder: Path) -> Section:
    count = sum(p.numel() for p in model.parameters())
    text = (
        f"{count:,} parameters. To read the model again: pyrogen.load({str(folder)!r}). What made it, as written in "
        f"{storage.CONFIG}:"
    )
    return Section("Setup", text, code=yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def _subtitle(model: Model, data: Data) -> str:
    axes = [f"{axis.axes[0]} {type(axis).__name__}" for axis in model.children() if isinstance(axis, Axis)]
    return " · ".join([type(model).__name__, *axes, f"{data.kind} data"])


def _history(folder: Path) -> list[dict[str, float]]:
    path = folder / METRICS
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
