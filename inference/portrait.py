"""A run's scores on disk, and its report: what was trained, how, what came out, in numbers and pictures."""

from __future__ import annotations

import inspect
import json
import math
import shlex
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import safetensors
import safetensors.torch
import torch
import xarray as xr
import yaml

from pyrogen import plots, storage
from pyrogen.axes import Axis
from pyrogen.base import HasCritic, HasFreeEnergy, HasLogProb, HasPosterior, Model, Objective, Pair
from pyrogen.data import Data, load
from pyrogen.files import write
from pyrogen.inference import panels
from pyrogen.inference.evidence.summary import Summary, summarize
from pyrogen.inference.fit import FALLBACK, fit
from pyrogen.inference.panels import ADVICE, History, Panel
from pyrogen.inference.programs import evaluating, seeded
from pyrogen.inference.trainer import CODES, METRICS, read_history
from pyrogen.registry import Record, describe, find, make
from pyrogen.report import Section, save_figures, write_report

SCORES = "scores"
MISSING = "What could not be shown"

# what each capability of a model brings to its report
PANELS: Sequence[tuple[type, Sequence[Callable[[Any, Data, History], Iterator[Panel]]]]] = (
    (Model, (panels.samples, panels.coverage)),
    (
        HasPosterior,
        (panels.reconstructions, panels.interpolations, panels.traversals, panels.codes, panels.usage),
    ),
    (HasLogProb, (panels.log_probs,)),
    (HasFreeEnergy, (panels.energies, panels.chains, panels.filters)),
    (HasCritic, (panels.criticism,)),
    (Pair, (panels.validation,)),
)


# -- what is in a run's folder ---------------------------------------------------------------------------------------


def data_of(folder: str | Path) -> Data:
    """The data that a run was trained on, loaded again as its config says.

    Raises:
        ValueError: the config has no data, or they are not to be had.
    """
    section = storage.read_config(folder).get("data")
    if not isinstance(section, dict) or "source" not in section:
        raise ValueError(f"{folder} does not say what it was trained on; name the data.")
    kind, binarization = section.get("kind"), section.get("binarization")
    # written as they came out, and only data of these kinds may be asked for it again
    dequantization = section.get("dequantization") if kind == "unit" else None
    standardize = section.get("standardize", False) if kind == "real" else None
    try:
        data = load(
            section["source"],
            kind,
            binarization,
            dequantization,
            section.get("seed", 0),
            standardize,
            section.get("size"),
        )
    except (TypeError, AttributeError, KeyError, RuntimeError, OverflowError, OSError) as error:
        path = Path(folder) / storage.CONFIG
        raise ValueError(f"the section 'data' of {path} describes no data: {_first_line(error)}") from error
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
    draws += f"-{a['weights']}" if a.get("weights", "last") != "last" else ""
    path = Path(folder) / SCORES / f"{a['estimator'].lower()}{draws}-{a['split']}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".nc.part")
    evidence.to_netcdf(whole, engine="h5netcdf")
    whole.replace(path)
    write(path.with_suffix(".yaml"), yaml.safe_dump(summarize(evidence).to_dict(), sort_keys=False))
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
        raise ValueError(f"{path} is damaged: {_first_line(error)}") from error
    shapes: dict[str, tuple[str, ...]] = {"log_evidence": ("datum",), "mc_se": ("datum",)}
    shapes |= {k: ("datum",) for k in ("ess", "pareto_k") if k in score}
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
        summarize(score)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"{path} is no estimate that pyrogen wrote: {_first_line(error)}") from error
    return score


def _history(folder: Path) -> History:
    """The metrics, with every number one that can be drawn.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        history = read_history(folder)
        for row in history:
            epoch = row.get("epoch", 0)
            if isinstance(epoch, bool) or not isinstance(epoch, (int, float)) or not abs(epoch) < 1e15:
                raise ValueError(f"{folder / METRICS} is damaged: a line is of epoch {epoch!r:.40}.")
            for value in row.values():
                if isinstance(value, int):
                    float(value)
    except (OverflowError, RecursionError) as error:
        raise ValueError(f"{folder / METRICS} is damaged: {_first_line(error)}") from error
    return history


# -- the page --------------------------------------------------------------------------------------------------------


def write_run_report(folder: str | Path, model: Model | None = None) -> Path:
    """Write ``report.html`` and ``figures/`` of a run from what is in its folder.

    Args:
        folder: of the run.
        model: needed only where the run's model was made with networks of your own, as in :func:`pyrogen.load`.

    Raises:
        ValueError: a file in the folder is missing or damaged.
    """
    folder = Path(folder)
    config, model, data = storage.read_config(folder), storage.load(folder, model), data_of(folder)
    history, scores = _history(folder), read_scores(folder)
    shown = [*_shown_scores(scores, data), *_shown(model, data, history)]
    if not scores and isinstance(model, (Pair, HasLogProb)):
        shown.append(
            Panel(
                ADVICE,
                "Not scored yet: pyrogen evaluate adds an estimate with its errors to this page, where there is one.",
            )
        )
    shown += _film(folder, data)
    if history:
        caption = "Every term of the objective and of its diagnostics over the epochs."
        shown.append(Panel("Training", caption, "curves", plots.curves(history)))
    save_figures(folder / "figures", {panel.name: panel.figure for panel in shown if panel.figure is not None})
    title = f"{config['model'].get('entry', type(model).__name__)} on {data.name}"
    # in the order in which a reader asks: does it work, how well, what does it look like
    first = [ADVICE, "Scores", "Samples", "Coverage"]
    last = ["Training", MISSING]
    titles = dict.fromkeys(panel.section for panel in shown)
    order = [*[t for t in first if t in titles], *[t for t in titles if t not in (*first, *last)]]
    sections = [_section(t, shown) for t in [*order, *[t for t in last if t in titles]]]
    sections += [_recipe_section(config, model), _setup_section(config, model, folder)]
    return write_report(folder / "report.html", title, _subtitle(model, data), sections)


def _shown(model: Model, data: Data, history: History) -> Iterator[Panel]:
    for capability, functions in PANELS:
        for function in functions if isinstance(model, capability) else ():
            try:
                with evaluating(model), seeded(0):
                    yield from list(function(model, data, history))
            except (ValueError, NotImplementedError) as error:
                yield Panel(MISSING, f"{function.__name__.replace('_', ' ').capitalize()}: {_first_line(error)}")


def _film(folder: Path, data: Data) -> Iterator[Panel]:
    """The codes that the run kept on its way, in the order of epochs."""
    path = folder / CODES
    if not path.is_file():
        return
    try:
        kept = safetensors.torch.load(path.read_bytes())
        times = {f"epoch {int(name.removeprefix('epoch-'))}": kept[name] for name in sorted(kept)}
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path} is damaged: {_first_line(error)}") from error
    n = min((len(z) for z in times.values()), default=0)
    if len(times) < 2 or n < 10 or len({z.shape for z in times.values()}) > 1:
        return
    some = data.valid.take(n)
    labels = panels.labels_of(some, data) if len(some) == n else None
    mapped = "" if next(iter(times.values())).shape[1] <= 2 else ", in one t-SNE of all times"
    caption = f"Mean codes of the same {n} validation data as training went on{mapped}."
    last = list(times)[-6:]
    yield Panel("Latents", caption, "latents-over-epochs", plots.latent_film({t: times[t] for t in last}, labels))


def _section(title: str, shown: Sequence[Panel]) -> Section:
    mine = [panel for panel in shown if panel.section == title]
    text = "\n\n".join(panel.caption for panel in mine if panel.figure is None)
    table = next((panel.table for panel in mine if panel.table), ())
    return Section(title, text, table, [(panel.caption, panel.figure) for panel in mine if panel.figure is not None])


def _subtitle(model: Model, data: Data) -> str:
    axes = [f"{axis.axes[0]} {type(axis).__name__}" for axis in model.children() if isinstance(axis, Axis)]
    return " · ".join([type(model).__name__, *axes, f"{data.kind} data"])


# -- scores ----------------------------------------------------------------------------------------------------------


def _shown_scores(scores: Mapping[str, xr.Dataset], data: Data) -> Iterator[Panel]:
    if not scores:
        return
    summaries = {name: summarize(score) for name, score in scores.items()}
    kinds = {
        f"{a.get('data')}, {a.get('kind')}, binarization {a.get('binarization')}, dequantization {a.get('dequantization')}"
        for a in (s.attributes for s in summaries.values())
    }
    caption = (
        "Estimates of log p(x), with the error of the draws and the error of having so many data. "
        f"Data: {'; '.join(sorted(kinds))}. A bound is on its expectation."
    )
    yield Panel("Scores", caption, table=_score_table(list(summaries.values())))
    for name, score in scores.items():
        summary = summaries[name]
        label = f"{summary.attributes['estimator']} on {summary.attributes['split']}"
        yield Panel(ADVICE, f"{label}: {' '.join(panels.advice(score, summary, data))}")
        if "k_curve" in score:
            curve = score["k_curve"].values
            error = curve.std(1, ddof=1) / math.sqrt(summary.count) if summary.count > 1 else np.zeros(len(curve))
            caption = (
                f"{label}: the importance-weighted bound against k, from the same draws; bars are the error of having "
                f"{summary.count} data."
            )
            yield Panel("Scores", caption, f"k-curve-{name}", plots.k_curve(score["k"].values, curve.mean(1), error))
        if "pareto_k" in score:
            caption = f"{label}: Pareto k̂ of each datum's weights; to the right of 0.7 no error bar can be believed."
            yield Panel("Scores", caption, f"pareto-{name}", plots.pareto_histogram(score["pareto_k"].values))


def _score_table(summaries: Sequence[Summary]) -> Sequence[Sequence[str]]:
    rows: list[Sequence[str]] = [
        ("estimate", "split", "N", "nats per datum", "± Monte Carlo", "± data", "bits/dim", "direction", "k̂ > 0.7")
    ]
    for s in summaries:
        a = s.attributes
        bits = "–" if s.bits_per_dim is None else f"{s.bits_per_dim:.4f}"
        draws = f"({a['num_samples']})" if "num_samples" in a else ""
        draws += f", {a['weights']} weights" if a.get("weights", "last") != "last" else ""
        numbers = (f"{s.nats:.3f}", f"{s.mc_se:.3f}", f"{s.data_se:.3f}", bits)
        beware = "–" if s.unreliable is None else str(s.unreliable)
        direction = {"none": "no bound", "exact": "exact"}.get(a["bound"], f"{a['bound']} bound")
        rows.append((f"{a['estimator']}{draws}", a["split"], str(s.count), *numbers, direction, beware))
    return rows


# -- set-up ----------------------------------------------------------------------------------------------------------


def command(config: Mapping[str, Any], model: Model) -> list[str]:
    """The words of the ``pyrogen train`` that trains an equal model; what equals its default is left out.

    Args:
        config: of the run.
        model: as it was read from the run's folder.

    Raises:
        ValueError: no command can say it.
    """
    origin, data, settings = (config.get(k) for k in ("model", "data", "fit"))
    if not (
        isinstance(origin, dict) and isinstance(origin.get("entry"), str) and isinstance(origin.get("arguments"), dict)
    ):
        raise ValueError("its model was made in Python, not by an entry of the zoo.")
    if not (isinstance(data, dict) and isinstance(settings, dict)):
        raise ValueError("its config does not say on which data or by which settings it was trained.")
    record = find("entry", origin["entry"])
    auto, arguments = "cuda" if torch.cuda.is_available() else "cpu", dict(origin["arguments"])
    own = {k: v for k, v in settings.items() if k != "device" or v != auto}
    # a model's own objective is an argument of its entry
    same = describe(make("objective", own["objective"])) == describe(model.objective)
    (own if same else arguments).pop("objective", None)
    defaults = {**FALLBACK, **record.details["recipe"], "device": None}
    words = [record.name, *_data_words(data, record, model), *_words(record.load(), arguments, {"x_shape"})]
    return ["pyrogen", "train", *words, *_words(fit, own, {"model", "data", "folder"}, defaults)]


def _data_words(data: Mapping[str, Any], record: Record, model: Model) -> Iterator[str]:
    kind, binarization, source = data.get("kind"), data.get("binarization"), str(data.get("source"))
    if source != record.details["data"]:
        yield from ("--data", source)
    plain = kind == "unit" and data.get("levels") is not None and not data.get("dequantization")
    if model.kinds[:1] != (kind,) or binarization == "static" or plain:
        yield from ("--kind", str(kind))
    if binarization == "static":
        yield from ("--binarization", "static")
    if plain:
        yield from ("--dequantization", "false")
    table = kind == "real" and len(model.x_shape) == 1 and Path(source).suffix in (".npz", ".csv")
    if table and data.get("standardize") is False:
        yield from ("--standardize", "false")
    if data.get("size") is not None:
        yield from ("--size", str(data["size"]))
    if data.get("seed"):
        yield from ("--data_seed", str(data["seed"]))


def _words(
    function: Callable[..., Any], given: Mapping[str, Any], skip: set[str], defaults: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Options for the arguments that differ from a function's defaults, axes with their own options."""
    hints = typing.get_type_hints(inspect.unwrap(function))
    for name, parameter in inspect.signature(function).parameters.items():
        default = (defaults or {}).get(name, parameter.default)
        value = given.get(name, default)
        if name in skip or _plain(value) == _plain(default):
            continue
        axis = next((c.axes[0] for c in typing.get_args(hints[name]) if _is_axis(c)), None)
        if axis is None:
            yield from (f"--{name}", _word(name, value))
            continue
        full = describe(make(axis, value))
        if default is not None and full == describe(make(axis, default)):
            continue
        usual = describe(make(axis, full["name"]))
        yield from (f"--{name}", full["name"])
        for option, chosen in full.items():
            if chosen != usual[option]:
                yield from (f"--{name}.{option}", _word(f"{name}.{option}", chosen))


def _is_axis(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, (Axis, Objective))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _word(name: str, value: Any) -> str:
    if isinstance(value, dict):
        raise ValueError(f"its {name} is {value.get('name') or value.get('own')} with settings of its own.")
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _recipe_section(config: Mapping[str, Any], model: Model) -> Section:
    title = "How to reproduce it"
    try:
        words = command(config, model)
    except (ValueError, TypeError, KeyError) as error:
        return Section(
            title, f"No command line can train this model again: {_first_line(error)} Its settings stand below."
        )
    text = (
        "This trains an equal model, into runs/ unless --folder says otherwise; with the same versions on the same kind of "
        "machine, to the same weights, if this run was made by the command line too."
    )
    lines = shlex.join(words).replace(" --", " \\\n    --")
    return Section(title, text, code=lines)


def _setup_section(config: Mapping[str, Any], model: Model, folder: Path) -> Section:
    count = sum(p.numel() for p in model.parameters())
    text = (
        f"{count:,} parameters. To read the model again: pyrogen.load({str(folder)!r}). What made it, as written in "
        f"{storage.CONFIG}:"
    )
    return Section(
        "Setup", text, code=yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, default_flow_style=None)
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
