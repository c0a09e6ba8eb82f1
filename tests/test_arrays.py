"""Data in memory: what comes in through the one door, and what is guessed of it."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

import pyrogen
from pyrogen.command.cli import main
from pyrogen.data import dataset, from_arrays, load
from pyrogen.data.memory import as_data
from pyrogen.inference import IWAE, Exact, fit, log_evidence
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


class Pairs(torch.utils.data.Dataset):
    """(x, y) as people write data sets, whose y are no tensors."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


LABELS = np.arange(40) % 3
X = {"tensors": torch.from_numpy(GREY), "pictures": list(map(Image.fromarray, GREY)), "lists": GREY.tolist()}
Y = {
    "int": LABELS.tolist(),
    "float": LABELS.astype(float).tolist(),
    "NumPy's": list(LABELS),
    "tensor": list(torch.from_numpy(LABELS)),
    "str": [("ant", "bee", "caterpillar")[k] for k in LABELS],
}


@pytest.mark.parametrize("x", X.values(), ids=X)
@pytest.mark.parametrize("y", Y.values(), ids=Y)
def test_data_sets_of_torch_hold_whatever_makes_an_array(x, y):
    data, expected = from_arrays(Pairs(x, y), kind="levels"), from_arrays(GREY, LABELS, kind="levels")
    assert torch.equal(data.test.x, expected.test.x)
    assert torch.equal(data.test.y, expected.test.y)
    assert data.class_names == (("ant", "bee", "caterpillar") if isinstance(y[0], str) else ())
    new = data.like(Pairs(x[:3], y[:3]))
    assert (new.x.shape, new.y.tolist()) == ((3, 1, 4, 4), [0, 1, 2])


def test_data_sets_of_torch_of_many_sizes_are_refused():
    for first in (GREY[0], [[1, 2], [3]]):
        with pytest.raises(ValueError, match=r"the data of Pairs have not all one shape \(.*resize them"):
            from_arrays(Pairs([first, *GREY[1:, :3]], LABELS))


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


@pytest.fixture
def unsaid(caplog):
    """What is logged of data, of which nothing was said before."""
    dataset._say.cache_clear()
    caplog.set_level("WARNING", "pyrogen")
    return caplog


def test_what_is_guessed_is_said_once_of_each_data_set(unsaid):
    m = pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=2, hidden=(4,))
    for _ in range(2):
        fit(m, GREY, epochs=0)
    (said,) = unsaid.messages
    assert said == (
        "guessed of the data 'arrays': whole numbers up to 255 are 256 grey levels; they were binarized; taken for kind "
        "'binary', where kind= says another."
    )
    fit(m, 255 - GREY, epochs=0)
    assert len(unsaid.messages) == 2


def test_what_is_said_is_no_guess(unsaid, tmp_path):
    from_arrays(GREY, kind="counts")
    from_arrays(GREY, kind="unit")
    from_arrays(GREY, binarization="static")
    from_arrays(ROWS)
    load("digits")
    load("ring")
    assert unsaid.messages == []
    assert from_arrays(GREY, kind="counts").guessed == ""
    # of the labels nothing was said
    from_arrays(GREY, np.eye(4)[np.arange(40) % 4], kind="unit")
    np.savetxt(tmp_path / "t.csv", ROWS, delimiter=",")
    for kind in ("real", None):
        load(tmp_path / "t.csv", kind=kind)
    assert unsaid.messages == [
        "guessed of the data 'arrays': one-hot rows are labels.",
        "guessed of the data 't': the first row holds numbers and is no header.",
    ]


def test_the_command_line_says_it_where_it_shows_the_data(unsaid, tmp_path, capsys):
    np.savez(tmp_path / "own.npz", x_train=GREY)
    words = ["--data", str(tmp_path / "own.npz"), "--epochs", "0", "--hidden", "4", "--folder", str(tmp_path / "run")]
    assert main(["train", "vae", *words]) == 0
    out, err = capsys.readouterr()
    assert (out + err).count("256 grey levels") == 1


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


SOME = np.arange(40) % 4  # 3 is unknown


@pytest.mark.parametrize(
    ("y", "names", "said"),
    [
        (np.where(SOME == 3, -1, SOME), (), "-1"),
        (np.where(SOME == 3, np.nan, SOME), (), "nan"),
        (np.where(SOME == 3, -1, SOME + 1), ("1", "2", "3"), "-1"),
        ([None if k == 3 else int(k) for k in SOME], (), "empty"),
        ([math.nan if k == 3 else "abc"[k] for k in SOME], ("a", "b", "c"), "nan"),
        (np.array(["a", "b", "c", ""])[SOME], ("a", "b", "c"), "empty"),
        (np.array(["a", "b", "c", None])[SOME], ("a", "b", "c"), "empty"),
        (np.array(["K", "Na", "Nan", "NA"])[SOME], ("K", "Na", "Nan"), "NA"),
        (np.array(["a", "b", "c", "-1"])[SOME], ("a", "b", "c"), "-1"),
    ],
    ids=[
        "-1",
        "nan",
        "-1 before 1",
        "None among numbers",
        "nan among names",
        "nothing",
        "None among names",
        "NA",
        "-1 among names",
    ],
)
def test_a_label_may_be_unknown(y, names, said):
    pandas = pytest.importorskip("pandas")
    for given in (y, pandas.Series(y), pandas.Series(y).convert_dtypes()):
        data = from_arrays(ROWS, given, standardize=False)
        assert (data.classes, data.class_names, data.y_kind) == (3, names, "label")
        for split in (data.train, data.valid, data.test):
            rows = [int(np.abs(ROWS - x.numpy()).sum(1).argmin()) for x in split.x]
            assert split.y.tolist() == [-1 if SOME[row] == 3 else SOME[row] for row in rows]
        if given is y:
            assert data.guessed.endswith(f"10 labels that are {said} are unknown")
        assert sorted({*data.train.known().y.tolist()}) == [0, 1, 2]
    kept = from_arrays(ROWS, y, labels=7).train.y
    assert kept[kept >= 0].bincount().sort().values.tolist() == [2, 2, 3]


def test_all_labels_of_a_split_may_be_unknown():
    for y in ([0, 1] * 20, ["a", "b"] * 20):
        assert from_arrays(ROWS, y, x_test=ROWS[:3], y_test=[None] * 3).test.y.tolist() == [-1] * 3


@pytest.mark.parametrize("y", [np.full(40, -1), np.where(SOME == 3, -1, 1)], ids=["none", "minus and plus one"])
def test_unknown_labels_beside_fewer_than_two_classes_are_refused(y):
    with pytest.raises(
        ValueError, match=r"y holds (nothing|one class) beside \d+ labels that are -1.*, or leave y out"
    ):
        from_arrays(ROWS, y)


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
    assert len(run.records) >= 1
    assert pyrogen.load(tmp_path / "run").x_shape == (1, 4, 4)
    with pytest.raises(ValueError, match=r"was trained on arrays, which no file holds; pass them"):
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


# -------------------------------------------------------------------------------------- sets of images beside torchvision

NOISE = np.random.default_rng(3)
COLOUR = NOISE.integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
HALF = np.arange(40, dtype=np.uint8) % 2
PEOPLE = np.arange(20).astype(str).repeat(2)
FILES = {
    "faces": (
        "faces/faces_london_64",
        {"images": COLOUR, "smiling": HALF, "identity": PEOPLE},
    ),
    "lpc-sprites": (
        "sprites/lpc_sprites_static",
        {"images": COLOUR, "factors": np.stack([HALF] * 5, 1), "factor_names": np.array(list("abcde"))},
    ),
    "emoji-line-colour": ("emoji/emojitwo_line_colour_64", {"line": COLOUR[..., 0], "colour": COLOUR}),
    **dict.fromkeys(
        ("emoji-styles", "emoji-domains"), ("emoji/emoji_two_styles_64", {"emojitwo": COLOUR, "noto": 255 - COLOUR})
    ),
    "omniglot": (
        "omniglot/omniglot_28",
        {"images": COLOUR[:, :28, :28, 0], "character": HALF.astype(np.uint16), "evaluation": np.arange(40) // 30},
    ),
    "cifar10-subset": (
        "cifar10_subset/cifar10_first4000",
        {"images": COLOUR[:, :32, :32], "labels": HALF, "class_names": np.array(["cat", "dog"])},
    ),
}
SHAPES = {"omniglot": (1, 28, 28), "cifar10-subset": (3, 32, 32)}
SIZES = {
    "faces": [32, 4, 4],
    "emoji-styles": [64, 8, 8],
    "omniglot": [27, 3, 10],
}


@pytest.mark.parametrize("layout", ["the folder", "a torchvision root beside", "a torchvision root"])
@pytest.mark.parametrize("name", FILES)
def test_sets_of_images_in_every_layout(tmp_path, monkeypatch, name, layout):
    file, arrays = FILES[name]
    root = tmp_path / "root"
    (root / "torchvision").mkdir(parents=True)
    given = {"the folder": root, "a torchvision root beside": root / "torchvision"}.get(layout, root / "torchvision")
    base = given if layout == "a torchvision root" else root
    monkeypatch.setenv("PYROGEN_DATA", str(given))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    with pytest.raises(ValueError, match=rf"cannot get {name}: looked for {file}\.npz in .*original is .*PYROGEN_DATA"):
        load(name)
    (base / file).parent.mkdir(parents=True)
    np.savez(base / f"{file}.npz", **arrays)
    data = load(name, kind="levels")
    assert tuple(data.x_shape) == SHAPES.get(name, (3, 64, 64))
    assert [len(s) for s in (data.train, data.valid, data.test)] == SIZES.get(name, [32, 4, 4])
    rows = {x.numpy().tobytes() for s in (data.train, data.valid, data.test) for x in s.x}
    assert len(rows) == sum(SIZES.get(name, [40]))
    np.savez(base / f"{file}.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="is damaged"):
        load(name)


def test_no_person_and_no_emoji_is_in_two_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("PYROGEN_DATA", str(tmp_path))
    for name in ("faces", "emoji-styles"):
        file, arrays = FILES[name]
        (tmp_path / file).parent.mkdir(parents=True)
        np.savez(tmp_path / f"{file}.npz", **arrays)
    data = load("emoji-styles", kind="levels")
    half = len(data.test) // 2
    assert torch.equal(data.test.x[:half], 255 - data.test.x[half:])
    assert data.test.y.tolist() == [0] * half + [1] * half
    data = load("emoji-domains", kind="levels")
    assert not data.paired
    assert torch.equal(255 - data.test.x, 255 * data.test.y)
    for split in (data.train, data.valid):  # the same emoji, in other orders
        mirrored = [(255 - x).numpy().tobytes() for x in split.x]
        partners = [(255 * y).round().numpy().tobytes() for y in split.y]
        assert sorted(mirrored) == sorted(partners)
        assert mirrored != partners
    people = {x.numpy().tobytes(): i // 2 for i, x in enumerate(torch.from_numpy(COLOUR).movedim(-1, 1).float())}
    data = load("faces", kind="levels")
    parts = [{people[x.numpy().tobytes()] for x in s.x} for s in (data.train, data.valid, data.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 20


@pytest.mark.rotating
@pytest.mark.parametrize(
    ("name", "count", "classes"),
    [
        ("faces", 204, 2),
        ("lpc-sprites", 3888, 6),
        ("emoji-line-colour", 1404, None),
        ("emoji-styles", 2182, 2),
        ("emoji-domains", 1091, None),
        ("omniglot", 32_460, 1623),
        ("cifar10-subset", 4000, 10),
    ],
)
def test_the_real_sets_of_images(name, count, classes, need):
    need(f"{FILES[name][0]}.npz")
    data = load(name, kind="levels")
    assert sum(len(s) for s in (data.train, data.valid, data.test)) == count
    assert data.classes == classes


# ---------------------------------------------------------------------------------------------- sizes and standardization


def test_arrays_are_resized_as_images_are():
    flat = np.repeat(np.arange(40, dtype=np.uint8), 6 * 4).reshape(40, 6, 4)
    data = from_arrays(flat, kind="levels", size=2)
    assert (data.x_shape, data.size) == ((1, 2, 2), 2)
    seen = torch.cat([data.train.x, data.valid.x, data.test.x])
    assert sorted(seen[:, 0, 0, 0].tolist()) == list(range(40))
    assert torch.equal(seen, seen[:, :, :1, :1].expand_as(seen))
    halves = np.tile(np.repeat(np.array([-1.0, 1.0]), 2), (40, 1, 4, 1))
    torch.testing.assert_close(from_arrays(halves, size=4).test.x[0], torch.from_numpy(halves[0]).float())
    assert load("digits", kind="levels", size=4).x_shape == (1, 4, 4)
    # the weights of a mean sum to 1 but for rounding, and yet nothing leaves the range of the data
    white = np.random.default_rng(5).random((40, 1, 64, 64), np.float32)
    white[::2] = 1
    assert from_arrays(white, kind="unit", size=5).train.x.amax() == 1
    with pytest.raises(ValueError, match="size=2 resizes images, and 'arrays' has none"):
        from_arrays(ROWS, size=2)


def test_real_images_are_standardized_by_channel():
    raw = np.random.default_rng(4).normal(size=(50, 3, 4, 4)) * np.array([1, 10, 0.1])[:, None, None] + 5
    data = from_arrays(raw, x_valid=raw[:9], x_test=raw[:9], standardize=True)
    sd = raw.std((0, 2, 3))
    torch.testing.assert_close(data.train.x.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(data.train.x.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)
    assert data.test.log_jacobian == pytest.approx(-16 * np.log(sd).sum())
    assert data.test.log_jacobians() == pytest.approx(np.full(9, data.test.log_jacobian))
    torch.testing.assert_close(
        data.test.view.scale.restore(data.test.x), torch.from_numpy(raw[:9]), atol=1e-5, rtol=1e-5
    )
    assert from_arrays(raw).standardize
    assert not from_arrays(raw, standardize=False).standardize


FAR = np.random.default_rng(6).uniform(0, 300, (200, 1, 1, 2)) * np.ones((1, 1, 131, 1))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": ROWS}, r"there is no array called 'x'; there are: .*x_train"),
        ({"x_trian": ROWS}, r"no array called 'x_trian'; did you mean 'x_train'"),
        ({"x_train": ROWS, "kind": "real"}, r"there is no array called 'kind'"),
        ({"x_test": ROWS}, r"there is no x_train, got x_test; pass the data"),
        ({}, r"there is no x_train, got nothing; pass the data"),
    ],
)
def test_a_mapping_of_other_names_is_refused(pair, given, message):
    with pytest.raises(ValueError, match=message):
        fit(pair(), given, epochs=1, progress=False)


def test_what_is_no_data_at_all_is_said(pair):
    with pytest.raises(ValueError, match=r"there is no x_train, got nothing; pass the data"):
        fit(pair(), None, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"there is no x_train, got x_test; pass the data"):
        from_arrays(None, x_test=ROWS)


@pytest.mark.rotating
@pytest.mark.parametrize("raw", [FAR, FAR.round().astype(np.uint16)], ids=["floats", "whole"])
def test_images_far_from_one_train_with_defaults(raw, tmp_path):
    torch.manual_seed(0)
    model = pyrogen.create("vae", x_shape=(1, 131, 2), latent_size=2, likelihood="Normal")
    run = fit(model, raw, epochs=40, batch_size=16, folder=tmp_path, device="cpu", progress=False)
    assert run.data.standardize
    assert run.history.loc[1:].filter(like="loss").map(math.isfinite).all(axis=None)
    # of 262 pixels; thousands of nats each where an encoder reads 0 ... 300
    assert run.records[0]["valid/loss"] < 2000
    test = run.data.test
    again = run.data.train.view.scale.restore(model.reconstruct(test.x))
    error = (again - run.data.train.view.scale.restore(test.x)).square().mean().sqrt()
    assert error < 40  # the data's standard deviation is 87
    # nats are of the raw values: as likely as a density over 300 units may be
    evidence = run.evaluate(IWAE(10), limit=5)
    assert evidence.attrs["log_jacobian"] == pytest.approx(-262 * math.log(raw.std()), rel=0.02)
    assert pyrogen.load_run(tmp_path, data=raw).data.standardize


def test_convolutions_read_them_too():
    model = pyrogen.create("vae-conv", x_shape=(1, 131, 2), latent_size=2, width=8, likelihood="Normal")
    run = fit(model, FAR, epochs=2, device="cpu", progress=False)
    assert run.records[-1]["valid/loss"] < 2000


def test_tables_of_large_numbers_train_with_defaults():
    rows = np.random.default_rng(7).normal(5000, 1000, (300, 3))
    run = fit(pyrogen.create("vae", x_shape=(3,), latent_size=2, likelihood="Normal"), rows, epochs=5, progress=False)
    assert run.history["valid/loss"].iloc[-1] < 6
    assert float(run.sample(500).mean()) == pytest.approx(5000, rel=0.1)


def test_further_data_are_prepared_as_those_that_were_trained_on(tmp_path):
    rows = np.random.default_rng(7).normal(5000, 1000, (300, 3))
    data = from_arrays(rows, x_test=rows[:20])
    new = data.like(rows[:20])
    assert torch.equal(new.x, data.test.x)
    assert new.log_jacobian == data.test.log_jacobian
    model = pyrogen.create("vae", x_shape=(3,), latent_size=2, hidden=(8,), likelihood="Normal")
    run = fit(model, data, epochs=1, folder=tmp_path, device="cpu", progress=False)
    for trained in (model, pyrogen.load(tmp_path, pyrogen.create("vae", **model.origin["arguments"]))):
        with pytest.raises(
            ValueError, match=r"trained on standardized data, and ndarray holds raw ones; pass run.data.like"
        ):
            log_evidence(trained, rows, IWAE(5))
        scored = log_evidence(trained, run.data.like(rows[:20]), IWAE(5))
        assert np.array_equal(scored["log_evidence"], log_evidence(trained, data.test, IWAE(5))["log_evidence"])
    assert data.like(rows[:20], y=np.arange(20)).y.tolist() == list(range(20))
    grey = from_arrays(GREY)
    assert grey.like(GREY).x.shape == grey.like(GREY[:, None]).x.shape == (40, 1, 4, 4)
    with pytest.raises(ValueError, match=r"expected raw data of shape \(N, 3\); got \(20, 2\)"):
        data.like(rows[:20, :2])


def test_further_images_may_have_their_channels_last():
    colours = np.stack([GREY, GREY // 2, 255 - GREY], -1)
    for images in (colours, colours[..., :1]):
        data = from_arrays(images, kind="levels")
        assert data.x_shape == (images.shape[-1], 4, 4)
        for more in (images[:5], images[:5].transpose(0, 3, 1, 2)):
            assert torch.equal(data.like(more).x, torch.from_numpy(images[:5]).movedim(-1, 1).float())
    with pytest.raises(ValueError, match=r"of shape \(N, 1, 4, 4\); got \(5, 4, 4, 3\)"):
        data.like(colours[:5])


NAMED = {
    "1 to 3": (np.arange(40) % 3 + 1, [3, 1], [2, 0]),
    "sparse": (np.array([3, 7, 9, 7] * 10), [9, 7, 9], [2, 1, 2]),
    "floats": (np.arange(40) % 3 + 1.0, [3.0, math.nan], [2, -1]),
    "names": (np.array(["cat", "dog"] * 20), ["dog", "", "cat"], [1, -1, 0]),
    "truths": (np.arange(40) % 2 == 1, [True, True], [1, 1]),
    "one-hot": (np.eye(3)[np.arange(40) % 3], np.eye(3)[[2, 2]], [2, 2]),
    "0 to 2": (np.arange(40) % 3, [1, 2], [1, 2]),
    "attributes": (np.eye(3, dtype=int)[:, [0, 0, 1]][np.arange(40) % 3], [[0, 1, 0]], [[0, 1, 0]]),
}


@pytest.mark.parametrize(("y", "more", "numbers"), NAMED.values(), ids=NAMED)
def test_further_labels_are_numbered_as_those_that_were_trained_on(y, more, numbers):
    data = from_arrays(ROWS, y)
    assert data.like(ROWS[: len(more)], np.array(more)).y.tolist() == numbers


def test_further_pictures_are_told_as_those_that_were_trained_on():
    data = from_arrays(ROWS, GREY)
    assert torch.equal(data.like(ROWS[:3], GREY[:3] // 9).y, torch.from_numpy(GREY[:3] // 9) / 255)
    colours = np.stack([GREY] * 3, -1)
    assert torch.equal(from_arrays(ROWS, colours).like(ROWS[:3], colours[:3]).y[:, 1], torch.from_numpy(GREY[:3]) / 255)
    layouts = from_arrays(ROWS, GREY // 64)
    for more in (GREY[:3], GREY[:3, None], GREY[:3, ..., None]):
        assert torch.equal(layouts.like(ROWS[:3], more // 64).y, torch.from_numpy(GREY[:3] // 64).long())
        assert torch.equal(data.like(ROWS[:3], more).y, torch.from_numpy(GREY[:3]) / 255)


def test_further_whole_numbers_beside_real_ones_are_real():
    masks = GREY // 128
    for known, more in (
        (GREY / 255, masks),  # numbers from 0 to 1, told a mask
        (300 * (GREY / 255), GREY.astype(np.int16)),
        (GREY.astype(np.int16) * 4, GREY.astype(np.int16) * 4),  # whole ones, beyond grey levels
        (ROWS, np.array([[-2, 0, 1]] * 3)),
    ):
        data = from_arrays(ROWS, known)
        assert torch.equal(data.like(ROWS[:3], more[:3]).y, torch.from_numpy(more[:3]).float())
    assert "y is images of real numbers, which are whole up to 10" in from_arrays(ROWS, GREY.astype(int) * 4).guessed


def _tokens():
    return from_arrays(torch.tensor([[[3, 1, -1]], [[2, -1, -1]]] * 5), kind="tokens")


UNLIKE = {
    "divided": (
        lambda: from_arrays(GREY).like(GREY / 255),
        r"\(whole numbers from 0 to 255\); got float64 from 0 to 1",
    ),
    "too grey": (lambda: from_arrays(GREY).like(GREY.astype(int) + 200), r"whole numbers from 0 to 255\); got int64"),
    "no grey": (lambda: from_arrays(GREY / 255, kind="binary").like(GREY), r"\(grey values in \[0, 1\]\); got uint8"),
    "no bits": (lambda: from_arrays(GREY > 99).like(GREY), r"\(whole numbers from 0 to 1\)"),
    "NaN": (lambda: from_arrays(ROWS).like(ROWS * np.nan), r"\(finite numbers\); got float64 from nan"),
    "infinite": (lambda: from_arrays(ROWS, missing=True).like(ROWS / 0.0), r"\(finite numbers\)"),
    "no such word": (lambda: _tokens().like(np.array([[[9, -1, -1]]])), r"numbers of 5 words, and −1 after the end"),
    "no count": (lambda: from_arrays(np.arange(40).reshape(20, 2)).like([[1, -2]]), r"whole numbers from 0\)"),
    "degrees": (lambda: from_arrays(ROWS % 3, kind="angle").like([[90.0, 180.0, 0.0]]), r"radians from −π to π"),
    "words": (lambda: from_arrays(ROWS).like(np.array([["a", "b", "c"]])), "expected raw data that are numbers"),
    "prepared": (lambda: from_arrays(ROWS).like(from_arrays(ROWS).test), "prepared already"),
    "fewer y": (lambda: from_arrays(ROWS).like(ROWS[:3], [0, 1]), "one y for each of 3 data; got 2"),
    "no such class": (
        lambda: from_arrays(ROWS, NAMED["1 to 3"][0]).like(ROWS[:1], [4]),
        "no class called '4'.*1, 2, 3",
    ),
    "no such name": (lambda: from_arrays(ROWS, NAMED["names"][0]).like(ROWS[:1], ["cut"]), "did you mean 'cat'"),
    "no names": (
        lambda: from_arrays(ROWS, NAMED["0 to 2"][0]).like(ROWS[:1], ["cat"]),
        "'cat', and the classes .* numbers",
    ),
    "no such number": (lambda: from_arrays(ROWS, NAMED["0 to 2"][0]).like(ROWS[:1], [3]), "y holds 3, .* are 0 to 2"),
    "no such named": (lambda: from_arrays(ROWS, NAMED["names"][0]).like(ROWS[:1], [2]), "y holds 2, .* are 0 to 1"),
    "no such part": (lambda: from_arrays(ROWS, GREY // 64).like(ROWS[:1], GREY[:1] * 0 + 4), "y holds 4, .* 0 to 3"),
    "no such attribute": (lambda: from_arrays(ROWS, NAMED["attributes"][0]).like(ROWS[:1], [[0, 2, 0]]), "y holds 2, "),
    "wide one-hot": (
        lambda: from_arrays(ROWS, NAMED["one-hot"][0]).like(ROWS[:1], np.eye(5)[:1]),
        r"whole numbers of shape \(\) a datum; got float64 of \(5,\)",
    ),
    "colours": (
        lambda: from_arrays(ROWS, GREY // 64).like(ROWS[:1], np.stack([GREY[:1] // 64] * 3, -1)),
        r"whole numbers of shape \(4, 4\) a datum; got uint8 of \(4, 4, 3\)",
    ),
    "other y": (lambda: from_arrays(ROWS, ROWS).like(ROWS[:1], [[0.5]]), r"real numbers of shape \(3,\) a datum"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(("ask", "message"), UNLIKE.values(), ids=UNLIKE)
def test_further_data_of_another_sort_are_refused(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()


def test_names_of_classes_are_no_y_of_a_model(made):
    with pytest.raises(ValueError, match=r"knows classes by their numbers: pass run\.data\.like\(x, y\)"):
        log_evidence(made, GREY > 99, Exact(), y=np.array(["cat"] * 40))


def test_columns_of_a_table_are_matched_by_name():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(ROWS[:, :2] * [1, 5], columns=["a", "b"]).assign(label=["cat", "dog"] * 20)
    data = from_arrays(table, x_test=table[["b", "label", "a"]][:9])
    expected = from_arrays(table, x_test=table[:9]).test
    for part in (data.test, data.like(table[["b", "a", "label"]][:9])):
        assert torch.equal(part.x, expected.x)
        assert part.y.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    other = table.rename(columns={"a": "c"})
    for ask in (lambda: data.like(other), lambda: from_arrays(table, x_test=other)):
        with pytest.raises(ValueError, match="not those of the training data: 'a', 'c' are in one of them alone"):
            ask()
    with pytest.raises(ValueError, match="column 'a' is in the DataFrame twice"):
        data.like(pandas.DataFrame(ROWS[:, :2], columns=["a", "a"]))
    with pytest.raises(ValueError, match="column 'b' has one value only in train"):
        from_arrays(table.assign(b=1.5))


def test_a_column_is_the_label_only_where_no_other_y_is_given(tmp_path):
    table = frame().assign(label=np.arange(40) % 5, y=ROWS[:, 2])
    kinds = table["class"]
    numbers = table.drop(columns="class")
    # y is a feature where it is another than the labels, and none where it is these
    data = from_arrays(numbers.drop(columns="label"), y_train=kinds)
    assert (data.columns, data.class_names) == (("a", "b", "y"), ("cat", "dog"))
    assert from_arrays(table, y_train=kinds).columns == ("a", "b", "label", "y")
    assert from_arrays(table[["a", "label"]], y_train=table["label"].to_numpy()).columns == ("a",)
    with pytest.raises(ValueError, match="columns 'class', 'label', 'y' could all be the label; pass it as y_train"):
        from_arrays(table)
    # whatever was x of a table stays x
    new = data.like(table[["y", "b", "a"]][:3])
    assert (new.y, data.like(table[["b", "y", "a"]][:3], kinds[:3]).y.tolist()) == (None, [1, 0, 1])
    assert torch.equal(new.x, data.like(numbers[["a", "b", "y"]][:3].to_numpy()).x)
    numbers.to_csv(tmp_path / "t.csv", index=False)
    read = load(tmp_path / "t.csv", label="label")
    assert read.columns == ("a", "b", "y")
    assert read.like(numbers[["y", "a", "b"]][:3]).x.shape == (3, 3)


def test_a_model_knows_the_columns_of_its_table(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(COUNTS[:, :2], columns=["a", "b"])
    model = pyrogen.create("made", x_shape=(2,), hidden=(4,), likelihood="Poisson")
    run = fit(model, table, epochs=0, folder=tmp_path, progress=False)
    expected = log_evidence(model, torch.from_numpy(COUNTS[:, :2]).float(), Exact())["log_evidence"].values
    assert len(set(expected)) > 5
    for trained in (model, pyrogen.load(tmp_path)):
        for given in (table, table[["b", "a"]], run.data.like(table[["b", "a"]]), COUNTS[:, :2]):
            assert np.array_equal(log_evidence(trained, given, Exact())["log_evidence"].values, expected)
        with pytest.raises(ValueError, match="not those of the training data: 'b', 'c' are in one of them alone"):
            log_evidence(trained, table.rename(columns={"b": "c"}), Exact())


def test_whole_numbers_of_pandas_may_be_missing():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": np.arange(40) % 5, "b": np.arange(40) % 7, "is": np.arange(40) % 2 == 1})
    for dtype in ("Int64", "Int32"):
        whole = table.astype({"a": dtype, "b": dtype, "is": "boolean"})
        assert torch.equal(from_arrays(whole).train.x, from_arrays(table).train.x)
        assert from_arrays(whole).kind == "counts"
        whole.loc[3, ["a", "is"]] = pandas.NA
        data = from_arrays(whole, missing=True, standardize=False)
        x = torch.cat([s.x for s in (data.train, data.valid, data.test)])
        assert x.isnan().sum(0).tolist() == [1, 0, 1]
        assert x.nansum(0).tolist() == [80 - 3, float((np.arange(40) % 7).sum()), 19]


def test_bytes_in_another_order_are_the_same_numbers():
    assert torch.equal(from_arrays(ROWS).like(ROWS.astype(">f8")).x, from_arrays(ROWS).like(ROWS).x)


def test_levels_are_of_whole_numbers_from_0():
    with pytest.raises(ValueError, match=r"levels is 256; .*x of whole numbers from 0; the least is -"):
        from_arrays(GREY.astype(np.int8), levels=256)


def test_a_channel_that_is_never_observed_is_refused():
    x = np.random.default_rng(0).normal(5, 1, (40, 2, 4, 4))
    x[:, 1] = np.nan
    with pytest.raises(ValueError, match="a channel has one value only in train, or none"):
        from_arrays(x, missing=True)


def test_grey_images_are_real_by_wish():
    data = from_arrays(GREY, kind="real", standardize=True)
    assert data.standardize
    assert float(data.train.x.mean()) == pytest.approx(0, abs=1e-5)
    with pytest.raises(ValueError, match="has one value only in train"):
        from_arrays(np.full((9, 1, 2, 2), 3.5), kind="real", standardize=True)


def test_whole_numbers_below_zero_are_real_and_it_is_said():
    data = from_arrays(GREY.astype(int) - 128)
    assert (data.kind, data.standardize) == ("real", True)
    assert "whole numbers, some below 0, are real numbers" in repr(data)


def test_sequences_are_told_from_images_by_saying_so(tmp_path):
    waves = np.random.default_rng(3).random((40, 3, 20))
    assert from_arrays(waves).x_shape == (1, 3, 20)
    assert "of sequences (N, C, T) say sequence=True" in from_arrays(waves).guessed
    data = from_arrays(waves, sequence=True)
    assert (data.x_shape, data.kind, data.binarization) == ((3, 20), "unit", "none")
    assert from_arrays(waves, sequence=True, kind="real").x_shape == (3, 20)
    assert from_arrays(waves[:, 0], sequence=True).x_shape == (1, 20)
    assert from_arrays(waves.round(), sequence=True).kind == "binary"
    with pytest.raises(ValueError, match=r"has shape \(40, 3, 4, 5\), and sequences have \(N, C, T\)"):
        from_arrays(waves.reshape(40, 3, 4, 5), sequence=True)
    np.savez(tmp_path / "waves.npz", x_train=waves)
    data = load(tmp_path / "waves.npz", sequence=True)
    assert data.x_shape == (3, 20)
    model = pyrogen.create("vae-sequential", x_shape=data.x_shape, latent_size=2, emission="ContinuousBernoulli")
    fit(model, data, epochs=0, folder=tmp_path / "run", progress=False)
    again = data_of(tmp_path / "run")
    assert (again.x_shape, again.sequence) == ((3, 20), True)
    with pytest.raises(ValueError, match="and 'digits' is none; leave it out"):
        load("digits", sequence=True)


def test_rows_of_several_lengths_are_refused_in_a_sentence():
    rolls = [np.zeros((88, 16)), np.zeros((88, 16)), np.zeros((88, 24))]
    with pytest.raises(ValueError, match=r"row 0 has shape \(88, 16\) and row 2 \(88, 24\); .* cut sequences into win"):
        from_arrays(rolls)


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((9, 7, 4), 4), ((9, 7, 2), 2), ((9, 7, 3), 3), ((9, 7, 1), 1), ((3, 9, 4), 3), ((16, 4, 4), 16), ((4, 9, 7), 4)],
    ids=str,
)
def test_channels_are_found_wherever_they_are(shape, channels):
    """Transparent colours come last too; maps of 4 × 4 pixels do not."""
    x = np.random.default_rng(0).integers(0, 256, (40, *shape)).astype(np.uint8)
    data = from_arrays(x, kind="levels")
    last = shape[0] != channels
    assert tuple(data.x_shape) == ((channels, *shape[:2]) if last else shape)
    whole = torch.cat([s.x for s in (data.train, data.valid, data.test)])
    assert sorted(whole.sum((1, 2, 3)).tolist()) == sorted(x.sum((1, 2, 3)).tolist())
    pictures = from_arrays(np.eye(2)[np.arange(40) % 2], y_train=x / 255.0)
    assert pictures.y_shape == data.x_shape


def test_columns_of_truth_values_stand_beside_numbers():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"is": np.arange(40) % 2 == 1, "count": np.arange(40) % 7})
    data = from_arrays(table)
    assert data.kind == "counts"
    assert torch.equal(
        torch.cat([s.x for s in (data.train, data.valid, data.test)]).sum(0), torch.tensor([20.0, 115.0])
    )
    assert from_arrays(table[["is"]]).kind == "binary"
    assert from_arrays(table.assign(count=table["count"] / 2)).kind == "real"


def test_a_split_keeps_what_its_data_are():
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.array(["cat", "dog", "owl"] * 20)
    x[::5, 0] = np.nan
    data = as_data(from_arrays(x, y, missing=True, labels=12).train)
    assert (data.missing, data.class_names) == (True, ("cat", "dog", "owl"))
    assert data.labels == int((data.train.y >= 0).sum()) > 0
    assert as_data(from_arrays(x[:, 1:], y).train).labels is None
    assert not as_data(load("domains(size=16, n=40)").train).paired
    assert as_data(load("digits").train).paired


def test_the_last_of_four_axes_is_channels_where_it_can_be_nothing_else():
    """Transparent colours are whole grey levels; two or four numbers at each place of a field are not moved."""
    levels = np.random.default_rng(0).integers(0, 256, (12, 6, 8, 4)).astype(np.uint8)
    assert tuple(from_arrays(levels).x_shape) == (4, 6, 8)
    assert tuple(from_arrays(levels / 100 - 1).x_shape) == (6, 8, 4)
    assert tuple(from_arrays(levels[..., :2] / 100 - 1).x_shape) == (6, 8, 2)
    unit = levels / 255
    assert tuple(from_arrays(unit, x_test=unit * 1.5, kind="real").x_shape) == (6, 8, 4)
    holed = np.where(levels < 9, np.nan, unit)
    assert tuple(from_arrays(holed, missing=True).x_shape) == (4, 6, 8)
