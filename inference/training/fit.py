"""The one training loop: players in turn, from wherever the run stopped. SVI is the game of one player."""

from __future__ import annotations

import inspect
import math
import operator
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pyrogen.axes import refusal
from pyrogen.base import Model, Objective, Stage
from pyrogen.data import Data
from pyrogen.data.memory import as_data
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.training import checkpoint
from pyrogen.inference.training.trainer import PRECISIONS, Run, Trainer, is_first
from pyrogen.memory import enough_memory
from pyrogen.registry import describe, find, make

FALLBACK = {"epochs": 20, "lr": None, "batch_size": 128, "lr_milestones": (), "lr_decay": 0.1}


def fit(
    model: Model,
    data: Any,
    objective: Objective | str | None = None,
    *,
    epochs: int | None = None,
    lr: float | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    precision: str = "32",
    seed: int = 0,
    folder: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    validate: bool = True,
    patience: int | None = None,
    ema: float | None = None,
    deterministic: bool = False,
    lr_milestones: Sequence[int] | None = None,
    lr_decay: float | None = None,
    compile: bool | str = "auto",
    clip_gradients: float | None = None,
    checkpoint_seconds: float = 30.0,
    tensorboard: bool = False,
    progress: bool | None = None,
) -> Run:
    """Train a model on data by its objective.

    Under ``torchrun`` every process takes its share of each batch, and gradients are averaged over all data.

    Args:
        model: any model of the zoo; it is trained in place.
        data: a data set, its name, or a path; or what :func:`pyrogen.data.from_arrays` takes: an array, a tensor, a
            DataFrame, a torch Dataset, ``(x, y)``, or a mapping of ``x_train``, ``y_train`` ...
        objective: by default the model's own.
        epochs: passes over the data, in each stage that names no number of its own; by default those of the recipe.
        lr: learning rate of every player; by default the recipe's, or each player's own.
        batch_size: by default the recipe's.
        device: "auto" (a GPU if there is one), "cpu", "cuda" ...
        precision: of the networks, "32" or "bf16"; densities, penalties and sums stay in float32.
        seed: of order, noise and draws; the global generator is left as it was.
        folder: where to write config, metrics, checkpoints and weights.
        resume: go on where the run in ``folder`` stopped, to the same bits as if it had not; without a checkpoint start
            afresh, and leave a finished run as it is. ``epochs``, ``lr``, ``lr_milestones``, ``lr_decay`` and ``patience``
            may be others than before, also to extend a finished run from its last weights; the config says at which step.
            Of a model with several stages those that are over stay so: the stage where the run stands takes the new ones.
        overwrite: replace the run in ``folder``, if there is one.
        validate: after every epoch also measure each player's loss on the validation split (its first data, at most 1000
            or a twentieth as many as there are training data), and keep the best weights.
        patience: stop after so many epochs without a better validation loss.
        ema: decay of a moving average of the weights, which is then what is validated and selected.
        deterministic: only deterministic algorithms, for the same bits on a GPU.
        lr_milestones: epochs, counted from 1 in each stage, from which on the learning rate of every player is
            ``lr_decay`` times what it was before; by default the recipe's, or none.
        lr_decay: factor of the learning rates at the milestones; by default the recipe's, or 0.1.
        compile: "auto" records each player's step below Pyro's handlers and replays it, where that pays; True also has it
            compiled (seconds, a C++ compiler; other rounding); False computes every step eagerly. Recordings are checked
            against eager steps, and given up where they differ or cannot be made; ``Run.steps`` says what was done.
        clip_gradients: the largest norm of a player's gradient, all its parameters together; larger ones are scaled down.
        checkpoint_seconds: time between checkpoints.
        tensorboard: also write TensorBoard event files into the folder (needs the package ``tensorboard``).
        progress: show a bar; by default on a terminal.

    Returns:
        The run, with the metrics of every epoch.

    Raises:
        ValueError: data that the model cannot take, settings that mean nothing or differ from those of the run that is
            resumed, or a folder that is taken.
        FloatingPointError: a loss that is not finite; player, term, step and the last good checkpoint are named.
        KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, after a checkpoint.
    """
    if not isinstance(model, Model):
        raise ValueError(
            f"fit trains models of the zoo; got {type(model).__name__}. Plain Pyro functions are trained by pyro.infer.SVI."
        )
    data = as_data(data, model.kinds)
    recipe = {**FALLBACK, **_recipe(model)}
    epochs = recipe["epochs"] if epochs is None else epochs
    batch_size = recipe["batch_size"] if batch_size is None else batch_size
    lr = recipe["lr"] if lr is None else lr
    lr_milestones = recipe["lr_milestones"] if lr_milestones is None else lr_milestones
    lr_decay = recipe["lr_decay"] if lr_decay is None else lr_decay
    epochs, batch_size, seed = _whole("epochs", epochs), _whole("batch_size", batch_size), _whole("seed", seed)
    patience = None if patience is None else _whole("patience", patience)
    _check_settings(
        epochs,
        batch_size,
        seed,
        clip_gradients,
        lr,
        precision,
        patience,
        ema,
        folder,
        resume,
        overwrite,
        validate,
        tensorboard,
    )
    _check_schedule(lr_milestones, lr_decay, compile)
    goal = model.objective if objective is None else make("objective", objective)
    _check_data(model, data, validate)
    with _processes(device) as where:
        settings = {
            "objective": describe(goal),
            "epochs": epochs,
            "lr": lr,
            "batch_size": batch_size,
            "seed": seed,
            "device": where.type,
            "precision": precision,
            "validate": validate,
            "patience": patience,
            "ema": ema,
            "deterministic": deterministic,
            "lr_milestones": list(lr_milestones),
            "lr_decay": lr_decay,
            "compile": compile,
            "clip_gradients": clip_gradients,
        }
        model.to(where)
        with seeded(seed, where):  # of networks that an objective brings
            stages = model.stages() if objective is None else [Stage(goal.players(model))]
        if patience is not None and any(len(stage.players) > 1 for stage in stages):
            raise ValueError("patience waits for one loss to fall, and this game has several players; leave it out.")
        target = Path(folder) if folder is not None and is_first() else None
        trainer = Trainer(
            Run(model, settings=settings, folder=None if folder is None else Path(folder)), data, stages, target
        )
        with checkpoint.owned(target), _algorithms(deterministic), _bar(progress) as bar:
            if trainer.claim(resume, overwrite):
                stands = f"; the last checkpoint in {folder} stands" if target is not None else ""
                lower = f"lower batch_size (now {batch_size}), the draws of the objective or the width of the networks"
                with enough_memory(f"{lower}{stands}"):
                    trainer.train(bar, checkpoint_seconds, tensorboard)
    return trainer.run


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise ValueError(f"{name}={value!r}: needs a whole number.") from error


def check_settings(given: Mapping[str, Any]) -> None:
    """Refuse settings of :func:`fit` that mean nothing whatever the data are; None, or left out, is a default.

    Raises:
        ValueError: see :func:`fit`.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(fit).parameters.items()} | FALLBACK
    settings = defaults | {name: value for name, value in given.items() if value is not None}
    _check_settings(*(settings[name] for name in inspect.signature(_check_settings).parameters))
    _check_schedule(settings["lr_milestones"], settings["lr_decay"], settings["compile"])


def _check_settings(
    epochs: int,
    batch_size: int,
    seed: int,
    clip_gradients: float | None,
    lr: float | None,
    precision: str,
    patience: int | None,
    ema: float | None,
    folder: str | Path | None,
    resume: bool,
    overwrite: bool,
    validate: bool,
    tensorboard: bool,
) -> None:
    if not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed={seed}: needs a whole number of at most 63 bits.")
    if clip_gradients is not None and not 0 < clip_gradients < math.inf:
        raise ValueError(f"clip_gradients={clip_gradients}: the largest norm must be positive and finite, or None.")
    if epochs < 0 or batch_size < 1 or (lr is not None and not 0 < lr < math.inf):
        raise ValueError(
            f"epochs={epochs}, batch_size={batch_size}, lr={lr}: needs epochs >= 0, batch_size >= 1, lr > 0."
        )
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r}: choose '32' or 'bf16'.")
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"ema={ema}: the decay must lie between 0 and 1, as 0.999 does.")
    if patience is not None and (patience < 1 or not validate):
        raise ValueError(f"patience={patience}, validate={validate}: patience counts epochs of validation, 1 or more.")
    if resume and overwrite:
        raise ValueError("resume=True goes on with a run and overwrite=True replaces it; choose one.")
    if folder is None and (resume or tensorboard):
        raise ValueError(
            f"{'resume' if resume else 'tensorboard'}=True needs the folder of a run; name one by folder=..."
        )
    if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
        raise ValueError(f"{folder} is a file; name a folder for the run.")
    if tensorboard:
        import importlib.util

        if importlib.util.find_spec("tensorboard") is None:
            raise ValueError("tensorboard=True needs the package tensorboard: pip install tensorboard.")


def _check_schedule(milestones: Sequence[int], decay: float, compile: bool | str) -> None:
    rising = all(a < b for a, b in pairwise((1, *milestones)))
    if not rising or not all(isinstance(m, int) for m in milestones):
        raise ValueError(f"lr_milestones={list(milestones)}: needs epochs from 2 on, each later than the one before.")
    if not 0 < decay <= 1:
        raise ValueError(f"lr_decay={decay}: the factor must lie between 0 and 1, as 0.1 does.")
    if compile not in ("auto", True, False):
        raise ValueError(f"compile={compile!r}: choose 'auto', True or False.")


def _check_data(model: Model, data: Data, validate: bool) -> None:
    if data.x_shape != model.x_shape:
        raise ValueError(
            f"the model was made for x_shape={tuple(model.x_shape)}, and {data.name!r} has x_shape={tuple(data.x_shape)}; "
            f"create it with x_shape={tuple(data.x_shape)}."
        )
    if data.kind not in model.kinds:
        raise ValueError(refusal(f"the model {type(model).__name__}", model.kinds, data.kind))
    for split in (data.train, data.valid) if validate else (data.train,):
        if len(split):
            part = split.take(1000) if split.streamed else split
            model.check(part.x, part.y)


def _recipe(model: Model) -> Mapping[str, Any]:
    return find("entry", model.origin["entry"]).details["recipe"] if model.origin else {}


@contextmanager
def _processes(device: str) -> Iterator[torch.device]:
    """The device of this process, and the group of all processes where torchrun started several."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized()
    if several:
        cuda = device != "cpu" and torch.cuda.is_available()
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if cuda else device
    try:
        yield _device(device)
    finally:
        if several:
            distributed.destroy_process_group()


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.zeros((), device=found).item()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={device!r} cannot be used here: {str(error).splitlines()[0].split('. ')[0]}."
        ) from error
    return found


@contextmanager
def _algorithms(deterministic: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _bar(progress: bool | None) -> Progress:
    shown = is_first() and (sys.stderr.isatty() if progress is None else progress)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[terms]}"),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
