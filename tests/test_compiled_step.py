"""Compiled steps move the parameters themselves: as the eager optimizer would, clipped, by schedule, after a resume.

Most of these replay what would be compiled: Inductor's own work is checked by those that are marked "compiles", of
which one is run each day, and at every step that it makes.
"""

import logging
from dataclasses import replace

import pytest
import torch
from playing import played, stop_after
from smallest import small
from torch import nn

from pyrogen.inference import ELBO, Adversarial, PersistentContrastiveDivergence, fit
from pyrogen.inference.objectives.penalized import Contractive
from pyrogen.inference.replay.again import Again
from pyrogen.inference.replay.entry import CHECKED
from pyrogen.inference.replay.recorded_step import Step
from pyrogen.optim import SGD, Adam, Optim

pytestmark = pytest.mark.usefixtures("steps_pay")


@pytest.fixture
def uncompiled(monkeypatch):
    """A compiler that leaves everything as it was recorded."""
    monkeypatch.setattr("torch._inductor.standalone_compile", lambda module, inputs, **how: module)


OPTIMIZERS = {
    "Adam": Adam(betas=(0.8, 0.99)),
    "AdamW": Adam(weight_decay=0.1),
    "SGD": SGD(),
    "SGD with momentum": SGD(momentum=0.9, weight_decay=0.1),
}


@pytest.mark.parametrize("settings", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_steps_written_out_are_those_of_the_built_optimizer(settings):
    torch.manual_seed(0)
    built, written = (nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2))
    optimizer, state = settings.build([built]), {}
    for turn in range(5):
        lr, gradient = settings.lr * 0.5**turn, torch.randn(5)
        optimizer.param_groups[0]["lr"], built.grad = lr, gradient
        optimizer.step()
        with torch.no_grad():
            if turn == 0:  # which begins what is kept
                written.copy_(built)
                state = {k: v.clone() for k, v in optimizer.state[built].items()}
                assert state.keys() == {*settings.kept}
                continue
            rates = torch.tensor(settings.rates(lr, float(state.get("step", 0)))).unbind()
            settings.step(written, gradient, state, rates)
    torch.testing.assert_close(written, built, rtol=1e-6, atol=1e-7)
    for name, kept in optimizer.state[built].items():
        torch.testing.assert_close(state[name], kept)


def moving(g):
    """Of each player, whether compiled steps move its parameters."""
    return [any(e.moves and e.compiled for e in m.step.entries.values()) for m in g.movers]


def agree(name, tiny_data, goal=None, **rules):
    """Compiled and eager from one start: the compiled game, and the largest difference of a weight."""
    games = []
    for compile in (True, False):
        model = small(name)
        players = None if goal is None else goal.players(model)
        games.append(played(model, tiny_data(model), compile, players, **rules))
    pairs = zip(games[0].model.parameters(), games[1].model.parameters(), strict=True)
    return games[0], max(float((a - b).detach().abs().max()) for a, b in pairs)


RULES = {
    "plain": {},
    "clipped": {"clip": 0.1},
    "by a schedule": {"milestones": (2, 3)},
    "with another rate": {"lr": 0.01},
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_weights_are_those_of_eager_steps(rules, tiny_data, uncompiled):
    g, furthest = agree("vae", tiny_data, **rules)
    assert moving(g) == [True]
    assert furthest < 1e-5


def test_players_of_a_game_move_their_own(tiny_data, uncompiled):
    g, furthest = agree("gan-nonsaturating", tiny_data)
    assert moving(g) == [True, True]
    assert furthest < 1e-5


def test_what_comes_after_a_step_finds_its_gradients(tiny_data, uncompiled):
    """Fast weights follow them, clipped as they were used."""
    g, furthest = agree("rbm", tiny_data, PersistentContrastiveDivergence(fast=0.1), clip=0.1)
    assert moving(g) == [True]
    assert furthest < 1e-5


def test_a_player_that_shows_has_its_optimizer_outside(tiny_data, uncompiled):
    """What it showed is answered for between its gradients and its step."""
    g, furthest = agree("gan-nonsaturating", tiny_data, Adversarial(reuse=True))
    assert moving(g) == [True, False]
    assert furthest < 1e-5


class Unwritten(Optim):
    """An optimizer of a user's own."""

    lr = 1e-2

    def build(self, parameters):
        return torch.optim.Adagrad(list(parameters), lr=self.lr)


def test_an_optimizer_that_is_not_written_out_stays_outside(tiny_data, uncompiled):
    model = small("vae")
    players = [replace(player, optimizer=Unwritten()) for player in model.stages()[0].players]
    g = played(model, tiny_data(model), True, players)
    assert "compiled in" in g.said
    assert moving(g) == [False]
    with pytest.raises(NotImplementedError, match="the step of Unwritten is not written out"):
        Unwritten().step(torch.ones(1), torch.ones(1), {}, [])


def test_a_step_that_moves_wrongly_is_noticed(tiny_data, uncompiled, monkeypatch, caplog):
    """Then the eager optimizer moves, from where the step began."""
    right = Adam.rates
    monkeypatch.setattr(Adam, "rates", lambda self, lr, steps: right(self, 1.1 * lr, steps))
    with caplog.at_level(logging.WARNING, "pyrogen"):
        g, furthest = agree("vae", tiny_data)
    assert [m.split(": ")[1].split(" (")[0] for m in caplog.messages] == ["it differs in its parameters"]
    assert (moving(g), furthest) == ([False], 0.0)


@pytest.mark.rotating
@pytest.mark.parametrize("stopped", [1, 2, 20])
@pytest.mark.parametrize("optimizer", ["as it is", "with clipping and a schedule"])
def test_a_resumed_run_changes_no_bit(stopped, optimizer, tiny_data, tmp_path, monkeypatch, uncompiled):
    """After the first step too, before which there is nothing that an optimizer keeps."""
    arguments = {"epochs": 4, "batch_size": 4, "progress": False, "compile": True, "validate": False}
    arguments |= {} if optimizer == "as it is" else {"clip_gradients": 0.1, "lr_milestones": [2]}
    data = tiny_data(small("vae"))
    whole = fit(small("vae"), data, folder=tmp_path / "whole", **arguments)
    with monkeypatch.context() as patch:
        stop_after(patch, stopped)
        with pytest.raises(KeyboardInterrupt):
            fit(small("vae"), data, folder=tmp_path / "cut", **arguments)
    resumed = fit(small("vae"), data, folder=tmp_path / "cut", resume=True, **arguments)
    assert " and compiled in " in resumed.steps
    assert resumed.records == whole.records
    state = resumed.model.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in whole.model.state_dict().items())


ALIKE = {"batches alike": (4, None), "a smaller batch at last": (5, None), "a sum": (4, ELBO() + 0.1 * Contractive())}


@pytest.mark.parametrize(("batch_size", "objective"), ALIKE.values(), ids=ALIKE)
def test_steps_that_look_at_nothing_in_between_change_no_bit(batch_size, objective, tiny_data, monkeypatch, uncompiled):
    """They are all but the checked ones, the first of each epoch, and smaller batches."""
    arguments = {"epochs": 5, "batch_size": batch_size, "progress": False, "compile": True, "lr_milestones": [3]}
    found, taken = [], []
    plain = Again.__call__

    def counted(again, batch):
        taken.append(1)
        return plain(again, batch)

    monkeypatch.setattr(Again, "__call__", counted)
    monkeypatch.setattr("pyrogen.inference.training.game.TOGETHER", 4)  # fewer than an epoch's
    for looking in (False, True):
        with monkeypatch.context() as patch:
            if looking:
                patch.setattr(Step, "again", lambda step: None)
            model = small("vae")
            found.append(fit(model, tiny_data(model), objective, **arguments))
            taken.append(0)
    plain_run, looked = found
    assert plain_run.records == looked.records
    state = looked.model.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in plain_run.model.state_dict().items())
    assert len(taken) - 2 == taken.index(0) == 5 * (24 // batch_size - 1) - CHECKED


def test_a_term_that_is_a_parameter_is_written_as_it_was_at_each_step(tiny_data, uncompiled):
    class Watched(ELBO):
        def terms(self, model, batch):
            return {**super().terms(model, batch), "bias": [*model.decoder.parameters()][-1][0]}

    means = []
    for compile in (True, False):
        model = small("vae")
        run = fit(model, tiny_data(model), Watched(), epochs=3, batch_size=4, progress=False, compile=compile, lr=0.01)
        means.append([value for record in run.records for key, value in record.items() if key == "train/bias"])
    assert len(means[0]) == 3
    assert means[0] == pytest.approx(means[1], rel=1e-4)


@pytest.mark.compiles
@pytest.mark.rotating(2)
def test_inductor_moves_both_players_of_a_convolutional_game(tiny_data, caplog):
    """The gradient of a bias before a batch norm is nothing but rounding: that it goes elsewhere is no difference."""
    model = small("dcgan")
    with caplog.at_level(logging.WARNING, "pyrogen"):
        g = played(model, tiny_data(model), True)
    assert moving(g) == [True, True]
    assert [r.getMessage() for r in caplog.records if r.name == "pyrogen"] == []
