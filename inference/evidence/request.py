"""How an estimate was asked for, and how to ask for another of the same data: in Python, and on the command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyrogen import storage
from pyrogen.base import HasGenerator, HasLogProb, HasPartition, Model, Pair
from pyrogen.data.dataset import MEMORY

Attributes = Mapping[str, Any]


def is_exact(model: Model) -> bool:
    """Whether log p(x) can be asked of the model itself: it has one, and no log Z that is too large to enumerate."""
    return isinstance(model, HasLogProb) and not (isinstance(model, HasPartition) and not model.enumerable)


def instead(model: Model) -> str:
    """What can score a model, for one that was asked of an estimator that cannot."""
    if is_exact(model):
        return "use estimator=Exact()"
    if isinstance(model, HasPartition):
        return "use estimator=AIS()"
    if isinstance(model, Pair):
        return f"use estimator={'ELBO()' if model.certain else 'IWAE(5000)'}"
    if isinstance(model, HasGenerator):
        return (
            "it has no density; give it an observation noise by observe(model, x_valid), and score what that returns by "
            "estimator=AIS() (a run: --estimator AIS)"
        )
    return "it has neither latents nor a log_prob to be scored by"


def settings(attributes: Attributes) -> dict[str, Any]:
    """The estimator's arguments, from the attributes of its result; of results that do not say them, none.

    Raises:
        ValueError: they are written in no form that pyrogen writes.
    """
    found = json.loads(str(attributes.get("settings", "{}")))
    if not isinstance(found, dict):
        raise ValueError(f"settings are a mapping of names to values; got {found!r:.40}.")
    return found


def expression(name: str, arguments: Attributes) -> str:
    """The estimator as one writes it in Python, IWAE(k=5000)."""
    return f"{name}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"


def title(attributes: Attributes) -> str:
    """The estimator of a result as it was asked for, and which weights it judged."""
    extra = [f"{attributes['weights']} weights"] if attributes.get("weights", "last") != "last" else []
    return ", ".join([expression(str(attributes["estimator"]), settings(attributes)), *extra])


def of_weights(attributes: Attributes) -> str:
    """Of which weights something is, in words that follow a noun; "" of the last ones, which all else is of."""
    weights = attributes.get("weights", "last")
    return "" if weights == "last" else f" of the {weights} weights"


def part(attributes: Attributes) -> str:
    """The split of a result, and which of its data."""
    few = "the first of " if "limit" in attributes else ""
    few = f"those that {attributes['flagged_by']} flags of " if "flagged_by" in attributes else few
    return f"{few}{attributes.get('split')}"


def again(run: str | Path, verb: str, call: str, *words: str) -> str:
    """The command on a run; of one that was trained on arrays, which no file holds, the call in Python.

    Args:
        run: the run's folder.
        verb: of the command.
        call: of the :class:`~pyrogen.inference.training.run.Run`, as ``evaluate()``.
        words: of the command, behind the run.
    """
    path = Path(run)
    data = storage.read_config(path).get("data") if (path / storage.CONFIG).is_file() else None
    if isinstance(data, Mapping) and data.get("source") == MEMORY:
        return f"pyrogen.load_run({str(run)!r}, data=...).{call}"
    return shlex.join(["pyrogen", verb, str(run), *words])


def command(run: str, name: str, arguments: Attributes, attributes: Attributes, flagged_by: str = "") -> str:
    """The ``pyrogen evaluate`` that scores the data of a result by an estimator, see :func:`again`.

    Args:
        run: the run's folder.
        name: of the estimator.
        arguments: the estimator's.
        attributes: of the result whose data, weights and seed are meant.
        flagged_by: name of the score whose flagged data are meant; "" for all.
    """
    words = ["--estimator", name]
    for argument, value in arguments.items():
        words += [f"--estimator.{argument}", value if isinstance(value, str) else json.dumps(value)]
    flagged_by = flagged_by or str(attributes.get("flagged_by", ""))
    usual = {"split": "test", "weights": "last", "seed": 0}
    usual |= {} if flagged_by else {"limit": None}
    noise = _noise(attributes)
    said = [expression(name, arguments)]
    for option, default in (usual | {"sigma": ""}).items():
        value = noise if option == "sigma" else attributes.get(option, default)
        if value != default and not (option == "split" and value == "unknown"):
            words += [f"--{option}", str(value)]
            number = not isinstance(value, str) or (option == "sigma" and value != "fitted")
            said.append(f"{option}={value}" if number else f"{option}={value!r}")
    if flagged_by:
        words += ["--flagged_by", flagged_by]
        said.append(f"flagged_by={flagged_by!r}")
    return again(run, "evaluate", f"evaluate({', '.join(said)})", *words)


def file_name(attributes: Attributes) -> str:
    """A name that tells results apart: estimator, arguments, weights, data and seed, iwae-5000-test."""
    parts = [str(attributes["estimator"]).lower()]
    for i, (argument, value) in enumerate(settings(attributes).items()):
        parts += [str(value)] if i == 0 else [argument, str(value)]
    parts += [attributes["weights"]] if attributes.get("weights", "last") != "last" else []
    parts += [str(attributes["split"])]
    parts += [f"first-{attributes['limit']}"] if "limit" in attributes else []
    parts += [f"flagged-by-{attributes['flagged_by']}"] if "flagged_by" in attributes else []
    parts += [f"sigma-{noise}"] if (noise := _noise(attributes)) else []
    parts += [f"seed-{attributes['seed']}"] if attributes.get("seed") else []
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in "-".join(parts))


def _noise(attributes: Attributes) -> str:
    """The noise on what was generated, as it is asked for; "" where the model's own density was scored."""
    if "sigma" not in attributes:
        return ""
    return f"{attributes['sigma']:g}" if attributes.get("sigma_from") == "given" else "fitted"
