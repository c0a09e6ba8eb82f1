"""A run in the making: its games, its best and averaged weights, its folder, and where it stands."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyro
import torch
import torch.distributed as distributed
from torch import Tensor

from pyrogen import storage
from pyrogen.base import HasPosterior, Player, Stage
from pyrogen.data import Data
from pyrogen.files import first_line, write
from pyrogen.inference.adversarial.collapse import Yardstick
from pyrogen.inference.latents.activity import activity
from pyrogen.inference.programs.contexts import evaluating, generators, restore_generators, seeded
from pyrogen.inference.training import checkpoint
from pyrogen.inference.training.alarms import Alarms, at_rest
from pyrogen.inference.training.changes import CHANGEABLE, changes
from pyrogen.inference.training.film import FILM, Film
from pyrogen.inference.training.game import Game, NotFinite, Rules, objective_state
from pyrogen.inference.training.kept_weights import KeptWeights
from pyrogen.inference.training.processes import agree, apart, as_written, begin_alike, everyones, is_first, rank, world
from pyrogen.inference.training.progress import BOARD, Board, Display
from pyrogen.inference.training.run import METRICS, Run, read_history
from pyrogen.inference.training.stages import BY_STAGE, of_stage, written
from pyrogen.provenance import provenance

SHOWN = 10_000  # data that a streamed split shows to what a model does before and after its games
VALIDATED = 1000  # data at once, where no gradient needs memory
APART = 1_000_003  # between the seeds of processes
PRECISIONS = {"32": None, "bf16": torch.bfloat16}

log = logging.getLogger("pyrogen")


class Trainer:
    """A run in the making: the games, the best and the averaged weights, and the folder."""

    def __init__(self, run: Run, data: Data, stages: Sequence[Stage], target: Path | None) -> None:
        self.run, self.data, self.stages, self.target = run, data, stages, target
        self.model, self.settings = run.model, run.settings
        device = self.model.device
        self.owned_state = [module.to(device) for module in objective_state(self.model, stages)]
        self.train_split = data.train.to(device)
        # a forward pass costs a third of a step: on a twentieth as many data validation costs a sixtieth of training
        most = max(1000, len(data.train) // 20)
        self.valid_split = (data.valid if len(data.valid) <= most else data.valid.take(most)).to(device)
        self.yardstick = Yardstick(self.valid_split, self.train_split)
        self.generator = torch.Generator().manual_seed(self.settings["seed"])  # of the order, equal in every process
        self.stage = self.epoch = 0
        self.film = Film(data.valid if len(data.valid) else data.train, target, self.settings["seed"])
        self.kept = KeptWeights(self.model, self.settings["ema"])
        self.checkpoint: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self.game: Game | None = None
        self.alarms = Alarms()
        self.changes: list[dict[str, Any]] = []

    @property
    def epochs_done(self) -> int:
        """How many epochs of all stages have ended; the history has one line more, of before the first step."""
        return _epochs_in(self.run.records)

    @property
    def sections(self) -> dict[str, Any]:
        """What the config says beside the model."""
        changes = {"changes": self.changes} if self.changes else {}
        begun = {"from_weights": self.model.read_weights} if self.model.read_weights else {}
        return {
            "data": self.data.describe(),
            "fit": self.settings,
            **changes,
            "made": {**provenance(torch.device(self.settings["device"])), **begun},
        }

    def claim(self, resume: bool, overwrite: bool) -> bool:
        """Prepare the folder; whether there is anything left to train.

        Raises:
            ValueError: it holds another run, or a damaged one.
        """
        left = self._claim(resume, overwrite) if is_first() else True
        if distributed.is_initialized():
            # only the first process reads the folder; the others hear of it
            heard = (self.checkpoint, self.run.records, self.model.read_weights, self.settings)
            found: list[Any] = [left, *heard]
            distributed.broadcast_object_list(found)
            left, self.checkpoint, self.run.records, self.model.read_weights, self.settings = found
            self.run.settings = self.settings
        if not left:
            begin_alike([self.model])
            self.model.eval()
        return left

    def _claim(self, resume: bool, overwrite: bool) -> bool:
        if self.target is None:
            return True
        exists = (self.target / storage.CONFIG).exists()
        if exists and not (resume or overwrite):
            raise ValueError(
                f"{self.target} already holds a run; go on with it by resume=True, replace it by "
                "overwrite=True, or choose another folder."
            )
        if exists and resume and not overwrite:
            before = storage.read_config(self.target)
            changed = changes(before, storage.config_of(self.model, **self.sections), self.target)
            if isinstance(said := before.get("changes"), list):
                self.changes = said
            ended = (self.target / storage.WEIGHTS).exists()
            if ended and not changed:
                self._rest(changed, before["fit"])
                return False
            if (self.target / checkpoint.CHECKPOINT).exists():
                self._go_on(changed, before)
                if not ended or self._has_steps_left():
                    return True
                self._rest(changed, before["fit"])
                return False
            if ended:
                raise ValueError(
                    f"the run in {self.target} has ended and its checkpoint is gone, so it cannot go on with other settings; "
                    "start anew with overwrite=True."
                )
        if exists:
            storage.clear(self.target, *storage.DERIVED, f"{BOARD}/*")  # what judged and showed the old weights
        for name in (checkpoint.CHECKPOINT, FILM, *storage.SAVED.values()):
            (self.target / name).unlink(missing_ok=True)
        self.changes = []
        storage.write_config(self.model, self.target, **self.sections)
        write(self.target / METRICS, "")
        return True

    def _go_on(self, changed: dict[str, Any], before: Mapping[str, Any]) -> None:
        """Read the checkpoint, and write down which settings change at it."""
        assert self.target is not None
        self.checkpoint = tensors, facts = checkpoint.read(self.target / checkpoint.CHECKPOINT)
        if facts.get("stage") not in range(len(self.stages)):
            raise ValueError(
                f"the checkpoint in {self.target} is of a stage that this run does not have; start anew with "
                "overwrite=True."
            )
        if "game/step" not in tensors:
            raise ValueError(f"{self.target / checkpoint.CHECKPOINT} is damaged; start anew with overwrite=True.")
        self._keep_what_is_over(facts["stage"], changed, before["fit"])
        if changed:
            where = {
                "stage": facts["stage"] + 1,
                "epoch": _epochs_in(facts["history"]),
                "step": int(tensors["game/step"]),
            }
            self.changes.append({**where, **changed})

    def _has_steps_left(self) -> bool:
        """Whether from the checkpoint on anything is trained."""
        assert self.checkpoint is not None
        _, facts = self.checkpoint
        try:
            number, epoch, best = (int(facts[key]) for key in ("stage", "epoch", "best_epoch"))
        except (KeyError, TypeError, ValueError):
            return True  # it is damaged, as going on will say
        now, *later = (of_stage(self.settings["epochs"], stage.name) for stage in self.stages[number:])
        return any(later) or (epoch < now and not _weary(self.settings["patience"], epoch, best))

    def _rest(self, changed: Mapping[str, Any], was: Mapping[str, Any]) -> None:
        """Leave a run that has ended as it is: of settings under which nothing more is trained it has none."""
        assert self.target is not None
        if changed:
            log.warning(
                "the run in %s has ended, and nothing is left to train: its %s stays.", self.target, ", ".join(changed)
            )
            self.changes.pop()
        self.settings = self.run.settings = {**self.settings, **{key: was.get(key) for _, key in CHANGEABLE}}
        self.checkpoint = None
        storage.load(self.target, self.model)
        self.run.records = read_history(self.target)

    def _keep_what_is_over(self, stage: int, changed: dict[str, Any], was: Mapping[str, Any]) -> None:
        """Stages before this one stay as they were trained, whatever is said of them by now."""
        over = {s.name for s in self.stages[:stage]}
        for setting in changed.keys() & {*BY_STAGE}:
            asked = {s.name: of_stage(self.settings[setting], s.name) for s in self.stages}
            values = {name: of_stage(was[setting], name) if name in over else value for name, value in asked.items()}
            if late := [name for name in asked if values[name] != asked[name]]:
                log.warning("the stage %r is over, so its %s stays %s.", late[-1], setting, values[late[-1]])
            changed[setting]["now"] = written(setting, values)
            self.settings = self.run.settings = {**self.settings, setting: changed[setting]["now"]}
            if changed[setting]["now"] == was[setting]:
                del changed[setting]

    def train(self, display: Display, checkpoint_seconds: float, tensorboard: bool) -> None:
        """Play all games to their end, and write what they leave."""
        started = time.perf_counter()
        model, device = self.model, self.model.device
        if self.checkpoint is None:
            if model.needs_training_data:
                with seeded(self.settings["seed"], device):
                    model.before_training(*self._all_data())
            begin_alike([model, *self.owned_state])
        # each process has noise of its own
        with (
            seeded(self.settings["seed"] + APART * rank(), device),
            pyro.validation_enabled(False),
            checkpoint.Stops().heard() as stops,
            Board(self.target if tensorboard else None) as board,
        ):
            first = self.checkpoint[1]["stage"] if self.checkpoint else 0
            # a stage of no epochs is entered for the sake of those after it
            trained = [i for i, stage in enumerate(self.stages) if of_stage(self.settings["epochs"], stage.name)]
            for number in range(first, max([first, *trained]) + 1):
                self.stage, stage = number, self.stages[number]
                if trained and not self.checkpoint:
                    stage.enter()
                self.game = game = Game(model, stage.players, self.train_split, self._rules(stage))
                self.epoch = 0
                self.kept.begin_stage()
                if self.checkpoint:
                    self._restore(*self.checkpoint)
                    self.checkpoint = None
                    if trained and not game.step:  # what trained nothing so far did not enter
                        stage.enter()
                if not (self.epochs_done or game.step):
                    self.kept.begin()
                self._begin(game)
                done = self.epoch * game.batches + game.batch
                total = game.rules.epochs * game.batches
                display.stage(stage.name, total, done)
                if padding := game.loader.said:
                    log.info("padding: %s.", padding)
                    display.say(f"padding: {padding}.")
                self._play(game, stops, display, checkpoint_seconds, board)
            self._save_checkpoint()  # of before what an end alone asks for: more epochs would go on from here
            self._conclude()
            self.run.kept = kept = self.kept.concluded(self._conclude)
            with self.kept.placed(kept.get("ema", {})):
                self.film.end(model, self.epochs_done)
        model.eval()
        self.run.seconds = time.perf_counter() - started
        if self.target is not None:
            for name, weights in kept.items():
                storage.write_weights(self.target / storage.SAVED[name], weights)
            storage.save(model, self.target, **self.sections)
        agree(False)  # no process goes on before the folder is whole

    def _conclude(self) -> None:
        """What is left to do with the training data once the games are over."""
        if self.model.needs_training_data:
            with evaluating(self.model):
                self.model.after_training(*self._all_data())

    def _all_data(self) -> tuple[Tensor, Tensor | None]:
        whole = self.train_split.take(SHOWN) if self.train_split.streamed else self.train_split
        return whole.x, whole.y

    def _rules(self, stage: Stage) -> Rules:
        s, own = self.settings, {setting: of_stage(self.settings[setting], stage.name) for setting in BY_STAGE}
        return Rules(
            batch_size=own["batch_size"],
            epochs=own["epochs"],
            lr=own["lr"],
            milestones=own["lr_milestones"],
            decay=s["lr_decay"],
            dtype=PRECISIONS[s["precision"]],
            compile=s["compile"],
            clip=s["clip_gradients"],
        )

    def _play(self, game: Game, stops: checkpoint.Stops, display: Display, seconds: float, board: Board) -> None:
        saved, shown, told = time.monotonic(), 0, False

        def paused(game: Game) -> bool:
            """What is done beside the steps; whether there is something to be done without them."""
            nonlocal shown, told
            self.kept.average(self.epoch * game.batches + game.batch)
            if not told and game.said:
                told = True
                log.info("steps: %s.", game.said)
                display.say(f"steps: {game.said}.")
            shown += 1
            if shown == 10 or game.batch == game.batches:
                display.advance(shown)
                shown = 0
            return game.batch < game.batches and agree(stops.wished or time.monotonic() - saved >= seconds)

        for module in (self.model, *self.owned_state):
            module.train()
        while self.epoch < game.rules.epochs and not agree(is_first() and self._weary()):
            if game.batch == 0 or game.batch >= game.batches:
                game.begin_epoch(self.generator)
            game.enter(self.epoch + 1)
            while game.batch < game.batches:
                game.play(functools.partial(paused, game))
                if game.batch < game.batches:
                    self._checked(game)
                    self._save_checkpoint()
                    saved = time.monotonic()
                    if agree(stops.wished):
                        self._stop(game)
            self.run.steps = game.said
            measured = self._checked(game)
            self._end_epoch(game, measured, display, board)
            if agree(stops.wished or time.monotonic() - saved >= seconds):
                self._save_checkpoint()
                saved = time.monotonic()
                if agree(stops.wished):
                    self._stop(game)

    def _begin(self, game: Game) -> None:
        """Film and measure the model as it is before its first step, as epoch 0."""
        if self.run.records or self.epoch or game.batch or not game.rules.epochs:
            return
        self._shoot()
        with contextlib.suppress(NotFinite):  # which may pass: it is judged after the first epoch
            if terms := self._validate(game):
                self._record({"epoch": 0, **terms})

    def _validate(self, game: Game) -> dict[str, Any]:
        """What is measured on the validation split, without a trace in the random generators."""
        if not (self.settings["validate"] and len(self.valid_split)):
            return {}
        with (
            self.kept.averaged(),
            evaluating(self.model, *self.owned_state),
            seeded(self.settings["seed"], self.model.device),
        ):
            measured = game.measure(self.valid_split, max(game.rules.batch_size, VALIDATED))
            terms: dict[str, Any] = _named("valid", measured, game.players)
            if isinstance(self.model, HasPosterior):
                terms |= {f"valid/{k}": v for k, v in activity(self.model, self.valid_split).items()}
            # what encodes and plays alone shows its collapse by its latents
            if not isinstance(self.model, HasPosterior) or len(game.players) > 1:
                terms |= {f"valid/{k}": v for k, v in self.yardstick.spread(self.model).items()}
        return terms

    def _record(self, line: dict[str, Any]) -> None:
        self.run.records.append(line)
        if self.target is not None:
            with (self.target / METRICS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _end_epoch(self, game: Game, measured: dict[str, float], display: Display, board: Board) -> None:
        players = game.players
        terms: dict[str, Any] = _named("train", measured, players)
        try:
            terms |= self._validate(game)
        except NotFinite as error:
            raise NotFinite(f"{error} after epoch {self.epoch + 1}; {self._last_good()}") from error
        self.kept.select(terms.get("valid/loss"), self.epoch + 1)
        self.epoch += 1
        game.batch = 0
        self._record({"epoch": self.epochs_done + 1, "step": int(game.step), **terms})
        self._shoot()
        rests = functools.partial(at_rest, self.model, self.valid_split, players)
        self.alarms.hear(self.run.records[-self.epoch :], players, 2 * self.epoch >= game.rules.epochs > 2, rests)
        numbers = {k: v for k, v in terms.items() if isinstance(v, (int, float))}
        shown = [k for k in numbers if k.startswith("train") or k in ("valid/loss", "valid/active_units")]
        said = "  ".join(f"{k.removeprefix('train/')} {numbers[k]:.4g}" for k in shown)
        display.epoch(self.epoch, game.rules.epochs, said)
        board.write(numbers, self.epochs_done)

    def _shoot(self) -> None:
        if self.film.wants(self.epochs_done):
            with self.kept.averaged():
                self.film.shoot(self.model, self.epochs_done)

    def _checked(self, game: Game) -> dict[str, float]:
        try:
            measured = game.measured()
            # the last update is of a loss that was finite still
            for module in (self.model, *self.owned_state):
                if name := storage.not_finite(module):
                    raise NotFinite(f"the parameter {name!r} is not finite after step {int(game.step)}")
            return measured
        except NotFinite as error:
            raise NotFinite(f"{error} (epoch {self.epoch + 1}); {self._last_good()}") from error

    def _last_good(self) -> str:
        advice = "try a smaller lr, or look for data far outside the likelihood's scale."
        if self.target is not None and self.kept.best:
            storage.write_weights(self.target / storage.SAVED["best"], self.kept.best)
        if self.target is None or not (self.target / checkpoint.CHECKPOINT).exists():
            return f"there is no checkpoint yet; {advice}"
        _, facts = checkpoint.read(self.target / checkpoint.CHECKPOINT)
        return f"the last good checkpoint, of epoch {facts['epoch'] + 1}, is in {self.target}; {advice}"

    def _weary(self) -> bool:
        return _weary(self.settings["patience"], self.epoch, self.kept.best_epoch)

    def _stop(self, game: Game) -> None:
        where = f"; the same again with resume=True goes on in {self.target}" if self.target else ""
        raise checkpoint.Stopped(f"stopped in epoch {self.epoch + bool(game.batch)} of {game.rules.epochs}{where}.")

    def _save_checkpoint(self) -> None:
        if self.game is None:
            return
        # every process's noise is its own, and so is what it measured, and what its own data and noise left in buffers
        buffers = {f"own/{name}": tensor for name, tensor in apart(self._buffers()).items()}
        own = everyones({**generators(self.model.device), "game/record": self.game.record, **buffers})
        if self.target is None:
            return
        tensors = {
            **{f"model/{k}": v for k, v in self.model.state_dict().items()},
            **self.kept.tensors(),
            **{f"film/{k}": v for k, v in self.film.frames.items()},
            **{f"game/{k}": v for k, v in self.game.state().items()},
            **{f"state/{i}/{k}": v for i, m in enumerate(self.owned_state) for k, v in m.state_dict().items()},
            "order": self.generator.get_state(),
            **own,
        }
        facts = {
            "stage": self.stage,
            "epoch": self.epoch,
            "batch": self.game.batch,
            "terms": self.game.terms,
            "settled": self.game.settled,
            "best_loss": self.kept.best_loss,
            "best_epoch": self.kept.best_epoch,
            "history": self.run.records,
        }
        try:
            checkpoint.save(self.target / checkpoint.CHECKPOINT, tensors, facts)
        except OSError as error:
            raise OSError(
                f"the checkpoint in {self.target} could not be renewed ({error}); the one before is whole."
            ) from error

    def _buffers(self) -> dict[str, Tensor]:
        """Buffers that a checkpoint keeps, by their names there."""
        modules = {"model": self.model, **{f"state/{i}": module for i, module in enumerate(self.owned_state)}}
        kept = {where: module.state_dict().keys() for where, module in modules.items()}
        return {
            f"{where}/{name}": tensor
            for where, module in modules.items()
            for name, tensor in module.named_buffers()
            if name in kept[where]
        }

    def _restore_buffers(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on with this process's own buffers where it had any; one that joins has those of the first."""
        for name, buffer in self._buffers().items():
            if (its := tensors.get(f"own/{name}/{rank()}")) is not None:
                buffer.copy_(its)

    def _restore_noise(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on with this process's noise, or where fewer processes wrote the checkpoint, begin one that none of them had."""
        assert self.game is not None
        states = {name: as_written(tensors, name) for name in generators(self.model.device)}
        if rank() < min(map(len, states.values())):
            restore_generators({name: each[rank()] for name, each in states.items()}, self.model.device)
        else:
            torch.manual_seed(self.settings["seed"] + APART * (rank() + world() * (1 + int(self.game.step))))

    def _restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        def part(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")}

        assert self.game is not None
        try:
            self.model.load_state_dict(part("model"))
            for i, module in enumerate(self.owned_state):
                module.load_state_dict(part(f"state/{i}"))
            self._restore_buffers(tensors)
            self.kept.restore(part("best"), part("ema"), facts)
            self.film.frames = part("film")
            self.game.restore(part("game"), int(facts["batch"]), facts["terms"], facts["settled"])
            self.generator.set_state(tensors["order"])
            self._restore_noise(tensors)
            self.epoch, self.run.records = int(facts["epoch"]), list(facts["history"])
        except (KeyError, ValueError, TypeError, RuntimeError, AttributeError, IndexError) as error:
            reason = first_line(error)
            raise ValueError(
                f"the checkpoint in {self.target} does not fit this run ({reason}); start anew with overwrite=True."
            ) from error
        if self.target is not None:
            # the weights move on: nothing shows those of the checkpoint any longer, and none say that the run has ended
            storage.clear(self.target)
            for name in storage.SAVED.values():
                (self.target / name).unlink(missing_ok=True)
            storage.write_config(self.model, self.target, **self.sections)
            write(self.target / METRICS, "".join(json.dumps(line) + "\n" for line in self.run.records))


def _weary(patience: int | None, epoch: int, best_epoch: int) -> bool:
    return patience is not None and epoch - best_epoch >= patience


def _epochs_in(history: Sequence[Any]) -> int:
    return sum(not (isinstance(line, dict) and line.get("epoch") == 0) for line in history)


def _named(split: str, measured: Mapping[str, float], players: Sequence[Player]) -> dict[str, float]:
    """``split/term``, or ``split/player/term`` where several play."""
    return {f"{split}/{k}" if len(players) > 1 else f"{split}/{k.split('/', 1)[1]}": v for k, v in measured.items()}
