"""Stages of training: each by numbers of its own, in what is asked, trained, resumed, written down, shown and refused."""

import copy
import logging
from dataclasses import replace

import pytest
import torch
import yaml
from playing import stop_after
from smallest import small

import pyrogen
from pyrogen.base import Stage
from pyrogen.command.cli import main
from pyrogen.data import from_arrays
from pyrogen.inference import (
    ELBO,
    Adversarial,
    PersistentContrastiveDivergence,
    UpDown,
    VectorQuantization,
    fit,
)
from pyrogen.inference.pages.reproduction import command
from pyrogen.inference.pages.run_report import write_run_report
from pyrogen.inference.replay import recorded_step
from pyrogen.inference.training.checkpoint import Stopped
from pyrogen.inference.training.game import Game
from pyrogen.inference.training.run import read_history
from pyrogen.inference.training.stages import by_stage, written

BY_NAME = {"epochs": {"codes": 2, "prior": 3}, "batch_size": {"codes": 10, "prior": 20}}
STAGES = [Stage([], "codes"), Stage([], "prior", epochs=7)]


def model(seed=0):
    torch.manual_seed(seed)
    sizes = {"codes": 4, "code_size": 2, "width": 4, "denoiser": {"name": "Perceptron", "hidden": [8], "octaves": 0}}
    return pyrogen.create("vqvae-masked", x_shape=(1, 4, 4), **sizes)


def data(n=40):
    return from_arrays(torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(0)).round(), kind="binary")


def train(**more):
    return fit(model(), data(), **{"seed": 1, "device": "cpu", "progress": False, "lr": 1e-2, **BY_NAME, **more})


def state(of):
    return {k: v.clone() for k, v in of.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


@pytest.fixture
def games(monkeypatch):
    """Every game that is played, with what it was told."""
    played, begin = [], Game.__init__

    def told(game, *arguments):
        begin(game, *arguments)
        played.append(game)

    monkeypatch.setattr(Game, "__init__", told)
    return played


# -- what is trained -------------------------------------------------------------------------------------------------


def test_each_stage_takes_its_own_numbers(games):
    run = train(lr={"codes": 1e-2, "prior": 1e-3}, lr_milestones={"codes": [2], "prior": []})
    steps = len(run.data.train) // 10, len(run.data.train) // 20 + 1
    assert [row["step"] for row in run.records if row["epoch"]] == [4, 8, 2, 4, 6]
    assert steps[0] == 3
    assert [(g.rules.epochs, g.rules.batch_size, g.rules.lr, list(g.rules.milestones)) for g in games] == [
        (2, 10, 1e-2, [2]),
        (3, 20, 1e-3, []),
    ]
    rates = [g.movers[0].update.optimizer.param_groups[0]["lr"] for g in games]
    assert [float(rate) for rate in rates] == pytest.approx([1e-3, 1e-3])


def test_steps_are_recorded_by_the_number_of_them_in_their_own_stage(games, monkeypatch):
    """What pays for a recording is counted in the stage: the long one's steps are, the short one's are not."""
    monkeypatch.setattr(recorded_step, "PAYS", 10)
    train(epochs={"codes": 2, "prior": 12}, batch_size=32, compile="auto", validate=False)
    codes, prior = (game.movers[0].step for game in games)
    assert sum(codes.uses.values()) == 2
    assert sum(prior.uses.values()) == 12
    assert [bool(step.entries) for step in (codes, prior)] == [False, True]


def test_one_number_is_the_same_as_that_number_for_each():
    one, each = train(epochs=2, batch_size=10), train(epochs={"prior": 2, "codes": 2}, batch_size=10)
    assert same(state(one.model), state(each.model))
    assert one.settings == each.settings
    assert one.settings["epochs"] == {"codes": 2, "prior": 2}
    assert one.settings["batch_size"] == 10


def test_a_stage_has_the_last_word_on_one_number_and_a_mapping_has_it_on_a_stage():
    assert by_stage("epochs", 3, STAGES) == {"codes": 3, "prior": 7}
    assert by_stage("epochs", {"codes": 3}, STAGES) == {"codes": 3, "prior": 7}
    assert by_stage("epochs", {"prior": 1, "codes": 3}, STAGES) == {"codes": 3, "prior": 1}
    assert by_stage("epochs", 0, STAGES) == {"codes": 0, "prior": 0}
    assert by_stage("lr", None, STAGES) == {"codes": None, "prior": None}


def test_a_recipe_speaks_to_the_stages_of_other_choices_too():
    recipe = {"codes": 3, "prior": 9}
    assert by_stage("epochs", recipe, STAGES, usual=True) == {"codes": 3, "prior": 9}
    assert by_stage("epochs", recipe, STAGES[:1], usual=True) == {"codes": 3}
    assert by_stage("epochs", recipe, [Stage([])], usual=True) == {"training": 3}
    assert by_stage("epochs", {"codes": 3}, STAGES, usual=True) == {"codes": 3, "prior": 7}


def test_two_stages_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two stages of this model are called 'training'; give each a name of its own"):
        by_stage("epochs", 1, [Stage([]), Stage([], epochs=3)])


def test_a_rate_of_one_stage_is_said_of_that_one():
    values = by_stage("lr", {"codes": 0.1}, [STAGES[0], Stage([], name="prior")])
    assert written("lr", values) == {"codes": 0.1}
    assert by_stage("lr", written("lr", values), [Stage([], name="prior"), Stage([], name="codes")]) == values


def test_what_is_written_down_is_short_where_stages_agree():
    assert written("batch_size", {"codes": 3, "prior": 3}) == 3
    assert written("batch_size", {"codes": 3, "prior": 4}) == {"codes": 3, "prior": 4}
    assert written("epochs", {"codes": 3, "prior": 3}) == {"codes": 3, "prior": 3}
    assert written("epochs", {"training": 3}) == 3


STAGED = {
    "autoencoder-pretrained": {},
    "dbn": {},
    "progan": {},
    "srgan": {},
    "vae": {"prior": {"name": "DiffusionPrior", "hidden": [4]}},
    "vqvae-masked": {},
}


@pytest.mark.parametrize("name", STAGED)
def test_no_epochs_leave_every_weight(name, tiny_data):
    made = small(name, **STAGED[name])
    assert len(made.stages()) > 1
    before = {k: p.clone() for k, p in made.named_parameters() if p.requires_grad}
    run = fit(made, tiny_data(made), epochs=0, progress=False, device="cpu")
    assert same({k: p for k, p in made.named_parameters() if p.requires_grad}, before)
    assert run.records == []


def test_a_prior_of_no_epochs_is_not_woken(tiny_data):
    made = small("vae", **STAGED["vae"])
    fit(made, tiny_data(made), epochs={"training": 1, "prior": 0}, progress=False, device="cpu")
    assert not made.prior.awake.on


def test_a_stage_of_no_epochs_makes_way_for_those_after_it(tiny_data):
    made = small("autoencoder-pretrained")
    first, *between, last = [stage.name for stage in made.stages()]
    epochs = {first: 1, **dict.fromkeys(between, 0), last: 1}
    run = fit(made, tiny_data(made), epochs=epochs, progress=False, device="cpu", lr=1e-9)
    assert len(run.records) == 3
    for up, down in zip(made.ups, made.downs, strict=True):
        assert torch.allclose(down.weight, up.weight.T, atol=1e-6)


def test_a_stage_is_not_said_to_run_away_from_the_loss_of_another(caplog):
    """A first stage of small losses, and then nats of thousands, which fall."""

    def staged(factors):
        made = small("vae")
        (stage,) = made.stages()
        (player,) = stage.players

        def scaled(factor):
            loss = lambda batch: {k: factor * v for k, v in player.loss(batch).items()}  # noqa: E731
            return replace(stage, players=[replace(player, loss=loss)], name=f"times {factor}")

        made.stages = lambda: [scaled(factor) for factor in factors]
        return fit(made, "digits", epochs=2, batch_size=500, lr=1e-3, device="cpu", progress=False).records

    with caplog.at_level(logging.WARNING, "pyrogen"):
        records = staged([1e-3, 1e3])
    assert records[3]["train/loss"] > 100 + 100 * abs(records[1]["train/loss"])
    assert not [said for said in caplog.messages if "runs away" in said]


# entries of stages, and an objective other than their own
GIVEN = {
    "progan": Adversarial("Hinge"),
    "vqvae": VectorQuantization(commitment=1.0),
    "srgan": Adversarial() + ELBO(),
    "autoencoder-stacked": ELBO(num_samples=2),
    "autoencoder-pretrained": ELBO(num_samples=2),
    "contrastive": ELBO(num_samples=2),
    "dbm": PersistentContrastiveDivergence(chains=7),
    "dbn": UpDown(k=2),
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_given_objective_plays_the_stages_of_the_model(name, monkeypatch):
    played = []

    class Planned(Exception):
        pass

    def planned(trainer, *arguments):
        played.extend(trainer.stages)
        raise Planned

    monkeypatch.setattr("pyrogen.inference.training.trainer.Trainer.claim", planned)
    made, told = small(name), small(name, objective=GIVEN[name])
    own = made.objective
    x, y = torch.rand(8, *made.x_shape).round(), None
    if made.condition is not None:
        y = torch.zeros(8, *made.condition.shape, dtype=torch.long if made.condition.classes else torch.float)
    with pytest.raises(Planned):
        fit(made, from_arrays(x, y, kind=made.kinds), GIVEN[name], batch_size=4, validate=False, progress=False)
    assert made.objective is own
    expected = [(stage.name, [p.name for p in stage.players]) for stage in told.stages()]
    assert [(stage.name, [p.name for p in stage.players]) for stage in played] == expected
    assert len(expected) > 1


def test_who_joins_the_game_of_a_vq_vae_plays_before_its_prior():
    made = small("vqvae", objective=VectorQuantization() + 0.1 * Adversarial(means=True))
    assert [[p.name for p in stage.players] for stage in made.stages()] == [["codes", "critic"], ["prior"]]


class Twice(ELBO):
    """An objective of two players."""

    def players(self, model):
        return [replace(player, name=name) for player in super().players(model) for name in ("one", "other")]


WRONG = {
    "two players of a layer": ("autoencoder-stacked", {}, Twice(), r"each by one player, and Twice.* has 2"),
    "two of a decoder": ("contrastive", {}, Twice(), r"each by one player, and Twice.* has 2"),
    "nothing to tune": ("dbn", {"tuning": False}, UpDown(k=2), r"tuning=False .* nothing by UpDown\(k=2\)"),
}


@pytest.mark.parametrize(("name", "arguments", "objective", "said"), WRONG.values(), ids=WRONG)
def test_an_objective_that_no_stage_can_play_is_refused(name, arguments, objective, said):
    with pytest.raises(ValueError, match=said):
        small(name, objective=objective, **arguments).stages()


# -- what goes on ----------------------------------------------------------------------------------------------------


def stopped(folder, steps, where="", **more):
    """A run that Ctrl-C ends after so many steps."""
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Stopped, match=f"stopped in epoch {where}"):
            train(folder=folder, compile=False, **more)


@pytest.mark.parametrize(
    ("steps", "where"), [(3, "1 of 2"), (4, "1 of 2"), (5, "2 of 2"), (8, "2 of 2"), (9, "1 of 3")]
)
def test_a_stop_names_the_epoch_of_the_last_step(steps, where, tmp_path):
    stopped(tmp_path, steps, where)


@pytest.mark.parametrize("steps", [5, 8, 11], ids=["in the first stage", "between the two", "in the second"])
def test_a_run_goes_on_in_the_stage_where_it_was_stopped(steps, tmp_path):
    whole = train(folder=tmp_path / "whole", compile=False)
    stopped(tmp_path / "cut", steps)
    cut = train(folder=tmp_path / "cut", resume=True, compile=False)
    assert same(state(cut.model), state(whole.model))
    assert cut.records == whole.records == read_history(tmp_path / "cut")
    config = yaml.safe_load((tmp_path / "cut" / "config.yaml").read_text())
    assert config["fit"]["epochs"] == BY_NAME["epochs"]
    assert "changes" not in config


def test_a_stage_that_is_not_over_takes_new_numbers(tmp_path):
    stopped(tmp_path / "cut", 11)
    more = {"codes": 2, "prior": 5}
    cut = train(folder=tmp_path / "cut", resume=True, compile=False, epochs=more)
    assert same(state(cut.model), state(train(epochs=more, compile=False).model))
    (change,) = yaml.safe_load((tmp_path / "cut" / "config.yaml").read_text())["changes"]
    assert change == {"stage": 2, "epoch": 3, "step": 3, "epochs": {"was": BY_NAME["epochs"], "now": more}}


@pytest.mark.parametrize("more", [{"codes": 9, "prior": 5}, {"codes": 9, "prior": 3}], ids=["and another", "alone"])
def test_a_stage_that_is_over_stays_as_it_was_trained(more, tmp_path, caplog):
    stopped(tmp_path / "cut", 11)
    with caplog.at_level(logging.WARNING, "pyrogen"):
        cut = train(folder=tmp_path / "cut", resume=True, compile=False, epochs=more)
    assert "the stage 'codes' is over, so its epochs stays 2." in caplog.messages
    kept = {**more, "codes": 2}
    assert same(state(cut.model), state(train(epochs=kept, compile=False).model))
    config = yaml.safe_load((tmp_path / "cut" / "config.yaml").read_text())
    assert config["fit"]["epochs"] == kept
    assert [c["epochs"]["now"] for c in config.get("changes", [])] == ([kept] if kept != BY_NAME["epochs"] else [])


def test_a_batch_size_of_a_stage_may_not_change(tmp_path):
    train(folder=tmp_path)
    with pytest.raises(ValueError, match=r"fit.batch_size was \{'codes': 10, 'prior': 20\}, now 10"):
        train(folder=tmp_path, resume=True, batch_size=10)


def test_what_was_not_trained_is_trained_from_its_first_stage_on(tmp_path, tiny_data):
    made = small("vae", **STAGED["vae"])
    again, few = copy.deepcopy(made), {"progress": False, "device": "cpu", "compile": False}
    rows = tiny_data(made)
    fit(made, rows, epochs=0, folder=tmp_path, **few)
    run = fit(made, rows, epochs={"training": 2, "prior": 1}, folder=tmp_path, resume=True, **few)
    assert len(run.records) == 4
    assert same(state(made), state(fit(again, rows, epochs={"training": 2, "prior": 1}, **few).model))


# -- what is said ----------------------------------------------------------------------------------------------------

WRONG = {
    "a stage that there is not": (
        {"epochs": {"codes": 1, "piror": 2}},
        r"^epochs=\{'codes': 1, 'piror': 2\}: there is no stage 'piror'; this model is .* the stages 'codes', 'prior'\.$",
    ),
    "one that is missing": (
        {"batch_size": {"codes": 8}},
        r"^batch_size=\{'codes': 8\} says nothing of the stage 'prior'; this model is .* the stages 'codes', 'prior': ",
    ),
    "less than none": ({"epochs": {"codes": 1, "prior": -1}}, r"'prior': -1\}: needs epochs >= 0\.$"),
    "half an epoch": (
        {"epochs": {"codes": 1, "prior": 0.5}},
        r"'prior': 0\.5\}: needs a whole number or whole numbers by name",
    ),
    "nothing by name": ({"epochs": {}}, r"^epochs=\{\}: needs a whole number or"),
    "no data": ({"batch_size": {"codes": 8, "prior": 0}}, r"needs batch_size >= 1\.$"),
    "no rate": ({"lr": {"codes": 1e-3, "prior": 0.0}}, r"needs lr > 0\.$"),
    "milestones that fall": (
        {"lr_milestones": {"codes": [2], "prior": [5, 3]}},
        r"^lr_milestones=\[5, 3\]: needs epochs from 2 on",
    ),
}


@pytest.mark.parametrize(("settings", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_one_sentence(settings, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        train(folder=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


TYPED = {
    "--epochs 5": {"epochs": 5},
    "--epochs codes=5,prior=20": {"epochs": {"codes": 5, "prior": 20}},
    "--epochs=codes=5,prior=20 --lr 0.1": {"epochs": {"codes": 5, "prior": 20}, "lr": 0.1},
    "--epochs.prior 20 --lr.codes=0.1 --epochs.codes=5": {"epochs": {"codes": 5, "prior": 20}, "lr": {"codes": 0.1}},
    "--epochs {codes:\u00a05}".replace("\u00a0", " "): {"epochs": {"codes": 5}},
    "--lr_milestones codes=3,4,prior=9": {"lr_milestones": {"codes": [3, 4], "prior": [9]}},
    "--lr_milestones codes=[3,4] --lr_milestones.prior 9": {"lr_milestones": {"codes": [3, 4], "prior": [9]}},
    "--lr_milestones 3,4": {"lr_milestones": [3, 4]},
}


@pytest.mark.parametrize("words", TYPED)
def test_the_command_line_takes_one_number_or_one_for_each_stage(words, capsys):
    flags = words.split(" ", 1) if "{" in words else words.split()
    assert main(["train", "vqvae-masked", *flags, "--print_config"]) == 0
    said = yaml.safe_load(capsys.readouterr().out)["fit"]
    assert {k: said[k] for k in TYPED[words]} == TYPED[words]


REFUSED = {
    "--epochs codes=1,prior=x": "a whole number or one for each stage, as NAME=60,NAME=200; got \"{'codes': 1, ",
    "--epochs.codes 1": "--epochs codes=1 says nothing of the stage 'prior'; this model is trained in the stages",
    "--epochs codes=1,piror=2": "--epochs codes=1,piror=2: there is no stage 'piror'",
    "--epochs.codes": "--epochs takes a whole number or one for each stage",
}


@pytest.mark.parametrize("words", REFUSED)
def test_the_command_line_refuses_in_its_own_words(words, tmp_path, capsys):
    folder = ["--data", "digits", "--folder", str(tmp_path / "run")]
    assert main(["train", "vqvae-masked", *words.split(), *folder]) == 2
    said = capsys.readouterr().err
    assert REFUSED[words] in said
    assert said.count("\n") == 1


def test_help_says_how_a_stage_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["train", "vqvae", "--help"])
    assert "(a whole number, or STAGE=...,STAGE=...)" in " ".join(capsys.readouterr().out.split())


def test_of_several_flags_the_last_counts(capsys):
    for words, epochs in (("--epochs.prior 3 --epochs 10", 10), ("--epochs 10 --epochs a=1,b=2", {"a": 1, "b": 2})):
        assert main(["train", "vqvae", *words.split(), "--lr_milestones.prior", "2", "4", "--print_config"]) == 0
        told = yaml.safe_load(capsys.readouterr().out)["fit"]
        assert (told["epochs"], told["lr_milestones"]) == (epochs, {"prior": [2, 4]})


def test_a_config_whose_stages_agree_serves_other_priors(tmp_path, capsys):
    file = tmp_path / "config.yaml"
    epochs = {"training": 3, "prior": 3}
    sections = {"model": {"entry": "vae", "arguments": {}}, "data": {"source": "digits"}, "fit": {"epochs": epochs}}
    file.write_text(yaml.safe_dump(sections))
    assert main(["train", "--config", str(file), "--print_config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["fit"]["epochs"] == 3


def test_the_command_of_a_run_names_the_stages_that_differ():
    made = pyrogen.create("vqvae", x_shape=(1, 4, 4), codes=4, width=4)
    run = fit(made, data(), epochs=BY_NAME["epochs"], lr_milestones=[2], progress=False, device="cpu")
    found = pyrogen.data.load("digits").describe()  # what is in memory no command finds
    config = {"model": run.model.origin, "data": found, "fit": run.settings}
    words = command(config, run.model)
    assert words[words.index("--epochs") + 1] == "codes=2,prior=3"
    assert "--batch_size" not in words
    config["fit"]["epochs"] = {"codes": 4, "prior": 4}
    assert command(config, run.model)[-4:-2] == ["--epochs", "4"]


def test_the_page_of_a_run_that_has_not_ended_counts_the_epochs_of_all_stages(tmp_path):
    stopped(tmp_path, 11)
    assert "after 3 of 5 epochs" in write_run_report(tmp_path).read_text()


def test_what_is_seen_of_a_training_counts_by_stage(capsys):
    train(progress=None)
    lines = [line.split("  ")[0] for line in capsys.readouterr().err.splitlines() if "epoch" in line]
    assert lines == ["codes: epoch 2 of 2", "prior: epoch 3 of 3"]
