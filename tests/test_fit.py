"""The loop: players in turn, fresh binarization, seeds, folders, and what it refuses."""

import json
import math
import threading
from dataclasses import dataclass, replace

import numpy as np
import pyro
import pytest
import smallest
import torch
import yaml
from playing import stop_after
from pyro.infer import SVI, Trace_ELBO
from torch import nn

import pyrogen
from pyrogen.base import Batch, Objective, Player, Stage, unannounced
from pyrogen.data.dataset import Data, Split
from pyrogen.inference import ELBO, IWAE, Exact, fit, log_evidence
from pyrogen.inference.training import checkpoint
from pyrogen.inference.training.alarms import Alarms
from pyrogen.inference.training.game import Game
from pyrogen.models.adversarial.gan import GAN
from pyrogen.models.energy.boltzmann import RBM
from pyrogen.registry import describe, make


@pytest.fixture(scope="module")
def digits():
    return pyrogen.data.load("digits")


def small(**arguments):
    torch.manual_seed(0)
    return pyrogen.create("vae", **{"x_shape": (1, 8, 8), "latent_size": 4, "hidden": (32,), **arguments})


def toy(x, kind="real", y=None):
    splits = [Split(x, y, name) for name in ("train", "valid", "test")]
    return Data("toy", *splits, kind, x.shape[1:], "none", False, None, 0, "made here", "made here")


def test_training_helps_on_unseen_data(digits):
    vae = small()
    before = log_evidence(vae, digits.test, IWAE(100))["log_evidence"].mean()
    run = fit(vae, digits, epochs=30, batch_size=64)
    after = log_evidence(vae, digits.test, IWAE(100))["log_evidence"].mean()
    assert after > before + 10
    assert run.records[-1]["valid/loss"] < run.records[0]["valid/loss"]
    assert abs(-run.records[-1]["valid/loss"] - float(after)) < 3  # both are bounds on the same thing


@pytest.mark.parametrize("objective", [ELBO(num_samples=4), ELBO(beta=2.0), IWAE(5), "IWAE"], ids=str)
def test_objectives_swap(digits, objective):
    if objective == "IWAE":
        objective = IWAE(3)
    run = fit(small(), digits, objective, epochs=2)
    assert run.records[2]["train/loss"] < run.records[1]["train/loss"]


def test_contrastive_divergence_raises_the_exact_likelihood(digits):
    torch.manual_seed(0)
    rbm = RBM((1, 8, 8), 12)
    before = log_evidence(rbm, digits.test, Exact())["log_evidence"].mean()
    fit(rbm, digits, epochs=20, lr=1e-2, batch_size=64)
    assert log_evidence(rbm, digits.test, Exact())["log_evidence"].mean() > before + 10


@pytest.mark.rotating
def test_adversary_moves_samples_towards_the_ring():
    ring = pyrogen.data.load("ring")
    torch.manual_seed(0)
    gan = pyrogen.create(
        "gan-nonsaturating", generator="Perceptron(hidden=(64, 64))", critic="Perceptron(hidden=(64, 64))"
    )

    def distance():
        torch.manual_seed(1)
        return float(ring.oracle.nearest(gan.sample(1000))[1].mean())

    before = distance()
    fit(gan, ring, epochs=50)
    assert distance() < before / 2


def test_every_batch_is_binarized_anew(digits):
    seen = []

    class Spy(ELBO):
        def terms(self, pair, batch):
            seen.append(batch)
            return super().terms(pair, batch)

    spy = Spy()
    model = small()
    model.objective = spy
    fit(model, digits, epochs=2, batch_size=2000, validate=False)
    first, second = (batch.x[batch.index.argsort()] for batch in seen)
    assert not torch.equal(first, second)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert [int(b.step) for b in seen] == [2, 2]  # one tensor, counted up on the device


def test_opponents_stand_still():
    """The generator's batch norms neither move nor remember while the critic moves, and the other way round."""
    nets = [nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, n)) for n in (2, 1)]
    gan = GAN(*nets, x_shape=(2,), latent_size=2)
    data = toy(torch.randn(64, 2))
    for mover, stiller in ((0, 1), (1, 0)):
        players = gan.stages()[0].players
        mine, theirs = players[1 - mover], players[mover]
        gan.stages = lambda mine=mine, theirs=theirs: [Stage([replace(mine, idle=theirs.owns)])]
        before = {k: v.clone() for k, v in gan.state_dict().items()}
        fit(gan, data, epochs=1, batch_size=32, validate=False)
        moved = {k for k, v in gan.state_dict().items() if not torch.equal(v, before[k])}
        owner = ("generator", "critic")
        assert any(k.startswith(owner[mover]) and "running_mean" in k for k in moved)
        assert not any(k.startswith(owner[stiller]) for k in moved)
        assert all(p.requires_grad for p in gan.parameters())
        del gan.stages


def test_critic_moves_as_often_as_asked():
    torch.manual_seed(0)
    gan = pyrogen.create("gan-nonsaturating", generator="Perceptron(hidden=(8,))", critic="Perceptron(hidden=(8,))")
    from pyrogen.inference import Adversarial

    counted = {"critic": 0, "generator": 0}
    original = Adversarial.players

    def players(self, model):
        def count(player):
            def loss(batch):
                counted[player.name] += 1
                return player.loss(batch)

            return type(player)(player.name, loss, player.owns, player.optimizer, player.steps)

        return [count(p) for p in original(self, model)]

    objective = Adversarial(critic_steps=3)
    gan.stages = lambda: [Stage(players(objective, gan))]
    fit(gan, toy(torch.randn(64, 2)), epochs=1, batch_size=16, validate=False)
    assert counted == {"critic": 12, "generator": 4}


def rates(monkeypatch, **arguments):
    """The learning rate of every move."""
    seen = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda o: (seen.append(o.param_groups[0]["lr"]), step(o))[1])
    fit(small(hidden=()), "digits", batch_size=1000, validate=False, **arguments)  # two moves an epoch
    return seen


def test_learning_rates_fall_at_milestones(monkeypatch, tmp_path):
    schedule = {"epochs": 5, "lr": 1.0e-3, "lr_milestones": (2, 4), "lr_decay": 0.5}
    expected = [1e-3] * 2 + [5e-4] * 4 + [2.5e-4] * 4
    assert rates(monkeypatch, **schedule, folder=tmp_path / "run") == pytest.approx(expected, rel=1e-12)
    settings = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["fit"]
    assert (settings["lr_milestones"], settings["lr_decay"]) == ([2, 4], 0.5)


def test_learning_rates_do_not_depend_on_where_a_run_was_cut(tmp_path):

    schedule = {"data": "digits", "epochs": 4, "lr_milestones": [2, 3], "batch_size": 500, "progress": False}
    whole = fit(small(), folder=tmp_path / "whole", **schedule).model.state_dict()
    for moves in (2, 3, 7):
        with pytest.MonkeyPatch.context() as patch:
            stop_after(patch, moves)
            with pytest.raises(KeyboardInterrupt):
                fit(small(), folder=tmp_path / str(moves), **schedule)
        resumed = fit(small(), folder=tmp_path / str(moves), resume=True, **schedule).model.state_dict()
        assert all(torch.equal(v, resumed[k]) for k, v in whole.items())


def test_run_folder_says_everything(digits, tmp_path):
    vae = small(prior={"name": "MixtureOfGaussians", "components": 3})
    run = fit(vae, digits, epochs=2, folder=tmp_path / "run", seed=7)
    assert run.folder == tmp_path / "run"
    config = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert config["model"]["arguments"]["prior"] == {"name": "MixtureOfGaussians", "components": 3}
    assert config["data"]["binarization"] == "dynamic"
    assert config["fit"]["seed"] == 7
    assert config["fit"]["objective"] == describe(ELBO())
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert lines == run.records
    loaded = pyrogen.load(run.folder)
    assert all(torch.equal(a, b) for a, b in zip(vae.state_dict().values(), loaded.state_dict().values(), strict=True))


def test_validation_does_not_change_training(digits):
    states = []
    for validate in (True, False):
        vae = small()
        fit(vae, digits, epochs=2, validate=validate)
        states.append(vae.state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_flat_prior_samples_after_fit(digits):
    torch.manual_seed(0)
    ae = pyrogen.create("autoencoder", x_shape=(1, 8, 8), latent_size=3, hidden=(16,))
    with pytest.raises(ValueError, match="after_training"):
        ae.sample(2)
    fit(ae, digits, epochs=1)
    codes = ae.encode(digits.train.x).mean
    torch.testing.assert_close(ae.prior.density.loc, codes.mean(0), atol=1e-4, rtol=1e-3)
    assert ae.sample(2).shape == (2, 1, 8, 8)


def test_an_existing_run_is_kept(digits, tmp_path):
    fit(small(), digits, epochs=1, folder=tmp_path)
    weights = (tmp_path / "weights.safetensors").read_bytes()
    with pytest.raises(ValueError, match="already holds a run"):
        fit(small(), digits, epochs=1, folder=tmp_path)
    assert (tmp_path / "weights.safetensors").read_bytes() == weights
    fit(small(), digits, epochs=2, folder=tmp_path, overwrite=True)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_loss_that_is_not_finite_names_its_player(tmp_path):
    vae = small(x_shape=(3,), likelihood={"name": "Normal", "scale": "fixed", "value": 0.002})
    data = toy(torch.full((50, 3), 1e20))
    with pytest.raises(FloatingPointError, match="player 'elbo'"):
        fit(vae, data, epochs=1, folder=tmp_path)
    assert not (tmp_path / "weights.safetensors").exists()


REFUSED = {
    "grey data": ({"data": "grey"}, "ContinuousBernoulli"),
    "another shape": ({"data": "flat"}, r"x_shape=\(1, 8, 8\).*x_shape=\(64,\)"),
    "no such data": ({"data": "digit"}, "did you mean 'digits'"),
    "negative epochs": ({"epochs": -1}, "epochs >= 0"),
    "no batch": ({"batch_size": 0}, "batch_size >= 1"),
    "nan lr": ({"lr": math.nan}, "lr=nan: needs a finite number"),
    "no such objective": ({"objective": "ELB"}, "did you mean 'ELBO'"),
    "a likelihood as objective": (
        {"objective": pyrogen.likelihoods.Bernoulli()},
        "takes an object of this axis or its name",
    ),
    "an objective for others": ({"objective": "ContrastiveDivergence"}, "no free energy"),
    "milestones that do not rise": ({"lr_milestones": [5, 3]}, "each later than the one before"),
    "a milestone before the start": ({"lr_milestones": [1]}, "epochs from 2 on"),
    "half a milestone": ({"lr_milestones": [2.5]}, "lr_milestones"),
    "no decay": ({"lr_decay": 0.0}, "between 0 and 1"),
    "no such way to compile": ({"compile": "always"}, "choose 'auto', True or False"),
    "no such device": ({"device": "tpu9"}, "cannot be used here"),
    "half an epoch": ({"epochs": 1.5}, "epochs=1.5: needs a whole number"),
    "a device by no name of torch": ({"device": "gpu"}, r"device='gpu' cannot be used here \(.{,80}\); choose .*'cpu'"),
    "a device without values": ({"device": "meta"}, "cannot be used here"),
    "a seed of too many bits": ({"seed": 2**70}, "at most 63 bits"),
    "no gradients": ({"clip_gradients": 0.0}, "must be positive"),
    "nan in data": ({"data": "nan"}, "NaN"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refusals(digits, case, tmp_path):
    arguments, message = case
    nan = toy(torch.full((5, 1, 8, 8), math.nan), "binary")
    made = {
        "grey": pyrogen.data.load("digits", binarization="none"),
        "flat": toy(torch.zeros(10, 64), "binary"),
        "nan": nan,
    }
    data = made.get(arguments.get("data"), arguments.get("data", digits))
    rest = {k: v for k, v in arguments.items() if k != "data"}
    with pytest.raises(ValueError, match=message):
        fit(small(), data, folder=tmp_path / "run", **rest)
    assert not (tmp_path / "run").exists()


def test_a_folder_inside_of_a_file_is_refused(digits, tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(
        ValueError, match=r"a run's folder cannot be made here \(.*notes.*: Not a directory\); choose another"
    ):
        fit(small(), digits, folder=tmp_path / "notes" / "run")
    assert (tmp_path / "notes").read_text() == "mine"


def test_without_a_time_there_is_a_checkpoint_at_the_end_alone(digits, tmp_path, monkeypatch):
    written = {}
    save = checkpoint.save
    for seconds in (0.0, None):
        monkeypatch.setattr(checkpoint, "save", lambda *a, s=seconds: (written.setdefault(s, []).append(1), save(*a)))
        fit(small(), digits, epochs=2, checkpoint_seconds=seconds, folder=tmp_path / str(seconds))
    assert len(written[None]) == 1 < len(written[0.0])


def test_batches_are_tensors_only():
    batch = pyrogen.data.load("digits").train.batch(torch.arange(3))
    assert isinstance(batch, Batch)
    assert batch.x.shape == (3, 1, 8, 8)
    assert batch.y.shape == (3,)


def test_a_prior_of_exemplars_meets_its_data_before_training(digits, tmp_path):
    vae = small(prior={"name": "ExemplarPrior", "components": 5})
    run = fit(vae, digits, epochs=1, folder=tmp_path / "run")
    seen = vae.prior.exemplars.clone()
    rows = digits.train.raw.flatten(1) > 0
    assert all((rows >= (e.flatten() > 0)).all(1).any() for e in seen)  # binarized training digits
    again = pyrogen.load(run.folder)
    assert torch.equal(again.prior.exemplars, seen)
    assert again.sample(3).shape == (3, 1, 8, 8)


def test_what_nobody_moves_is_refused(digits, tmp_path):
    vae = small()

    class Half(ELBO):
        def players(self, model):
            return [replace(ELBO.players(self, model)[0], owns=[model.decoder])]

    with pytest.raises(ValueError, match=r"no player owns the parameter 'encoder\..*; let a player own it"):
        fit(vae, digits, Half(), epochs=1, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    vae.encoder.requires_grad_(False)
    vae.posterior.requires_grad_(False)
    fit(vae, digits, Half(), epochs=1, batch_size=500)


def test_what_a_loss_does_not_reach_is_refused(digits):
    """A surrogate that forgets the encoder trained a decoder alone, and said nothing."""

    @dataclass(frozen=True)
    class DecoderAlone(Objective):
        idles: bool = False

        def players(self, model):
            def loss(batch):
                z = torch.zeros(len(batch.x), model.latent_size)
                return {"loss": -model.decode(z).log_prob(batch.x).mean()}

            return [Player("decoder", loss, [model], idle=[model.encoder] if self.idles else [])]

    with pytest.raises(ValueError, match=r"player 'decoder' does not reach the parameter 'encoder\."):
        fit(small(), digits, DecoderAlone(), epochs=1)
    before = small().state_dict()
    after = fit(small(), digits, DecoderAlone(idles=True), epochs=1).model.state_dict()
    assert {k.split(".")[0] for k, v in after.items() if not torch.equal(v, before[k])} == {"decoder"}


def test_announcements_of_two_threads_are_their_own():
    """Skipped in turn, first in first out: a switch that all threads share stayed off afterwards, and SVI moved nothing."""
    inside, outside = threading.Event(), threading.Event()

    def other():
        with unannounced():
            inside.set()
            outside.wait(10)

    thread = threading.Thread(target=other)
    with unannounced():
        thread.start()
        assert inside.wait(10)
    vae = small()
    svi = SVI(vae.model, vae.guide, pyro.optim.Adam({"lr": 1e-2}), Trace_ELBO())
    before = [p.detach().clone() for p in vae.parameters()]
    svi.step(torch.ones(5, 1, 8, 8))
    outside.set()
    thread.join()
    assert not any(torch.equal(a, b) for a, b in zip(before, vae.parameters(), strict=True))
    svi.step(torch.ones(5, 1, 8, 8))
    assert len(list(svi.optim.optim_objs)) == len(before)


def test_numpy_numbers_are_numbers(digits, tmp_path):
    run = fit(small(), digits, epochs=np.int64(1), seed=np.int64(3), batch_size=500, folder=tmp_path / "run")
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["fit"]["seed"] == 3
    assert len(run.records) == 2


@pytest.mark.parametrize(("n", "batches"), [(65, 2), (66, 3), (64, 2), (33, 1), (1, 1), (20, 1)])
def test_a_last_batch_of_one_joins_the_one_before(n, batches):
    """A batch norm refuses to train on one datum."""
    from pyrogen.inference.training.game import Game, Rules

    model = pyrogen.create("autoencoder", x_shape=(2,), latent_size=1, hidden=())
    data = toy((torch.rand(n, 2) > 0.5).float(), "binary")
    game = Game(model, model.stages()[0].players, data.train, Rules(32, 1, compile=False))
    assert game.batches == batches
    game.begin_epoch(torch.Generator())
    for _ in range(batches):
        game.move()
    last = n - 32 * (batches - 1)
    values = game.record[:, game.terms.index(next(t for t in game.terms if t.endswith("/loss")))].double()
    weights = torch.tensor([32.0] * (batches - 1) + [float(last)], dtype=torch.float64)
    loss = next(v for k, v in game.measured().items() if k.endswith("/loss"))
    assert loss == pytest.approx(float((values * weights).sum() / n))


def test_batch_norm_trains_where_one_datum_is_left():
    nets = [nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, n)) for n in (2, 1)]
    fit(GAN(*nets, x_shape=(2,), latent_size=2), toy(torch.randn(33, 2)), epochs=1, batch_size=32, validate=False)


def test_gradients_are_clipped(digits, monkeypatch):
    norms = []
    step = torch.optim.Adam.step

    def measured(optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))
        step(optimizer)

    monkeypatch.setattr(torch.optim.Adam, "step", measured)
    fit(small(), digits, epochs=1, batch_size=500, clip_gradients=0.01, validate=False)
    assert norms == pytest.approx([0.01] * 3, rel=1e-3)


@pytest.mark.parametrize(
    ("objective", "lr", "rates"),
    [
        (None, None, [2e-4, 2e-4]),
        ("Adversarial()", None, [2e-4, 2e-4]),
        ("Adversarial(critic_optimizer=Adam(lr=0.5))", None, [0.5, 1e-3]),
        ("0.5 * Adversarial(critic_optimizer=Adam(lr=0.5))", None, [0.5, 1e-3]),
        ("Adversarial(critic_optimizer=Adam(lr=0.5))", 0.25, [0.25, 0.25]),
    ],
)
@pytest.mark.parametrize("to", ["fit", "create"])
def test_a_recipes_rate_is_not_meant_for_optimizers_that_are_given(objective, lr, rates, to, tiny_data, monkeypatch):
    made = {"objective": objective} if objective and to == "create" else {}
    model, seen = smallest.small("dcgan", **made), []
    objective = None if made else objective
    move = Game.move

    def looked(game):
        seen.append([m.update.lr for m in game.movers])
        move(game)

    monkeypatch.setattr(Game, "move", looked)
    fit(model, tiny_data(model), objective, lr=lr, epochs=1, validate=False, progress=False)
    assert seen[0] == rates


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        ("LearnedSimilarity()", False),
        ({"name": "LearnedSimilarity", "game": {"name": "Adversarial", "critic_optimizer": "Adam(lr=0.5)"}}, True),
        ("LearnedSimilarity(optimizer=Adam(lr=0.5))", True),
    ],
)
def test_optimizers_inside_of_an_objectives_parts_are_given_too(objective, told):
    assert make("objective", objective).has_rates is told


def test_an_objective_of_ones_own_keeps_what_it_was_given_as_it_likes(tiny_data):
    class Mine(Objective):
        def __init__(self, weight, *more, **others):
            self._kept = weight * ELBO()

        def players(self, model):
            return self._kept.players(model)

    model = smallest.small("vae")
    assert not Mine(2.0).has_rates
    assert not fit(model, tiny_data(model), Mine(2.0, 1, name="mine"), epochs=1, progress=False).history.empty


def test_a_loss_that_falls_far_alarms_where_no_density_is_told(caplog):
    """The density of small noise rises by hundreds of nats; the score of a critic has no reason to."""
    players = [Player(name, dict, []) for name in ("generator", "critic")]
    begun = {"epoch": 0, "train/generator/loss": 2.0, "train/critic/loss": 1.0}
    told = {
        "epoch": 1,
        "train/generator/loss": -400.0,
        "train/generator/reconstruction": 410.0,
        "train/critic/loss": 1.0,
    }
    for terms in (told, {**told, "train/critic/loss": -400.0}, {**told, "train/generator/loss": 900.0}):
        caplog.clear()
        with caplog.at_level("WARNING", "pyrogen"):
            Alarms().hear([begun, terms], players, late=False)
        said = [record.getMessage() for record in caplog.records]
        if terms is told:
            assert said == []
        else:
            assert len(said) == 1
            assert "runs away: its loss went from" in said[0]
