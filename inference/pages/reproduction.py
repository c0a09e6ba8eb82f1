"""How to make a run again: its command, its settings, and what to cite."""

from __future__ import annotations

import contextlib
import inspect
import json
import shlex
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from pyrogen import storage
from pyrogen.axes import Axis
from pyrogen.base import Model, Objective
from pyrogen.data import load
from pyrogen.data.dataset import MEMORY, found_again, is_standardized
from pyrogen.data.named import path_of
from pyrogen.figures.report import Section
from pyrogen.files import first_line
from pyrogen.inference.training.fit import FALLBACK, fit
from pyrogen.inference.training.stages import BY_STAGE, shared
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.nets.sequences import SequenceNet
from pyrogen.registry import DECIDED, Registration, describe, find, make

READABLE = 300  # characters of a vocabulary


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
    if not (isinstance(data, dict) and "source" in data and isinstance(settings, dict)):
        raise ValueError("its config does not say on which data or by which settings it was trained.")
    if data["source"] == MEMORY:
        raise ValueError("its data were arrays in memory.")
    record = find("entry", origin["entry"])
    made = config.get("made")
    if isinstance(made, dict) and made.get("from_weights"):
        raise ValueError(f"its training went on from the saved weights {made['from_weights']}.")
    auto, arguments = "cuda" if torch.cuda.is_available() else "cpu", dict(origin["arguments"])
    own = {k: shared(v) if k in BY_STAGE else v for k, v in settings.items() if k != "device" or v != auto}
    # a model's own objective is an argument of its entry
    same = describe(make("objective", own["objective"])) == describe(model.objective)
    (own if same else arguments).pop("objective", None)
    defaults = {**FALLBACK, **record.details["recipe"], "device": None}
    words = [record.name, *_data_words(data, record, model), *_words(record.load(), arguments, {*DECIDED})]
    return ["pyrogen", "train", *words, *_words(fit, own, {"model", "data", "folder"}, defaults)]


def _data_words(data: Mapping[str, Any], record: Registration, model: Model) -> Iterator[str]:
    """Options for all that :func:`load` was told: what came out of a wish only where it would not come out by itself."""
    asked = found_again(data)
    source, kind, shape = str(asked["name"]), asked["kind"], data.get("x_shape") or ()
    if source != record.details["data"]:
        yield from ("--data", source)
    own, pictured = path_of(source) is not None, kind == "real" and len(shape) > 1
    plain = kind == "unit" and data.get("levels") is not None and not asked["dequantization"]
    # some kinds are offered to nobody who does not name them: of files, and real numbers of pictures
    named = own or pictured or plain or asked["binarization"] == "static" or model.kinds[:1] != (kind,)
    # of pictures of one's own it depends on their values whether they are standardized
    usual = None if own and pictured else own
    told = {
        "kind": kind if named else None,
        "binarization": asked["binarization"] if asked["binarization"] == "static" else None,
        "dequantization": False if plain else None,
        "standardize": None if not is_standardized(kind) or asked["standardize"] == usual else asked["standardize"],
    }
    yield from _words(load, {**asked, **told}, {"name", "seed"})
    if asked["seed"]:
        yield from ("--data_seed", str(asked["seed"]))


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
    return isinstance(hint, type) and issubclass(hint, (Axis, Objective, CriticNet, GeneratorNet, SequenceNet))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _word(name: str, value: Any) -> str:
    if isinstance(value, dict) and name in BY_STAGE:
        return ",".join(f"{stage}={json.dumps(part)}" for stage, part in value.items())
    if isinstance(value, dict):
        raise ValueError(f"its {name} is {value.get('name') or value.get('own')} with settings of its own.")
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def recipe_section(config: Mapping[str, Any], model: Model) -> Section:
    """The command that trains an equal model, or why there is none."""
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


def setup_section(config: Mapping[str, Any], model: Model, folder: Path) -> Section:
    """All settings, and how to read the model again."""
    count = sum(p.numel() for p in model.parameters())
    text = (
        f"{count:,} parameters. To read the model again: pyrogen.load({str(folder)!r}). What made it, as written in "
        f"{storage.CONFIG}:"
    )
    return Section(
        "Setup",
        text,
        code=yaml.safe_dump(_without_words(config), sort_keys=False, allow_unicode=True, default_flow_style=None),
    )


def _without_words(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config whose vocabulary, which may be longer than the page, is cut short."""
    arguments = config["model"].get("arguments")
    known = arguments.get("vocabulary") if isinstance(arguments, dict) else None
    if not isinstance(known, dict) or len(str(known.get("words"))) <= READABLE:
        return dict(config)
    short = {**known, "words": f"{str(known['words'])[:READABLE]} …"}
    return {**config, "model": {**config["model"], "arguments": {**arguments, "vocabulary": short}}}


def paper_section(config: Mapping[str, Any]) -> Iterator[Section]:
    """The papers of the model and of the data, where they have any."""
    origin, data = config.get("model"), config.get("data")
    cited = []
    if isinstance(origin, dict) and isinstance(origin.get("entry"), str):
        with contextlib.suppress(ValueError):  # an entry of another version
            cited.append(f"The model: {find('entry', origin['entry']).details['reference']}.")
    if isinstance(data, dict) and data.get("reference"):
        cited.append(f"The data: {data['reference']}.")
    if cited:
        yield Section("What to cite", "\n\n".join(one.replace("..", ".") for one in cited))
