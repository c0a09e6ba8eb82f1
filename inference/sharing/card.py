"""The card of a model that is given away, made from its run: what it is, of what, how, how good, and what it is not for."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

import pyrogen
from pyrogen import registry, storage
from pyrogen.base import HasClassifier, HasLogProb, HasPartition, HasPosterior, Model
from pyrogen.files import first_line, sentence
from pyrogen.inference.evidence import request
from pyrogen.inference.evidence.summary import Summary, summarize
from pyrogen.inference.latents.measured import share_error
from pyrogen.inference.metrics.classes import accuracy
from pyrogen.inference.pages.reproduction import paper_section, recipe_section
from pyrogen.inference.pages.score_sections import score_table
from pyrogen.inference.quality.quality import Quality
from pyrogen.inference.runs.quality import read_quality
from pyrogen.inference.runs.recipe import data_of
from pyrogen.inference.runs.scores import beware, read_scores
from pyrogen.inference.training.run import read_history
from pyrogen.provenance import machine_words
from pyrogen.tables import markdown

LICENSE = "apache-2.0"  # of the package, and so of the weights that its authors trained


def model_card(folder: str | Path, how: str, license: str | None = None) -> str:
    """The card of a run as Markdown, with the head of YAML that hubs read. Nothing in it is typed: all is read from the run.

    Args:
        folder: the run's.
        how: the Python expression that gives the model, as ``pyrogen.create("vae", pretrained=True)``.
        license: of the weights, as hubs abbreviate it; None to say nothing of it.

    Raises:
        ValueError: the folder is no run's, or is damaged.
    """
    config, model = storage.read_config(folder), storage.load(folder)
    entry, data = str(config["model"]["entry"]), config.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    head: dict[str, Any] = {"library_name": "pyrogen", "tags": ["pyrogen", "pyro", "generative-model", entry]}
    if license is not None:
        head["license"] = license
    record = registry.find("entry", entry)
    summaries = {name: summarize(score) for name, score in read_scores(folder).items()}
    quality, _ = read_quality(folder)
    lines = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {entry}, trained on {source}" if source else f"# {entry}",
        f"{record.summary}",
        "This page was made by `pyrogen` from the run that it is about.",
        f"```python\nimport pyrogen\n\nmodel = {how}  # in evaluation mode\n{_first_call(model)}\n```",
        *_of_model(config, model),
        *_of_data(data),
        *_of_training(folder, config, model),
        *_of_scores([*summaries.values()], model),
        *_of_classes(folder, model),
        *_of_quality(quality),
        *_of_use(folder, config, model, summaries, quality),
        "## What to cite",
        *[section.text for section in paper_section(config)],
    ]
    return "\n\n".join(lines) + "\n"


def _first_call(model: Model) -> str:
    told = model.is_told
    return f"x = model.sample(16{', y' if told else ''})  # (16, {', '.join(map(str, model.x_shape))})"


def _of_model(config: Mapping[str, Any], model: Model) -> Iterator[str]:
    arguments = {k: v for k, v in config["model"]["arguments"].items() if k != "vocabulary"}
    count = sum(p.numel() for p in model.parameters())
    yield "## Model"
    yield markdown(
        [
            ("what", "value"),
            ("parameters", f"{count:,}"),
            ("x", f"{tuple(model.x_shape)}, of kind {' or '.join(model.kinds)}"),
            *((f"`{name}`", f"`{_short(value)}`") for name, value in arguments.items() if value is not None),
        ]
    )


def _of_data(data: Any) -> Iterator[str]:
    yield "## Data"
    if not isinstance(data, dict):
        yield "The run does not say what it was trained on."
        return
    splits = data.get("splits") or {}
    rows = [("what", "value"), ("name", f"`{data.get('source')}`")]
    rows += [(f"{name} data", str(n)) for name, n in splits.items()] if isinstance(splits, dict) else []
    skip = ("name", "source", "splits", "reference", "x_shape")
    rows += [(k, f"`{_short(v)}`") for k, v in data.items() if k not in skip and v not in (None, False, "", {}, [])]
    yield markdown(rows)


def _of_training(folder: str | Path, config: Mapping[str, Any], model: Model) -> Iterator[str]:
    yield "## Training"
    recipe = recipe_section(config, model)
    yield recipe.text
    if recipe.code:
        yield f"```sh\n{recipe.code}\n```"
    made, history = config.get("made"), read_history(folder)
    rows: list[Sequence[str]] = [("what", "value")]
    if isinstance(made, dict):
        v = made["versions"]
        versions = ", ".join(f"{name} {number}" for name, number in v.items())
        rows += [
            ("date", made["date"]),
            ("commit", f"`{made['commit']}`" if made["commit"] else "of an installed package"),
            ("machine", machine_words(made["machine"])),
            ("versions", versions),
        ]
    last = history[-1] if history else {}
    rows += [(f"last {k}", f"{x:.4g}") for k, x in last.items() if isinstance(x, float) and k.endswith("/loss")]
    yield markdown(rows)


def _of_scores(summaries: Sequence[Summary], model: Model) -> Iterator[str]:
    yield "## Evidence"
    if not summaries:
        dense = isinstance(model, (HasPosterior, HasLogProb, HasPartition))
        none = "There is none: the model has no density of x of its own."
        yield "It was not estimated; `pyrogen evaluate RUN` does so, or says why it cannot be." if dense else none
        return
    a = summaries[0].attributes
    yield (
        f"Estimates of {a.get('quantity', 'log p(x)')} in nats per datum, with the error of the draws and that of having so "
        f"many data; kind {a.get('kind')}, binarization {a.get('binarization')}, dequantization {a.get('dequantization')}. "
        "The direction says on which side of the truth the mean lies, but for its errors."
    )
    yield markdown(score_table(summaries))
    for summary in summaries:
        yield f"{request.title(summary.attributes)}:\n\n```\n{summary.diagnosis.text()}\n```"


def _of_classes(folder: str | Path, model: Model) -> Iterator[str]:
    if not isinstance(model, HasClassifier):
        return
    yield "## Classes"
    try:
        data = data_of(folder)
        right = accuracy(model, data, 0)
    except ValueError as error:
        yield f"How often it is right was not measured: {first_line(error)}"
        return
    n = len(data.test)
    yield (
        f"It names the right class of {right:.3f} ± {share_error(right * n, n):.3f} of {n} test data (± one "
        "standard error of having so many)."
    )


def _of_quality(found: Quality | None) -> Iterator[str]:
    if found is not None:
        yield "## Samples"
        yield f"{found.verdict} {found.compared()}"
        yield markdown(found.table())


def _of_use(
    folder: str | Path,
    config: Mapping[str, Any],
    model: Model,
    summaries: Mapping[str, Summary],
    quality: Quality | None,
) -> Iterator[str]:
    data, settings = config.get("data"), config.get("fit")
    source = data.get("source") if isinstance(data, dict) else "what it was trained on"
    can = ["telling the classes of data"] if isinstance(model, HasClassifier) else ["drawing samples"]
    can += ["coding and reconstructing data"] if isinstance(model, HasPosterior) else []
    yield "## Intended use"
    yield (
        f"{' and '.join(can).capitalize()} like `{source}`: for learning, teaching, tests and as a beginning of further "
        "training. Nothing about people should be decided by it."
    )
    yield "## Limits"
    limits = [f"It knows nothing but `{source}`; of other data its numbers and pictures mean nothing."]
    if isinstance(settings, dict) and "seed" in settings:
        limits.append(
            f"It is one run, of seed {settings['seed']}: errors above are of draws and of data, not of other seeds."
        )
    for name, summary in summaries.items():
        diagnosis = summary.diagnosis
        limits += [f"{name}: {diagnosis.verdict}."] if not diagnosis.trusted else []
        limits += [f"{name}: not checked is {diagnosis.unchecked}."] if diagnosis.unchecked else []
    limits += map(sentence, beware(folder))
    limits += [quality.verdict] if quality is not None and any(map(quality.is_worse, quality.names)) else []
    yield "\n".join(f"- {limit}" for limit in limits)
    yield (
        f"Read by pyrogen {config.get('pyrogen', pyrogen.__version__)} or later from `{storage.CONFIG}` and "
        f"`{storage.WEIGHTS}`, plain names and numbers: no code is run from them."
    )


def _short(value: Any) -> str:
    return textwrap.shorten(str(value).replace("`", "'"), 160, placeholder=" …")
