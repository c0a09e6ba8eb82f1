"""Data of one's own and downloaded sources: arrays, tables, folders and photos, their scales, holes and damage."""

import errno
import hashlib
import math
import os
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import MultivariateNormal
from torchvision.datasets import CIFAR10, CelebA

import pyrogen
from pyrogen.command.cli import main
from pyrogen.data import load, photos, store
from pyrogen.inference import IWAE, log_evidence

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 6, 5), dtype=np.uint8)
ROWS = np.random.default_rng(1).normal(size=(50, 3))


@pytest.fixture
def write(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "own.npz", **arrays)
        return tmp_path / "own.npz"

    return write


def test_dequantization_of_256_levels_is_exact(write):
    top = np.full((3000, 40, 40), 255, np.uint8)
    top[:, 0, 0] = 0
    train = load(write(x_train=top, x_valid=top[:1], x_test=top[:1]), kind="unit").train
    assert train.x.min() > 0
    assert train.x.max() < 1
    assert torch.equal((train.x * 256).floor(), torch.from_numpy(top).float().unsqueeze(1))


@pytest.mark.parametrize(
    ("x", "kind", "shape", "levels"),
    [
        (IMAGES, "binary", (1, 6, 5), 256),
        (IMAGES.astype(np.int64), "binary", (1, 6, 5), 256),
        (np.stack([IMAGES] * 3, -1), "binary", (3, 6, 5), 256),
        (IMAGES[..., None], "binary", (1, 6, 5), 256),
        (np.stack([IMAGES] * 3, 1), "binary", (3, 6, 5), 256),
        (IMAGES > 99, "binary", (1, 6, 5), 2),
        ((IMAGES > 99).astype(np.float32), "binary", (1, 6, 5), 2),
        (IMAGES / 255, "unit", (1, 6, 5), None),
        (ROWS, "real", (3,), None),
        (ROWS[:, :, None], "real", (3, 1), None),
        (IMAGES - 99.5, "real", (6, 5), None),
        (IMAGES.astype(np.int64) + 9, "counts", (1, 6, 5), None),
    ],
    ids=[
        "uint8",
        "int64",
        "colour",
        "grey-last",
        "colour-first",
        "bool",
        "zero-one",
        "unit",
        "real",
        "3d",
        "real-3d",
        "counts",
    ],
)
def test_npz_kinds(write, x, kind, shape, levels):
    data = load(write(x_train=x))
    assert (data.kind, tuple(data.x_shape), data.levels) == (kind, shape, levels)
    assert data.binarization == ("dynamic" if levels == 256 else "none")
    assert not data.dequantization
    assert [len(s) for s in (data.train, data.valid, data.test)] == [40, 5, 5]
    assert all(torch.isfinite(s.x).all() for s in (data.train, data.valid, data.test))


def test_npz_round_trip(write):
    parts = {"train": ROWS[:30], "valid": ROWS[30:40], "test": ROWS[40:]}
    labels = {f"y_{s}": np.arange(len(x), dtype=np.uint8) % 4 for s, x in parts.items()}
    data = load(str(write(**{f"x_{s}": x for s, x in parts.items()}, **labels)), standardize=False)
    assert data.name == "own"
    assert data.classes == 4
    for split in (data.train, data.valid, data.test):
        assert torch.equal(split.x, torch.from_numpy(parts[split.name]).float())
        assert split.y.tolist() == labels[f"y_{split.name}"].tolist()


def test_npz_images_keep_their_pixels(write):
    colour = np.random.default_rng(2).integers(0, 256, (50, 6, 5, 3))
    test = load(write(x_train=colour, x_test=colour), kind="levels").test
    assert torch.equal(test.x, torch.from_numpy(colour).permute(0, 3, 1, 2).float())


def test_npz_missing_splits_are_cut_from_train(write):
    x = np.arange(100.0)[:, None]
    data, again = (load(write(x_train=x, y_train=np.arange(100)), seed=s, standardize=False) for s in (0, 1))
    assert [len(s) for s in (data.train, data.valid, data.test)] == [80, 10, 10]
    rows = torch.cat([data.train.x, data.valid.x, data.test.x]).flatten()
    assert rows.sort().values.tolist() == x.flatten().tolist()
    assert data.valid.x.flatten().tolist() == data.valid.y.tolist()
    assert torch.equal(data.test.x, again.test.x)


def test_npz_views(write):
    grey = load(write(x_train=IMAGES / 255), kind="binary")
    assert grey.binarization == "dynamic"
    assert set(grey.train.batch(torch.arange(9)).x.unique().tolist()) == {0.0, 1.0}
    assert load(write(x_train=IMAGES / 255), kind="real").kind == "real"
    few = load(write(x_train=IMAGES // 16, levels=16), kind="unit", dequantization=False)
    assert few.levels == 16
    assert few.train.x.max() == 1


NAN = np.where(np.arange(50)[:, None] == 7, np.nan, ROWS)


@pytest.mark.parametrize(
    ("arrays", "wish", "match"),
    [
        ({"images": ROWS}, {}, r"own\.npz holds images; expected x_train"),
        ({"x_train": ROWS, "x_val": ROWS}, {}, r"x_val; expected x_train, and perhaps x_valid"),
        ({"x_train": NAN}, {}, r"own\.npz: x_train holds NaN or infinite"),
        ({"x_train": ROWS, "x_test": NAN}, {}, r"own\.npz: x_test holds NaN or infinite"),
        ({"x_train": ROWS * 1e300}, {}, r"x_train holds NaN or infinite"),
        ({"x_train": ROWS[:0]}, {}, r"x_train is empty"),
        ({"x_train": ROWS[:, 0]}, {}, r"x_train has no dimension but the rows'"),
        ({"x_train": ROWS[:2]}, {}, r"2 rows, too few to cut valid and test"),
        ({"x_train": np.array([["a"]])}, {}, r"x_train holds <U1; expected numbers"),
        ({"x_train": np.array([[None]])}, {}, r"x_train cannot be read .*allow_pickle"),
        ({"x_train": IMAGES.astype(int) - 2**25}, {}, r"x_train holds whole numbers from -33554432"),
        ({"x_train": IMAGES.astype(int) + 2**24}, {}, r"expected grey levels from 0 to 255, counts up to 16,777,216"),
        ({"x_train": IMAGES, "levels": 9}, {}, r"levels is 9; expected one whole number above 255"),
        ({"x_train": ROWS, "levels": 9}, {}, r"levels is 9"),
        ({"x_train": ROWS, "x_valid": ROWS[:, :2]}, {}, r"x_valid holds .* of shape \(2,\) .* of shape \(3,\)"),
        ({"x_train": IMAGES, "x_test": IMAGES / 255}, {}, r"x_test holds float32 .* x_train uint8"),
        (
            {"x_train": ROWS, "y_train": np.arange(9)},
            {},
            r"y_train has shape \(9,\); expected one label for each of 50",
        ),
        ({"x_train": ROWS, "y_train": ROWS[:, 0]}, {}, r"y_train holds float64; expected labels"),
        (
            {"x_train": ROWS, "y_train": np.arange(50) - 2},
            {},
            r"y_train holds int64, the least -2; expected labels, whole",
        ),
        ({"x_train": ROWS, "y_test": np.arange(50)}, {}, r"y_test labels a split that is not there; add x_test"),
        ({"x_train": IMAGES > 9}, {"binarization": "dynamic"}, r"'own' is binary already"),
        ({"x_train": IMAGES / 255}, {"dequantization": True}, r"no grey levels to dequantize"),
        (
            {"x_train": np.where(np.arange(3) == 1, 0.1, ROWS)},
            {},
            r"column 2 has one value only in train.*standardize=False",
        ),
        ({"x_train": IMAGES}, {"standardize": True}, r"takes data of kind 'real' or 'positive', and 'own' is 'binary'"),
        (
            {"x_train": IMAGES / 255},
            {"kind": "levels"},
            r"offers kind 'unit' or 'binary' or 'real' or 'angle', not 'levels'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_npz_refusals(write, arrays, wish, match):
    with pytest.raises(ValueError, match=match):
        load(write(**arrays), **wish)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x93NUMPY\x01\x00"])
def test_npz_that_is_none(tmp_path, content):
    (tmp_path / "own.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"own\.npz is not an \.npz file"):
        load(tmp_path / "own.npz")


def test_npz_damaged(write):
    path = write(x_train=ROWS)
    content = bytearray(path.read_bytes())
    content[300] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"own\.npz: x_train cannot be read .*CRC"):
        load(path)


def again(data):
    """What a run's config has of its data is enough to load them again."""
    said = data.describe()
    dequantization = said["dequantization"] if said["kind"] == "unit" else None
    options = {"standardize": said["standardize"], "size": said["size"]}
    return load(said["source"], said["kind"], said["binarization"], dequantization, said["seed"], **options)


def test_standardization_takes_the_statistics_of_train_alone(write):
    rows = ROWS * [1, 10, 0.1] + [1.6e9, -3, 0]
    data = load(write(x_train=rows[:30], x_valid=rows[30:40], x_test=rows[40:]))
    mean, sd = rows[:30].mean(0), rows[:30].std(0)
    assert np.allclose(data.test.x, (rows[40:] - mean) / sd, atol=1e-5)
    assert np.allclose(data.train.x.mean(0), 0, atol=1e-6)
    assert np.allclose(data.train.x.std(0, correction=0), 1, atol=1e-6)
    assert np.allclose(data.test.view.scale.restore(data.test.x), rows[40:], atol=1e-5, rtol=0)
    assert data.test.log_jacobian == pytest.approx(-np.log(sd).sum())
    assert data.test.attributes()["standardization"] == "mean and sd of train"
    assert data.test.attributes()["log_jacobian"] == data.test.log_jacobian
    assert data.test.take(2).to("cpu").log_jacobian == data.test.log_jacobian
    assert "x (3,) real (standardized)" in repr(data)
    assert torch.equal(again(data).test.x, data.test.x)
    plain = load(write(x_train=rows), standardize=False)
    assert torch.equal(again(plain).test.x, plain.test.x)
    assert (plain.describe()["standardize"], plain.test.log_jacobian) == (False, 0)


def test_the_jacobian_is_that_of_the_change_of_variables(write):
    mean, root = torch.tensor([5.0, -2.0]).double(), torch.tensor([[3.0, 0.0], [0.4, 0.1]]).double()
    raw = mean + torch.randn(500, 2).double() @ root.T
    test = load(write(x_train=raw[:400].numpy(), x_valid=raw[:1].numpy(), x_test=raw[400:].numpy())).test
    s = raw[:400].std(0, correction=0)
    of_x = MultivariateNormal((mean - raw[:400].mean(0)) / s, scale_tril=root / s[:, None])
    exact = MultivariateNormal(mean, scale_tril=root).log_prob(raw[400:])
    torch.testing.assert_close(of_x.log_prob(test.x.double()) + test.log_jacobian, exact, rtol=0, atol=1e-4)
    assert abs(test.log_jacobian) > 0.1


@pytest.mark.parametrize(
    ("header", "labels", "numbers"),
    [("", [], None), ("u,v", [], None), ("u,v,Label", ["b", "a"], [1, 0]), ("u,v,class", ["0", "1"], [0, 1])],
    ids=["bare", "header", "names", "numbers"],
)
def test_csv(tmp_path, header, labels, numbers):
    lines = [",".join([f"{i}", f" {0.5 - i}", *labels[i % 2 :][:1]]) for i in range(50)]
    (tmp_path / "own.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8-sig")
    data = load(tmp_path / "own.csv", standardize=False)
    splits = (data.train, data.valid, data.test)
    assert [len(s) for s in splits] == [40, 5, 5]
    assert sorted(row for s in splits for row in s.x.tolist()) == [[i, 0.5 - i] for i in range(50)]
    assert (data.name, data.kind, data.class_names) == ("own", "real", ("a", "b") if "Label" in header else ())
    assert all((s.y is None) if not labels else s.y.tolist() == [numbers[int(u) % 2] for u, _ in s.x] for s in splits)
    assert load(tmp_path / "own.csv").describe()["standardize"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b\n1,2\n3,x\n", r"own\.csv: column 'b', row 3, holds 'x'; expected a finite number"),
        ("1,2\n3,\n", r"column 2, row 2, holds ''"),
        ("1,2\nnan,4\n", r"column 1, row 2, holds 'nan'"),
        ("1,2\n1e39,4\n", r"column 1, row 2, holds '1e39'"),
        ("a,b\n1,2,3\n", r"row 2 has 3 columns; expected 2"),
        ("a,y\n1,0.5\n2,1\n3,1\n", r"column 'y', row 2, holds '0\.5'; expected labels.*rename"),
        ("a,y\n1,\n2,\n3,-1\n", r"y holds nothing beside 3 labels that are -1 or empty, and so unknown"),
        ("a,y\n1,\n2,cat\n3,cat\n", r"y holds one class beside 1 labels that are empty, and so"),
        (
            "a,y\n1,-2\n2,1\n3,0\n",
            r"column 'y', row 2, holds '-2'; expected labels, whole numbers from 0, names, or -1",
        ),
        ("a;b\n1,5;2\n", r"own\.csv: columns stand between ';'; save it with commas between them"),
        ("1;2\n3;4\n", r"own\.csv: columns stand between ';'; save it with commas"),
        ("a\tb\n1\t2\n", r"own\.csv: columns stand between tabs; save it with commas"),
        ("y,label\n1,2\n", r"columns 'y', 'label' could all be the label"),
        ("y\n1\n2\n3\n", r"holds labels and nothing else"),
        (",a\n0,1\n", r"column 1 has no name"),
        ("a,b\n1,2\n3,4\n", r"2 rows, too few"),
        ("a,b\n", r"no rows of numbers"),
        ("", r"no rows of numbers"),
        ("\xff\xfe", r"own\.csv cannot be read .*UTF-8"),
        ("a,b\n1,2\n1,3\n1,4\n1,5\n", r"column 'a' has one value only in train"),
    ],
)
def test_csv_refusals(tmp_path, text, match):
    (tmp_path / "own.csv").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=match):
        load(tmp_path / "own.csv")


@pytest.mark.parametrize("name", ["own.tsv", "own.parquet", "own.pt", "photo.png"])
def test_files_that_no_data_are_read_from_are_said_to_be_none(tmp_path, name):
    (tmp_path / name).write_bytes(b"1\t2\n")
    with pytest.raises(
        ValueError, match=r"is nothing that data are read from: \.npz and \.npy files.*folders of images"
    ):
        load(tmp_path / name)


def test_a_file_that_may_not_be_read_is_said_to_be_so(write, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    path = write(x_train=ROWS)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ValueError, match=r"own\.npz cannot be read \(Permission denied\)"):
        load(path)


@pytest.mark.parametrize(
    ("labels", "known", "names"),
    [
        (("cat", "", "dog"), {"cat": 0, "dog": 1, "": -1}, ("cat", "dog")),
        (("2", "0", ""), {"2": 2, "0": 0, "": -1}, ()),
        (("2", "1", "-1"), {"2": 1, "1": 0, "-1": -1}, ("1", "2")),
        (("10", "0", "NA"), {"10": 10, "0": 0, "NA": -1}, ()),
        (("10", "0", "nan"), {"10": 10, "0": 0, "nan": -1}, ()),
        (("cat", "dog", "-1"), {"cat": 0, "dog": 1, "-1": -1}, ("cat", "dog")),
        (("cat", "dog", "NA"), {"cat": 0, "dog": 1, "NA": -1}, ("cat", "dog")),
    ],
)
def test_a_label_of_a_table_may_be_unknown(tmp_path, labels, known, names):
    rows = [f"{i},{labels[i % 3]}" for i in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(["a,label", *rows]))
    data = load(tmp_path / "own.csv", standardize=False)
    for split in (data.train, data.valid, data.test):
        assert split.y.tolist() == [known[labels[int(a) % 3]] for (a,) in split.x.tolist()]
    assert data.class_names == names
    (unknown,) = (label for label in labels if known[label] == -1)
    assert data.guessed.endswith(f"20 labels that are {unknown or 'empty'} are unknown")


def test_underscores_make_no_numbers(tmp_path):
    rows = [f"{i},{('1_11', '11_1')[i % 2]}" for i in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(["a,label", *rows]))
    assert load(tmp_path / "own.csv").class_names == ("11_1", "1_11")
    (tmp_path / "own.csv").write_text("\n".join(["2020_1,2020_2", *(f"{i},{-i}" for i in range(30))]))
    assert load(tmp_path / "own.csv").guessed == ""


def test_a_row_of_holes_is_no_header(tmp_path):
    (tmp_path / "own.csv").write_text("\n".join(["NA,nan", *(f"{i},{i * i % 7}" for i in range(29))]))
    data = load(tmp_path / "own.csv", missing=True, standardize=False)
    rows = torch.cat([s.x for s in (data.train, data.valid, data.test)])
    assert (len(rows), int(rows.isnan().all(1).sum())) == (30, 1)


@pytest.mark.parametrize(("wish", "where"), [({"label": "a"}, "its header"), ({"columns": ["b", "b"]}, "columns=")])
def test_a_column_is_named_once(tmp_path, wish, where):
    head = "a,b,a" if "label" in wish else "a,b,c"
    (tmp_path / "own.csv").write_text("\n".join([head, *(f"{i},{i * i},{i % 3}" for i in range(30))]))
    with pytest.raises(ValueError, match=rf"own\.csv: {where} names column '[ab]' twice; name each once"):
        load(tmp_path / "own.csv", **wish)


def test_a_header_of_numbers_is_guessed_to_be_data(tmp_path):
    rows = "\n".join(f"{i},{i * i % 7},{i % 5}" for i in range(30))
    for head, guessed, count in (
        ("2019,2020,2021", "the first row holds numbers and is no header", 31),
        ("a,b,c", "", 30),
    ):
        (tmp_path / "own.csv").write_text(f"{head}\n{rows}")
        data = load(tmp_path / "own.csv")
        assert (data.guessed, sum(map(len, (data.train, data.valid, data.test)))) == (guessed, count)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache and an empty PYROGEN_DATA."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYROGEN_DATA", str(tmp_path / "root"))
    return tmp_path


@pytest.fixture
def pets(home):
    """A folder of 40 colour images, 5 high and 4 wide, whose first pixel is their number, in two classes."""
    for i in range(40):
        pixels = np.random.default_rng(i).integers(0, 256, (5, 4, 3), dtype=np.uint8)
        pixels[0, 0] = i
        path = home / "pets" / ("cat" if i % 2 else "dog") / f"{i}.{'bmp' if i % 3 else 'PNG'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return home / "pets"


def test_folder(pets, monkeypatch):
    data = load(pets, kind="levels")
    splits = (data.train, data.valid, data.test)
    assert [len(s) for s in splits] == [32, 4, 4]
    assert (data.name, data.x_shape, data.levels, data.class_names) == ("pets", (3, 5, 4), 256, ("cat", "dog"))
    assert (load(pets).kind, load(pets).dequantization) == ("unit", True)
    for split in splits:
        for x, y in zip(split.x, split.y.tolist(), strict=True):
            number = int(x[0, 0, 0])
            pixels = np.random.default_rng(number).integers(0, 256, (5, 4, 3), dtype=np.uint8)
            pixels[0, 0] = number
            assert np.array_equal(x, pixels.transpose(2, 0, 1))
            assert y == (0 if number % 2 else 1)
    assert sorted(int(x[0, 0, 0]) for s in splits for x in s.x) == list(range(40))
    monkeypatch.setattr(store, "write", None)
    assert torch.equal(again(data).test.x, data.test.x)
    monkeypatch.chdir(pets.parent)
    assert load("pets").source == str(pets)


def test_folder_follows_links_and_leaves_out_what_is_hidden(pets):
    whole = load(pets, kind="levels")
    (pets / "cat").rename(pets.parent / "elsewhere")
    (pets / "cat").symlink_to(pets.parent / "elsewhere")
    (pets / "dog" / "up").symlink_to(pets)  # and so on without an end
    (pets / "dog" / ".ipynb_checkpoints").mkdir()
    shutil.copy(pets / "dog" / "0.PNG", pets / "dog" / ".ipynb_checkpoints" / "0-checkpoint.PNG")
    shutil.copy(pets / "dog" / "0.PNG", pets / "dog" / "._0.PNG")
    linked = load(pets, kind="levels")
    assert linked.class_names == ("cat", "dog")
    for split in ("train", "valid", "test"):
        one, other = getattr(whole, split), getattr(linked, split)
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)


def test_folder_notices_changes_and_sizes(pets):
    before = load(pets, kind="levels")
    os.utime(pets / "cat" / "1.bmp", ns=(1, 1))
    Image.new("RGB", (4, 5), "white").save(pets / "cat" / "3.PNG")
    data = load(pets, kind="levels")
    assert data.sha256 != before.sha256
    small = load(pets, kind="levels", size=2)
    assert small.x_shape == (3, 2, 2)
    assert torch.equal(again(small).test.x, small.test.x)
    Image.new("RGB", (9, 5), "white").save(pets / "cat" / "5.bmp")
    with pytest.raises(ValueError, match=r"has \d × 5 pixels, and .* \d × 5; load with size="):
        load(pets)
    assert load(pets, size=4).x_shape == (3, 4, 4)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "deep"])
def test_folder_names_what_it_cannot_read(pets, damage):
    bad = pets / "dog" / "0.PNG"
    if damage == "deep":
        Image.fromarray(np.full((5, 4), 999, np.uint16)).save(bad)
    else:
        bad.write_bytes({"empty": b"", "cut": bad.read_bytes()[:-40], "text": b"no image"}[damage])
    with pytest.raises(ValueError, match=r"dog/0\.PNG (cannot be read as an image|has pixels of mode 'I;16')"):
        load(pets)
    assert not [p for p in (pets.parent / "home").rglob("*") if p.is_file()]


def test_one_folder_of_images_is_no_class(pets):
    shutil.rmtree(pets / "cat")
    data = load(pets)
    assert (data.classes, data.class_names, data.train.y) == (None, (), None)


def test_folders_of_splits_are_no_classes(pets):
    (pets / "cat").rename(pets / "Train")
    (pets / "dog").rename(pets / "test")
    with pytest.raises(ValueError, match=r"pets holds Train, test, which are splits and no classes; load .*pets/test"):
        load(pets)


def test_folder_of_grey_images(home):
    for i in range(10):
        Image.new("LA", (3, 2), (i, 255 if i else 0)).save(home / f"{i}.png")
    data = load(home, kind="levels")
    assert data.x_shape == (1, 2, 3)
    assert data.classes is None
    seen = sorted(int(x.mean()) for s in (data.train, data.valid, data.test) for x in s.x)
    assert seen == [*range(1, 10), 255]
    with pytest.raises(ValueError, match="size=0: expected at least 1"):
        load(home, size=0)
    with pytest.raises(ValueError, match=r"holds 0 images .*at least 3"):
        load(home / "home")


@pytest.mark.parametrize(
    "wish", [{}, {"kind": "levels"}, {"binarization": "static"}, {"binarization": "dynamic"}], ids=str
)
def test_streaming_equals_memory(pets, monkeypatch, wish):
    memory = load(pets, **wish, seed=3)
    monkeypatch.setenv("PYROGEN_MAX_IN_MEMORY", str(4 * 4 * 60))
    disk = load(pets, **wish, seed=3)
    assert (disk.train.streamed, disk.test.streamed, memory.train.streamed) == (True, False, False)
    monkeypatch.setenv("PYROGEN_MAX_IN_MEMORY", "0")
    disk = load(pets, **wish, seed=3)
    assert disk.sha256 == memory.sha256
    for split in ("train", "valid", "test"):
        kept, streamed = getattr(memory, split), getattr(disk, split)
        for size in (1, 3, 1000):
            assert torch.equal(torch.cat(list(streamed.chunks(size))), kept.x)
            assert torch.equal(torch.cat(list(kept.chunks(size))), kept.x)
        assert torch.equal(streamed.take(3).x, kept.x[:3])
        assert torch.equal(streamed[2][0], kept[2][0])
        assert (len(streamed), streamed.attributes()) == (len(kept), kept.attributes())
        assert streamed.streamed
        assert streamed.fresh == streamed.take(3).fresh == kept.fresh
        batches = []
        for part in (kept, streamed, kept.take(4), streamed.take(4)):
            torch.manual_seed(1)
            batches.append(part.batch(torch.tensor([3, 0, 2, 3])))
        assert all(torch.equal(b.x, batches[0].x) and torch.equal(b.y, batches[0].y) for b in batches)


@pytest.fixture
def offline(home, monkeypatch):
    """torchvision as it is without a network, asking for no MD5 sums."""

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", refuse)
    monkeypatch.setattr("torchvision.datasets.celeba.download_file_from_google_drive", refuse)
    monkeypatch.setattr(CelebA, "file_list", [("", None, file) for *_, file in CelebA.file_list])
    return home


@pytest.fixture
def cifar(offline, monkeypatch):
    """Twelve images of CIFAR-10's layout: two in each batch."""
    folder = offline / "root" / CIFAR10.base_folder
    folder.mkdir(parents=True)

    def written(file, content):
        (folder / file).write_bytes(pickle.dumps(content))
        return [file, hashlib.md5((folder / file).read_bytes()).hexdigest()]

    x = np.random.default_rng(0).integers(0, 256, (12, 3072), dtype=np.uint8)
    lists = [
        written(file, {"data": x[2 * i : 2 * i + 2], "labels": [2 * i % 10, 9]})
        for i, (file, _) in enumerate(CIFAR10.train_list + CIFAR10.test_list)
    ]
    meta = written("batches.meta", {"label_names": list("abcdefghij")})
    monkeypatch.setattr(CIFAR10, "train_list", lists[:5])
    monkeypatch.setattr(CIFAR10, "test_list", lists[5:])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": meta[1]})
    monkeypatch.setattr(CIFAR10, "tgz_md5", None)
    monkeypatch.setattr(photos, "CIFAR_SIZES", (7, 3, 2))
    return folder, torch.from_numpy(x).view(12, 3, 32, 32).float()


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
def test_cifar10(cifar, packed):
    folder, x = cifar
    if packed:
        with tarfile.open(folder.parent / CIFAR10.filename, "w:gz") as file:
            file.add(folder, CIFAR10.base_folder)
        shutil.rmtree(folder)
    data = load("cifar10", kind="levels")
    assert torch.equal(torch.cat([data.train.x, data.valid.x, data.test.x]), x)
    assert torch.cat([data.train.y, data.valid.y]).tolist() == [0, 9, 2, 9, 4, 9, 6, 9, 8, 9]
    assert (data.test.y.tolist(), data.class_names[9]) == ([0, 9], "j")
    assert (load("cifar10").kind, len(data.valid)) == ("unit", 3)


def test_cifar10_names_what_is_damaged(cifar):
    folder, _ = cifar
    (folder / "data_batch_3").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"data_batch_3 is damaged: expected the MD5 sum"):
        load("cifar10")
    (folder / "data_batch_3").unlink()
    with pytest.raises(ValueError, match=r"data_batch_3 is missing"):
        load("cifar10")


@pytest.mark.parametrize(
    ("name", "files"), [("cifar10", "cifar-10-python.tar.gz"), ("celeba", "img_align_celeba.zip.*list_attr_celeba.txt")]
)
def test_photos_without_files_or_network(offline, name, files):
    where = rf"looked for the folder .* in {offline}/root and {offline}/home/pyrogen/data, .*{files}.*set PYROGEN_DATA"
    with pytest.raises(ValueError, match=rf"no network.*{where}"):
        load(name)
    assert not [p for p in (offline / "home").rglob("*") if p.is_file()]


@pytest.fixture
def faces(offline):
    """Ten faces of CelebA's layout, each of one colour, with the splits mixed: 4, 3 and 3."""
    folder = offline / "root" / "celeba"
    (folder / photos.FACES).mkdir(parents=True)
    names = [f"{i:06}.jpg" for i in range(1, 11)]
    for i, name in enumerate(names):
        image = Image.new("RGB", (178, 218))
        image.paste((20 * i, 20 * i, 20 * i), (15, 35, 163, 183))
        image.save(folder / photos.FACES / name, quality=100)
    (folder / "list_eval_partition.txt").write_text("".join(f"{n} {i % 3}\n" for i, n in enumerate(names)))
    rows = "".join(f"{n} {' '.join(' 1' if j == i else '-1' for j in range(40))}\n" for i, n in enumerate(names))
    head = " ".join(f"A{j}" for j in range(40))
    (folder / "list_attr_celeba.txt").write_text(f"10\n{head} \n{rows}")
    (folder / "identity_CelebA.txt").write_text("".join(f"{n} 1\n" for n in names))
    for file in ("list_bbox_celeba.txt", "list_landmarks_align_celeba.txt"):
        (folder / file).write_text("10\nh\n" + "".join(f"{n} 1 2\n" for n in names))
    return folder


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
def test_celeba(faces, packed, monkeypatch):
    if packed:
        shutil.make_archive(str(faces / photos.FACES), "zip", faces, photos.FACES)
        shutil.rmtree(faces / photos.FACES)
    data = load("celeba", kind="levels")
    for split, numbers in (("train", [0, 3, 6, 9]), ("valid", [1, 4, 7]), ("test", [2, 5, 8])):
        part = getattr(data, split)
        assert part.x.shape == (len(numbers), 3, 64, 64)
        assert (part.x - 20 * torch.tensor(numbers).view(-1, 1, 1, 1)).abs().max() <= 12
        assert torch.equal(part.y, torch.eye(40, dtype=torch.long)[numbers])
    assert (data.classes, data.class_names) == (2, tuple(f"A{j}" for j in range(40)))
    assert len(list((faces.parents[1] / "home" / "pyrogen" / "data").iterdir())) == 2
    shutil.rmtree(faces)
    monkeypatch.setenv("PYROGEN_MAX_IN_MEMORY", "0")
    assert torch.equal(next(load("celeba", kind="levels").train.chunks()), data.train.x)


def test_celeba_names_what_is_damaged(faces):
    (faces / photos.FACES / "000004.jpg").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"000004\.jpg cannot be read as an image"):
        load("celeba")
    Image.new("RGB", (100, 218)).save(faces / photos.FACES / "000004.jpg")
    with pytest.raises(ValueError, match=r"000004\.jpg has 100 × 218 pixels; expected 178 × 218"):
        load("celeba")
    (faces / "list_attr_celeba.txt").unlink()
    with pytest.raises(ValueError, match=r"list_attr_celeba\.txt is missing"):
        load("celeba")


# ---------------------------------------------------------------------------------------------------- missing values


@pytest.fixture
def holed(tmp_path):
    """A table with holes, as .csv and as .npz, and its values."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, 3)) * [1, 2, 5] + [0, 10, -3]
    values[generator.random(values.shape) < 0.2] = np.nan
    lines = [",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in values]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *(line for line in lines if line.strip(","))]))
    np.savez(tmp_path / "t.npz", x_train=values)
    return tmp_path, values


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_holes_are_refused_unless_they_are_said_to_be_missing(holed, suffix):
    with pytest.raises(ValueError, match="missing=True"):
        load(holed[0] / f"t.{suffix}")
    data = load(holed[0] / f"t.{suffix}", missing=True)
    x = torch.cat([data.train.x, data.valid.x, data.test.x])
    share = float(x.isnan().double().mean())
    assert share == pytest.approx(np.isnan(holed[1]).mean(), abs=0.01)
    train = data.train.x.double()
    torch.testing.assert_close(train.nanmean(0), torch.zeros(3).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(train.square().nanmean(0), torch.ones(3).double(), atol=1e-5, rtol=0)
    assert data.describe()["missing"] is True
    assert "missing" in repr(data)


def test_missing_does_not_mean_infinite_or_empty(tmp_path):
    whole = np.random.default_rng(0).normal(size=(20, 2))
    np.savez(tmp_path / "inf.npz", x_train=np.where(whole > 1, np.inf, whole))
    (tmp_path / "empty.csv").write_text("a,b\n" + "1.5,\n2.5,\n" * 5)
    (tmp_path / "word.csv").write_text("a,b\n" + "1.5,?\n2.5,1\n" * 5)
    for file, message in (
        ("inf.npz", "infinite"),
        ("empty.csv", "column 'b' holds no number"),
        ("word.csv", r"holds '\?'"),
    ):
        with pytest.raises(ValueError, match=message):
            load(tmp_path / file, missing=True)
    with pytest.raises(ValueError, match="leave missing out"):
        load("digits", missing=True)


def test_only_what_was_observed_is_unscaled(holed):
    data = load(holed[0] / "t.npz", missing=True)
    split, sd = data.test, data.test.view.scale.sd
    expected = [-sum(float(sd[d].log()) for d in range(3) if not math.isnan(row[d])) for row in split.x]
    np.testing.assert_allclose(split.log_jacobians(), expected)
    assert len({round(v, 6) for v in expected}) > 2
    m = pyrogen.create("vae", x_shape=(3,), latent_size=1, hidden=(4,), likelihood="Masked")
    raw, shifted = (log_evidence(m, x, IWAE(10))["log_evidence"].values for x in (split.x, split))
    np.testing.assert_allclose(shifted - raw, expected, atol=1e-5)
    with pytest.raises(ValueError, match="likelihood='Masked'"):
        log_evidence(pyrogen.create("vae", x_shape=(3,), likelihood="Normal"), split, IWAE(10))


def test_a_run_on_holed_data_is_reported(holed):
    run = str(holed[0] / "run")
    arguments = [
        "--likelihood",
        "Masked",
        "--missing",
        "true",
        "--epochs",
        "1",
        "--latent_size",
        "2",
        "--device",
        "cpu",
    ]
    assert main(["train", "vae", "--data", str(holed[0] / "t.csv"), *arguments, "--folder", run]) == 0
    assert main(["evaluate", run, "--estimator", "IWAE", "--estimator.k", "30"]) == 0
