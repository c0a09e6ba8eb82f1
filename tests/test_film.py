"""What is kept of a run for pictures: few frames, from before the first step on, and no bit of the run differs by them."""

import re

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen.data import from_arrays, load
from pyrogen.inference import fit
from pyrogen.inference.pages.training_sections import films, neighbours_share
from pyrogen.inference.training import film
from pyrogen.inference.training.film import FILM, is_kept, read_film
from pyrogen.inference.training.trainer import read_history


def train(name, folder, **arguments):
    recipe = {"epochs": 3, "seed": 1, "progress": False, **arguments.pop("recipe", {})}
    torch.manual_seed(0)
    return fit(pyrogen.create(name, **arguments), arguments.pop("data", "digits"), folder=folder, **recipe)


PICTURES = {"x_shape": (1, 8, 8)}
SMALL = {
    "vae": ({**PICTURES, "latent_size": 3, "hidden": (8,)}, {"data", "samples", "codes", "reconstructions"}),
    "rbm": ({**PICTURES, "hidden": 6}, {"data", "samples"}),
    "made": ({**PICTURES, "hidden": (8,)}, {"data", "samples"}),
    "autoencoder": ({**PICTURES, "latent_size": 2, "hidden": ()}, {"data", "samples", "codes", "reconstructions"}),
}


def test_frames_are_few():
    assert [e for e in range(3000) if is_kept(e)] == [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]


@pytest.mark.parametrize("name", SMALL)
def test_a_film_begins_before_the_first_step_and_ends_with_the_last(name, tmp_path):
    arguments, scenes = SMALL[name]
    train(name, tmp_path, **arguments)
    kept = read_film(tmp_path)
    assert set(kept) == scenes
    assert list(kept.pop("data")) == [0]
    # what has no prior to draw from before its codes are known is drawn at the end
    assert {what: list(frames) for what, frames in kept.items()} == {
        what: [3] if (name, what) == ("autoencoder", "samples") else [0, 1, 2, 3] for what in kept
    }
    assert all(len(x) == (100 if what == "codes" else 8) for what, frames in kept.items() for x in frames.values())


@pytest.mark.parametrize("name", SMALL)
def test_a_run_has_the_same_bits_with_a_film_as_without(name, tmp_path, monkeypatch):
    filmed = train(name, tmp_path / "a", **SMALL[name][0]).model.state_dict()
    monkeypatch.setattr(film.Film, "wants", lambda self, epoch: False)
    monkeypatch.setattr(film.Film, "end", lambda self, model, epoch: None)
    plain = train(name, tmp_path / "b", **SMALL[name][0]).model.state_dict()
    assert not (tmp_path / "b" / FILM).exists()
    assert all(torch.equal(value, plain[key]) for key, value in filmed.items())
    for file in ("weights.safetensors", "metrics.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(("side", "filmed"), [(16, True), (17, False)])
def test_slow_samplers_are_filmed_of_small_data_only(side, filmed):
    """A chain of a thousand steps, or a step for each element, would cost more than the epochs between two frames."""
    split = from_arrays(x_train=torch.rand(20, 1, side, side), kind="unit").train
    for name, slow in (("rbm", True), ("gan-nonsaturating", False)):
        model = pyrogen.create(name, x_shape=(1, side, side))
        found = [what for what, _ in film._scenes(model, split, 0)]
        assert ("samples" in found) == (filmed or not slow)


def test_the_last_frame_is_no_part_of_longer_runs(tmp_path):
    for folder, epochs in (("short", 3), ("long", 5), ("short", 5)):
        train("vae", tmp_path / folder, **SMALL["vae"][0], recipe={"epochs": epochs, "resume": True})
    assert (tmp_path / "short" / FILM).read_bytes() == (tmp_path / "long" / FILM).read_bytes()
    assert list(read_film(tmp_path / "long")["samples"]) == [0, 1, 2, 5]


def test_metrics_too_begin_before_the_first_step(tmp_path):
    run = train("vae", tmp_path, **SMALL["vae"][0])
    first, *later = read_history(tmp_path)
    assert first["epoch"] == 0
    assert {key.split("/")[0] for key in first} == {"epoch", "valid"}
    assert first["valid/loss"] > later[-1]["valid/loss"]
    assert run.records == [first, *later]
    assert [line["epoch"] for line in later] == [1, 2, 3]
    untrained = train("vae", None, **SMALL["vae"][0], recipe={"epochs": 0})
    assert untrained.records == []


def test_a_damaged_film_is_one_sentence(tmp_path):
    (tmp_path / FILM).write_bytes(b"no film")
    with pytest.raises(ValueError, match="is damaged"):
        read_film(tmp_path)
    assert read_film(tmp_path / "nowhere") == {}


def test_the_neighbours_of_codes_come_to_share_labels(tmp_path):
    codes = torch.tensor([[0.0], [0.1], [5.0], [5.3], [9.0]])
    assert neighbours_share(codes, np.array([0, 0, 1, 1, 1])) == 1.0
    assert neighbours_share(codes, np.array([0, 1, 0, 1, 1])) == 0.2
    train("vae", tmp_path, **PICTURES, latent_size=2, hidden=(32,), recipe={"epochs": 20, "batch_size": 32})
    (panel,) = [p for p in films(tmp_path, load("digits"), "binary") if p.name == "film-codes"]
    before, after = (float(share) / 100 for share in re.findall(r"(\d+)% (?:before|at the end)", panel.caption))
    film = read_film(tmp_path)["codes"]
    labels = load("digits").valid.spread(100).y.numpy()
    shares = [neighbours_share(film[epoch], labels) for epoch in (0, 20)]
    assert [before, after] == pytest.approx(shares, abs=0.006)
    assert after > before
