"""The one training loop: players in turn. SVI is the game of one player."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyro
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from pyrogen import storage
from pyrogen.axes import refusal
from pyrogen.base import Batch, Model, Objective, Player
from pyrogen.data import Data, Split, load
from pyrogen.inference.programs import evaluating, seeded
from pyrogen.registry import describe, find, make

METRICS = "metrics.jsonl"
FALLBACK = {"epochs": 20, "lr": None, "batch_size": 128}


@dataclass
class Run:
    """What a fit leaves: the model, and what was measured in each epoch."""

    model: Model
    history: list[dict[str, float]] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    seconds: float = 0.0

    def __repr__(self) -> str:
        last = ", ".join(f"{k} {v:.4g}" for k, v in (self.history[-1] if self.history else {}).items())
        return f"Run({type(self.model).__name__}, {last}, folder={str(self.folder) if self.folder else None})"


def fit(
    model: Model,
    data: Data | str | Path,
    objective: Objective | str | None = None,
    *,
    epochs: int | None = None,
    lr: float | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    folder: str | Path | None = None,
    overwrite: bool = False,
    validate: bool = True,
    progress: bool | None = None,
) -> Run:
    """Train a model on data by its objective.

    Args:
        model: any model of the zoo; it is trained in place.
        data: a data set, its name, or a path.
        objective: by default the model's own.
        epochs: passes over the data; by default those of the entry's recipe.
        lr: learning rate of every player; by default the recipe's, or each player's own.
        batch_size: by default the recipe's.
        device: "auto" (a GPU if there is one), "cpu", "cuda" ...
        seed: of order, noise and draws; the global generator is left as it was.
        folder: where to write config, metrics and weights.
        overwrite: replace the run in ``folder``, if there is one.
        validate: also measure each player's loss on the validation split after every epoch.
        progress: show a bar; by default on a terminal.

    Returns:
        The run, with the metrics of every epoch.

    Raises:
        ValueError: data that the model cannot take, settings that mean nothing, or a folder that is taken.
        FloatingPointError: a loss that is not finite; the player and the epoch are named, and no weights are written.
    """
    if not isinstance(model, Model):
        raise ValueError(
            f"fit trains models of the zoo; got {type(model).__name__}. Plain Pyro functions are trained by pyro.infer.SVI."
        )
    data = data if isinstance(data, Data) else load(data, kind=model.kinds)
    recipe = {**FALLBACK, **_recipe(model)}
    epochs = recipe["epochs"] if epochs is None else epochs
    batch_size = recipe["batch_size"] if batch_size is None else batch_size
    lr = recipe["lr"] if lr is None else lr
    if epochs < 0 or batch_size < 1 or (lr is not None and not 0 < lr < math.inf):
        raise ValueError(
            f"epochs={epochs}, batch_size={batch_size}, lr={lr}: needs epochs >= 0, batch_size >= 1, lr > 0."
        )
    goal = model.objective if objective is None else make("objective", objective)
    _check(model, data)
    settings = {
        "objective": describe(goal),
        "epochs": epochs,
        "lr": lr,
        "batch_size": batch_size,
        "seed": seed,
        "device": str(_device(device)),
    }
    target = _claim(folder, overwrite)
    where = _device(device)
    model.to(where)
    train, valid = data.train.to(where), data.valid.to(where)
    stages = model.stages() if objective is None else [goal.players(model)]
    run = Run(model, settings=settings, folder=target)
    sections = {"data": data.describe(), "fit": settings}
    if target is not None:
        storage.write_config(model, target, **sections)
        storage.write(target / METRICS, "")
    started = time.perf_counter()
    with seeded(seed, where), pyro.validation_enabled(False), _bar(progress) as bar:
        for number, stage in enumerate(stages):
            game = _Game(model, stage, lr)
            steps = epochs * -(-len(train) // batch_size)
            task = bar.add_task(f"stage {number + 1}" if len(stages) > 1 else "training", total=steps, terms="")
            for _ in range(epochs):
                measured = _mean(
                    game.play(train, batch_size, lambda n, task=task: bar.advance(task, n)), "train", stage
                )
                if validate and len(valid):
                    with evaluating(model), seeded(seed, where):
                        measured |= _mean(_measure(stage, valid, batch_size), "valid", stage)
                run.history.append({"epoch": len(run.history) + 1, **measured})
                bar.update(task, terms="  ".join(f"{k} {v:.4g}" for k, v in measured.items() if k.endswith("loss")))
                if target is not None:
                    with (target / METRICS).open("a", encoding="utf-8") as file:
                        file.write(json.dumps(run.history[-1]) + "\n")
        with evaluating(model):
            model.conclude(train.x)
    model.eval()
    run.seconds = time.perf_counter() - started
    if target is not None:
        storage.save(model, target, **sections)
    return run


class _Game:
    """The players of one stage, each with its optimizer and with what it must hold still."""

    def __init__(self, model: Model, players: Sequence[Player], lr: float | None) -> None:
        self.model, self.players = model, players
        self.movers = [_Mover(model, player, lr) for player in players]
        # a tensor, so that schedules read it without leaving the device
        self.step = torch.zeros((), dtype=torch.long, device=model.device)

    def play(self, train: Split, batch_size: int, advance: Any) -> dict[str, Tensor]:
        """One epoch; returns sums of the terms, weighted by batch size."""
        self.model.train()
        device = train.x.device
        totals: dict[str, Tensor] = {}
        batches = torch.randperm(len(train), device=device).split(batch_size)
        for i, index in enumerate(batches):
            for mover in self.movers:
                for _ in range(mover.player.steps):
                    batch = replace(train.batch(index), step=self.step)
                    _add(totals, mover.player.name, mover.move(batch), len(index))
            self.step += 1
            if i % 10 == 9 or i == len(batches) - 1:
                advance(i % 10 + 1)
        return {k: v / len(train) for k, v in totals.items()}


class _Mover:
    def __init__(self, model: Model, player: Player, lr: float | None) -> None:
        self.player = player
        self.parameters = player.parameters()
        if not self.parameters:
            raise ValueError(f"the player {player.name!r} owns no parameters, so there is nothing to train.")
        self.optimizer = (player.optimizer if lr is None else replace(player.optimizer, lr=lr)).build(self.parameters)  # type: ignore[type-var]
        owned = {id(p) for p in self.parameters}
        own_modules = {m for owned_module in player.owns for m in owned_module.modules()}
        self.still = [p for p in model.parameters() if id(p) not in owned and p.requires_grad]
        self.norms = [m for m in model.modules() if isinstance(m, _NormBase) and m not in own_modules]

    def move(self, batch: Batch) -> Mapping[str, Tensor]:
        """One step down the player's loss; nobody else's parameters or statistics change."""
        with _held(self.still, self.norms):
            terms = self.player.loss(batch)
            self.optimizer.zero_grad()
            terms["loss"].backward()
        self.optimizer.step()
        self.player.after()
        return terms


@contextmanager
def _held(parameters: Sequence[nn.Parameter], norms: Sequence[_NormBase]) -> Iterator[None]:
    """Opponents stand still: no gradients into them, and their batch norms use a batch without remembering it."""
    tracked = [m.track_running_stats for m in norms]
    for p in parameters:
        p.requires_grad_(False)
    for m in norms:
        m.track_running_stats = False
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)
        for m, tracks in zip(norms, tracked, strict=True):
            m.track_running_stats = tracks


def _measure(players: Sequence[Player], split: Split, batch_size: int) -> dict[str, Tensor]:
    totals: dict[str, Tensor] = {}
    for index in torch.arange(len(split), device=split.x.device).split(batch_size):
        for player in players:
            _add(totals, player.name, player.loss(split.batch(index)), len(index) * player.steps)
    return {k: v / len(split) for k, v in totals.items()}


def _add(totals: dict[str, Tensor], player: str, terms: Mapping[str, Tensor], weight: int) -> None:
    for name, value in terms.items():
        key = f"{player}/{name}"
        totals[key] = totals.get(key, 0) + value.detach() * weight


def _mean(totals: Mapping[str, Tensor], split: str, players: Sequence[Player]) -> dict[str, float]:
    """Terms as numbers, ``split/term``, or ``split/player/term`` where several play; a loss must be finite."""
    steps = {p.name: p.steps for p in players}
    measured = {}
    values = torch.stack([v.double() for v in totals.values()]).tolist()
    for key, value in zip(totals, values, strict=True):
        player, term = key.split("/", 1)
        if term == "loss" and not math.isfinite(value):
            raise FloatingPointError(
                f"the loss of the player {player!r} is {value} on the {split} data; try a smaller lr, or look for data far "
                "outside the likelihood's scale."
            )
        measured[f"{split}/{key}" if len(players) > 1 else f"{split}/{term}"] = value / steps[player]
    return measured


def _check(model: Model, data: Data) -> None:
    if data.x_shape != model.x_shape:
        raise ValueError(
            f"the model was made for x_shape={tuple(model.x_shape)}, and {data.name!r} has x_shape={tuple(data.x_shape)}; "
            f"create it with x_shape={tuple(data.x_shape)}."
        )
    if data.kind not in model.kinds:
        raise ValueError(refusal(f"the model {type(model).__name__}", model.kinds, data.kind))
    for split in (data.train, data.valid):
        if len(split):
            model.check(split.x, split.y)


def _recipe(model: Model) -> Mapping[str, Any]:
    return find("entry", model.origin["entry"]).details["recipe"] if model.origin else {}


def _claim(folder: str | Path | None, overwrite: bool) -> Path | None:
    if folder is None:
        return None
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder for the run.")
    if (folder / storage.CONFIG).exists() and not overwrite:
        raise ValueError(
            f"{folder} already holds a run; choose another folder, or replace it by overwrite=True (--overwrite true)."
        )
    (folder / storage.WEIGHTS).unlink(missing_ok=True)
    return folder


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={device!r} cannot be used here: {str(error).splitlines()[0].split('. ')[0]}."
        ) from error
    return found


def _bar(progress: bool | None) -> Progress:
    shown = sys.stderr.isatty() if progress is None else progress
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[terms]}"),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
