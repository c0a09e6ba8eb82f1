"""The data and the model of a run: from wishes, and again from its folder."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pyrogen import storage
from pyrogen.base import Model, told
from pyrogen.data import Data, load
from pyrogen.data.dataset import MEMORY, found_again
from pyrogen.data.memory import as_data
from pyrogen.files import first_line
from pyrogen.inference.programs.plain import TRIED, as_pair
from pyrogen.inference.programs.record import PlainFunction
from pyrogen.inference.training.run import Run, read_history
from pyrogen.kinds import IMAGE_KINDS, PLAIN


def data_and_model(wishes: dict[str, Any], build: Callable[..., Any], own: dict[str, Any]) -> tuple[Data, Model]:
    """The data as the model takes them, and the model of their shape."""
    named = {k: v for k, v in wishes.items() if v is not None}
    unsaid = not {"kind", "binarization", "dequantization"} & named.keys()
    kinds = _kinds_of(build) if unsaid else ()
    data = load(**named, kind=kinds) if kinds else load(**named)
    model = build(**{**data.decides(build), **own})
    if unsaid:
        # nothing was said of the kind: take the one that the likelihood scores
        if data.kind == "real" and not (set(PLAIN) - set(IMAGE_KINDS)) & set(model.kinds):
            raise ValueError(model.refusal(data.kind))
        data = load(**named, kind=model.kinds)
    return data, model


def _kinds_of(build: Callable[..., Any]) -> tuple[str, ...]:
    """The kinds of data that an entry is built for, where its argument of that name is annotated by them alone."""
    try:
        return get_args(get_type_hints(build).get("kind"))
    except NameError:  # names that only a type checker imports
        return ()


def data_of(folder: str | Path) -> Data:
    """The data that a run was trained on, loaded again as its config says.

    Raises:
        ValueError: the config has no data, or they are not to be had.
    """
    section = storage.read_config(folder).get("data")
    if not isinstance(section, dict) or "source" not in section:
        raise ValueError(f"{folder} does not say what it was trained on; name the data.")
    if section["source"] == MEMORY:
        raise ValueError(
            f"{folder} was trained on arrays, which no file holds; pass them, as in load_run(folder, data=...)."
        )
    try:
        data = load(**found_again(section))
    except (TypeError, AttributeError, KeyError, RuntimeError, OverflowError, OSError) as error:
        path = Path(folder) / storage.CONFIG
        raise ValueError(f"the section 'data' of {path} describes no data: {first_line(error)}") from error
    _refuse_changed(folder, section, data)
    return data


def load_run(
    folder: str | Path,
    model: Model | tuple[PlainFunction, PlainFunction] | None = None,
    data: Any = None,
    weights: str = "last",
) -> Run:
    """A run read from its folder, with its metrics, and its data as soon as they are asked for.

    Args:
        folder: of the run.
        model: needed only where the run's model was made with networks of your own: an equal one, to be filled; or where it
            was a tuple ``(model, guide)`` of plain Pyro functions: the same.
        data: needed only where the run was trained on arrays: the same ones, as :func:`~pyrogen.inference.fit` takes them.
        weights: "last", "best" or "ema", as in :func:`pyrogen.load`.

    Raises:
        ValueError: the folder is no run's, or is damaged, or the data are others than those that it was trained on.
    """
    config = storage.read_config(folder)
    section, settings = config.get("data"), config.get("fit")
    source: Data | Callable[[], Data] = functools.partial(data_of, folder)
    if isinstance(model, tuple):
        model = as_pair(model)
        # what functions learn is known when they have met data
        data = data_of(folder) if data is None else as_data(data, model.kinds, model.as_they_are)
        model.meet(*told(model, data.train.take(TRIED)))
    trained = storage.load(folder, model, weights)
    if data is not None:
        source = as_data(data, trained.kinds, trained.as_they_are)
        if isinstance(section, dict):
            _refuse_changed(folder, section, source)
    return Run(
        trained, read_history(folder), settings if isinstance(settings, dict) else {}, Path(folder), source=source
    )


def judged(run: Run | str | Path, weights: str = "last") -> tuple[Run, Model, dict[str, str]]:
    """A run, its model with the weights that are to be judged, and the fingerprint of the files that hold them.

    What the folder holds is what is judged, whatever became of the model in memory; a run without one has no files, and of
    other weights than the last those that it keeps.

    Raises:
        ValueError: no such run or weights.
    """
    run = run if isinstance(run, Run) else load_run(run)
    if run.folder is None:
        if weights == "last":
            return run, run.model, {}
        if weights not in run.kept:
            there = ", ".join(("last", *run.kept))
            raise ValueError(
                f"this run has no folder and keeps no weights {weights!r}, only {there}; fit(..., ema=0.999) keeps 'ema', "
                "and validation 'best'."
            )
        model = copy.deepcopy(run.model)
        model.load_state_dict(run.kept[weights])
        return run, model.eval(), {}
    files = storage.fingerprint(run.folder, weights)  # before: the folder may change meanwhile
    return run, storage.load(run.folder, copy.deepcopy(run.model), weights), files


def _refuse_changed(folder: str | Path, section: Mapping[str, Any], data: Data) -> None:
    then = {split: section.get(f"sha256_{split}") for split in data.sha256}
    changed = [split for split, digest in data.sha256.items() if then[split] not in (None, digest)]
    if changed:
        hashes = "; ".join(f"x and y of {split} hash to {data.sha256[split]}, then {then[split]}" for split in changed)
        raise ValueError(
            f"the {' and '.join(changed)} data of {section['source']} have changed since {folder} was trained ({hashes}); "
            "bring the old ones back, or train anew."
        )
