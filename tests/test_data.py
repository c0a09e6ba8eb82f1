import gzip
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from pyrogen.base import Batch
from pyrogen.data import Split, View, load, shuffled, vision
from pyrogen.data.named import source_named
from pyrogen.kinds import PLAIN
from pyrogen.registry import choices


@pytest.fixture(scope="module")
def packed(tmp_path_factory, need):
    """PYROGEN_DATA is a read-only root of packed files, the cache an empty folder."""
    files = [f"{name}/raw/{file}" for name in ("MNIST", "FashionMNIST") for file, _ in vision.MNIST.resources]
    (root,) = {need(file).parents[2] for file in files}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYROGEN_DATA", str(root))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield root


def raw_digits():
    """The digits in the order of the splits, found through the exact "levels" view."""
    data = load("digits", kind="levels")
    return {s.name: (s.x * 16 / 255).round() for s in (data.train, data.valid, data.test)}


def test_registered_names():
    assert {"digits", "mnist", "fashion-mnist", "ring", "cifar10", "celeba"} <= set(choices("data"))


def test_digits_are_partitioned():
    raw = raw_digits()
    assert [len(x) for x in raw.values()] == [1257, 180, 360]
    parts = torch.cat(list(raw.values())).flatten(1).numpy()
    whole = load_digits().data
    assert np.array_equal(parts[np.lexsort(parts.T)], whole[np.lexsort(whole.T)])


def test_a_split_has_a_name():
    data = load("digits")
    assert [*data.splits] == ["train", "valid", "test"]
    assert data.split("valid") is data.valid
    with pytest.raises(ValueError, match="there is no split called 'tset'; did you mean 'test'"):
        data.split("tset")


def test_digits_keep_their_labels():
    data = load("digits", kind="levels")
    known = {tuple(x): y for x, y in zip(load_digits().data, load_digits().target, strict=True)}
    x = (data.test.x * 16 / 255).round().flatten(1).tolist()
    assert [known[tuple(row)] for row in x] == data.test.y.tolist()
    assert data.test.y.dtype == torch.int64
    assert data.classes == 10


def test_shuffled_labels_are_those_of_training_in_another_order():
    data, plain = load("shuffled-labels(of='digits')", kind="levels"), load("digits", kind="levels")
    for split in ("train", "valid"):
        dealt, true = getattr(data, split).y, getattr(plain, split).y
        assert torch.equal(getattr(data, split).x, getattr(plain, split).x)
        assert torch.equal(dealt.bincount(), true.bincount())
        assert (dealt == true).double().mean() < 0.2
    assert torch.equal(data.test.y, plain.test.y)
    again, other = (load(f"shuffled-labels(of='digits', seed={seed})", kind="levels").train.y for seed in (0, 1))
    assert torch.equal(again, data.train.y)
    assert not torch.equal(other, data.train.y)


def test_what_has_no_labels_has_none_to_shuffle(monkeypatch):
    bare = replace(source_named("digits"), splits={"train": (torch.zeros(4, 1, 2, 2), None)})
    monkeypatch.setattr(shuffled, "source_named", lambda name: bare)
    with pytest.raises(ValueError, match=r"of='digits'\): 'digits' has no y that could be shuffled"):
        load("shuffled-labels(of='digits')")


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, ("binary", "dynamic", False)),
        ({"binarization": "static"}, ("binary", "static", False)),
        ({"binarization": "none"}, ("unit", "none", True)),
        ({"dequantization": True}, ("unit", "none", True)),
        ({"kind": "unit"}, ("unit", "none", True)),
        ({"kind": "unit", "dequantization": False}, ("unit", "none", False)),
        ({"kind": "levels"}, ("levels", "none", False)),
        ({"kind": ("real", "levels", "unit")}, ("levels", "none", False)),
        ({"kind": ("unit", "binary"), "binarization": "dynamic"}, ("binary", "dynamic", False)),
        ({"kind": ("binary", "unit"), "dequantization": True}, ("unit", "none", True)),
    ],
    ids=str,
)
def test_wishes(wish, expected):
    data = load("digits", **wish)
    assert (data.kind, data.binarization, data.dequantization) == expected
    assert data.levels == 17
    for split in (data.train, data.valid, data.test):
        assert isinstance(split, Split)
        assert (split.kind, split.binarization, split.dequantization) == expected
        assert split.x.dtype == torch.float32
        assert split.x.shape[1:] == data.x_shape == (1, 8, 8)
        assert split[0][0].shape == data.x_shape


@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize("wish", [{}, {"binarization": "static"}, {"kind": "unit"}], ids=["dynamic", "static", "unit"])
def test_seed_decides_the_draw(wish, split):
    one, same, other = (getattr(load("digits", **wish, seed=s), split) for s in (3, 3, 4))
    assert torch.equal(one.x, same.x)
    assert not torch.equal(one.x, other.x)
    assert torch.equal(one.y, other.y)


def test_global_generator_is_left_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    for wish in ({}, {"binarization": "static"}, {"kind": "unit"}):
        load("digits", **wish)
    load("ring")
    assert torch.equal(torch.get_rng_state(), before)


def test_dynamic_binarization_redraws_with_the_grey_as_mean():
    train = load("digits").train
    index = torch.arange(20)
    torch.manual_seed(0)
    draws = torch.stack([train.batch(index).x for _ in range(2000)])
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(draws[0], draws[1])
    grey = raw_digits()["train"][:20] / 16
    # 1280 pixels: the largest of as many standard normals is 3.4 on average
    assert (draws.mean(0) - grey).abs().max() < 5 * 0.5 / 2000**0.5
    torch.manual_seed(0)
    assert torch.equal(train.batch(index).x, draws[0])


@pytest.mark.parametrize(("split", "wish"), [("train", "static"), ("valid", "dynamic"), ("test", "dynamic")])
def test_other_binarizations_are_drawn_once(split, wish):
    split = getattr(load("digits", binarization=wish), split)
    index = torch.tensor([5, 0, 7])
    batch = split.batch(index)
    assert isinstance(batch, Batch)
    assert torch.equal(batch.x, split.x[index])
    assert torch.equal(batch.y, split.y[index])
    assert torch.equal(batch.index, index)
    assert not split.fresh


def test_dequantization_stays_within_the_level():
    data = load("digits", kind="unit")
    raw = raw_digits()
    index = torch.arange(len(data.train))
    batches = [data.train.batch(index).x for _ in range(2)]
    assert not torch.equal(*batches)
    for x, r in [(data.test.x, raw["test"]), (data.train.x, raw["train"]), *((b, raw["train"]) for b in batches)]:
        assert x.min() > 0
        assert x.max() < 1
        assert torch.equal((x * 17).floor(), r)
    assert ((data.train.x * 17) % 1).mean() == pytest.approx(0.5, abs=0.01)


def test_grey_values_without_dequantization():
    data = load("digits", kind="unit", dequantization=False)
    assert torch.equal(data.test.x, raw_digits()["test"] / 16)
    assert torch.equal(data.train.batch(torch.arange(3)).x, data.train.x[:3])


def test_levels_are_whole_numbers_up_to_255():
    x = load("digits", kind="levels").train.x
    assert torch.equal(x, x.round())
    assert (x.min(), x.max()) == (0, 255)


def test_splits_move_and_shrink():
    train = load("digits").train
    few = train.take(7)
    assert len(few) == 7
    assert few.attributes() == train.attributes()
    assert torch.equal(few.x, train.x[:7])
    assert few.fresh
    assert few.batch(torch.arange(7)).x.shape == (7, 1, 8, 8)
    assert few.to("meta").batch(torch.arange(7, device="meta")).x.device.type == "meta"
    assert len(train.take(10**6)) == len(train)
    some = train.spread(7)
    rows = torch.arange(7) * len(train) // 7
    assert torch.equal(some.x, train.x[rows])
    assert torch.equal(some.y, train.y[rows])
    assert some.batch(torch.arange(7)).x.shape == (7, 1, 8, 8)
    assert torch.equal(train.spread(10**6).x, train.x)
    for part in (train.take, train.spread):
        with pytest.raises(ValueError, match="at least 1 row"):
            part(0)


def test_streaming_reads_only_the_rows_it_needs():
    class Spy(np.ndarray):
        read = ()

        def __getitem__(self, index):
            Spy.read = np.asarray(index).tolist()
            return np.asarray(self)[index]

    raw = np.arange(2000, dtype=np.uint8).reshape(1000, 2, 1).view(Spy)
    split = Split(None, torch.arange(1000), "valid", View("levels", levels=256), raw)
    batch = split.batch(torch.tensor([700, 5, 31]))
    assert Spy.read == [5, 31, 700]
    assert batch.x[:, 0, 0].tolist() == [1400 % 256, 10, 62]
    assert batch.y.tolist() == [700, 5, 31]
    assert next(split.chunks(10)).shape == (10, 2, 1)
    assert Spy.read == list(range(10))
    assert split[torch.tensor([-1, 2])][1].tolist() == [999, 2]
    assert Spy.read == [2, 999]
    rows = torch.arange(1000)
    for index in (3, -3, slice(5, 3), slice(1, 9, 2), slice(-2, None), [4, 1], rows > 996, torch.tensor(7)):
        assert torch.equal(split[index][0][..., 0, 0], (2.0 * rows[index]) % 256)
    for index in (1000, -1001, torch.tensor([0, -1001]), torch.tensor(1000)):
        with pytest.raises(IndexError):
            split[index]
    assert split.to("meta").batch(torch.tensor([1])).x.device.type == "meta"
    with pytest.raises(ValueError, match=r"own valid is streamed from disk.*take\(n\)\.x .*chunks\(\)"):
        len(split.x)
    with pytest.raises(ValueError, match="size=0"):
        split.chunks(0)
    assert repr(split) == "Split(own valid: 1000 × (2, 1), levels, streamed)"


def test_a_batch_of_a_stream_counts_no_other_rows(monkeypatch):
    split = Split(None, None, "valid", View("levels", levels=256), np.arange(2000, dtype=np.uint8).reshape(1000, 2, 1))
    monkeypatch.setattr(torch, "arange", None)
    for index in (3, slice(2, 5), torch.tensor([7])):
        assert len(split[index][0]) > 0


def test_noise_is_that_of_the_rows_block_whatever_the_order():
    view = View("unit", dequantization=True, levels=256, seed=3)
    rows = torch.randperm(100, generator=torch.Generator().manual_seed(0))[:40]
    x = view.fixed(torch.zeros(40, 2), rows, "test") * 256
    for row, got in zip(rows.tolist(), x, strict=True):
        block = np.random.default_rng([3, row // 16, *b"test"]).random((16, 2), np.float32)
        np.testing.assert_allclose(got, block[row % 16].clip(1e-4, 1 - 1e-4), rtol=1e-6)
    assert view.fixed(torch.zeros(0, 2), rows[:0], "test").shape == (0, 2)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", ["binary", "unit"])
def test_batches_on_a_gpu_need_no_host(kind):
    train = load("digits", kind=kind).train.to("cuda")
    index = torch.arange(8, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        batch = train.batch(index)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batch.x.device.type == batch.y.device.type == "cuda"


def test_data_describe_themselves():
    data = load("digits", seed=5)
    description = data.describe()
    assert description["splits"] == {"train": 1257, "valid": 180, "test": 360}
    assert description["x_shape"] == [1, 8, 8]
    assert description["classes"] == 10
    assert description["levels"] == 17
    assert {len(description[f"sha256_{split}"]) for split in description["splits"]} == {12}
    assert data.sha256 == load("digits", kind="unit").sha256
    assert not set(data.sha256.values()) & set(load("ring").sha256.values())
    assert repr(data) == (
        "Data(digits: 1257 train + 180 valid + 360 test, x (1, 8, 8) binary (dynamic binarization, seed 5), 10 classes)"
    )
    assert data.test.attributes() == {
        "data": "digits",
        "split": "test",
        "kind": "binary",
        "binarization": "dynamic",
        "binarization_seed": 5,
        "dequantization": "none",
        "levels": 17,
        "standardization": "none",
        "log_jacobian": 0.0,
    }
    assert load("ring").test.attributes()["levels"] == "continuous"
    assert load("digits", kind="unit").test.attributes()["dequantization_seed"] == 0


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"name": "digit"}, r"no data called 'digit'; did you mean 'digits'"),
        ({"name": "nowhere/file.npz"}, r"no such file: nowhere/file\.npz"),
        ({"name": "file.npz"}, r"no such file: file\.npz"),
        ({"name": Path("digits")}, r"no such file: digits"),
        ({"name": "shuffled-labels(of='digit')"}, r"no data called 'digit'; did you mean 'digits'"),
        ({"kind": "grey"}, r"no kind of data called 'grey'"),
        ({"kind": "real"}, r"'digits' offers kind 'binary' or 'unit' or 'levels', not 'real'"),
        ({"kind": ()}, r"not nothing"),
        ({"binarization": "dynamik"}, r"did you mean 'dynamic'"),
        ({"kind": "unit", "binarization": "dynamic"}, r"'dynamic' makes data of kind 'binary', not 'unit'"),
        ({"kind": "levels", "binarization": "static"}, r"'static' makes data of kind 'binary', not 'levels'"),
        ({"kind": "binary", "binarization": "none"}, r"needs binarization 'dynamic' or 'static', not 'none'"),
        ({"kind": "binary", "dequantization": True}, r"dequantization makes data of kind 'unit', not 'binary'"),
        ({"binarization": "dynamic", "dequantization": True}, r"dequantization makes data of kind 'unit'"),
        ({"kind": "levels", "dequantization": True}, r"dequantization makes data of kind 'unit', not 'levels'"),
        ({"name": "ring", "kind": "binary"}, r"'ring' offers kind 'real', not 'binary'"),
        ({"name": "ring", "binarization": "dynamic"}, r"'ring' offers kind 'real', not 'binary'"),
        ({"name": "ring", "dequantization": True}, r"'ring' offers kind 'real', not 'unit'"),
        (
            {"standardize": True},
            r"standardize=True takes data of kind 'real' or 'positive', and 'digits' is 'binary'",
        ),
        ({"name": "ring", "size": 4}, r"size=4 resizes images, and 'ring' has none but x of shape \(2,\)"),
    ],
    ids=str,
)
def test_refusals(arguments, match):
    with pytest.raises(ValueError, match=match):
        load(**{"name": "digits", **arguments})


@pytest.mark.parametrize(("name", "mean"), [("mnist", 0.1307), ("fashion-mnist", 0.2860)])
def test_vision_from_packed_read_only_files(packed, name, mean):
    data = load(name, kind="unit", dequantization=False)
    assert [len(s) for s in (data.train, data.valid, data.test)] == [50_000, 10_000, 10_000]
    assert data.x_shape == (1, 28, 28)
    assert data.levels == 256
    assert data.classes == 10
    assert torch.cat([data.train.x, data.valid.x]).mean() == pytest.approx(mean, abs=1e-4)
    assert data.sha256 == load(name).sha256


def test_vision_unpacks_into_the_cache_only_once(packed, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with ThreadPoolExecutor(3) as pool:
        roots = set(pool.map(vision._root, [vision.MNIST] * 3))
    assert roots == {tmp_path / "pyrogen" / "data"}
    raw = tmp_path / "pyrogen" / "data" / "MNIST" / "raw"
    assert len(list(raw.iterdir())) == 4
    assert [p.name for p in raw.parents[1].iterdir()] == ["MNIST"]
    for file in raw.iterdir():
        assert file.read_bytes() == gzip.decompress((packed / "MNIST" / "raw" / f"{file.name}.gz").read_bytes())
    monkeypatch.setattr(vision, "_unpack", None)
    assert vision._root(vision.MNIST) in roots
    monkeypatch.setenv("PYROGEN_DATA", str(raw.parents[1]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert vision._root(vision.MNIST) in roots


def test_vision_without_files_or_network(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", offline)
    monkeypatch.setenv("PYROGEN_DATA", str(tmp_path / "root"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"no network.*expected train-images-idx3-ubyte\.gz.*root/MNIST/raw.*PYROGEN_DATA"
    ):
        load("mnist")
    assert not list(tmp_path.rglob("tmp*"))


def test_vision_with_damaged_files(packed, tmp_path, monkeypatch):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    monkeypatch.setenv("PYROGEN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte\.gz is damaged: expected the MD5 sum ec29112d"):
        load("mnist")
    for file, _ in vision.MNIST.resources:
        shutil.copyfile(packed / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz", raw / file)
        (raw / file.removesuffix(".gz")).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"MNIST/raw are damaged .*delete the files"):
        load("mnist")


def test_ring_data():
    data = load("ring")
    assert [len(s) for s in (data.train, data.valid, data.test)] == [10_000, 1_000, 2_500]
    assert (data.kind, tuple(data.x_shape), data.levels) == ("real", (2,), None)
    assert torch.equal(data.train.x, load("ring", seed=9).train.x)
    assert torch.equal(data.oracle.nearest(data.test.x)[0], data.test.y)
    assert len({tuple(row) for s in (data.train, data.valid, data.test) for row in s.x.tolist()}) == 13_500


def test_every_view_is_of_its_kind():
    inside = {
        "binary": lambda x: ((x == 0) | (x == 1)).all(),
        "unit": lambda x: ((x >= 0) & (x <= 1)).all(),
        "levels": lambda x: ((x == x.round()) & (x >= 0) & (x <= 255)).all(),
        "real": lambda x: torch.isfinite(x).all(),
        "counts": lambda x: ((x == x.round()) & (x >= 0)).all(),
        "positive": lambda x: (x > 0).all(),
        "angle": lambda x: (x.abs() <= torch.pi).all(),
    }
    assert set(inside) == set(PLAIN)
    for kind in ("binary", "unit", "levels"):
        data = load("digits", kind=kind)
        for split in (data.train, data.valid, data.test):
            assert inside[kind](split.x)
            assert inside[kind](split.batch(torch.arange(len(split))).x)
