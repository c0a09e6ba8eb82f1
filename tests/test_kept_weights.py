"""Weights beside the last ones: the best are those that were validated, and an average is whole at any moment."""

import pytest
import torch
from playing import stop_after
from smallest import small
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import pyrogen
from pyrogen.data import from_arrays
from pyrogen.inference import fit
from pyrogen.inference.training.checkpoint import Stopped
from pyrogen.inference.training.game import Game
from pyrogen.inference.training.kept_weights import KeptWeights


def made(name="vae", **choices):
    torch.manual_seed(0)
    return pyrogen.create(name, **{"x_shape": (1, 8, 8), "latent_size": 3, "hidden": (16,), **choices})


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


def states(folder):
    """The weights in a run's folder, by their names."""
    return [pyrogen.load(folder, weights=which).state_dict() for which in ("last", "best", "ema")]


# -- the best ----------------------------------------------------------------------------------------------------------


def test_the_best_weights_are_those_that_were_validated(tmp_path):
    fit(made(), "digits", epochs=1, ema=0.99, folder=tmp_path / "averaged", progress=False)
    last, best, ema = states(tmp_path / "averaged")
    assert same(best, ema)
    assert not same(best, last)
    fit(made(), "digits", epochs=1, folder=tmp_path / "plain", progress=False)
    last, best = (pyrogen.load(tmp_path / "plain", weights=which).state_dict() for which in ("last", "best"))
    assert same(best, last)


def test_the_best_of_a_stage_is_not_the_best_of_the_next(tiny_data, tmp_path):
    """A network alone has a loss that falls, and the game after it none: what came of it stands in the last weights alone."""
    model = small("srgan")
    data, few = tiny_data(model), {"progress": False, "device": "cpu"}
    run = fit(model, data, epochs=1, folder=tmp_path, **few)
    assert "valid/loss" in run.records[1]
    assert "valid/loss" not in run.records[-1]
    with pytest.raises(ValueError, match=r"holds no best\.safetensors"):
        pyrogen.load(tmp_path, weights="best")


# -- the average -------------------------------------------------------------------------------------------------------


class Plain(nn.Module):
    """A network in which something is kept beside its parameters."""

    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.layer = spectral_norm(nn.Linear(2, 2))
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("awake", torch.zeros((), dtype=torch.bool))


def test_what_has_no_mean_is_as_it_is_in_the_model():
    model = Plain()
    u, v = (model.get_buffer(f"layer.parametrizations.weight.0.{name}") for name in ("_u", "_v"))
    u.copy_(torch.tensor([1.0, 0.0])), v.copy_(torch.tensor([0.0, 1.0]))
    kept = KeptWeights(model, 0.75)
    assert kept.ema == {}
    kept.begin()
    with torch.no_grad():
        model.norm.weight.add_(4.0)
        model.norm.running_mean.fill_(8.0)
        model.norm.num_batches_tracked.fill_(7)
        model.awake.fill_(True)
        u.copy_(torch.tensor([0.0, 1.0]))
    kept.average(10_000)
    ema = kept.ema
    assert ema["norm.weight"].tolist() == [2.0, 2.0]
    assert ema["norm.running_mean"].tolist() == [2.0, 2.0]
    assert ema["norm.num_batches_tracked"] == 7
    assert ema["mask"].tolist() == [0.0, -torch.inf]
    assert ema["awake"]
    # a quarter of the way to another direction, and of length 1 still
    expected = torch.tensor([3.0, 1.0]) / 10**0.5
    torch.testing.assert_close(ema["layer.parametrizations.weight.0._u"], expected)
    assert ema["layer.parametrizations.weight.0._v"].tolist() == [0.0, 1.0]
    before = kept.copied()
    with kept.averaged():
        assert same(kept.copied(), ema)
    assert same(kept.copied(), before)
    again = KeptWeights(model, 0.75)
    again.restore({}, ema, {"best_loss": 1.0, "best_epoch": 2})
    for one in (kept, again):
        one.average(10_000)
    assert same(kept.ema, again.ema)


def test_the_average_has_seen_the_training_data(tmp_path):
    """Exemplars, and where a flow starts, are there before the first step."""
    model = made(prior={"name": "ExemplarPrior", "components": 5})
    fit(model, "digits", epochs=1, ema=0.9, folder=tmp_path / "exemplars", progress=False)
    again = pyrogen.load(tmp_path / "exemplars", weights="ema")
    assert again.prior.prepared.on
    assert torch.equal(again.prior.exemplars, model.prior.exemplars)

    data = from_arrays(x_train=100 + torch.randn(200, 2), x_valid=100 + torch.randn(50, 2))
    torch.manual_seed(0)
    flows = [pyrogen.create("flow-coupling", x_shape=(2,), layers=2) for _ in range(2)]
    flows[1].load_state_dict(flows[0].state_dict())
    folder = tmp_path / "flow"
    runs = [
        fit(flow, data, epochs=1, progress=False, **more)
        for flow, more in zip(flows, ({}, {"ema": 0.9, "folder": folder}), strict=True)
    ]
    assert runs[0].records[0] == runs[1].records[0]  # before the first step the average is the model
    averaged = pyrogen.load(folder, weights="ema")
    before = {k: v.clone() for k, v in averaged.state_dict().items()}
    fit(averaged, from_arrays(x_train=torch.randn(200, 2), x_valid=torch.randn(50, 2)), epochs=0, progress=False)
    assert same(averaged.state_dict(), before)  # what has been trained starts nowhere else


def test_the_average_sleeps_and_wakes_with_the_model(tiny_data, monkeypatch):
    model, awake, measure = small("vae", prior={"name": "DiffusionPrior", "hidden": [4]}), [], Game.measure

    def looked(game, *given):
        awake.append(bool(model.prior.awake.on))
        return measure(game, *given)

    monkeypatch.setattr(Game, "measure", looked)
    epochs = {"training": 2, "prior": 1}
    fit(model, tiny_data(model), epochs=epochs, ema=0.9, progress=False, device="cpu")
    assert awake == [False, False, False, True]


def test_the_average_has_grown_as_far_as_the_model(tiny_data, tmp_path):
    model = small("progan", x_shape=(1, 16, 16))
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(Stopped):
            fit(model, tiny_data(model), epochs=5, ema=0.9, batch_size=8, folder=tmp_path, progress=False, device="cpu")
    last, ema = (pyrogen.load(tmp_path, weights=which).state_dict() for which in ("last", "ema"))
    levels = {k: int(v) for k, v in last.items() if k.endswith("level")}
    assert levels
    assert {*levels.values()} == {0}
    assert {k: int(ema[k]) for k in levels} == levels


# -- the end -----------------------------------------------------------------------------------------------------------


def test_a_flat_prior_is_fitted_to_the_codes_of_all_that_are_kept(tmp_path):
    """The last ones are worse than the best by then: the rate is far too large."""
    run = fit(made("autoencoder"), "digits", epochs=4, lr=0.05, ema=0.9, folder=tmp_path, progress=False)
    x = run.data.train.x
    found = [pyrogen.load(tmp_path, weights=which) for which in ("last", "best", "ema")]
    for model in found:
        codes = model.encode(x).mean
        torch.testing.assert_close(model.prior.density.loc, codes.mean(0), atol=1e-4, rtol=1e-3)
        assert model.sample(2).shape == (2, 1, 8, 8)
    assert not torch.equal(found[0].prior.density.loc, found[2].prior.density.loc)


@pytest.mark.parametrize("ex_post", ["normal", "flow"])
def test_a_run_that_is_extended_does_not_remember_an_end(ex_post, tmp_path, monkeypatch):
    """The best and the film have nothing of the density that was fitted when it ended before; a flow's fit draws, too."""
    monkeypatch.setattr("pyrogen.priors.ex_post.Flow.steps", 2)

    def train(folder, epochs, **more):
        model = made("autoencoder", prior={"name": "Flat", "ex_post": ex_post})
        fit(model, "digits", epochs=epochs, batch_size=500, folder=tmp_path / folder, progress=False, **more)

    train("whole", 3)
    train("extended", 2)
    train("extended", 3, resume=True)
    for file in ("weights", "best", "film", "checkpoint"):
        one, two = (tmp_path / folder / f"{file}.safetensors" for folder in ("whole", "extended"))
        assert one.read_bytes() == two.read_bytes(), file
