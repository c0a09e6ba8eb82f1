"""A run's report: what was trained, how, what came out, in numbers and pictures."""

from __future__ import annotations

import copy
import inspect
import json
import shlex
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
import yaml

from pyrogen import storage
from pyrogen.axes import Axis
from pyrogen.base import HasCritic, HasFreeEnergy, HasLogProb, HasPosterior, Model, Objective, Pair
from pyrogen.data import Data
from pyrogen.figures import plots
from pyrogen.figures.report import Section, save_figures, write_report
from pyrogen.files import first_line
from pyrogen.inference.pages import density_sections, fields, report_sections
from pyrogen.inference.pages.report_sections import ADVICE, History, Panel
from pyrogen.inference.pages.score_sections import shown_scores
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.runs.recipe import data_of
from pyrogen.inference.runs.scores import read_scores
from pyrogen.inference.training.fit import FALLBACK, fit
from pyrogen.inference.training.run import CODES, METRICS, Run, read_history
from pyrogen.registry import DECIDED, Registration, describe, find, make

MISSING = "What could not be shown"

# what each capability of a model brings to its report
PANELS: Sequence[tuple[type, Sequence[Callable[[Any, Data, History], Iterator[Panel]]]]] = (
    (Model, (report_sections.samples, report_sections.coverage, density_sections.intervals)),
    (
        HasPosterior,
        (
            report_sections.reconstructions,
            fields.reconstruction_field,
            report_sections.interpolations,
            report_sections.traversals,
            report_sections.codes,
            report_sections.usage,
        ),
    ),
    (HasLogProb, (report_sections.log_probs, density_sections.conditional_density, density_sections.law)),
    (HasFreeEnergy, (report_sections.energies, report_sections.chains, report_sections.filters)),
    (HasCritic, (report_sections.criticism,)),
    (Pair, (report_sections.validation,)),
)


# -- what is in a run's folder ---------------------------------------------------------------------------------------


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
        raise ValueError(f"{folder / METRICS} is damaged: {first_line(error)}") from error
    return history


# -- the page --------------------------------------------------------------------------------------------------------


def write_run_report(folder: str | Path, model: Model | None = None, data: Data | None = None) -> Path:
    """Write ``report.html`` and ``figures/`` of a run from what is in its folder.

    Args:
        folder: of the run.
        model: needed only where the run's model was made with networks of your own, as in :func:`pyrogen.load`.
        data: needed only where the run was trained on arrays.

    Raises:
        ValueError: a file in the folder is missing or damaged.
    """
    folder = Path(folder)
    config, model = storage.read_config(folder), storage.load(folder, model)
    data = data_of(folder) if data is None else data
    history, scores = _history(folder), read_scores(folder)
    shown = [*shown_scores(folder, scores, data), *_shown(model, data, history)]
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


def report(run: Run | str | Path) -> Path:
    """Write ``report.html`` of a run, or of what its folder holds; returns its path.

    Args:
        run: what :func:`~pyrogen.inference.fit` or :func:`pyrogen.load_run` gave, or a folder.

    Raises:
        ValueError: the run has no folder, or a file in it is missing or damaged.
    """
    if not isinstance(run, Run):
        return write_run_report(run)
    if run.folder is None:
        raise ValueError("a report is written into the folder of a run, and this one has none; fit(..., folder=...).")
    # a model of the same networks, to be filled with what the folder holds
    return write_run_report(run.folder, copy.deepcopy(run.model), run.data)


def _shown(model: Model, data: Data, history: History) -> Iterator[Panel]:
    for capability, functions in PANELS:
        for function in functions if isinstance(model, capability) else ():
            try:
                with evaluating(model), seeded(0):
                    yield from list(function(model, data, history))
            except (ValueError, NotImplementedError) as error:
                yield Panel(MISSING, f"{function.__name__.replace('_', ' ').capitalize()}: {first_line(error)}")


def _film(folder: Path, data: Data) -> Iterator[Panel]:
    """The codes that the run kept on its way, in the order of epochs."""
    path = folder / CODES
    if not path.is_file():
        return
    try:
        kept = safetensors.torch.load(path.read_bytes())
        times = {f"epoch {int(name.removeprefix('epoch-'))}": kept[name] for name in sorted(kept)}
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path} is damaged: {first_line(error)}") from error
    n = min((len(z) for z in times.values()), default=0)
    if len(times) < 2 or n < 10 or len({z.shape for z in times.values()}) > 1:
        return
    some = data.valid.take(n)
    labels = report_sections.labels_of(some, data) if len(some) == n else None
    mapped = "" if next(iter(times.values())).shape[1] <= 2 else ", in one t-SNE of all times"
    caption = f"Mean codes of the same {n} validation data as training went on{mapped}."
    last = list(times)[-6:]
    yield Panel("Latents", caption, "latents-over-epochs", plots.latent_film({t: times[t] for t in last}, labels))


def _section(title: str, shown: Sequence[Panel]) -> Section:
    mine = [panel for panel in shown if panel.section == title]
    text = "\n\n".join(panel.caption for panel in mine if panel.figure is None)
    table = next((panel.table for panel in mine if panel.table), ())
    figures = [(panel.caption, panel.figure) for panel in mine if panel.figure is not None]
    return Section(title, text, table, figures, "\n".join(panel.code for panel in mine if panel.code))


def _subtitle(model: Model, data: Data) -> str:
    axes = [f"{axis.axes[0]} {type(axis).__name__}" for axis in model.children() if isinstance(axis, Axis)]
    return " · ".join([type(model).__name__, *axes, f"{data.kind} data"])


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
    words = [record.name, *_data_words(data, record, model), *_words(record.load(), arguments, {*DECIDED})]
    return ["pyrogen", "train", *words, *_words(fit, own, {"model", "data", "folder"}, defaults)]


def _data_words(data: Mapping[str, Any], record: Registration, model: Model) -> Iterator[str]:
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
    own = kind == "real" and Path(source).suffix in (".npz", ".npy", ".csv")
    if own and data.get("standardize") is False:
        yield from ("--standardize", "false")
    if data.get("size") is not None:
        yield from ("--size", str(data["size"]))
    if data.get("label") is not None:
        yield from ("--label", str(data["label"]))
    if data.get("columns"):
        yield from ("--columns", json.dumps(data["columns"], ensure_ascii=False))
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
            title, f"No command line can train this model again: {first_line(error)} Its settings stand below."
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
