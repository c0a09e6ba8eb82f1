"""The command line: every verb on real digits, every refusal one sentence and a status."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
import yaml

from pyrogen.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "a"
    words = (
        "train vae --data digits --epochs 2 --seed 5 --prior VampPrior --prior.components 5 --hidden 16 --latent_size 3"
    )
    assert main([*words.split(), "--folder", str(folder)]) == 0
    return folder


def test_train_leaves_a_run(run):
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["arguments"]["prior"] == {"name": "VampPrior", "components": 5}
    assert config["model"]["arguments"]["hidden"] == [16]
    assert config["fit"] | {"epochs": 2, "seed": 5} == config["fit"]
    for name in ("weights.safetensors", "metrics.jsonl", "report.html", "figures/samples.png"):
        assert (run / name).stat().st_size > 0


def test_evaluate_writes_a_score(run, capsys):
    assert main(["evaluate", str(run), "--estimator", "IWAE", "--estimator.k", "60", "--limit", "20"]) == 0
    printed = capsys.readouterr().out
    assert "± " in printed
    assert "IWAE(num_samples=60), a lower bound" in printed
    with xr.open_dataset(run / "scores" / "iwae-60-test.nc", engine="h5netcdf") as score:
        assert score.sizes["datum"] == 20
        assert score.attrs["binarization"] == "dynamic"
        assert f"{float(score.log_evidence.mean()):.3f}" in printed
    assert "IWAE(60)" in (run / "report.html").read_text()


def test_sample_writes_numbers_and_a_picture(run):
    assert main(["sample", str(run), "--n", "5"]) == 0
    first = np.load(run / "samples.npz")["x"]
    assert first.shape == (5, 1, 8, 8)
    assert set(np.unique(first)) <= {0.0, 1.0}
    assert main(["sample", str(run), "--n", "5"]) == 0
    np.testing.assert_array_equal(np.load(run / "samples.npz")["x"], first)


def test_demo_reports(tmp_path, capsys):
    assert main(["demo", "--folder", str(tmp_path / "demo"), "--epochs", "2"]) == 0
    assert main(["demo", "--folder", str(tmp_path / "demo"), "--epochs", "1"]) == 0  # again, over itself
    printed = capsys.readouterr().out
    assert "ELBO(num_samples=100)" in printed
    assert "IWAE(num_samples=5000)" in printed
    assert (tmp_path / "demo" / "report.html").is_file()


ENTRIES = {
    "likelihood": "vae --likelihood Normal --likelihood.scale shared --hidden 8",
    "posterior": "vae --posterior FullRankNormal --latent_size 2 --hidden 8",
    "levels": "vae --likelihood Categorical --hidden 8",
    "objective": "vae --objective IWAE --objective.k 3 --hidden 8",
    "two layers": "vae --hidden 16,8",
    "own data": "vae --data {npz} --likelihood Normal --hidden 8 --latent_size 2",
    "rbm": "rbm --hidden 8",
    "made": "made --hidden 16",
    "ring": "gan-nonsaturating --hidden 8",
}


@pytest.mark.parametrize("words", ENTRIES.values(), ids=ENTRIES)
def test_every_axis_swaps(words, tmp_path):
    npz = tmp_path / "mine.npz"
    np.savez(npz, x_train=np.random.default_rng(0).normal(size=(60, 3)).astype("float32"))
    data = [] if "--data" in words or "gan" in words else ["--data", "digits"]
    words = words.format(npz=npz).split()
    assert main(["train", *words, *data, "--epochs", "1", "--folder", str(tmp_path / "run")]) == 0


REFUSED = {
    "": (2, ""),
    "trian": (2, "did you mean 'train'"),
    "train": (2, ""),
    "train vea": (1, "did you mean 'vae'"),
    "train vae --prior Vamp": (1, "did you mean 'VampPrior'"),
    "train vae --prior os.path.join": (1, "there is no prior called 'os.path.join'"),
    "train vae --prior VampPrior --prior.comp 3": (1, "did you mean 'components'"),
    "train vae --epoch 3": (1, "did you mean '--epochs'"),
    "train vae --epochs many": (1, "--epochs takes int"),
    "train vae --data digits --prior Flat": (1, "PointMass"),
    "train vae --data digits --kind unit": (1, "ContinuousBernoulli"),
    "train vae --data no.npz": (1, "no such file"),
    "evaluate": (1, "required: run"),
    "evaluate nowhere": (1, "not a run's folder"),
    "evaluate {run} --estimator IWEA": (1, "did you mean 'IWAE'"),
    "evaluate {run} --split tset": (1, "did you mean 'test'"),
    "evaluate {run} --estimator Exact": (1, "no log_prob"),
    "sample {run} --n 0": (1, "at least 1"),
    "list zzz": (1, "no model matches"),
    "list --axis priors": (1, "did you mean 'prior'"),
    "train vae --data digits --folder {run}": (1, "already holds a run"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_refusals_are_one_sentence(words, run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, message = REFUSED[words]
    assert main(words.format(run=run).split()) == status
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert not message or printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["--help", "list", "list --axis prior", "--version"])
def test_what_must_be_quick_does_not_import_torch(words):
    code = f"import sys; from pyrogen.cli import main\ntry: main({words.split()!r})\nexcept SystemExit: pass\n"
    check = subprocess.run(
        [sys.executable, "-c", code + "assert 'torch' not in sys.modules"], capture_output=True, text=True
    )
    assert check.returncode == 0, check.stderr


def test_help_is_made_from_docstrings(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "vae", "--help"])
    assert stop.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "widths of the encoder's hidden layers" in printed
    assert "VampPrior" in printed


def test_module_runs():
    listed = subprocess.run(
        [sys.executable, "-m", "pyrogen", "list", "*vamp*"], capture_output=True, text=True, check=True
    )
    assert "vae-vamp" in listed.stdout
