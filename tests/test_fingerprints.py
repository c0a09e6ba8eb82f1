"""Nothing is shown that judged other weights, another model or other data than a run's folder holds now."""

import os

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import storage
from pyrogen.command.cli import main
from pyrogen.data import load
from pyrogen.inference import ELBO, fit, log_evidence
from pyrogen.inference.pages.run_report import write_run_report
from pyrogen.inference.runs.compare import runs_table
from pyrogen.inference.runs.recipe import data_of
from pyrogen.inference.runs.scores import read_scores, save_score, stale_scores
from pyrogen.inference.training import checkpoint, film
from pyrogen.inference.training import run as run_files
from pyrogen.memory import enough_memory


def write_own(path, change=None):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 60), ("valid", 20), ("test", 20)):
        arrays |= {f"x_{split}": rng.normal(size=(n, 3)).astype(np.float32), f"y_{split}": np.arange(n) % 2}
    np.savez(path, **arrays | ({} if change is None else change(arrays)))


def trained(folder, npz, epochs=1):
    data = load(npz)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = pyrogen.create("vae", x_shape=data.x_shape, likelihood="Normal", latent_size=2, hidden=(8,))
    return fit(model, data, epochs=epochs, folder=folder, overwrite=True, progress=False), data


@pytest.fixture
def scored(tmp_path):
    write_own(tmp_path / "own.npz")
    run, data = trained(tmp_path / "run", tmp_path / "own.npz")
    save_score(tmp_path / "run", log_evidence(run.model, data.test, ELBO()))
    return tmp_path / "run"


def test_a_score_fits_what_it_judged(scored):
    assert list(read_scores(scored)) == ["elbo-100-test"]
    assert stale_scores(scored) == {}
    assert "ELBO(num_samples=100)" in write_run_report(scored).read_text()


def test_training_over_a_run_clears_what_judged_it(scored):
    assert main(["sample", str(scored), "--n", "3"]) == 0
    write_run_report(scored)
    trained(scored, scored.parent / "own.npz", epochs=2)
    left = {path.name for path in scored.iterdir() if not path.name.startswith(".")}
    assert left == {"config.yaml", "weights.safetensors", "best.safetensors", "metrics.jsonl"} | (
        left & {"checkpoint.safetensors", "film.safetensors"}
    )


def test_a_run_is_not_lost_by_saving_its_model_over_it(scored):
    before = {path.name: path.read_bytes() for path in scored.iterdir() if path.is_file()}
    model = pyrogen.load(scored)
    model.save(scored)  # which it holds already
    with torch.no_grad():
        next(model.parameters()).add_(1)
    with pytest.raises(
        ValueError, match=r"a run with other weights, and .* \(data, fit, made\) would be lost; save the"
    ):
        model.save(scored)
    assert {path.name: path.read_bytes() for path in scored.iterdir() if path.is_file()} == before
    data_of(scored)


def test_saving_over_a_model_clears_what_belonged_to_the_old_weights(scored):
    folder = scored.parent / "model"
    model = pyrogen.load(scored)
    model.save(folder)
    (folder / "samples.png").write_bytes(b"")
    model.save(folder)
    assert (folder / "samples.png").exists()  # the same weights: they are still its own
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save(folder)
    assert sorted(path.name for path in folder.iterdir() if path.name[0] != ".") == [
        "config.yaml",
        "weights.safetensors",
    ]


def test_what_belongs_to_the_weights_is_all_that_training_writes():
    assert set(storage.BESIDE) == {
        run_files.METRICS,
        film.FILM,
        checkpoint.CHECKPOINT,
        *storage.SAVED.values(),
    } - {storage.WEIGHTS}


def test_stale_scores_are_named_and_nowhere_shown(scored, capsys):
    weights = storage.load(scored).state_dict()
    storage.write_weights(scored / storage.WEIGHTS, {k: v + 1 for k, v in weights.items()})
    assert read_scores(scored) == {}
    (says,) = stale_scores(scored).values()
    assert "elbo-100-test" in says
    assert "the weights changed since; score again by pyrogen evaluate" in says
    page = write_run_report(scored).read_text()
    assert "is stale" in page
    assert "nats per datum" not in page
    trained(scored.parent / "b", scored.parent / "own.npz")
    table = runs_table([scored, scored.parent / "b"])
    assert says in table
    assert "no run has been scored" in table
    assert main(["evaluate", str(scored), "--flagged_by", "elbo-100-test"]) == 2
    assert "is stale" in capsys.readouterr().err


def test_a_score_is_of_the_weights_that_it_names(scored):
    run, data = trained(scored, scored.parent / "own.npz", epochs=2)
    for weights in ("last", "best"):
        score = log_evidence(pyrogen.load(scored, weights=weights), data.test, ELBO())
        save_score(scored, score.assign_attrs(weights=weights))
    storage.write_weights(scored / "best.safetensors", {k: v + 1 for k, v in run.model.state_dict().items()})
    assert list(read_scores(scored)) == ["elbo-100-test"]
    assert list(stale_scores(scored)) == ["elbo-100-best-test"]


def test_a_score_of_another_model_or_other_data_is_stale(scored):
    config = (scored / "config.yaml").read_text()
    (scored / "config.yaml").write_text(config.replace(storage.read_config(scored)["data"]["sha256_test"], "0" * 12))
    assert "the data changed since" in stale_scores(scored)["elbo-100-test"]
    (scored / "config.yaml").write_text(
        config.replace("name: MLP", "name: MLPx").replace("latent_size: 2", "latent_size: 3")
    )
    assert "the model changed since" in stale_scores(scored)["elbo-100-test"]


CHANGES = {
    "train": lambda a: {"x_train": a["x_train"] * 2},
    "test": lambda a: {"x_test": a["x_test"] * 100},
    "valid": lambda a: {"y_valid": a["y_valid"][::-1]},
}


@pytest.mark.parametrize("split", CHANGES)
def test_changed_data_are_refused_by_their_split(scored, split, capsys):
    write_own(scored.parent / "own.npz", CHANGES[split])
    with pytest.raises(ValueError, match=f"the {split} data of .* have changed"):
        data_of(scored)
    for command in ("evaluate", "sample"):
        assert main([command, str(scored)]) == 2
        assert f"the {split} data" in capsys.readouterr().err
    assert main(["report", str(scored)]) == 0  # with what the folder holds, and no picture of other data
    page = (scored / "report.html").read_text()
    assert f"Everything that is drawn from the data: the {split} data" in page
    assert not (scored / "figures" / "reconstructions.svg").exists()
    data = load(scored.parent / "own.npz")
    model = pyrogen.create("vae", x_shape=data.x_shape, likelihood="Normal", latent_size=2, hidden=(8,))
    with pytest.raises(ValueError, match=f"data.sha256_{split} was"):
        fit(model, data, epochs=1, folder=scored, resume=True, progress=False)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3 TiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lack_of_memory_is_one_sentence(error):
    with pytest.raises(MemoryError, match=r"not enough memory \(.*\); lower --n\."), enough_memory("lower --n"):
        raise error
    with pytest.raises(RuntimeError, match="shape"), enough_memory("lower --n"):
        raise RuntimeError("shape mismatch")


def test_a_score_that_cannot_be_saved_is_printed_first(scored, capsys):
    storage.clear(scored, "scores/*")
    (scored / "scores").write_text("in the way")
    assert main(["evaluate", str(scored), "--limit", "5"]) == 1
    printed = capsys.readouterr()
    assert "nats per datum" in printed.out
    assert printed.err.startswith("pyrogen: the score above was not saved: ")
    assert printed.err.count("\n") == 1


def test_a_full_disk_leaves_no_part_of_a_file(scored, capsys, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    before = sorted(scored.rglob("*"))
    monkeypatch.setattr(os, "fsync", full)
    assert main(["evaluate", str(scored), "--limit", "5"]) == 1
    assert main(["sample", str(scored), "--n", "5"]) == 1
    printed = capsys.readouterr()
    assert "IWAE(k=5000)" in printed.out
    assert "the score above was not saved: No space left on device" in printed.err
    assert "the samples were not saved: No space left on device" in printed.err
    assert sorted(scored.rglob("*")) == before


def test_a_report_that_cannot_be_written_is_not_a_lost_score(scored, capsys):
    (scored / "report.html").mkdir()
    assert main(["evaluate", str(scored), "--limit", "5"]) == 1
    assert "the score above was written to" in capsys.readouterr().err
    assert "iwae-5000-test-first-5" in read_scores(scored)


@pytest.mark.parametrize("verb", ["evaluate", "sample"])
def test_a_seed_too_large_is_refused_before_the_work(scored, verb, capsys):
    assert main([verb, str(scored), "--seed", str(2**64)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"pyrogen: --seed {2**64}: ")


@pytest.mark.parametrize("n", [10**15, 10**18])
def test_more_samples_than_memory(scored, n, capsys):
    assert main(["sample", str(scored), "--n", str(n)]) == 1
    said = capsys.readouterr().err
    assert "there is not enough memory" in said
    assert "lower --n." in said


def test_samples_and_their_means_of_the_same_codes(tmp_path, capsys):
    write_own(tmp_path / "own.npz")
    data = load(tmp_path / "own.npz")
    model = pyrogen.create(
        "vae",
        x_shape=data.x_shape,
        likelihood={"name": "Normal", "scale": "fixed", "value": 0.5},
        latent_size=2,
        hidden=(8,),
    )
    fit(model, data, epochs=1, folder=tmp_path / "run", progress=False)
    assert main(["sample", str(tmp_path / "run"), "--n", "4000"]) == 0
    assert "4000 samples (x) and their means (mean)" in capsys.readouterr().out
    drawn = np.load(tmp_path / "run" / "samples.npz")
    noise = (drawn["x"] - drawn["mean"]) / data.train.view.scale.sd.numpy()
    assert noise.std() == pytest.approx(0.5, rel=0.03)
    assert (tmp_path / "run" / "samples.png").is_file()
    assert (tmp_path / "run" / "samples-means.png").is_file()


def test_a_score_of_a_run_that_has_not_ended_is_stale_once_it_went_on(tmp_path):
    (tmp_path / storage.CHECKPOINT).write_bytes(b"as it stood")
    before = storage.fingerprint(tmp_path)["weights_sha256"]
    (tmp_path / storage.CHECKPOINT).write_bytes(b"as it stands")
    after = storage.fingerprint(tmp_path)["weights_sha256"]
    assert before
    assert before != after
