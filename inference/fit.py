"""The one training loop: players in turn, from wherever the run stopped. SVI is the game of one player."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyro
import torch
import torch.distributed as distributed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor

from pyrogen import storage
from pyrogen.axes import refusal
from pyrogen.base import HasPosterior, Model, Objective, Player
from pyrogen.data import Data, load
from pyrogen.files import write
from pyrogen.inference import checkpoint
from pyrogen.inference.game import Game, NotFinite, autocast, measure
from pyrogen.inference.latents.activity import activity
from pyrogen.inference.programs import evaluating, seeded
from pyrogen.registry import describe, find, make

METRICS = "metrics.jsonl"
BEST = "best.safetensors"
EMA = "ema.safetensors"
FALLBACK = {"epochs": 20, "lr": None, "batch_size": 128}

log = logging.getLogger("pyrogen")


@dataclass
class Run:
    """What a fit leaves: the model, and what was measured in each epoch."""

    model: Model
    history: list[dict[str, Any]] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    seconds: float = 0.0

    def __repr__(self) -> str:
        terms = self.history[-1] if self.history else {}
        last = ", ".join(f"{k} {v:.4g}" for k, v in terms.items() if isinstance(v, (int, float)))
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
    precision: str = "32",
    seed: int = 0,
    folder: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    validate: bool = True,
    patience: int | None = None,
    ema: float | None = None,
    deterministic: bool = False,
    checkpoint_seconds: float = 30.0,
    tensorboard: bool = False,
    progress: bool | None = None,
) -> Run:
    """Train a model on data by its objective.

    Under ``torchrun`` every process takes its share of each batch, and gradients are averaged over all data.

    Args:
        model: any model of the zoo; it is trained in place.
        data: a data set, its name, or a path.
        objective: by default the model's own.
        epochs: passes over the data; by default those of the entry's recipe.
        lr: learning rate of every player; by default the recipe's, or each player's own.
        batch_size: by default the recipe's.
        device: "auto" (a GPU if there is one), "cpu", "cuda" ...
        precision: of the networks, "32" or "bf16"; densities, penalties and sums stay in float32.
        seed: of order, noise and draws; the global generator is left as it was.
        folder: where to write config, metrics, checkpoints and weights.
        resume: go on where the run in ``folder`` stopped, to the same bits as if it had not; without a checkpoint start
            afresh, and leave a finished run as it is.
        overwrite: replace the run in ``folder``, if there is one.
        validate: after every epoch also measure each player's loss on the validation split, and keep the best weights.
        patience: stop after so many epochs without a better validation loss.
        ema: decay of a moving average of the weights, which is then what is validated and selected.
        deterministic: only deterministic algorithms, for the same bits on a GPU.
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
    data = data if isinstance(data, Data) else load(data, kind=model.kinds)
    recipe = {**FALLBACK, **_recipe(model)}
    epochs = recipe["epochs"] if epochs is None else epochs
    batch_size = recipe["batch_size"] if batch_size is None else batch_size
    lr = recipe["lr"] if lr is None else lr
    _check_settings(epochs, batch_size, lr, precision, patience, ema, folder, resume, overwrite, validate, tensorboard)
    goal = model.objective if objective is None else make("objective", objective)
    _check_data(model, data, validate)
    where = _device(device)
    settings = {
        "objective": describe(goal),
        "epochs": epochs,
        "lr": lr,
        "batch_size": batch_size,
        "seed": seed,
        "device": str(where),
        "precision": precision,
        "validate": validate,
        "patience": patience,
        "ema": ema,
        "deterministic": deterministic,
    }
    model.to(where)
    stages = model.stages() if objective is None else [goal.players(model)]
    if patience is not None and any(len(stage) > 1 for stage in stages):
        raise ValueError("patience waits for one loss to fall, and this game has several players; leave it out.")
    target = Path(folder) if folder is not None and _first() else None
    trainer = _Trainer(
        Run(model, settings=settings, folder=None if folder is None else Path(folder)), data, stages, target
    )
    with checkpoint.owned(target), _algorithms(deterministic), _bar(progress) as bar:
        if not trainer.claim(resume, overwrite):
            return trainer.run
        trainer.train(bar, checkpoint_seconds, tensorboard)
    return trainer.run


class _Trainer:
    """A run in the making: the games, the best and the averaged weights, and the folder."""

    def __init__(self, run: Run, data: Data, stages: Sequence[Sequence[Player]], target: Path | None) -> None:
        self.run, self.data, self.stages, self.target = run, data, stages, target
        self.model, self.settings = run.model, run.settings
        device = self.model.device
        self.train_split, self.valid_split = data.train.to(device), data.valid.to(device)
        self.generator = torch.Generator().manual_seed(self.settings["seed"])  # of the order, equal in every process
        self.stage = self.epoch = 0
        self.best_loss, self.best_epoch = math.inf, 0
        self.best: dict[str, Tensor] = {}
        self.ema = self._copy() if self.settings["ema"] is not None else {}
        self.checkpoint: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self.game: Game | None = None
        self.warned: set[str] = set()

    @property
    def sections(self) -> dict[str, Any]:
        """What the config says beside the model."""
        return {"data": self.data.describe(), "fit": self.settings}

    def claim(self, resume: bool, overwrite: bool) -> bool:
        """Prepare the folder; whether there is anything left to train.

        Raises:
            ValueError: it holds another run, or a damaged one.
        """
        if self.target is None:
            return True
        exists = (self.target / storage.CONFIG).exists()
        if exists and not (resume or overwrite):
            raise ValueError(
                f"{self.target} already holds a run; go on with it by resume=True (--resume true), replace it by "
                "overwrite=True (--overwrite true), or choose another folder."
            )
        if exists and resume and not overwrite:
            self._compare(storage.read_config(self.target))
            if (self.target / storage.WEIGHTS).exists():
                storage.load(self.target, self.model)
                self.model.eval()
                self.run.history = read_history(self.target)
                return False
            if (self.target / checkpoint.CHECKPOINT).exists():
                self.checkpoint = checkpoint.read(self.target / checkpoint.CHECKPOINT)
                return True
        for name in (storage.WEIGHTS, checkpoint.CHECKPOINT, BEST, EMA):
            (self.target / name).unlink(missing_ok=True)
        storage.write_config(self.model, self.target, **self.sections)
        write(self.target / METRICS, "")
        return True

    def train(self, bar: Progress, checkpoint_seconds: float, tensorboard: bool) -> None:
        """Play all games to their end, and write what they leave."""
        started = time.perf_counter()
        model, device = self.model, self.model.device
        # each process has noise of its own
        noise = self.settings["seed"] + 1_000_003 * (distributed.get_rank() if distributed.is_initialized() else 0)
        with seeded(noise, device), pyro.validation_enabled(False), checkpoint.Stops().heard() as stops:
            board = _Board(self.run.folder if tensorboard else None)
            first = self.checkpoint[1]["stage"] if self.checkpoint else 0
            for stage in range(first, len(self.stages)):
                self.stage = stage
                self.game = game = Game(
                    model,
                    self.stages[stage],
                    self.train_split,
                    self.settings["batch_size"],
                    self.settings["lr"],
                    self.settings["precision"],
                )
                self.epoch, self.best_loss, self.best_epoch = 0, math.inf, 0
                if self.checkpoint:
                    self._restore(*self.checkpoint)
                    self.checkpoint = None
                name = f"stage {stage + 1}" if len(self.stages) > 1 else "training"
                done = self.epoch * game.batches + game.batch
                task = bar.add_task(name, total=self.settings["epochs"] * game.batches, completed=done, terms="")
                self._play(game, stops, bar, task, checkpoint_seconds, board)
            with evaluating(model):
                model.conclude(self.train_split.x)
        model.eval()
        self.run.seconds = time.perf_counter() - started
        if self.target is not None:
            self._save_checkpoint()
            for name, weights in ((BEST, self.best), (EMA, self.ema)):
                if weights:
                    storage.write_weights(self.target / name, weights)
            storage.save(model, self.target, **self.sections)

    def _play(
        self, game: Game, stops: checkpoint.Stops, bar: Progress, task: TaskID, seconds: float, board: _Board
    ) -> None:
        saved, shown = time.monotonic(), 0
        self.model.train()
        while self.epoch < self.settings["epochs"] and not self._weary():
            if game.batch == 0 or game.batch >= game.batches:
                game.begin_epoch(self.generator)
            while game.batch < game.batches:
                game.move()
                self._average()
                shown += 1
                if shown == 10 or game.batch == game.batches:
                    bar.advance(task, shown)
                    shown = 0
                if game.batch < game.batches and (stops.wished or time.monotonic() - saved >= seconds):
                    self._checked(game)
                    self._save_checkpoint()
                    saved = time.monotonic()
                    if stops.wished:
                        self._stop()
            measured = self._checked(game)
            self._end_epoch(game, measured, bar, task, board)
            if stops.wished or time.monotonic() - saved >= seconds:
                self._save_checkpoint()
                saved = time.monotonic()
            if stops.wished:
                self._stop()

    def _end_epoch(self, game: Game, measured: dict[str, float], bar: Progress, task: TaskID, board: _Board) -> None:
        players = game.players
        terms: dict[str, Any] = _named("train", measured, players)
        if self.settings["validate"] and len(self.valid_split):
            with self._averaged(), evaluating(self.model), seeded(self.settings["seed"], self.model.device):
                try:
                    device = self.model.device
                    with autocast(device, self.settings["precision"]):
                        measured = measure(players, self.valid_split, self.settings["batch_size"], device)
                    terms |= _named("valid", measured, players)
                except NotFinite as error:
                    raise NotFinite(f"{error} after epoch {self.epoch + 1}; {self._last_good()}") from error
                if isinstance(self.model, HasPosterior):
                    terms |= {f"valid/{k}": v for k, v in activity(self.model, self.valid_split).items()}
                self._select(terms.get("valid/loss"))
        self.epoch += 1
        game.batch = 0
        self.run.history.append({"epoch": len(self.run.history) + 1, **terms})
        self._warn(terms, players)
        numbers = {k: v for k, v in terms.items() if isinstance(v, (int, float))}
        shown = [k for k in numbers if k.endswith(("loss", "kl", "reconstruction", "active_units")) and "train" in k]
        bar.update(task, terms="  ".join(f"{k.removeprefix('train/')} {numbers[k]:.4g}" for k in shown))
        board.write(numbers, len(self.run.history))
        if self.target is not None:
            with (self.target / METRICS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(self.run.history[-1]) + "\n")

    def _checked(self, game: Game) -> dict[str, float]:
        try:
            return game.measured()
        except NotFinite as error:
            raise NotFinite(f"{error} (epoch {self.epoch + 1}); {self._last_good()}") from error

    def _last_good(self) -> str:
        advice = "try a smaller lr, or look for data far outside the likelihood's scale."
        if self.target is None or not (self.target / checkpoint.CHECKPOINT).exists():
            return f"there is no checkpoint yet; {advice}"
        _, facts = checkpoint.read(self.target / checkpoint.CHECKPOINT)
        return f"the last good checkpoint, of epoch {facts['epoch'] + 1}, is in {self.target}; {advice}"

    def _select(self, loss: float | None) -> None:
        if loss is not None and loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epoch + 1
            self.best = self._copy()

    def _weary(self) -> bool:
        patience = self.settings["patience"]
        return patience is not None and self.epoch - self.best_epoch >= patience

    def _average(self) -> None:
        if self.ema:
            weights = self.model.state_dict()
            floats = [k for k, v in weights.items() if v.is_floating_point()]
            torch._foreach_lerp_([self.ema[k] for k in floats], [weights[k] for k in floats], 1 - self.settings["ema"])

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The averaged weights in the model's place."""
        if not self.ema:
            yield
            return
        last = self._copy()
        self.model.load_state_dict(self.ema)
        try:
            yield
        finally:
            self.model.load_state_dict(last)

    def _copy(self) -> dict[str, Tensor]:
        # the state dict itself would go on changing with the model
        return {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def _warn(self, terms: Mapping[str, Any], players: Sequence[Player]) -> None:
        if terms.get("valid/active_units") == 0 and self.epoch >= 3 and "collapse" not in self.warned:
            self.warned.add("collapse")
            log.warning(
                "the posterior has collapsed: no latent is active after epoch %d; try a KL warm-up (objective "
                "ELBO(warmup=...)), a smaller beta, or a weaker decoder.",
                len(self.run.history),
            )
        for player in players:
            key = "train/loss" if len(players) == 1 else f"train/{player.name}/loss"
            first, now = self.run.history[0].get(key), terms[key]
            if first is not None and abs(now) > 100 + 100 * abs(first) and player.name not in self.warned:
                self.warned.add(player.name)
                log.warning("the player %r runs away: its loss went from %.4g to %.4g.", player.name, first, now)

    def _stop(self) -> None:
        where = f"; go on by resume=True (--resume true) in {self.target}" if self.target else ""
        raise checkpoint.Stopped(f"stopped in epoch {self.epoch + 1} of {self.settings['epochs']}{where}.")

    def _save_checkpoint(self) -> None:
        rng = checkpoint.generators(self.model.device)
        if distributed.is_initialized():
            # every process's noise is its own
            everyone: list[dict[str, Tensor]] = [{} for _ in range(distributed.get_world_size())]
            distributed.all_gather_object(everyone, rng)
            rng = {f"{k}/{rank}": v for rank, states in enumerate(everyone) for k, v in states.items()}
        if self.target is None or self.game is None:
            return
        tensors = {
            **{f"model/{k}": v for k, v in self.model.state_dict().items()},
            **{f"best/{k}": v for k, v in self.best.items()},
            **{f"ema/{k}": v for k, v in self.ema.items()},
            **{f"game/{k}": v for k, v in self.game.state().items()},
            "order": self.generator.get_state(),
            **rng,
        }
        facts = {
            "stage": self.stage,
            "epoch": self.epoch,
            "batch": self.game.batch,
            "terms": self.game.terms,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "history": self.run.history,
        }
        try:
            checkpoint.save(self.target / checkpoint.CHECKPOINT, tensors, facts)
        except OSError as error:
            raise OSError(
                f"the checkpoint in {self.target} could not be renewed ({error}); the one before is whole."
            ) from error

    def _restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        def part(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")}

        assert self.game is not None
        device = self.model.device
        try:
            self.model.load_state_dict(part("model"))
            self.best = {k: v.to(device) for k, v in part("best").items()}
            self.ema = {k: v.to(device) for k, v in part("ema").items()}
            self.game.restore(part("game"), int(facts["batch"]), facts["terms"])
            self.generator.set_state(tensors["order"])
            rank = f"/{distributed.get_rank()}" if distributed.is_initialized() else ""
            checkpoint.restore_generators({k.removesuffix(rank): v for k, v in tensors.items()}, device)
            self.epoch, self.best_epoch = int(facts["epoch"]), int(facts["best_epoch"])
            self.best_loss, self.run.history = float(facts["best_loss"]), list(facts["history"])
        except (KeyError, ValueError, TypeError, RuntimeError, AttributeError, IndexError) as error:
            reason = str(error).split("\n")[0]
            raise ValueError(
                f"the checkpoint in {self.target} does not fit this run ({reason}); start anew with overwrite=True "
                "(--overwrite true)."
            ) from error
        if self.target is not None:
            write(self.target / METRICS, "".join(json.dumps(line) + "\n" for line in self.run.history))

    def _compare(self, config: Mapping[str, Any]) -> None:
        """Refuse to go on with other settings than those that the run began with."""
        now = storage.config_of(self.model, **self.sections)
        changed = [
            f"{section}.{key} was {_value(config, section, key)}, now {_value(now, section, key)}"
            for section in ("model", "data", "fit")
            for key in _keys(config, now, section)
            if _value(config, section, key) != _value(now, section, key)
        ]
        if changed:
            raise ValueError(
                f"the run in {self.target} was begun with other settings ({'; '.join(changed)}); resume with the same, or "
                "choose another folder."
            )


class _Board:
    """TensorBoard event files, where they are wished for."""

    def __init__(self, folder: Path | None) -> None:
        self.writer: Any = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder / "tensorboard"))

    def write(self, numbers: Mapping[str, float], epoch: int) -> None:
        if self.writer is not None:
            for name, value in numbers.items():
                self.writer.add_scalar(name, value, epoch)
            self.writer.flush()


def read_history(folder: str | Path) -> list[dict[str, Any]]:
    """The metrics of every epoch of a run.

    Raises:
        ValueError: the file is damaged.
    """
    path = Path(folder) / METRICS
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        history = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {str(error).splitlines()[0]}") from error
    if not all(isinstance(line, dict) for line in history):
        raise ValueError(f"{path} is damaged: a line is no record of an epoch.")
    return history


def _named(split: str, measured: Mapping[str, float], players: Sequence[Player]) -> dict[str, float]:
    """``split/term``, or ``split/player/term`` where several play."""
    return {f"{split}/{k}" if len(players) > 1 else f"{split}/{k.split('/', 1)[1]}": v for k, v in measured.items()}


def _keys(config: Mapping[str, Any], now: Mapping[str, Any], section: str) -> list[str]:
    both = [c[section] for c in (config, now) if isinstance(c.get(section), dict)]
    return sorted({str(k) for c in both for k in c})


def _value(config: Mapping[str, Any], section: str, key: str) -> Any:
    part = config.get(section)
    return part.get(key) if isinstance(part, dict) else None


def _check_settings(
    epochs: int,
    batch_size: int,
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
    if epochs < 0 or batch_size < 1 or (lr is not None and not 0 < lr < math.inf):
        raise ValueError(
            f"epochs={epochs}, batch_size={batch_size}, lr={lr}: needs epochs >= 0, batch_size >= 1, lr > 0."
        )
    if precision not in ("32", "bf16"):
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
            model.check(split.x, split.y)


def _recipe(model: Model) -> Mapping[str, Any]:
    return find("entry", model.origin["entry"]).details["recipe"] if model.origin else {}


def _first() -> bool:
    """Whether this process is the one that writes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


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


@contextmanager
def _algorithms(deterministic: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _bar(progress: bool | None) -> Progress:
    shown = _first() and (sys.stderr.isatty() if progress is None else progress)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[terms]}"),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
