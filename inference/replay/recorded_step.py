"""The recorded step: a loss and its gradients replayed without Pyro's handlers, and checked against the eager ones.

A step is recorded once for each shape of batch and state of the model. What Python computed stays in a recording as it was,
so it is compared with the eager step at its first replays, in the next epoch, and in a new epoch every 500 replays: from
the same state the two must agree.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Size, Tensor, nn

from pyrogen.base import Batch
from pyrogen.inference.replay import captured
from pyrogen.inference.replay.again import Again
from pyrogen.inference.replay.entry import Entry, Replayed, batch_of, tensors_of
from pyrogen.inference.replay.recording import Unrecordable, kind_and_line, laid_out, trace
from pyrogen.inference.replay.snapshot import Outcome, Place, State, amount, foreign
from pyrogen.inference.replay.structure import Structure
from pyrogen.inference.replay.update import Update

Compile = Literal["auto"] | bool

# Steps after which recording has paid. Of one shape: each has a recording of its own, which took as long as 35 to 50 eager
# steps of language models and text VAEs and saved a seventh to a fifth of each, so that it paid after 170 to 340 of them.
PAYS = 500
# Compiling takes some ten seconds, and saves half a millisecond of each step or more, little where products of large
# matrices take most of it.
COMPILING_PAYS = 20_000  # steps
COMPILED_SIZE = 2**20  # numbers in the parameters
TOLERANCE = 1e-3  # relative, of recordings whose operations are not the eager ones to the bit
COMPILED_TOLERANCE = 1e-2  # of what Inductor makes of a recording that is itself compared to the bit
RECORDINGS = 16  # of one step; whatever changes its shapes more often stays eager

log = logging.getLogger("pyrogen")


class Step:
    """The terms of a loss, and its gradients, computed eagerly or replayed.

    Args:
        name: of the player, for messages.
        compute: from a batch the named terms, of which "loss" has gradients.
        modules: all modules whose parameters and buffers the loss reads.
        parameters: whose gradients are left in ``.grad``; none: no gradients are taken.
        uses: about how often it will be called, by the shape of x.
        compile: "auto": recorded where that pays, compiled where there are ``COMPILING_PAYS`` steps of one shape and at most
            ``COMPILED_SIZE`` parameters on a CPU; True: recorded, and compiled by Inductor; False: eager. What is recorded on
            a GPU is captured there.
        update: what moves the parameters afterwards; a compiled step does it itself, where it can.

    Attributes:
        moved: whether the last call has moved the parameters.
    """

    def __init__(
        self,
        name: str,
        compute: Callable[[Batch], Mapping[str, Tensor]],
        modules: Sequence[nn.Module],
        parameters: Sequence[nn.Parameter],
        uses: Mapping[Size, int],
        compile: Compile,
        update: Update | None = None,
    ) -> None:
        self.update, self.moved = update, False
        self.last: Entry | None = None  # of which the last call was a replay that moved the parameters
        self.name, self.compute, self.parameters, self.uses, self.compile = name, compute, parameters, uses, compile
        self.reads = Structure(modules)
        self.most = max((times for shape, times in uses.items() if shape[0]), default=0)
        self.compiling: float | None = None  # seconds; None where nothing is compiled
        self.captures, self.capturable = False, bool(parameters)
        self.captured_lr: float | None = None
        self.inductor = bool(parameters) and (compile is True or (compile == "auto" and self._compiling_pays()))
        self.eager_because = ""
        if compile is False:
            self.eager_because = "compile=False"
        elif not any(self._worth(shape) for shape in uses):
            self.eager_because = f"recording does not pay for {self.most} steps"
        self.given_up = ""  # why, where that was found out by trying
        self.terms: list[str] = []  # of every step
        self.seconds = 0.0  # of recording
        self.epoch = 0
        self.entries: dict[Any, Entry] = {}
        self.recordings = 0
        if not self.eager_because:
            self._look()

    def __call__(self, batch: Batch) -> Mapping[str, Tensor]:
        """The terms; gradients are in the parameters' ``.grad``, and in that of shown tensors, instead of what was there."""
        self.moved, self.last = False, None
        if self.eager_because or torch.is_anomaly_enabled():
            return self._eager(batch)
        if not self.reads.unchanged():
            self._look()
            return self(batch)
        if self.captures and self.update and self.update.lr != self.captured_lr:
            # a graph has a number as it was, and those of a rate that is over are needed no more
            self.captured_lr, self.recordings = self.update.lr, 0
            self.entries.clear()
        key = self._key(batch)
        if key not in self.entries:
            self.entries[key] = Entry(self._worth(batch.x.shape))
        entry = self.entries[key]
        if not entry.worth:
            return self._eager(batch)
        if entry.due(self.epoch):
            return self._checked(entry, batch)
        entry.replays += 1
        terms = self._replay(entry, entry.fastest, batch)
        self.last = entry if self.moved else None
        return terms

    def settle(self, inductor: bool, given_up: str, terms: Sequence[str]) -> None:
        """Go on from steps in another process, by what was decided and found out there."""
        self.inductor, self.given_up, self.terms = inductor, given_up, list(terms)
        self.eager_because = self.eager_because or given_up

    def again(self) -> Again | None:
        """What takes steps like the last, see :class:`Again`; None where that was none of this kind."""
        if self.last is None or self.captures:
            return None
        assert self.update is not None
        return Again(self.last, self.reads.live, self.update)

    def leave(self, again: Again, batch: Batch) -> None:
        """Leave the gradients of its last step."""
        self._leave(again.entry, again.outputs, self._moved(batch))

    def _worth(self, shape: Size) -> bool:
        return self.uses.get(shape, 0) >= PAYS or self._inductor(shape)

    def _compiling_pays(self) -> bool:
        # by numbers that are known before the first step: were it by the clock, equal seeds would differ
        small = sum(p.numel() for p in self.parameters) <= COMPILED_SIZE
        return self.most >= COMPILING_PAYS and small and all(p.device.type == "cpu" for p in self.parameters)

    def _inductor(self, shape: Size) -> bool:
        return self.inductor and self.uses.get(shape, 0) == self.most

    def _eager(self, batch: Batch) -> Mapping[str, Tensor]:
        for t in self._moved(batch):
            t.grad = None
        terms = self._named(self.compute(batch))
        if self.parameters:
            terms["loss"].backward()
        if self.update is not None and self.update.clip is not None:
            moved = [(t, t.grad) for t in self._moved(batch) if t.grad is not None]
            apart = _apart([gradient for _, gradient in moved], tensors_of(batch).values())
            for (t, _), gradient in zip(moved, apart, strict=True):
                t.grad = gradient
        # a term that is a parameter would become what the optimizer makes of that
        return {name: t.clone() for name, t in terms.items()}

    def _named(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The terms, in the order that they had at first: what they are is written down once for many steps.

        Raises:
            ValueError: there is another one, or one is missing.
        """
        self.terms = self.terms or list(terms)
        if odd := sorted(terms.keys() ^ {*self.terms}):
            raise ValueError(
                f"the player {self.name!r} has the term {odd[0]!r} in some steps and in others not; let its loss give it in "
                "each, as 0 where there is nothing to be said."
            )
        return {name: terms[name] for name in self.terms}

    def _moved(self, batch: Batch) -> list[Tensor]:
        """All that may have a gradient."""
        return [*self.parameters, *(t for t in (batch.shown or {}).values() if t.requires_grad)]

    def _replay(self, entry: Entry, recording: Replayed, batch: Batch) -> Mapping[str, Tensor]:
        self.moved = entry.moves and recording is entry.compiled
        outputs = recording(self._inputs(entry, batch, self.moved and not self.captures))
        self._leave(entry, outputs, self._moved(batch))
        return dict(zip(entry.terms, outputs, strict=False))

    def _leave(self, entry: Entry, outputs: Sequence[Tensor], moved: Sequence[Tensor]) -> None:
        """The gradients where they belong."""
        for i in entry.still:
            moved[i].grad = None
        for i, gradient in zip(entry.moved, outputs[len(entry.terms) :], strict=True):
            # the kernels that are replayed may leave it in another layout than those that were recorded
            moved[i].grad = laid_out(gradient, moved[i])

    def _inputs(self, entry: Entry, batch: Batch, more: bool = False) -> list[Tensor]:
        """What a step reads; more where its optimizer is written out."""
        inputs = [*self.reads.live, *tensors_of(batch).values()]
        if more:
            assert self.update is not None
            inputs += [*(home[name] for home, name in entry.kept), *self.update.rates(self.update.steps(entry.moved))]
        return inputs

    def _replayed(self, entry: Entry, recording: Replayed, batch: Batch) -> Mapping[str, Tensor]:
        try:
            terms = self._replay(entry, recording, batch)
        except Exception as error:
            raise Unrecordable(f"its recording fails ({kind_and_line(error)})") from error
        return terms

    def _outcome(self, terms: Mapping[str, Tensor], batch: Batch) -> Outcome:
        return Outcome(self.reads.places, self.reads.device, self._moved(batch), terms, self._kept())

    def _kept(self) -> list[Place]:
        """What the optimizer keeps, of all parameters."""
        faster = self.inductor or self.captures
        return self.update.places(range(len(self.parameters))) if self.update and faster else []

    def _look(self) -> None:
        """Find what the loss may read, and forget what was recorded of anything else."""
        self.reads.look()
        self.entries.clear()
        self.captures = self.capturable and captured.captures(self.reads.device)
        if self.reads.hooked:
            self.eager_because = "a module or a parameter has a hook, which a recording would not call"

    def _key(self, batch: Batch) -> Any:
        shapes = [
            (t.shape, t.stride(), t.dtype, t.device, t.requires_grad, name) for name, t in tensors_of(batch).items()
        ]
        return *shapes, *self.reads.modes()

    def _checked(self, entry: Entry, batch: Batch) -> Mapping[str, Tensor]:
        """Replay beside the eager step, from the same state; record first, if that is still to be done.

        What is returned and left behind is the replay's where the two agree, so that it does not matter when one looks.
        """
        before, others = State(self.reads.places, self.reads.device, self._kept()), foreign()
        truth = self._outcome(self._eager(batch), batch)
        try:
            if others != foreign():
                raise Unrecordable("the loss draws from Python's or NumPy's random numbers")
            if entry.traced is None:
                before.put_back()
                self._record(entry, batch)
            assert entry.traced is not None
            before.put_back()
            replayed = self._outcome(self._replayed(entry, entry.traced, batch), batch)
        except Unrecordable as error:
            self.eager_because = self.given_up = str(error)
            truth.put_back()
            return truth.terms
        if difference := self._difference(entry, before, truth, replayed, batch):
            self.eager_because = self.given_up = f"its recording differs from the eager step in its {difference}"
            log.warning(
                "the recorded step of the player %r differs from the eager one in its %s, so all its steps are eager from "
                "here on; the usual cause is a Python number that changes, such as a schedule: compute it from batch.step.",
                self.name,
                difference,
            )
            truth.put_back()
            return truth.terms
        if self._inductor(batch.x.shape) or self.captures:
            replayed = self._compiled(entry, before, truth, replayed, batch)
        entry.replays += 1
        entry.checks, entry.epoch, entry.checked_at = entry.checks + 1, self.epoch, entry.replays
        return replayed.terms

    def _record(self, entry: Entry, batch: Batch) -> None:
        self.recordings += 1
        if self.recordings > RECORDINGS:
            raise Unrecordable("shapes or modes change all the time")
        moved = self._moved(batch)
        wanted = [i for i, t in enumerate(moved) if t.requires_grad]
        names, tensors = list(tensors_of(batch)), self.reads.live

        def function(inputs: Sequence[Tensor]) -> list[Tensor]:
            terms = self._named(self.compute(batch_of(dict(zip(names, inputs[len(tensors) :], strict=True)))))
            asked = [moved[i] for i in wanted] if self.parameters else []
            gradients = torch.autograd.grad(terms["loss"], asked, allow_unused=True) if asked else ()
            found = [(i, g) for i, g in zip(wanted, gradients, strict=True) if g is not None]
            entry.terms, entry.moved = list(terms), [i for i, _ in found]
            with torch.no_grad():
                for (home, name), tensor in zip(self.reads.places, tensors, strict=True):
                    if home[name] is not tensor:
                        tensor.copy_(home[name])  # a buffer that the loss replaced
            # as in eager steps, but for what is nobody else's
            live = {_memory(t) for t in tensors}
            apart = [t.clone() if _memory(t) in live else t for t in terms.values()]
            return [t.detach() for t in apart] + _apart([g for _, g in found], inputs)

        started = time.perf_counter()
        entry.traced = trace(function, [*tensors, *tensors_of(batch).values()])
        entry.still = [i for i in range(len(moved)) if i not in {*entry.moved}]
        self.seconds += time.perf_counter() - started

    def _difference(self, entry: Entry, before: State, truth: Outcome, replayed: Outcome, batch: Batch) -> str:
        """What the replay got wrong, in words; nothing where it agrees as far as rounding lets it."""
        what, by = truth.furthest(replayed, before)
        allowed = 0.0 if entry.exact else TOLERANCE
        if by > allowed and entry.exact:
            # threads and atomic additions may make the eager step differ from itself
            before.put_back()
            again = self._outcome(self._eager(batch), batch)
            allowed = min(10 * truth.furthest(again, before)[1], TOLERANCE)
            replayed.put_back()
        if entry.checks == 0:
            entry.exact = by == 0
        return amount(what, by) if by > allowed else ""

    def _compiled(self, entry: Entry, before: State, truth: Outcome, traced: Outcome, batch: Batch) -> Outcome:
        """The same faster, unless it cannot or differs: then it is replayed as it was recorded from here on."""
        if self.update and self.update.begins(entry.moved):
            return traced  # what there is to be kept of parameters is there from their first step on
        before.put_back()
        try:
            if entry.compiled is None:
                started = time.perf_counter()
                self._compile(entry, batch)
                before.put_back()
                if self._inductor(batch.x.shape):
                    self.compiling = (self.compiling or 0.0) + time.perf_counter() - started
            replayed = self._outcome(self._replayed(entry, entry.fastest, batch), batch)
            what, by = self._expected(truth, replayed, before).furthest(replayed, before)
            why = f"it differs in its {amount(what, by)}" if by > COMPILED_TOLERANCE else ""
        except Unrecordable as error:
            why = str(error)
        if not why:
            replayed.put_back()  # gradients, parameters and what is kept of them by the eager optimizer stand there now
            return replayed
        how = " or ".join(["Inductor"] * self.inductor + ["a CUDA graph"] * self.captures)
        log.warning("the recorded step of the player %r is replayed without %s: %s.", self.name, how, why)
        self.inductor, self.compiling, self.moved = False, None, False
        self.captures = self.capturable = False
        for each in self.entries.values():
            each.compiled = None
        traced.put_back()
        return traced

    def _compile(self, entry: Entry, batch: Batch) -> None:
        assert entry.traced is not None
        inputs = self._inputs(entry, batch)
        # on devices whose steps are not captured, numbers from Python would be copied there
        within = self.update is not None and self.update.within
        entry.moves = within and (self.captures or self.reads.device.type == "cpu")
        if self.captures or not entry.moves:
            entry.compiled = entry.traced.compiled(inputs) if self._inductor(batch.x.shape) else entry.traced
            if self.captures:
                entry.compiled(inputs)  # what is compiled is made ready at its first call
                entry.compiled = self._captured(entry, entry.compiled, batch)
            return
        assert self.update is not None
        traced, update, count, read = entry.traced, self.update, len(entry.terms), len(inputs)
        entry.kept = update.places(entry.moved)
        at = {id(t): i for i, t in enumerate(self.reads.live)}
        places = [at[id(self.parameters[i])] for i in entry.moved]

        def function(inputs: Sequence[Tensor]) -> list[Tensor]:
            with torch.no_grad():
                outputs = traced.module(*[inputs[i] for i in traced.reads])
                moved = [inputs[i] for i in places]
                used = update.written_out(entry.moved, moved, outputs[count:], inputs[read:-1], inputs[-1])
            return [*outputs[:count], *used]

        inputs = self._inputs(entry, batch, True)
        entry.compiled = trace(function, inputs).compiled(inputs)

    def _captured(self, entry: Entry, run: Replayed, batch: Batch) -> Replayed:
        """A CUDA graph of it, with the built optimizer in it where nothing comes before that."""
        update, moved = self.update, self._moved(batch)

        def function(inputs: Sequence[Tensor]) -> list[Tensor]:
            outputs = run(inputs)
            if entry.moves:
                assert update is not None
                self._leave(entry, outputs, moved)
                update()
            return outputs

        return captured.Captured(function, self._inputs(entry, batch), len(self.reads.live), len(entry.terms))

    def _expected(self, truth: Outcome, replayed: Outcome, before: State) -> Outcome:
        """What the eager step leaves, and its optimizer by the very gradients that are to be checked.

        By gradients of its own it would move parameters whose gradients are nothing but rounding anywhere.
        """
        if not self.moved:
            return truth
        assert self.update is not None
        truth.put_back()
        self.update.clipped()
        before.put_back()
        for p, gradient in zip(replayed.parameters, replayed.gradients, strict=True):
            p.grad = gradient
        self.update.optimizer.step()
        by_hand = State(replayed.places, self.reads.device)
        truth.values = [by_hand.values[i] if i in before.moved else v for i, v in enumerate(truth.values)]
        return truth


def _memory(tensor: Tensor) -> int:
    """Where its numbers are kept, and those of its views."""
    return tensor.untyped_storage().data_ptr()


def _apart(gradients: Sequence[Tensor], others: Iterable[Tensor]) -> list[Tensor]:
    """Gradients that share no memory: autograd gives one to two parameters, as of a + b, which would be clipped twice."""
    taken, found = {_memory(t) for t in others}, []
    for gradient in gradients:
        found.append(gradient.clone() if _memory(gradient) in taken else gradient)
        taken.add(_memory(gradient))
    return found


def said(steps: Sequence[Step]) -> str:
    """How these steps are computed, as one line; empty while that is open."""
    reasons = {step.name: step.eager_because for step in steps if step.eager_because}
    seconds = sum(step.seconds for step in steps)
    if len(reasons) == len(steps) and len(set(reasons.values())) == 1:
        return f"eager, because {steps[0].eager_because}"
    compiling = [step.compiling for step in steps if step.compiling is not None]
    compiled = f" and compiled in {sum(compiling):.1f} s" if compiling else ""
    graphs = any(step.captures and entry.compiled for step in steps for entry in step.entries.values())
    launched = ", each launched as one CUDA graph" if graphs else ""
    recorded = [f"recorded in {seconds:.1f} s{compiled}{launched}"] if seconds else []
    return "; ".join(recorded + [f"those of {name} eager, because {why}" for name, why in reasons.items()])
