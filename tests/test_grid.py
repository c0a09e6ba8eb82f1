"""Grids: every cell is the run that `train` makes, its numbers are those of the hand, and no process loses what has ended."""

import functools
import itertools
import json
import os
import re
import shutil
import sys
import threading
import warnings
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import xarray as xr
import yaml
from playing import stop_after
from safetensors.torch import load_file, save_file
from smallest import small

import pyrogen
from pyrogen import registry, storage
from pyrogen.base import HasGenerator, HasLogProb, HasPartition, Pair
from pyrogen.command import options
from pyrogen.command.cli import main
from pyrogen.command.verbs import compare
from pyrogen.inference import ELBO, IWAE, BiasWarning, Reconstruction, compare_evidence, grid, log_evidence, summarize
from pyrogen.inference.runs import grid_run as cells
from pyrogen.inference.runs.grid import _owners, plan
from pyrogen.inference.runs.grid_run import GridRun, Ruler
from pyrogen.inference.runs.grid_table import TAKEN, mean_over_seeds
from pyrogen.inference.runs.quality import assess_run
from pyrogen.priors import VampPrior

SMALL = {"data": "digits", "epochs": 1, "hidden": [8], "latent_size": 2, "batch_size": 512, "compile": False}
SCORED = {"estimator": IWAE(50), "limit": 12, "jobs": 1}
WORDS = [
    "--data",
    "digits",
    "--epochs",
    "1",
    "--hidden",
    "8",
    "--latent-size",
    "2",
    "--batch_size",
    "512",
    "--compile",
    "false",
]
SCORED_WORDS = ["--estimator", "IWAE", "--estimator.k", "50", "--limit", "12", "--jobs", "1"]
PRIORS = ["StandardNormal", VampPrior(components=3)]
NAMES = ["StandardNormal", "VampPrior(components=3)"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two priors by three posteriors, of which three cells cannot be scored or built."""
    over = {"prior": PRIORS, "posterior": ["DiagonalNormal", "LowRankNormal", "PointMass"]}
    return grid(over, folder=tmp_path_factory.mktemp("grid"), **SMALL, **SCORED)


def at(found, *place):
    return found.numbers.isel(dict(zip(found.numbers["status"].dims, place, strict=True)))


def score(folder, estimator):
    model, data = pyrogen.load(folder), pyrogen.data.load("digits", kind="binary")
    return log_evidence(model, data.test.take(12), estimator)


# -- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.rotating
def test_a_cell_is_the_run_that_train_makes(made, tmp_path):
    words = ["--prior", "VampPrior", "--prior.components", "3", "--posterior", "LowRankNormal"]
    assert main(["train", "vae", *WORDS, *words, "--folder", str(tmp_path / "run")]) == 0
    folder = at(made, 1, 1)["runs"].values[0]
    for name in ("weights.safetensors", "metrics.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == Path(folder, name).read_bytes()


def test_numbers_are_those_of_the_hand(made):
    assert made.numbers["status"].dims == ("prior", "posterior")
    assert made.numbers["prior"].values.tolist() == NAMES
    row, base = (at(made, *place) for place in ((1, 0), (0, 0)))
    evidence, elbo, remembered = (score(row["runs"].values[0], e) for e in (IWAE(50), ELBO(), Reconstruction()))
    assert float(row["nats"]) == float(evidence["log_evidence"].mean())
    assert float(row["elbo"]) == float(elbo["log_evidence"].mean())
    assert float(row["kl"]) == pytest.approx(
        float((remembered["log_evidence"] - elbo["log_evidence"]).mean()), abs=1e-5
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiasWarning)
        paired = compare_evidence({"a": score(base["runs"].values[0], IWAE(50)), "b": evidence}).sel(estimate="b")
    for key in ("difference", "difference_mc_se", "difference_data_se"):
        assert float(row[key]) == float(paired[key])
        assert float(base[key]) == 0
    assert row["baseline"].item() == base["cell"].item() == "prior=StandardNormal, posterior=DiagonalNormal"
    model = pyrogen.load(row["runs"].values[0])
    assert float(row["parameters"]) == sum(p.numel() for p in model.parameters())
    assert float(row["seconds"]) > 0
    assert float(row["count"]) == 12


def test_the_mean_over_seeds_keeps_what_data_have_in_common():
    def scored(error):
        values = {"log_evidence": ("datum", np.zeros(50)), "mc_se": ("datum", np.full(50, error))}
        known = {"estimator": "AIS", "bound": "upper", "dimensions": 4, "kind": "binary"}
        return xr.Dataset({**values, "log_partition_se": ((), error)}, {"datum": np.arange(50)}, known)

    assert summarize(mean_over_seeds([scored(0.3), scored(0.4)])).mc_se == pytest.approx(0.25)


def test_the_kl_is_the_closed_form_within_its_error(made):
    row = at(made, 0, 0)
    model = pyrogen.load(row["runs"].values[0])
    q = model.encode(pyrogen.data.load("digits", kind="binary").test.take(12).x)
    exact = float((0.5 * (q.mean**2 + q.variance - 1 - q.variance.log())).sum(-1).mean().detach())
    assert float(row["kl_mc_se"]) < 0.1
    assert float(row["kl"]) == pytest.approx(exact, abs=4 * float(row["kl_mc_se"]))


def test_the_table_says_what_became_of_every_cell(made):
    status = [[at(made, i, j)["status"].item() for j in range(3)] for i in range(2)]
    assert status == [["ended", "ended", "not scored"], ["ended", "ended", "refused"]]
    assert "Flat" not in made.text()
    assert "the prior VampPrior is learned and the posterior PointMass has no density" in at(made, 1, 2)["said"].item()
    assert at(made, 1, 2)["said"].item() in made.text()
    assert not made.failed
    row = at(made, 1, 1)
    for text in (made.text(), made.markdown(), (made.folder / "grid.md").read_text()):
        assert "IWAE(k=50) ± MC ± data" in text
        assert f"{float(row['nats']):.3f} ± {float(row['mc_se']):.3f} ± {float(row['data_se']):.3f}" in text
        assert f"{float(row['difference']):+.3f} ± {float(row['difference_mc_se']):.3f} ± " in text
    lines = made.markdown().splitlines()
    assert {line.count("|") for line in lines if line.startswith("|")} == {10}
    assert len([line for line in lines if line.startswith("|")]) == 2 + 6
    with xr.open_dataset(made.folder / "grid.nc", engine="h5netcdf") as saved:
        assert saved["prior"].values.tolist() == NAMES
        np.testing.assert_array_equal(saved["nats"].values, made.numbers["nats"].values)
        assert saved["status"].sel(prior=NAMES[1], posterior="PointMass").item() == "refused"


def test_epochs_that_were_chosen_for_other_data_are_said(made, tmp_path):
    """The 20 epochs of a recipe for MNIST are few steps of a small data set, and nobody had asked for them."""
    shared = {key: value for key, value in SMALL.items() if key != "epochs"}
    found = grid({"prior": ["StandardNormal"]}, folder=tmp_path, **shared, **SCORED)
    assert "the epochs are those of the recipe for mnist, and 60 steps of these data: give epochs=..." in found.text()
    assert "recipe for" not in made.text()


@pytest.mark.rotating
def test_means_over_seeds(tmp_path):
    shared = {key: value for key, value in SMALL.items() if key != "latent_size"}
    found = grid({"latent_size": [2, 3]}, seeds=2, seed=5, folder=tmp_path, **shared, **SCORED)
    assert found.numbers["latent_size"].values.tolist() == [2, 3]
    assert found.numbers["seed"].values.tolist() == [5, 6]
    e = [[score(folder, IWAE(50)) for folder in at(found, i)["runs"].values] for i in range(2)]
    values = np.array([[s["log_evidence"].values for s in row] for row in e])  # (cell, seed, datum)
    errors = np.array([[s["mc_se"].values for s in row] for row in e])
    row, n = at(found, 1), 12
    each = (values[1] - values[0]).mean(0)
    assert float(row["nats"]) == pytest.approx(values[1].mean())
    assert float(row["difference"]) == pytest.approx(each.mean())
    assert float(row["difference_mc_se"]) == pytest.approx(np.sqrt((errors**2).sum()) / (2 * n))
    assert float(row["difference_data_se"]) == pytest.approx(each.std(ddof=1) / np.sqrt(n))
    by_seed = (values[1] - values[0]).mean(1)
    assert float(row["difference_seed_se"]) == pytest.approx(by_seed.std(ddof=1) / np.sqrt(2))
    assert "difference ± MC ± data ± seeds" in found.text()
    assert "means over 2 seeds" in found.text()


@pytest.mark.rotating
def test_unlike_data_are_not_paired(tmp_path):
    found = grid({"likelihood": ["Normal", "Bernoulli", "ContinuousBernoulli"]}, folder=tmp_path, **SMALL, **SCORED)
    assert found.numbers["kind_of_data"].values.tolist() == ["unit", "binary", "unit"]
    first = found.numbers["baseline"].values.tolist()
    assert first == ["likelihood=Normal", "likelihood=Bernoulli", "likelihood=Normal"]
    differences = found.numbers["difference"].values
    assert differences[0] == 0
    assert np.isnan(differences[1])
    assert differences[2] == pytest.approx(float(found.numbers["nats"][2] - found.numbers["nats"][0]))
    assert "are not compared: differences are to the first cell that scores the same data" in found.text()


@pytest.mark.rotating
def test_a_choices_own_argument_and_numbers_are_axes(tmp_path):
    over = {"prior.components": [2, 3], "objective": ["ELBO", IWAE(4)]}
    found = grid(over, prior="VampPrior", folder=tmp_path, **SMALL, **SCORED)
    assert found.numbers["prior.components"].values.tolist() == [2, 3]
    assert found.numbers["objective"].values.tolist() == ["ELBO", "IWAE(k=4)"]
    for i, j in itertools.product(range(2), range(2)):
        config = storage.read_config(at(found, i, j)["runs"].values[0])
        assert config["model"]["arguments"]["prior"] == {"name": "VampPrior", "components": 2 + i}
        assert config["fit"]["objective"]["name"] == ("ELBO", "IWAE")[j]


def test_arguments_are_axes_whatever_they_are_called(tmp_path):
    """No argument has the name of a column of the table, and so steps of a diffusion are an axis."""
    for name in registry.list_models():
        assert not TAKEN & _owners(registry.find("entry", name).load()).keys(), name
    shared = {"entry": "vdm", "data": "ring", "epochs": 0, "compile": False}
    found = grid({"steps": [2, 3]}, folder=tmp_path, **shared, estimator=ELBO(), limit=4, jobs=1)
    assert found.numbers["steps"].values.tolist() == [2, 3]
    assert found.numbers["training_steps"].values.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("over", "shared"), [({"kind": ["unit", "levels"]}, {}), ({"lr": [1e-3, 2e-3]}, {"kind": ["unit"]})]
)
def test_what_is_wished_of_data_is_no_choice_of_that_name(over, shared, tmp_path):
    axes, runs = plan(over, "vae", tmp_path, [0], {"data": "digits", **shared})
    assert axes == over
    assert [run.data["kind"] for run in runs] == over.get("kind", 2 * [["unit"]])


# -- stops, crashes, repetitions -------------------------------------------------------------------------------------


def test_a_crash_is_shown_and_the_others_go_on(tmp_path, capsys):
    words = [
        "compare",
        "--grid",
        "lr=1e30,1e-3",
        *WORDS,
        "--lr_milestones",
        "2",
        "3",
        *SCORED_WORDS,
        "--folder",
        str(tmp_path / "grid"),
    ]
    assert main(words) == 1
    printed = capsys.readouterr().out
    assert re.search(r"failed: lr=1e\+30: NotFinite: .*epoch 1", printed)
    assert re.search(r"│ 0.001 +│ -\d", printed)


@pytest.mark.rotating
def test_what_has_ended_is_not_run_again(made, monkeypatch):
    over = {"prior": PRIORS, "posterior": ["DiagonalNormal", "LowRankNormal"]}
    monkeypatch.setattr("pyrogen.inference.runs.evaluate.log_evidence", None)
    monkeypatch.setattr(cells, "fit", None)
    again = grid(over, folder=made.folder, **SMALL, **SCORED)
    part = made.numbers.isel(posterior=slice(2))
    np.testing.assert_array_equal(again.numbers["nats"].values, part["nats"].values)
    np.testing.assert_array_equal(again.numbers["seconds"].values, part["seconds"].values)


@pytest.mark.rotating
def test_another_ruler_does_not_train_again(made, monkeypatch):
    monkeypatch.setattr(cells, "fit", None)
    over = {"prior": PRIORS, "posterior": ["DiagonalNormal"]}
    again = grid(over, folder=made.folder, **SMALL, **{**SCORED, "estimator": IWAE(70)})
    assert float(at(again, 1, 0)["nats"]) == float(
        score(at(made, 1, 0)["runs"].values[0], IWAE(70))["log_evidence"].mean()
    )
    best = grid(over, folder=made.folder, weights="best", **SMALL, **SCORED)
    assert "IWAE(k=50), best weights" in best.text()
    # a ruler that fails takes nothing from one that did not
    unscored = grid(over, folder=made.folder, **SMALL, **{**SCORED, "estimator": "Exact"})
    assert unscored.failed
    assert "has no log_prob" in unscored.text()
    assert not grid(over, folder=made.folder, **SMALL, **SCORED).failed


@pytest.mark.rotating
@pytest.mark.parametrize(
    ("changed", "said"), [("weights", "stale .*the weights changed since"), ("lost", "has lost its score")]
)
def test_stale_and_lost_scores_are_made_again_and_said(changed, said, tmp_path, monkeypatch):
    """Other weights in a cell, or a score that was removed: the weights are there, and so the numbers are those of now."""
    over = {"prior": ["StandardNormal", "VampPrior"]}
    first = grid(over, folder=tmp_path, **SMALL, **SCORED)
    folder = Path(first.numbers["runs"].values[0, 0])
    if changed == "weights":
        halved = {name: value / 2 for name, value in load_file(folder / storage.WEIGHTS).items()}
        save_file(halved, folder / storage.WEIGHTS)
    else:
        next(folder.glob("scores/iwae*.nc")).unlink()
    monkeypatch.setattr(cells, "fit", None)
    again = grid(over, folder=tmp_path, **SMALL, **SCORED)
    assert re.search(f"scored again: prior=StandardNormal: .*{said}", again.text())
    assert again.text().count("scored again") == 1
    assert not again.failed
    now = score(folder, SCORED["estimator"])
    assert float(again.numbers["nats"][0]) == pytest.approx(float(now["log_evidence"].mean()), abs=1e-9)
    assert (float(again.numbers["nats"][0]) == float(first.numbers["nats"][0])) is (changed == "lost")
    assert float(again.numbers["nats"][1]) == float(first.numbers["nats"][1])
    assert "scored again" not in grid(over, folder=tmp_path, **SMALL, **SCORED).text()


def test_other_settings_in_the_same_folder_are_refused(made, monkeypatch):
    monkeypatch.setattr(cells, "fit", None)
    with pytest.raises(ValueError, match=r"begun with other settings \(fit.epochs was 1, now 2\)"):
        grid({"prior": PRIORS, "posterior": ["DiagonalNormal"]}, folder=made.folder, **{**SMALL, "epochs": 2}, **SCORED)


def test_ctrl_c_loses_nothing_that_has_ended(made, tmp_path, capsys, monkeypatch):
    words = ["compare", "--grid=prior=StandardNormal,VampPrior(components=3)", "--grid", "posterior=DiagonalNormal"]
    words += [*WORDS, *SCORED_WORDS, "--folder", str(tmp_path)]
    stop_after(monkeypatch, 4)  # steps: 3 an epoch, so that the second cell is stopped in its second
    assert main(words) == 130
    assert "cells that have ended are kept" in capsys.readouterr().err
    first, second = (
        tmp_path / f"posterior=DiagonalNormal,prior={p}" / "seed-0"
        for p in ("StandardNormal", "VampPrior-components=3")
    )
    before = (first / "weights.safetensors").stat().st_mtime_ns
    assert not (second / "weights.safetensors").exists()
    assert main(words) == 0
    assert (first / "weights.safetensors").stat().st_mtime_ns == before
    whole = made.numbers["runs"].values[1, 0, 0]
    assert (second / "weights.safetensors").read_bytes() == Path(whole, "weights.safetensors").read_bytes()


def test_a_cell_whose_process_was_killed_is_taken_for_no_other(tmp_path, monkeypatch):
    """What lies there while a cell is trained, and while it is scored, is what a process that is killed then leaves."""

    def leave(stage):
        done = getattr(cells, stage)

        def left(*arguments, **named):
            shutil.copytree(tmp_path / "whole", tmp_path / stage)
            return done(*arguments, **named)

        monkeypatch.setattr(cells, stage, left)

    leave("fit")
    leave("_score")
    over = {"prior": ["StandardNormal"]}
    grid(over, folder=tmp_path / "whole", **SMALL, **SCORED)
    monkeypatch.setattr(cells, "fit", None)
    for stage in ("fit", "_score"):
        with pytest.raises(ValueError, match=r"begun with other settings \(fit.epochs was 1, now 2\)"):
            grid(over, folder=tmp_path / stage, **{**SMALL, "epochs": 2}, **SCORED)
    monkeypatch.setattr(cells, "_score", lambda *arguments: None)
    grid(over, folder=tmp_path / "_score", **SMALL, **SCORED)
    (state,) = (yaml.safe_load(path.read_text()) for path in (tmp_path / "_score").rglob("grid_run.yaml"))
    assert state["training_steps"] == 3
    assert state["seconds"] > 0
    next((tmp_path / "_score").rglob("grid_run.yaml")).unlink()
    with pytest.raises(ValueError, match=r"holds a run without a grid_run\.yaml that says what was asked for"):
        grid(over, folder=tmp_path / "_score", **SMALL, **SCORED)


def test_a_score_is_held_against_weights_that_are_read_once(made, monkeypatch):
    read, fingerprint = [], storage.fingerprint
    monkeypatch.setattr(storage, "fingerprint", lambda *of: read.append(of) or fingerprint(*of))
    _, planned = plan(OVER, "vae", made.folder, [0], SMALL)
    ruler = cells.Ruler(registry.describe(SCORED["estimator"]), limit=12)
    assert cells.outcome(planned[0], ruler)["status"] == "ended"  # of three scores
    assert 0 < len(read) == len(set(read))  # once for each kind of weights that were scored


# -- processes -------------------------------------------------------------------------------------------------------

OVER = {"prior": PRIORS, "posterior": ["DiagonalNormal"]}


def same(found, made):
    part = made.numbers.isel(posterior=slice(1))
    for key in ("nats", "difference", "kl", "active_units"):
        np.testing.assert_array_equal(found.numbers[key].values, part[key].values)


@pytest.mark.rotating
def test_processes_of_loky_give_the_same_bits(made, tmp_path):
    same(grid(OVER, folder=tmp_path, **SMALL, **{**SCORED, "jobs": 2}), made)


@pytest.mark.rotating
def test_a_cluster_of_dask_gives_the_same_bits(made, tmp_path):
    from dask.distributed import Client

    # two threads in one process: cells must not draw from each other's generator
    with Client(n_workers=1, threads_per_worker=2, dashboard_address=None):
        same(grid(OVER, folder=tmp_path, backend="dask", **SMALL, **SCORED), made)


def test_threads_of_one_process_take_turns(made, tmp_path):
    from pyrogen.inference.runs.grid import plan

    _, planned = plan(OVER, "vae", tmp_path, [0], SMALL)
    ruler = cells.Ruler({"name": "IWAE", "k": 50}, limit=12)
    threads = [threading.Thread(target=cells.run_grid_run, args=(cell, ruler)) for cell in planned]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(grid(OVER, folder=tmp_path, **SMALL, **SCORED), made)


def test_a_worker_that_dies_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["pyrogen.inference.runs.grid"], "_told", lambda cell, ruler: os._exit(1))
    with pytest.raises(ChildProcessError, match=r"a worker process of loky died .*the same command goes on"):
        grid(OVER, folder=tmp_path, **SMALL, **{**SCORED, "jobs": 2})


def test_a_backend_that_is_not_there_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="finds no cluster: make a dask"):
        grid(OVER, folder=tmp_path, backend="dask", **SMALL)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs the package ray: pip install ray"):
        grid(OVER, folder=tmp_path, backend="ray", **SMALL)
    assert list(tmp_path.iterdir()) == []


# -- entries as an axis ----------------------------------------------------------------------------------------------

ENTRIES = {"entry": ["vae", "vae-2d", "vae-vamp", "made"], "posterior": ["FullRankNormal"]}


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """Four entries of one posterior, which one of them has not, and an argument that only one of them has."""
    return grid(ENTRIES, folder=tmp_path_factory.mktemp("entries"), components=3, **SMALL, **SCORED)


def test_entries_are_an_axis(entries):
    assert entries.numbers["status"].dims == ("entry", "posterior")
    assert entries.numbers["entry"].values.tolist() == ENTRIES["entry"]
    assert entries.numbers["status"].values.tolist() == [["ended"]] * 3 + [["refused"]]
    assert "no argument of 'made' called 'posterior'" in at(entries, 3, 0)["said"].item()
    runs = entries.numbers["runs"].values[:3, 0, 0]
    models = [pyrogen.load(folder) for folder in runs]
    assert [m.origin["entry"] for m in models] == ENTRIES["entry"][:3]
    # what all cells share goes to the entries that have it
    assert [m.latent_size for m in models] == [2, 2, 2]
    assert models[2].prior.components == 3
    table = entries.text()
    assert "vae-2d" in table
    assert "<td>vae-2d</td>" in entries._repr_html_()
    assert "refused: entry=made, posterior=FullRankNormal" in table


def test_an_axis_that_an_entry_fixes_is_refused_in_its_cell(tmp_path):
    found = grid({"entry": ["vae", "vae-vamp"]}, prior="Laplace", folder=tmp_path, **SMALL, **SCORED)
    assert found.numbers["status"].values.tolist() == ["ended", "refused"]
    assert "'vae-vamp' has the prior VampPrior by its nature" in at(found, 1)["said"].item()


def test_entries_are_an_axis_of_the_command_line(tmp_path, capsys):
    words = [*WORDS, *SCORED_WORDS, "--components", "3", "--folder", str(tmp_path)]
    assert main(["compare", "--grid", "entry=vae,vae-vamp", *words]) == 0
    printed = capsys.readouterr().out
    assert "differences are to entry=vae, paired by datum" in printed
    assert pyrogen.load(tmp_path / "entry=vae-vamp" / "seed-0").prior.components == 3


# -- what means nothing ----------------------------------------------------------------------------------------------


class Own:
    pass


REFUSED = {
    "no axis": ({}, {}, "needs an axis"),
    "no values": ({"prior": []}, {}, "needs values that differ; got none"),
    "twice": ({"prior": ["Laplace", "Laplace"]}, {}, "needs values that differ"),
    "both": ({"prior": ["Laplace"]}, {"prior": "Laplace"}, "is an axis of the grid and is given for all cells too"),
    "axis": ({"pior": ["Laplace"]}, {}, "no argument of the entry, fit or load called 'pior'; did you mean 'prior'"),
    "name": ({"prior": ["Laplac"]}, {}, "did you mean 'Laplace'"),
    "shared": ({"prior": ["Laplace"]}, {"epoch": 3}, "did you mean 'epochs'"),
    "entry": ({"prior": ["Laplace"]}, {"entry": "vea"}, "did you mean 'vae'"),
    "entries": ({"entry": ["vae", "vea"]}, {}, "did you mean 'vae'"),
    "entry on an axis and for all": (
        {"entry": ["vae"]},
        {"entry": "made"},
        "entry is an axis of the grid and is given",
    ),
    "of no entry": ({"entry": ["vae", "vae-2d"]}, {"width": 3}, "no argument of the entry, fit or load called 'width'"),
    "given": ({"resume": [True]}, {}, "no argument"),
    "backend": ({"prior": ["Laplace"]}, {"backend": "daks"}, "did you mean 'dask'"),
    "weights": ({"prior": ["Laplace"]}, {"weights": "bets"}, "did you mean 'best'"),
    "jobs": ({"prior": ["Laplace"]}, {"jobs": 0}, "jobs of at least 1"),
    "whose": ({"objective.k": [1, 5]}, {}, "belongs to the objective, and none was named"),
    "own": ({"encoder": [Own()]}, {}, "which other processes cannot build"),
    "a column": ({"status": [1, 2]}, {}, "status cannot be an axis of a grid, whose table has a column of that name"),
}


@pytest.mark.parametrize(("over", "given", "said"), REFUSED.values(), ids=REFUSED)
def test_what_means_nothing_is_refused_before_anything_runs(over, given, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        grid(over, folder=tmp_path, **given)
    assert list(tmp_path.iterdir()) == []


COMMANDS = {
    "--grid prior=Vamp": "did you mean 'VampPrior'",
    "--grid pior=VampPrior": "did you mean '--prior'",
    "--grid prior": "--grid takes AXIS=VALUE,VALUE",
    "--grid prior=": "--grid takes AXIS=VALUE,VALUE",
    "--grid": "--grid takes AXIS=VALUE,VALUE",
    "--grid latent_size=2,many": "--latent_size takes a whole number or several, as 8,4; got 'many'",
    "--grid prior=VampPrior(comp=3)": "did you mean 'components'",
    "--grid prior=VampPrior --backend ary": "did you mean 'ray'",
    "--grid prior=VampPrior --epoch 3": "did you mean '--epochs'",
    "--grid entry=vae,vea": "did you mean 'vae'",
    "--grid entry=vae,vae-2d --width 3": "no option called '--width'",
    "--grid prior=VampPrior --prior Laplace": "is an axis of the grid and is given for all cells too",
    "--grid prior=Laplace --grid prior=VampPrior": "give all its values at once, as in --grid prior=Laplace,VampPrior",
}


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_refused_in_one_sentence(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *words.split(" ")]) == 2
    printed = capsys.readouterr().err
    assert COMMANDS[words] in printed
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


VALUES = {
    "prior=Laplace": [["--prior", "Laplace"]],
    "latent-size=2, 8": [["--latent_size", "2"], ["--latent_size", "8"]],
    "prior=VampPrior(components=5),Laplace": [
        ["--prior", "VampPrior", "--prior.components", "5"],
        ["--prior", "Laplace"],
    ],
    "prior=FlowPrior(layers=2, transform='spline')": [
        ["--prior", "FlowPrior", "--prior.layers", "2", "--prior.transform", "spline"]
    ],
    "hidden=[4,8],[16]": [["--hidden", "[4,8]"], ["--hidden", "[16]"]],
    "data=sprites(size=16),a+b*.csv": [["--data", "sprites(size=16)"], ["--data", "a+b*.csv"]],
}


@pytest.mark.parametrize("wish", VALUES)
def test_values_are_read_as_their_options(wish):
    axis, values = options.axis_values(wish)
    kind = "prior" if axis == "prior" else None
    assert [options.words_of(axis, value, kind) for value in values] == VALUES[wish]


def test_data_with_settings_are_an_axis_of_the_command_line(tmp_path, monkeypatch):
    @functools.wraps(grid)
    def planned(over, folder, **others):
        raise ValueError(", ".join(cell.data["name"] for cell in plan(over, "vae", folder, [0], {})[1]))

    monkeypatch.setattr("pyrogen.inference.grid", planned)
    with pytest.raises(ValueError, match=r"^sprites\(size=16\), sprites\(size=32\)$"):
        compare.run(["--grid", "data=sprites(size=16),sprites(size=32)", "--folder", str(tmp_path)])


def test_help_names_both(capsys):
    for words, said in ((["--help"], "--grid --help"), (["--grid", "--help"], "cells at a time")):
        with pytest.raises(SystemExit) as stop:
            main(["compare", *words])
        assert stop.value.code == 0
        assert said in " ".join(capsys.readouterr().out.split())


def test_measures_and_active_units_are_those_of_the_ruler(tmp_path):
    asked = {"folder": tmp_path, "quality": True, **SMALL, **SCORED}
    last = grid({"prior": ["StandardNormal"]}, **asked)
    folder = Path(last.numbers["runs"].values.flat[0])
    measured = last.numbers["quality"].values
    grid({"prior": ["StandardNormal"]}, weights="best", **asked)
    assert json.loads((folder / "quality.json").read_text())["attributes"]["weights"] == "best"
    again = grid({"prior": ["StandardNormal"]}, **asked)
    assert "what was measured of samples" in again.text()
    np.testing.assert_array_equal(again.numbers["quality"].values, measured)
    assess_run(folder, split="valid", num=100)
    assert "is of other weights, data or settings" in grid({"prior": ["StandardNormal"]}, **asked).text()
    state = yaml.safe_load((folder / "grid_run.yaml").read_text())
    assert len(state["active"]) == 2


@pytest.mark.parametrize("name", pyrogen.list_models())
def test_a_grid_knows_which_entries_are_trained_by_a_game_alone(name):
    """As whoever scores their models does, by their objective."""
    if not issubclass(get_type_hints(registry.find("entry", name).load())["return"], HasGenerator):
        pytest.skip("nothing could be scored with noise on it")
    m = small(name)
    own = isinstance(m, (HasLogProb, HasPartition)) or (isinstance(m, Pair) and not m.objective.implicit)
    assert GridRun({}, 0, "", name, {}, {}, {}).implicit != own


def test_what_cannot_be_written_of_a_cell_stops_no_other(tmp_path, monkeypatch, caplog):
    _, (cell, _) = plan({"latent_size": [2, 3]}, "vae", tmp_path, [0], {"data": "digits"})

    def full(path, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cells, "write", full)
    monkeypatch.setattr(cells, "_train", full)
    assert cells.run_grid_run(cell, Ruler()) == "failed"
    assert "was not written down, and it will wait" in caplog.text
    monkeypatch.undo()
    Path(cell.folder).mkdir(parents=True, exist_ok=True)
    (Path(cell.folder) / cells.STATE).write_text("another's", encoding="utf-8")
    assert cells.run_grid_run(cell, Ruler()) == "refused"
    assert (Path(cell.folder) / cells.STATE).read_text(encoding="utf-8") == "another's"
