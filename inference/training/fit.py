"""The one training loop: players in turn, from wherever the run stopped. SVI is the game of one player."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
import torch.distributed as distributed

from pyrogen.arguments import conform
from pyrogen.base import Model, Objective
from pyrogen.data import Data
from pyrogen.data.memory import as_data
from pyrogen.files import first_line
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.programs.plain import TRIED, as_model
from pyrogen.inference.programs.record import PlainFunction
from pyrogen.inference.training import checkpoint
from pyrogen.inference.training.processes import announced, is_first, world
from pyrogen.inference.training.progress import display
from pyrogen.inference.training.run import Run
from pyrogen.inference.training.settings import refuse_meaningless
from pyrogen.inference.training.stages import BY_STAGE, by_stage, each, written
from pyrogen.inference.training.trainer import Trainer
from pyrogen.memory import enough_memory
from pyrogen.registry import describe, find, make, spelled
from pyrogen.seeds import ALONE

FALLBACK = {"epochs": 20, "lr": None, "batch_size": 128, "lr_milestones": (), "lr_decay": 0.1}
# what says nothing of the numbers that come out
OF_THIS_CALL = ("folder", "resume", "overwrite", "checkpoint_seconds", "tensorboard")


def fit(
    model: Model | tuple[PlainFunction, PlainFunction],
    data: Any,
    objective: Objective | str | None = None,
    *,
    epochs: int | Mapping[str, int] | None = None,
    lr: float | Mapping[str, float] | None = None,
    batch_size: int | Mapping[str, int] | None = None,
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
    lr_milestones: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    lr_decay: float | None = None,
    compile: bool | str = "auto",
    clip_gradients: float | None = None,
    checkpoint_seconds: float | None = 30.0,
    tensorboard: bool = False,
    progress: bool | None = None,
) -> Run:
    """Train a model on data by its objective.

    Under ``torchrun`` every process takes its share of each batch, and gradients are averaged over all data.

    Of a model that is trained in stages ``epochs``, ``lr``, ``batch_size`` and ``lr_milestones`` may be told by stage, as
    ``epochs={"codes": 60, "prior": 200}``; the stages are those of ``model.stages()``, and every one must be named that has
    no value of its own.

    Of a tuple ``(model, guide)`` of plain Pyro functions all modules that they run are trained, and what they have in Pyro's
    parameter store, in place: ``requires_grad_(False)`` keeps one as it is. They are run on a few data first, and refused
    where there is no loss for each datum: with a plate of a fixed size or a subsampled one, a latent outside the plate over
    the data, or a scale.

    Args:
        model: any model of the zoo, or a tuple ``(model, guide)`` of plain Pyro functions, called as ``model(x)`` or
            ``model(x, y)``; it is trained in place, and such functions by :class:`~pyrogen.inference.ELBO` by default.
        data: a data set, its name, or a path; or what :func:`pyrogen.data.from_arrays` takes: an array, a tensor, a
            DataFrame, a torch Dataset, ``(x, y)``, or a mapping of ``x_train``, ``y_train`` ... Plain functions get tensors
            as they are, and other numbers as floats, not standardized.
        objective: by default the model's own, in whose place it stands in the model's stages.
        epochs: passes over the data, in each stage that names no number of its own, or by stage; by default those of the
            recipe. 0: nothing is trained in any stage.
        lr: learning rate of every player, a critic's too, instead of what their optimizers say, be these equal or not, or
            by stage; by default the recipe's, or each player's own, also where the objective was given optimizers.
        batch_size: data a step, or by stage; by default the recipe's.
        device: "auto" (a GPU if there is one), "cpu", "cuda" ...
        precision: of the networks, "32" or "bf16"; densities, penalties and sums stay in float32, and so do flows and
            Boltzmann machines, which are densities, and what plain functions run.
        seed: of order, noise and draws; the global generator is left as it was. Fits in several threads of one process wait
            for one another, see :data:`pyrogen.seeds.ALONE`.
        folder: where to write config, metrics, checkpoints and weights. Functions and networks of your own are not written,
            only their weights: with ``resume=True`` the same tuple goes on from them, and
            ``pyrogen.load_run(folder, model=(model, guide), data=data)`` fills it.
        resume: go on where the run in ``folder`` stopped, to the same bits as if it had not; without a checkpoint start
            afresh, and leave a finished run as it is. ``epochs``, ``lr``, ``lr_milestones``, ``lr_decay`` and ``patience``
            may be others than before, also to extend a finished run from its last weights; the config says at which step.
            Of a model with several stages those that are over stay so: the stage where the run stands takes the new ones.
        overwrite: replace the run in ``folder``, if there is one.
        validate: after every epoch also measure each player's loss on the validation split (its first data, at most 1000
            or a twentieth as many as there are training data), and keep the best weights.
        patience: stop after so many epochs without a better validation loss.
        ema: decay of a moving average of the weights, which is then what is validated, filmed and selected as the best; after
            t steps of a stage at most (1 + t) / (10 + t), so that the start is soon forgotten. Statistics of batch norms are
            averaged too; switches and whole numbers are those of the last weights.
        deterministic: only deterministic algorithms, for the same bits on a GPU.
        lr_milestones: epochs, counted from 1 in each stage, from which on the learning rate of every player is
            ``lr_decay`` times what it was before, or by stage; by default the recipe's, or none.
        lr_decay: factor of the learning rates at the milestones; by default the recipe's, or 0.1.
        compile: "auto" records each player's step below Pyro's handlers and replays it, where that pays, on a GPU as one
            CUDA graph; True also has it compiled (seconds, a C++ compiler; other rounding), as "auto" does for small models
            on a CPU from 20,000 steps on; False computes every step eagerly. Recordings are checked against eager steps,
            and given up where they differ or cannot be made; ``Run.steps`` says what was done.
        clip_gradients: the largest norm of a player's gradient, all its parameters together; larger ones are scaled down.
        checkpoint_seconds: time between checkpoints; None (a shell writes null for it) leaves those of a stop and of the end.
        tensorboard: also write TensorBoard event files into the folder (needs the package ``tensorboard``).
        progress: True shows a bar, False nothing; by default a bar on a terminal or in a notebook, and elsewhere a line an
            epoch, at most one in ten seconds and always the last.

    Returns:
        The run, with the metrics of every epoch.

    Raises:
        ValueError: data that the model cannot take, settings that mean nothing or differ from those of the run that is
            resumed, or a folder that is taken.
        FloatingPointError: a loss that is not finite; player, term, step and the last good checkpoint are named.
        KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, after a checkpoint.
    """
    model = as_model(model)
    data = _data_for(model, data)
    given = {
        "epochs": epochs,
        "lr": lr,
        "batch_size": batch_size,
        "device": device,
        "precision": precision,
        "seed": seed,
        "folder": folder,
        "resume": resume,
        "overwrite": overwrite,
        "validate": validate,
        "patience": patience,
        "ema": ema,
        "deterministic": deterministic,
        "lr_milestones": lr_milestones,
        "lr_decay": lr_decay,
        "compile": compile,
        "clip_gradients": clip_gradients,
        "checkpoint_seconds": checkpoint_seconds,
        "tensorboard": tensorboard,
    }
    usual = {**FALLBACK, **_recipe(model)}
    goal = model.objective if objective is None else make("objective", objective)
    if goal.has_rates and (objective is not None or _was_given_its_objective(model)):
        usual["lr"] = None  # the recipe's is meant for optimizers of which nobody said anything
    asked = check_settings({k: usual.get(k) if v is None else v for k, v in given.items()})
    if not goal.alone:
        raise ValueError(
            f"{spelled(goal)} is a term beside others; train by a sum, as 'ELBO() + 0.1 * {spelled(goal)}'."
        )
    with ALONE, _processes(device) as where:
        settings = {
            "objective": describe(goal),
            **{k: v for k, v in asked.items() if k not in OF_THIS_CALL},
            "device": where.type,
        }
        head = data.train.take(TRIED).to(where)
        model.meet(head.x, head.y)
        _check_data(model, data, validate)
        model.to(where)
        model.standardized, model.columns = data.standardize, data.columns
        with seeded(settings["seed"], where), _by(model, goal):  # an objective may bring networks
            stages = model.stages()
        for setting in BY_STAGE:
            values = by_stage(setting, asked[setting], stages, usual=given[setting] is None)
            settings[setting] = describe(written(setting, values))
        if (least := min(*each(settings["batch_size"]), len(data.train))) < world():
            raise ValueError(
                f"{world()} processes share a batch of {least}, of which some would get nothing; start at most {least}, or "
                "raise batch_size."
            )
        if patience is not None and any(len(stage.players) > 1 for stage in stages):
            raise ValueError("patience waits for one loss to fall, and this game has several players; leave it out.")
        target = Path(folder) if folder is not None and is_first() else None
        trainer = Trainer(
            Run(model, settings=settings, folder=None if folder is None else Path(folder), source=data),
            data,
            stages,
            target,
        )
        with checkpoint.owned(target), _algorithms(deterministic), display(progress, is_first()) as shown:
            if trainer.claim(resume, overwrite):
                sizes = ", ".join(map(str, each(settings["batch_size"])))
                lower = f"lower batch_size (now {sizes}), the draws of the objective or the width of the networks"
                with enough_memory(lower, lambda: checkpoint.stands(target)):
                    trainer.train(shown, math.inf if checkpoint_seconds is None else checkpoint_seconds, tensorboard)
    return trainer.run


def check_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of :func:`fit` as plain numbers; None, or left out, is a default.

    Raises:
        ValueError: one of them means nothing whatever the data are, or cannot be had on this machine; see :func:`fit`.
    """
    accepted = inspect.signature(fit).parameters
    asked = conform(fit, {k: v for k, v in given.items() if k in accepted})
    refuse_meaningless(asked)
    device_named(asked.get("device", "auto"))
    return asked


def _data_for(model: Model, given: Any) -> Data:
    """The data as the model takes them; of those that can never be so, the sentence is the model's."""
    try:
        return as_data(given, model.kinds, model.as_they_are)
    except ValueError:
        found = as_data(given)  # what no data set is, is refused as before
        if found.kind in model.kinds:
            raise
        raise ValueError(model.refusal(found.kind)) from None


def _check_data(model: Model, data: Data, validate: bool) -> None:
    if data.x_shape != model.x_shape:
        raise ValueError(
            f"the model was made for x_shape={tuple(model.x_shape)}, and {data.name!r} has x_shape={tuple(data.x_shape)}; "
            f"create it with x_shape={tuple(data.x_shape)}."
        )
    if data.kind not in model.kinds:
        raise ValueError(model.refusal(data.kind))
    if model.paired and model.condition is not None and not data.paired:
        raise ValueError(
            f"the model learns what x is given its y, and in {data.name!r} x and y were never paired; train 'cyclegan', or "
            "take data of pairs."
        )
    for split in (data.train, data.valid) if validate else (data.train,):
        if len(split):
            part = split.take(1000) if split.streamed else split
            model.check(part.x, part.y)


def _recipe(model: Model) -> Mapping[str, Any]:
    return find("entry", model.origin["entry"]).details["recipe"] if model.origin else {}


@contextmanager
def _by(model: Model, objective: Objective) -> Iterator[None]:
    """The model with this objective as its own."""
    own = {name: value for name, value in vars(model).items() if name == "objective"}
    model.objective = objective
    try:
        yield
    finally:
        del model.objective
        vars(model).update(own)


def _was_given_its_objective(model: Model) -> bool:
    """Whether it was made with another objective than its entry's."""
    if not model.origin:
        return False
    usual = inspect.signature(find("entry", model.origin["entry"]).load()).parameters.get("objective")
    return usual is not None and bool(model.origin["arguments"]["objective"] != describe(usual.default))


@contextmanager
def _processes(device: str) -> Iterator[torch.device]:
    """The device of this process, and the group of all processes where torchrun started several."""
    several = announced()[1] > 1 and not distributed.is_initialized()
    if several:
        cuda = device != "cpu" and torch.cuda.is_available()
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
        # one that is refused at once must not leave before all have met: the others would end by an error of the network
        distributed.all_reduce(torch.zeros(1))
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if cuda else device
    try:
        where = device_named(device)
        # CUDA graphs are captured on the current device
        with torch.cuda.device(where) if where.type == "cuda" else nullcontext():
            yield where
    finally:
        if several:
            distributed.destroy_process_group()


def device_named(device: str) -> torch.device:
    """The device of a name; of "auto" a GPU, if there is one.

    Raises:
        ValueError: it cannot be used here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.zeros((), device=found).item()
    except (RuntimeError, AssertionError) as error:
        here = "'auto', 'cpu', 'cuda' or one as 'cuda:0'" if torch.cuda.is_available() else "'auto' or 'cpu'"
        why = shorten(first_line(error).split(". ")[0], 80, placeholder=" …")
        raise ValueError(f"device={device!r} cannot be used here ({why}); choose {here}.") from error
    return found


@contextmanager
def _algorithms(deterministic: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
