"""One stage of training: players who move in turn, and everything of them that a checkpoint must keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.distributed as distributed
from torch import Size, Tensor, nn

from pyrogen.base import Batch, Model, Player, Stage, nothing
from pyrogen.data import Split
from pyrogen.inference.programs.contexts import REMEMBERING, remembering_apart, standing_still
from pyrogen.inference.replay.again import Again
from pyrogen.inference.replay.recorded_step import Compile, Step, said
from pyrogen.inference.replay.update import Update
from pyrogen.inference.training.batches import Batches
from pyrogen.inference.training.processes import as_written, rank, share, share_gradients, world
from pyrogen.nets.batch_dims import computing_in
from pyrogen.schedules import training_at

TOGETHER = 100  # terms of compiled steps that are written at once: one step's alone take longer than a small kernel


class NotFinite(FloatingPointError):
    """A term of a player's loss is nan or infinite."""


@dataclass(frozen=True)
class Rules:
    """How a game is played.

    Attributes:
        batch_size: data a move, over all processes.
        epochs: passes over the data.
        lr: learning rate of every player, instead of its own.
        milestones: epochs, counted from 1, from which on learning rates are ``decay`` times what they were before.
        decay: of the learning rates.
        dtype: a smaller type for the networks to compute in, or None.
        compile: whether steps are recorded, see :class:`pyrogen.inference.replay.recorded_step.Step`.
        clip: the largest norm of a player's gradient, all its parameters together, or None.
    """

    batch_size: int
    epochs: int
    lr: float | None = None
    milestones: Sequence[int] = ()
    decay: float = 0.1
    dtype: torch.dtype | None = None
    compile: Compile = "auto"
    clip: float | None = None


class Game:
    """The players of one stage with their optimizers, and where in which epoch they are.

    Args:
        model: the model.
        players: who plays.
        train: the data, on the model's device.
        rules: how.
    """

    def __init__(self, model: Model, players: Sequence[Player], train: Split, rules: Rules) -> None:
        self.model, self.players, self.train, self.rules = model, players, train, rules
        # in a game of several x is drawn anew for each move, before it; the draw of one player alone is a part of its step
        late = len(players) == 1 and players[0].shows is None
        self.loader = Batches(train, rules.batch_size, world(), model, late)
        uses = self.loader.uses(rules.epochs, rank(), world())
        self.movers = [_Mover(model, players, player, rules, uses, self.loader.drawn) for player in players]
        self.measures: list[Step] = []
        self._measured_before: list[tuple[bool, str]] = []  # what was settled of these, if a run goes on
        # a tensor, so that schedules read it without leaving the device
        self.step = torch.zeros((), dtype=torch.long, device=model.device)
        self.batch = self.epoch = 0
        self.record = torch.empty(0)
        self.terms: list[str] = []

    @property
    def batches(self) -> int:
        """How many there are in an epoch."""
        return len(self.loader)

    def enter(self, epoch: int) -> None:
        """Be in an epoch, the first being 1: learning rates and checks of recordings go by it."""
        self.epoch = epoch
        for mover in self.movers:
            mover.enter(epoch)
        for step in self.measures:
            step.epoch = epoch

    def begin_epoch(self, generator: torch.Generator) -> None:
        """Shuffle; the order is the same in every process."""
        self.loader.shuffle(generator)
        self.batch, self.terms = 0, []

    def play(self, paused: Callable[[], bool]) -> None:
        """Move to the end of the epoch, or until it is paused, which is asked after each batch."""
        while self.batch < self.batches:
            self.move()
            if paused() or self._go_on(paused):
                return

    def _go_on(self, paused: Callable[[], bool]) -> bool:
        """Move as before where one player's step does all that there is to do; whether it was paused."""
        again = self.movers[0].again() if len(self.movers) == 1 else None
        if again is None:
            return False
        mover, batch, now = self.movers[0], None, False
        found: list[Tensor] = []
        size, length = (f(self.batch - 1) for f in (self.loader.many, self.loader.length))
        while not now and self.batch < self.batches and not again.entry.due(self.epoch):
            if (self.loader.many(self.batch), self.loader.length(self.batch)) != (size, length):
                break
            index = self.loader.index(self.batch).to(self.step.device)
            batch = replace(self.loader.read(index, length), step=self.step, turn=self.step)
            found += again(batch)
            self.count()
            if len(found) >= TOGETHER:
                self._keep(found)
            now = paused()
        self._keep(found)
        if batch is not None:
            mover.step.leave(again, batch)
        return now

    def move(self) -> None:
        """One batch: every player moves, as often as it asked to."""
        index, length = self.loader.index(self.batch), self.loader.length(self.batch)
        mine = index[rank() :: world()].to(self.step.device)
        measured: dict[str, Tensor] = {}
        steps = (self.epoch - 1) * self.batches + self.batch  # known without asking the device
        for mover, following in zip(self.movers, [*self.movers[1:], None], strict=True):
            turn = None if steps % mover.player.every else self.step
            for left in reversed(range(mover.player.steps)):
                batch = replace(self.loader.read(mine, length), step=self.step, turn=turn) if len(mine) else None
                if batch is not None and following is not None and left == 0:
                    batch = replace(batch, shown=following.show(batch))
                for name, value in mover.move(batch, len(index)).items():
                    measured[f"{mover.player.name}/{name}"] = value.detach()
        if not self.terms:
            self.terms = list(measured)
            self.record = torch.zeros(self.batches, len(self.terms), device=self.step.device)
        self.count()
        # one row a batch, read once an epoch: nothing waits for the device in between
        self._keep(list(measured.values()))

    def _keep(self, found: list[Tensor]) -> None:
        """Write what was measured in the last batches, and forget it."""
        if found:
            rows = torch.stack([t.float() for t in found]).unflatten(0, (-1, len(self.terms)))
            self.record[self.batch - len(rows) : self.batch] = rows
            found.clear()

    def count(self) -> None:
        """Count a batch."""
        self.step += 1
        self.batch += 1

    def measured(self) -> dict[str, float]:
        """Means over the epoch so far, per datum.

        Raises:
            NotFinite: naming the player, the term and the step.
        """
        rows = self.record[: self.batch].double()
        weights = self._sizes().to(rows)
        if world() > 1:
            shares = torch.tensor([[float(share(int(w)))] for w in weights], device=rows.device)
            rows = torch.where(shares > 0, rows, 0) * shares
            distributed.all_reduce(rows)
            rows = rows / weights
        bad = ~torch.isfinite(rows)
        if bad.any():
            row = int(bad.any(1).nonzero()[0])
            # a loss is the sum of what stands beside it, which says what is wrong
            column = min(bad[row].nonzero()[:, 0].tolist(), key=lambda i: (self.terms[i].endswith("/loss"), i))
            player, term = self.terms[column].split("/", 1)
            step = int(self.step) - self.batch + row + 1
            raise NotFinite(
                f"the term {term!r} of the player {player!r} became {float(rows[row, column])} at step {step}"
            )
        means = ((rows * weights).sum(0) / weights.sum()).tolist()
        return dict(zip(self.terms, means, strict=True))

    def _sizes(self) -> Tensor:
        """Data of each batch of the epoch so far, ``(batches, 1)``."""
        sizes = torch.full((self.batch, 1), self.rules.batch_size)
        if self.batch == self.batches:
            sizes[-1] = len(self.train) - (self.batches - 1) * self.rules.batch_size
        return sizes

    def measure(self, split: Split, batch_size: int) -> dict[str, float]:
        """Means of every player's terms over a split, by its validation where it has one.

        Raises:
            NotFinite: a loss that is not finite.
        """
        if not self.measures:
            whole = {batch_size: len(split) // batch_size, len(split) % batch_size: 1}
            uses = {Size((size, *split.x_shape)): self.rules.epochs * times for size, times in whole.items()}
            self.measures = [m.measuring(uses) for m in self.movers]
            for step, (inductor, why) in zip(self.measures, self._measured_before, strict=False):
                step.settle(inductor, why, [])
        totals: dict[str, Tensor] = {}
        for index in torch.arange(len(split)).split(batch_size):
            batch = split.batch(index.to(self.step.device))
            for step in self.measures:
                for name, value in step(batch).items():
                    key = f"{step.name}/{name}"
                    totals[key] = totals.get(key, 0) + value.detach().double() * len(index)
        values = (torch.stack(list(totals.values())) / len(split)).tolist()
        for key, value in zip(totals, values, strict=True):
            if not math.isfinite(value):
                name, term = key.split("/", 1)
                raise NotFinite(f"the term {term!r} of the player {name!r} is {value} on the validation data")
        return dict(zip(totals, values, strict=True))

    @property
    def said(self) -> str:
        """How its steps are computed, as one line."""
        return said([mover.step for mover in self.movers])

    def state(self) -> dict[str, Tensor]:
        """Everything that the next move depends on, but for the model and the generators."""
        tensors = {"step": self.step, "order": self.loader.order}
        for mover in self.movers:
            tensors |= {f"optimizer/{mover.player.name}/{'/'.join(k)}": v for k, v in mover.update.state().items()}
        return tensors

    def _joined(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """This process's record where as many processes wrote records as there are now, else the mean of theirs."""
        records = as_written(tensors, "record")
        if len(records) == world():
            return records[rank()]
        joined = torch.zeros_like(records[0])
        for i, record in enumerate(records):
            shares = torch.tensor([share(n, i, len(records)) / n for n in self._sizes().flatten().tolist()]).unsqueeze(
                1
            )
            # what a process did not measure, it does not know
            joined[: self.batch] += torch.where(shares > 0, record[: self.batch], 0) * shares
        return joined

    @property
    def settled(self) -> list[tuple[bool, str]]:
        """Of each player's steps, and of each one's measures: whether Inductor compiles them, and why recording was given up.

        What was decided at the start holds for the whole run, and so does what was found out later.
        """
        steps = [*(mover.step for mover in self.movers), *self.measures]
        return [(step.inductor, step.given_up) for step in steps] + self._measured_before[len(self.measures) :]

    def restore(
        self, tensors: Mapping[str, Tensor], batch: int, terms: Sequence[str], settled: Sequence[tuple[bool, str]]
    ) -> None:
        """Put a state back, with the records of all processes that wrote it.

        Raises:
            KeyError: something is missing.
            ValueError: an optimizer keeps something else.
        """
        device = self.step.device
        self.step.copy_(tensors["step"])
        self.loader.go_by(tensors["order"].clone())
        self.batch, self.terms = batch, list(terms)
        self.record = self._joined(tensors).to(device)
        known = [(bool(inductor), str(why)) for inductor, why in settled]
        self._measured_before = known[len(self.movers) :]
        for mover, (inductor, why) in zip(self.movers, known[: len(self.movers)], strict=True):
            of = f"{mover.player.name}/"
            mover.step.settle(inductor, why, [term.removeprefix(of) for term in terms if term.startswith(of)])
            of = f"optimizer/{mover.player.name}"
            mover.update.restore(
                {tuple(k.rsplit("/", 2)[1:]): v for k, v in tensors.items() if k.rsplit("/", 2)[0] == of}
            )


class _Mover:
    def __init__(
        self,
        model: Model,
        players: Sequence[Player],
        player: Player,
        rules: Rules,
        uses: Mapping[Size, int],
        drawn: Callable[[Batch], Batch],
    ) -> None:
        self.player, self.rules, self.drawn = player, rules, drawn
        self.parameters = player.parameters()
        if not self.parameters:
            raise ValueError(f"the player {player.name!r} owns no parameters, so there is nothing to train.")
        self.settings = player.optimizer if rules.lr is None else player.optimizer.with_lr(rules.lr)
        # nothing may come between the gradients and a compiled step's own update of the parameters
        within = world() == 1 and player.shows is None
        self.update = Update(self.settings, self.parameters, rules.clip, within)
        self.modules = [model, *(module for p in players for module in (*p.owns, *p.state))]
        owned = {id(p) for p in self.parameters}
        self.own_modules = {m for owned_module in player.owns for m in owned_module.modules()}
        # what two of them share is met twice, and must be put back once
        everything = list({id(m): m for root in self.modules for m in root.modules()}.values())
        parameters = {id(p): p for m in everything for p in m.parameters(recurse=False)}
        self.still = [p for p in parameters.values() if id(p) not in owned and p.requires_grad]
        self.norms = [m for m in everything if isinstance(m, REMEMBERING) and m not in self.own_modules]
        self.begun = False
        self.made: Mapping[str, Tensor] = {}  # shown to the player before, and not yet answered for
        uses = {shape: player.steps * times for shape, times in uses.items()}
        self.step = Step(player.name, self._loss, self.modules, self.parameters, uses, rules.compile, self.update)

    def _loss(self, batch: Batch) -> Mapping[str, Tensor]:
        return self._alone(self.player.loss, self.drawn(batch))

    def _alone(self, compute: Callable[[Batch], Mapping[str, Tensor]], batch: Batch) -> Mapping[str, Tensor]:
        # opponents stand still
        with standing_still(self.still, self.norms), computing_in(self.rules.dtype), training_at(batch.step):
            return compute(batch)

    def show(self, batch: Batch) -> Mapping[str, Tensor] | None:
        """What this player shows to the one before it, if it shows anything; it answers for that in its next move."""
        if self.player.shows is None:
            return None
        with remembering_apart(self.own_modules):  # the graph waits until the next move has passed the same norms
            self.made = self._alone(self.player.shows, batch)
        return {name: t.detach() for name, t in self.made.items()}

    def measuring(self, uses: Mapping[Size, int]) -> Step:
        """What measures this player's terms, so many times batches of these shapes."""

        def compute(batch: Batch) -> Mapping[str, Tensor]:
            with computing_in(self.rules.dtype):
                return (self.player.validation or self.player.loss)(batch)

        return Step(self.player.name, compute, self.modules, [], uses, self.rules.compile)

    def enter(self, epoch: int) -> None:
        """Take the learning rate of an epoch, by its number alone, so that it does not matter where a run was cut."""
        self.step.epoch = epoch
        falls = sum(epoch >= milestone for milestone in self.rules.milestones)
        self.update.enter(self.settings.lr * self.rules.decay**falls)

    def move(self, batch: Batch | None, whole: int) -> Mapping[str, Tensor]:
        """One step down the player's loss; nobody else's parameters or statistics change.

        ``batch`` is this process's share of ``whole`` data, None if it got none.
        """
        terms: Mapping[str, Tensor] = {}
        if batch is None:
            self.update.optimizer.zero_grad()
            self.step.moved = False
        else:
            made, self.made = self.made, {}
            if made:
                batch = replace(batch, shown={k: t.detach().requires_grad_(t.requires_grad) for k, t in made.items()})
            terms = self.step(batch)
            self._answer(made, batch.shown or {})
            if not self.begun and batch.turn is not None:  # some are reached in turns alone
                self._need_gradients()
        if world() > 1:
            share_gradients(self.parameters, (0 if batch is None else len(batch.x)) / whole)
        if not self.step.moved:
            self.update()
        self.player.after()
        return terms

    def again(self) -> Again | None:
        """What moves once more as the last move did, where that is all that a move takes."""
        p = self.player
        alone = world() == 1 and p.steps == p.every == 1 and p.after is nothing
        return self.step.again() if alone and self.begun else None

    def _answer(self, made: Mapping[str, Tensor], shown: Mapping[str, Tensor]) -> None:
        """Pass on what the loss says of the tensors that were shown to what they were made by."""
        told = {name: t.grad for name, t in shown.items() if t.grad is not None}
        if told:
            torch.autograd.backward([made[name] for name in told], list(told.values()))

    def _need_gradients(self) -> None:
        self.begun = True
        resting = self.player.resting()
        for root in self.player.owns:
            for name, p in root.named_parameters():
                if p.grad is None and p.requires_grad and id(p) not in resting:
                    raise ValueError(
                        f"the loss of the player {self.player.name!r} does not reach the parameter {name!r} of its "
                        f"{type(root).__name__}, of shape {tuple(p.shape)}, so it would never move; use it in the loss, name "
                        "it in Player.idle, or freeze it by requires_grad_(False)."
                    )


def objective_state(model: Model, stages: Sequence[Stage]) -> list[nn.Module]:
    """The modules of the players that are not the model's, each once: named as their state, or owned.

    Raises:
        ValueError: a trainable parameter of the model that no player of any stage owns.
    """
    players = [player for stage in stages for player in stage.players]
    moved = {i for player in players for i in (*map(id, player.parameters()), *player.resting())}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in moved:
            raise ValueError(
                f"no player owns the parameter {name!r} of {type(model).__name__}, so it would never move; let a player "
                "own it, name it in Player.idle, or freeze it by requires_grad_(False)."
            )
    inside = {id(t) for t in (*model.parameters(), *model.buffers())}
    named = {id(m): m for player in players for m in (*player.state, *player.owns)}
    return [m for m in named.values() if any(id(t) not in inside for t in (*m.parameters(), *m.buffers()))]
