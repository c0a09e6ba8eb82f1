"""Weights that come with the package: what create gives, what it refuses, what lists and verbs say of it, and the cards."""

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
import xarray as xr
import yaml

import pyrogen
from pyrogen import pretrained, storage
from pyrogen.command.cli import main
from pyrogen.inference import log_evidence
from pyrogen.inference.pages.reproduction import command
from pyrogen.inference.runs.recipe import data_of
from pyrogen.priors import Flat, VampPrior

NAMES = pyrogen.list_models(pretrained=True)
ROOT = Path(__file__).parent.parent


def test_a_dozen_entries_have_weights():
    assert len(NAMES) >= 12
    assert {path.name for path in pretrained.FOLDER.iterdir()} == set(NAMES)
    assert pyrogen.list_models("vae-t*", pretrained=True) == ["vae-text"]


@pytest.mark.parametrize("name", NAMES)
def test_weights_make_a_model(name):
    model = pyrogen.create(name, pretrained=True)
    assert not model.training
    assert model.origin["entry"] == name
    assert (pretrained.FOLDER / name / storage.WEIGHTS).stat().st_size <= 2_000_000
    config = storage.read_config(pretrained.FOLDER / name)
    assert not config["made"]["commit"].endswith("+")  # made by sources that one can have again
    assert config["data"]["source"] in ("digits", "ring", "grammar")  # no download


def test_all_of_it_is_small_and_goes_into_the_wheel():
    files = [path.relative_to(pretrained.FOLDER.parent) for path in pretrained.FOLDER.rglob("*") if path.is_file()]
    assert sum((pretrained.FOLDER.parent / path).stat().st_size for path in files) <= 10_000_000
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["pyrogen"]
    depths = {path: [p for p in settings if p.count("/") == len(path.parts) - 1] for path in files}
    assert [path for path, patterns in depths.items() if not any(fnmatch(str(path), p) for p in patterns)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_its_run_says(name):
    folder = pretrained.FOLDER / name
    card, config = (folder / pretrained.CARD).read_text(), storage.read_config(folder)
    _, head, body = card.split("---\n", 2)
    assert name in yaml.safe_load(head)["tags"]
    assert f'create("{name}", pretrained=True)' in body
    for said in (config["made"]["commit"], config["made"]["date"], config["made"]["machine"]["cpu"]):
        assert said in body
    assert f"pyrogen train {name}" in body or "No command line can train this model again" in body
    assert "## Intended use" in body
    assert "## Limits" in body
    scores = list((folder / "scores").glob("*.yaml"))
    for score in scores:
        found = yaml.safe_load(score.read_text())
        assert f"{found['nats']:.3f} | {found['mc_se']:.3f} | {found['data_se']:.3f}" in body
        assert {"lower": "lower bound", "none": "no bound"}.get(found["bound"], found["bound"]) in body
        assert all(reason in body for reason in found["reasons"])
    assert scores or "There is none" in body


def test_the_weights_are_those_that_were_scored():
    folder = pretrained.FOLDER / "made"
    found = yaml.safe_load(next((folder / "scores").glob("*.yaml")).read_text())
    run = pyrogen.load_run(folder)
    again = pyrogen.log_evidence(run.model, run.data.test)["log_evidence"].values.mean()
    assert again == pytest.approx(found["nats"], abs=1e-3)


@pytest.mark.parametrize("name", [n for n in NAMES if any((pretrained.FOLDER / n / "scores").glob("*.nc"))])
def test_the_weights_still_mean_what_was_scored(name):
    """Names and shapes say nothing of gates that stand in another order: the numbers of the card must come out again."""
    folder = pretrained.FOLDER / name
    path = min((folder / "scores").glob("*.nc"))
    scored = xr.open_dataset(path, engine="h5netcdf").isel(datum=slice(30))
    split = data_of(folder).test.take(30)
    name_of, settings = scored.attrs["estimator"], json.loads(scored.attrs["settings"])
    if name_of == "AIS":
        settings |= {"temperatures": 300, "chains": 30}
    elif "k" in settings:
        settings["k"] = min(settings["k"], 1000)
    found = log_evidence(pyrogen.load(folder), split, {"name": name_of, **settings})
    gap = found["log_evidence"].values - scored["log_evidence"].values
    assert abs(gap.mean()) < (1e-3 if name_of in ("Exact", "Reconstruction") else 0.5)


def test_equal_arguments_are_welcome():
    by_name = pyrogen.create("autoencoder", pretrained=True, prior=Flat(ex_post="flow"), hidden=(256,))
    plain = pyrogen.create("autoencoder", pretrained=True)
    assert all(torch.equal(v, plain.state_dict()[k]) for k, v in by_name.state_dict().items())


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("vae", {"x_shape": (1, 28, 28)}, r"trained with x_shape=\(1, 8, 8\), and x_shape=\(1, 28, 28\) was asked for"),
        ("vae", {"prior": VampPrior(components=5)}, r"prior='StandardNormal', and prior=VampPrior\(components=5\) was"),
        ("vae", {"prior": "VampPrior"}, "prior='VampPrior' was asked for; leave prior out"),
        ("vae", {"encoder": torch.nn.Linear(3, 4)}, "and encoder=torch.nn.modules.linear.Linear"),
        ("vae", {"wings": 2}, "no argument of 'vae' called 'wings'"),
        ("vae-planar", {}, "'vae-planar' comes without weights; .*vae-text.* have some"),
        ("vaee", {}, "no model called 'vaee'; did you mean"),
    ],
    ids=str,
)
def test_what_contradicts_the_weights_is_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        pyrogen.create(name, pretrained=True, **arguments)
    assert "\n" not in str(caught.value)


def test_weights_of_other_places_are_not_taken_for_these():
    with pytest.raises(ValueError, match=r"pretrained='digits': it is True or False; other weights are those of a run"):
        pyrogen.create("vae", pretrained="digits")


def test_a_model_goes_on_from_its_weights(tmp_path):
    model = pyrogen.create("vae", pretrained=True)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    data = pyrogen.data.load("digits")
    run = pyrogen.fit(model, data, epochs=1, device="cpu", progress=False, folder=tmp_path / "on")
    assert run.records[0]["valid/loss"] < 24.5  # before the first step, where a new model has 40 and more
    assert any(not torch.equal(v, before[k]) for k, v in model.state_dict().items())
    config = storage.read_config(tmp_path / "on")
    assert config["made"]["from_weights"] == storage.fingerprint(pretrained.FOLDER / "vae")["weights_sha256"]
    with pytest.raises(ValueError, match="its training went on from the saved weights"):
        command(config, model)


def test_lists_say_which_have_weights(capsys):
    assert main(["list", "vae*"]) == 0
    said = capsys.readouterr().out
    assert "with weights: pyrogen fetch vae-text" in said
    assert "fetch vae-planar" not in said
    assert main(["list", "--pretrained"]) == 0
    assert set(re.findall(r"^(\S+)  ", capsys.readouterr().out, re.M)) == set(NAMES)
    assert main(["list", "ebm", "--pretrained"]) == 2
    assert "no model with weights matches 'ebm'; there are: autoencoder" in capsys.readouterr().err


def test_a_fetched_model_is_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "made"]) == 2
    assert capsys.readouterr().err.rstrip().endswith("To have a trained made, pyrogen fetch made.")
    assert main(["fetch", "made"]) == 0
    assert "pyrogen sample runs/made" in capsys.readouterr().out
    assert main(["sample", "runs/made", "--n", "4"]) == 0
    run = pyrogen.load_run("runs/made")
    assert len(run.history) > 100
    assert json.loads(Path("runs/made/quality.json").read_text())["measures"]
    assert main(["fetch", "made"]) == 2
    assert "runs/made already holds a run; choose another folder" in capsys.readouterr().err
    assert main(["fetch", "made", "--revision", "v1"]) == 2
    assert "comes with the package and has no revisions" in capsys.readouterr().err
