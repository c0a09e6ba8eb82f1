"""A run in the hand: its history as a table, its curves, samples, scores and report, and again from its folder."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

import pyrogen
from pyrogen.data import from_arrays
from pyrogen.inference import IWAE, fit, log_evidence
from pyrogen.inference.runs.scores import read_scores

SMALL = {"epochs": 3, "device": "cpu", "progress": False, "batch_size": 32}


def bits(n=80, seed=0):
    return (np.random.default_rng(seed).random((n, 1, 4, 4)) < 0.5).astype(np.uint8)


@pytest.fixture(scope="module")
def data():
    return from_arrays(bits())


def small(data, **axes):
    return pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,), **axes)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    torch.manual_seed(0)
    return fit(small(data), data, folder=tmp_path_factory.mktemp("run") / "a", **SMALL)


def test_the_history_is_a_table_of_what_the_file_says(run):
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert run.records == lines
    table = run.history
    assert isinstance(table, pd.DataFrame)
    assert table.index.tolist() == [0, 1, 2, 3]
    assert table.index.name == "epoch"
    assert table["valid/loss"].tolist() == [line["valid/loss"] for line in lines]
    assert len(fit(small(run.data), run.data, **{**SMALL, "epochs": 0}).history) == 0


def test_the_curves_are_drawn(run):
    figure = run.plot()
    assert isinstance(figure, Figure)
    assert len(figure.axes) > 1
    with pytest.raises(ValueError, match="no epochs to plot"):
        fit(small(run.data), run.data, **{**SMALL, "epochs": 0}).plot()


def test_samples_are_equal_at_equal_seeds(run):
    x = run.sample(5)
    assert x.shape == (5, 1, 4, 4)
    assert set(x.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(x, run.sample(5))
    assert not torch.equal(x, run.sample(5, seed=1))
    with pytest.raises(ValueError, match="at least 1"):
        run.sample(0)


def test_samples_are_in_the_units_of_the_data():
    table = np.random.default_rng(0).normal(1000.0, 50.0, (100, 3))
    data = from_arrays(table)
    assert data.standardize
    found = fit(small(data, likelihood="Normal"), data, **SMALL).sample(200)
    assert 800 < float(found.mean()) < 1200


def test_a_conditional_run_samples_the_classes_of_the_test_data():
    data = from_arrays(bits(), np.arange(80) % 3)
    model = pyrogen.create("vae-conditional", x_shape=data.x_shape, classes=data.classes, latent_size=2, hidden=(8,))
    found = fit(model, data, **SMALL)
    assert found.sample(7).shape == (7, 1, 4, 4)
    assert found.sample(2, torch.tensor([0, 2])).shape == (2, 1, 4, 4)


def test_a_score_is_that_of_log_evidence_and_is_kept(run):
    evidence = run.evaluate(IWAE(40), limit=6)
    by_hand = log_evidence(run.model, run.data.test.take(6), IWAE(40))
    assert np.array_equal(evidence["log_evidence"], by_hand["log_evidence"])
    (kept,) = read_scores(run.folder).values()
    assert np.array_equal(kept["log_evidence"], evidence["log_evidence"])
    assert run.evaluate("ELBO", split="valid").attrs["split"] == "valid"


def test_a_run_without_a_folder_is_scored_all_the_same(data):
    torch.manual_seed(0)
    found = fit(small(data), data, **SMALL)
    assert found.evaluate(IWAE(20)).sizes["datum"] == len(data.test)
    assert found.evaluate(IWAE(20), weights="best").attrs["weights"] == "best"
    with pytest.raises(ValueError, match="this run has no folder and keeps no weights 'ema', only last, best"):
        found.evaluate(IWAE(20), weights="ema")
    with pytest.raises(ValueError, match=r"this one has none; fit\(\.\.\., folder="):
        found.report()


def test_the_report_of_arrays_and_of_own_networks(tmp_path, data):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 4))
    back = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Unflatten(1, (1, 4, 4)))
    model = pyrogen.vae(encoder=net, decoder=back, x_shape=data.x_shape, latent_size=2)
    found = fit(model, data, folder=tmp_path / "own", **SMALL)
    page = found.report()
    assert page == tmp_path / "own" / "report.html"
    assert "arrays" in page.read_text(encoding="utf-8")


def test_a_run_is_read_again_from_its_folder(run):
    again = pyrogen.load_run(run.folder, data=bits())
    assert again.records == run.records
    assert again.settings["epochs"] == 3
    assert torch.equal(again.sample(4), run.sample(4))
    assert again.data.sha256 == run.data.sha256
    assert again.report().is_file()
    with pytest.raises(ValueError, match="have changed since"):
        pyrogen.load_run(run.folder, data=bits(seed=1))
    without = pyrogen.load_run(run.folder)
    assert without.history.equals(run.history)
    with pytest.raises(ValueError, match=r"was trained on arrays.*load_run\(folder, data=\.\.\.\)"):
        without.evaluate(IWAE(5))


def test_a_run_of_named_data_needs_nothing_but_its_folder(tmp_path):
    data = pyrogen.data.load("digits")
    fit(small(data), data, folder=tmp_path, **{**SMALL, "epochs": 1, "batch_size": 512})
    assert pyrogen.evaluate(tmp_path, IWAE(5), limit=4).sizes["datum"] == 4
    assert pyrogen.report(tmp_path).is_file()
    assert pyrogen.load_run(tmp_path).data.name == "digits"
