"""Data in memory: what comes in through the one door, and what is guessed of it."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import pyrogen
from pyrogen.data import from_arrays, load
from pyrogen.inference import Exact, fit, log_evidence
from pyrogen.inference.runs.recipe import data_of

GREY = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
COUNTS = np.random.default_rng(1).poisson(4, (40, 5))
ROWS = np.random.default_rng(2).normal(size=(40, 3))


def frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"a": ROWS[:, 0], "b": ROWS[:, 1], "class": ["dog", "cat"] * 20})


def test_arrays_of_every_sort_become_the_same_data():
    kinds = [
        ROWS,
        torch.from_numpy(ROWS),
        torch.from_numpy(ROWS).requires_grad_(),
        TensorDataset(torch.from_numpy(ROWS)),
    ]
    seen = [from_arrays(x) for x in kinds]
    assert all(torch.equal(d.test.x, seen[0].test.x) and d.kind == "real" for d in seen)
    assert [len(s) for s in (seen[0].train, seen[0].valid, seen[0].test)] == [32, 4, 4]
    assert (seen[0].name, seen[0].standardize) == ("arrays", True)


def test_a_frame_brings_its_labels():
    data = from_arrays(frame(), name="pets")
    assert (data.name, data.x_shape, data.class_names) == ("pets", (2,), ("cat", "dog"))
    given = from_arrays(ROWS, y_train=frame()["class"])
    assert torch.equal(given.test.y, data.test.y)


def test_a_split_is_given_is_kept():
    test = np.full((3, 4, 4), 7, np.uint8)
    data = from_arrays(GREY, x_test=test, kind="levels")
    assert data.test.x.unique().tolist() == [7]
    assert [len(s) for s in (data.train, data.valid)] == [36, 4]


@pytest.mark.parametrize(
    ("x", "kinds", "kind", "guessed"),
    [
        (GREY, None, "binary", "whole numbers up to 255 are 256 grey levels; they were binarized"),
        (GREY, "unit", "unit", "whole numbers up to 255 are 256 grey levels"),
        (COUNTS, None, "counts", "are no grey levels"),
        (COUNTS, ("binary", "counts"), "counts", "are no grey levels"),
        (COUNTS, "binary", "binary", "are no grey levels"),
        (COUNTS + 300, None, "counts", ""),
        (ROWS, None, "real", ""),
        (1 / (1 + np.exp(-ROWS)), ("binary", "unit"), "unit", "numbers from 0 to 1 are of kind 'unit'"),
    ],
    ids=["images", "images as unit", "counts", "counts for two", "counts as binary", "large", "real", "grey vectors"],
)
def test_only_images_are_guessed_to_be_images(x, kinds, kind, guessed):
    data = from_arrays(x, kind=kinds)
    assert data.kind == kind
    assert guessed in data.guessed
    assert data.describe()["guessed"] == data.guessed
    assert bool(guessed) == ("guessed" in repr(data)) == ("guessed" in data.test.attributes())
    if kind == "counts":
        assert set(data.test.x.unique().tolist()) <= set(np.unique(x).tolist())


def test_vectors_of_counts_are_refused_where_bits_are_wanted():
    with pytest.raises(ValueError, match=r"offers kind 'counts' or 'real', not 'binary'; .*kind='binary'"):
        from_arrays(COUNTS, kind=("binary",))


@pytest.mark.parametrize(
    ("y", "numbers", "names"),
    [
        (np.arange(40) % 3, [0, 1, 2], ()),
        (np.arange(40) % 3 + 1, [0, 1, 2], ("1", "2", "3")),
        (np.arange(40) % 3.0 + 1, [0, 1, 2], ("1", "2", "3")),
        (np.arange(40) % 2 == 1, [0, 1], ("False", "True")),
        (np.array(["no", "yes"])[np.arange(40) % 2], [0, 1], ("no", "yes")),
        (np.eye(4)[np.arange(40) % 4], [0, 1, 2, 3], ()),
    ],
    ids=["0 to 2", "1 to 3", "floats", "bools", "strings", "one-hot"],
)
def test_labels_are_numbered_from_0(y, numbers, names):
    data = from_arrays(ROWS, y, standardize=False)
    y_all = torch.cat([s.y for s in (data.train, data.valid, data.test)])
    assert (y_all.unique().tolist(), data.classes, data.class_names) == (numbers, len(numbers), names)
    row = int(np.flatnonzero(np.isclose(ROWS[:, 0], float(data.test.x[0, 0]), atol=1e-6))[0])
    assert int(data.test.y[0]) == row % len(numbers)


def test_images_beside_images_are_no_classes():
    data = from_arrays(GREY, GREY)
    assert (data.classes, data.train.y.dtype) == (None, torch.float32)
    assert float(data.train.y.max()) == 1
    assert from_arrays(GREY, GREY // 64).classes == 4


def test_names_of_arrays_are_corrected(tmp_path):
    for names, message in (
        (("X_train",), "rename X_train to x_train"),
        (("train_x", "train_y"), "rename train_x to x_train, train_y to y_train"),
        (("x_train", "x_val"), "rename x_val to x_valid"),
        (("images",), "rename images to x_train"),
    ):
        np.savez(tmp_path / "own.npz", **dict.fromkeys(names, ROWS))
        with pytest.raises(ValueError, match=message):
            load(tmp_path / "own.npz")
    np.savez(tmp_path / "own.npz", x_train=ROWS, x_valid=ROWS, y_train=np.arange(40) % 2)
    with pytest.raises(ValueError, match=r"holds y_train and no y_valid, though it holds x_valid"):
        load(tmp_path / "own.npz")


def test_one_array_in_a_file(tmp_path):
    np.save(tmp_path / "own.npy", GREY)
    assert torch.equal(load(tmp_path / "own.npy", kind="levels").test.x, from_arrays(GREY, kind="levels").test.x)
    (tmp_path / "bad.npy").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"bad\.npy cannot be read"):
        load(tmp_path / "bad.npy")


def test_columns_of_a_table_are_named(tmp_path):
    text = "a,species,b,id\n" + "".join(f"{x[0]},{1 + i % 3},{x[1]},{i}\n" for i, x in enumerate(ROWS))
    (tmp_path / "t.csv").write_text(text)
    data = load(tmp_path / "t.csv", label="species", columns=["a", "b"])
    assert (data.x_shape, data.classes, data.class_names) == ((2,), 3, ("1", "2", "3"))
    assert (data.describe()["label"], data.describe()["columns"]) == ("species", ["a", "b"])
    with pytest.raises(ValueError, match="no column called 'specie'; did you mean 'species'"):
        load(tmp_path / "t.csv", label="specie")
    model = pyrogen.create("vae", x_shape=(2,), latent_size=1, hidden=(4,), likelihood="Normal")
    fit(model, data, epochs=0, folder=tmp_path / "run", progress=False)
    assert torch.equal(data_of(tmp_path / "run").test.x, data.test.x)
    with pytest.raises(ValueError, match="leave them out"):
        load("digits", label="y")


@pytest.fixture
def made():
    return pyrogen.create("made", x_shape=(1, 4, 4), hidden=(4,))


@pytest.mark.parametrize("sort", ["array", "tensor", "dataset", "pair", "split", "mapping"])
def test_fit_takes_what_is_in_memory(made, sort, tmp_path):
    given = {
        "array": GREY,
        "tensor": torch.from_numpy(GREY),
        "dataset": TensorDataset(torch.from_numpy(GREY), torch.arange(40)),
        "pair": (GREY, np.arange(40)),
        "split": from_arrays(GREY).train,
        "mapping": {"x_train": GREY, "x_test": GREY[:5]},
    }[sort]
    run = fit(made, given, epochs=1, folder=tmp_path / "run", progress=False, device="cpu")
    assert len(run.history) >= 1
    assert pyrogen.load(tmp_path / "run").x_shape == (1, 4, 4)
    with pytest.raises(ValueError, match=r"was trained on arrays; pass them"):
        data_of(tmp_path / "run")


def test_evidence_of_what_is_in_memory(made):
    bits = (GREY > 99)[:, None]
    x = torch.from_numpy(bits).float()
    expected = log_evidence(made, x, Exact())["log_evidence"].values
    for given in (bits, bits.astype(np.float64), bits.astype(np.uint8), x.long(), TensorDataset(x)):
        assert np.array_equal(log_evidence(made, given, Exact())["log_evidence"].values, expected)
    grey = log_evidence(made, GREY, Exact())
    assert grey.attrs["binarization"] == "dynamic"
    assert "256 grey levels" in grey.attrs["guessed"]
