"""Folders: what comes back is what was saved, damaged and foreign ones are refused in one sentence, and nothing runs."""

import os

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

import pyrogen
from pyrogen.inference import ELBO
from pyrogen.nets import MaskedMLP
from pyrogen.priors import VampPrior
from pyrogen.storage import masks_of, write


@pytest.fixture
def saved(tmp_path):
    """A folder with a small VAE."""
    m = pyrogen.create("vae", x_shape=(4,), latent_size=2, hidden=(3,), prior=VampPrior(components=3))
    m.save(tmp_path / "run")
    return tmp_path / "run"


def edit(**changes):
    """Change arguments in the config."""

    def apply(folder):
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["model"]["arguments"] |= changes
        (folder / "config.yaml").write_text(yaml.safe_dump(config))

    return apply


def model_section(section):
    return lambda folder: (folder / "config.yaml").write_text(yaml.safe_dump({"model": section}))


def config(text):
    return lambda folder: (folder / "config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())


def weights(change):
    """Rewrite the weights."""

    def apply(folder):
        tensors = load_file(folder / "weights.safetensors")
        save_file(change(tensors), folder / "weights.safetensors")

    return apply


def raw_weights(change):
    def apply(folder):
        path = folder / "weights.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return apply


def remove(name):
    return lambda folder: (folder / name).unlink()


TAG = "model: !!python/object/apply:os.system ['touch {}']"
MUTATIONS = {
    "no config": (remove("config.yaml"), r"not a run's folder: it holds no config\.yaml"),
    "no weights": (remove("weights.safetensors"), r"holds no weights\.safetensors"),
    "empty config": (config(""), r"not written by pyrogen"),
    "config of bytes": (config(b"\xff\xfe\x00\x81" * 9), r"config\.yaml cannot be read as YAML"),
    "config not yaml": (config("model: [1, 2"), r"config\.yaml cannot be read as YAML"),
    "config a list": (config("- 1\n- 2"), r"not written by pyrogen"),
    "config of another": (config("trainer: lightning\nseed: 3"), r"not written by pyrogen"),
    "config of great depth": (config("model: " + "[" * 20_000), r"config\.yaml cannot be read as YAML"),
    "an impossible date": (config("model: 2024-99-99"), r"config\.yaml"),
    "python call": (config(TAG), r"config\.yaml cannot be read as YAML"),
    "python object": (config("model: !!python/object:pyrogen.base.Batch {x: 1}"), r"cannot be read as YAML"),
    "python name": (config("model: !!python/name:os.system"), r"cannot be read as YAML"),
    "model is a word": (config("model: vae"), r"not written by pyrogen"),
    "no entry": (model_section({"arguments": {}}), r"made in Python.*load\(folder, model=\.\.\.\)"),
    "no arguments": (model_section({"entry": "vae"}), r"made in Python"),
    "unknown entry": (
        model_section({"entry": "vaee", "arguments": {}}),
        r"no model called 'vaee'; did you mean .*'vae'",
    ),
    "dotted entry": (model_section({"entry": "os.system", "arguments": {}}), r"no model called 'os\.system'"),
    "entry without sizes": (model_section({"entry": "vae", "arguments": {}}), r"'vae' needs x_shape"),
    "unknown argument": (edit(wings=2), r"no argument of 'vae' called 'wings'"),
    "unknown prior": (edit(prior={"name": "builtins.eval"}), r"no prior called 'builtins\.eval'"),
    "prior without a name": (edit(prior={"components": 3}), r"no model that can be built"),
    "prior a likelihood": (edit(prior={"name": "Poisson"}), r"no prior called 'Poisson'"),
    "components a word": (edit(prior={"name": "VampPrior", "components": "many"}), r"no model that can be built"),
    "size a word": (edit(latent_size="two"), r"no model that can be built"),
    "size negative": (edit(latent_size=-1), r"no model that can be built"),
    "size enormous": (edit(latent_size=10**15), r"no model that can be built"),
    "shape a word": (edit(x_shape="four"), r"no model that can be built"),
    "shape nothing": (edit(x_shape=None), r"no model that can be built"),
    "widths a mapping": (edit(hidden={"a": 1}), r"no model that can be built"),
    "objective a number": (edit(objective=5), r"objective"),
    "another size": (edit(latent_size=5), r"does not fit the model of config\.yaml: .* differ"),
    "another prior": (edit(prior="StandardNormal"), r"does not fit .*prior\.pseudo"),
    "weights empty": (raw_weights(lambda b: b""), r"weights\.safetensors is damaged \(.*\); copy the folder again"),
    "weights cut": (raw_weights(lambda b: b[: len(b) // 2]), r"weights\.safetensors is damaged"),
    "weights cut in the header": (raw_weights(lambda b: b[:20]), r"weights\.safetensors is damaged"),
    "weights random": (raw_weights(lambda b: os.urandom(len(b))), r"weights\.safetensors is damaged"),
    "weights a pickle": (raw_weights(lambda b: b"\x80\x02cos\nsystem\nq\x00."), r"weights\.safetensors is damaged"),
    "weights of another shape": (
        weights(lambda t: {k: v.repeat(2, *[1] * (v.dim() - 1)) for k, v in t.items()}),
        r"does not fit",
    ),
    "weights one short": (weights(lambda t: dict(list(t.items())[1:])), r"does not fit"),
    "weights one more": (weights(lambda t: {**t, "extra": torch.zeros(2)}), r"does not fit .*extra"),
}


@pytest.mark.parametrize(("mutate", "message"), MUTATIONS.values(), ids=MUTATIONS)
def test_damaged_and_foreign_folders_are_refused(saved, tmp_path, mutate, message):
    mutate(saved)
    path = saved / "config.yaml"
    if path.exists() and b"{}'" in path.read_bytes():
        path.write_text(path.read_text().format(tmp_path / "executed"))
    with pytest.raises(ValueError, match=message) as caught:
        pyrogen.load(saved)
    assert "\n" not in str(caught.value)
    assert str(saved) in str(caught.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_no_folder(tmp_path, name):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ValueError, match="not a run's folder"):
        pyrogen.load(tmp_path / name)


def test_a_refused_folder_leaves_the_given_model_alone(saved):
    other = pyrogen.create("vae", x_shape=(4,), latent_size=3, hidden=(3,))
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(ValueError, match="does not fit"):
        pyrogen.load(saved, model=other)
    assert all(torch.equal(v, before[k]) for k, v in other.state_dict().items())


def test_a_model_comes_back_in_the_type_it_was_saved_in(tmp_path, saved, draws):
    double = pyrogen.create("vae", x_shape=(4,), latent_size=2, hidden=(3,), prior=VampPrior(components=3)).double()
    double.save(tmp_path / "double")
    loaded = pyrogen.load(tmp_path / "double")
    assert {p.dtype for p in loaded.parameters()} == {torch.float64}
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in double.state_dict().items())
    x = draws("binary", 5, 4)
    assert torch.equal(loaded.reconstruct(x), double.eval().reconstruct(x))
    torch.set_default_dtype(torch.float64)
    try:
        single = pyrogen.load(saved)
        assert single.sample(3).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(single.encoder.net[1].weight, load_file(saved / "weights.safetensors")["encoder.net.1.weight"])
    with pytest.raises(ValueError, match=r"as float64, and model= has it as float32; pass model\.to\(torch\.float64\)"):
        pyrogen.load(tmp_path / "double", model=pyrogen.load(saved))


def unmasked(config):
    """A config as it was written before masks had a hash."""
    del config["model"]["masks"]


def remasked(config):
    config["model"]["masks"] = "0" * 12


@pytest.mark.parametrize("change", [unmasked, remasked])
@pytest.mark.parametrize("entry", ["made", "nade", "pixelcnn"])
def test_weights_are_not_read_under_masks_that_they_were_not_trained_under(tmp_path, entry, change):
    m = pyrogen.create(entry, x_shape=(1, 3, 3))
    m.save(tmp_path)
    assert pyrogen.load(tmp_path).state_dict().keys() == m.state_dict().keys()
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    change(written)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(written))
    with pytest.raises(ValueError, match=r"under other masks than this version of pyrogen makes, .*; train anew"):
        pyrogen.load(tmp_path)
    with pytest.raises(ValueError, match="under other masks than model= has"):
        pyrogen.load(tmp_path, model=m)
    with pytest.raises(ValueError, match=r"begun with other settings \(model\.masks was"):
        pyrogen.fit(m, torch.ones(4, 1, 3, 3), epochs=1, folder=tmp_path, resume=True, progress=False)


def test_the_hash_of_masks_is_of_the_masks():
    """Of hidden units, and of the orders, in which two networks of the same weights may differ; a VAE has none."""
    one, other = (MaskedMLP((4,), (3,), 1, [order]) for order in ((0, 1, 2, 3), (1, 0, 2, 3)))
    assert one.state_dict().keys() == other.state_dict().keys()
    assert masks_of(one) != masks_of(other)
    assert masks_of(one) == masks_of(MaskedMLP((4,), (3,), 1).double()) != masks_of(MaskedMLP((4,), (2,), 1))
    assert not masks_of(pyrogen.create("vae", x_shape=(4,)))


def own_networks():
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 4))
    decoder = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 16))
    return pyrogen.vae(encoder=encoder, decoder=decoder, x_shape=(1, 4, 4), latent_size=2)


def test_own_networks_come_back_into_an_equal_model(tmp_path, draws):
    m = own_networks()
    m.encoder(draws("binary", 20, 1, 4, 4))  # moves the statistics of the batch norm
    m.eval()
    m.save(tmp_path)
    with pytest.raises(
        ValueError, match=r"networks of its maker's own \(encoder, decoder\).*load\(folder, model="
    ) as e:
        pyrogen.load(tmp_path)
    assert "\n" not in str(e.value)
    loaded = pyrogen.load(tmp_path, model=own_networks())
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in m.state_dict().items())
    x = draws("binary", 5, 1, 4, 4)
    assert torch.equal(loaded.reconstruct(x), m.reconstruct(x))  # as it is used, not as it is trained


def test_the_objective_comes_back(tmp_path):
    m = pyrogen.create("vae", x_shape=(4,), latent_size=2, hidden=(3,), objective=ELBO(beta=3.0))
    m.save(tmp_path)
    assert pyrogen.load(tmp_path).objective == ELBO(beta=3.0)


def test_a_config_can_be_read_by_anyone(saved):
    read = yaml.safe_load((saved / "config.yaml").read_text())
    assert read["pyrogen"] == pyrogen.__version__
    assert read["model"]["entry"] == "vae"
    assert read["model"]["arguments"]["prior"] == {"name": "VampPrior", "components": 3}
    assert read["model"]["arguments"]["x_shape"] == [4]
    assert sorted(p.name for p in saved.iterdir()) == ["config.yaml", "weights.safetensors"]


@pytest.mark.parametrize("step", ["replace", "fsync", "fdopen"])
def test_an_interrupted_write_leaves_the_old_file_whole(tmp_path, monkeypatch, step):
    path = write(tmp_path / "a.txt", "old")

    def fail(*args, **kwargs):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="the disk is full"):
            write(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert write(path, b"new").read_text() == "new"


def test_an_interrupted_save_leaves_the_old_run_whole(saved, monkeypatch):
    before = {p.name: p.read_bytes() for p in saved.iterdir()}
    other = pyrogen.create("vae", x_shape=(4,), latent_size=2, hidden=(3,), prior=VampPrior(components=3))

    def fail(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(KeyboardInterrupt):
            other.save(saved)
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == before
    assert pyrogen.load(saved).prior.components == 3


def test_written_files_can_be_read_by_others(saved):
    assert {p.stat().st_mode & 0o777 for p in saved.iterdir()} == {0o644}


def test_loading_draws_nothing(saved):
    before = torch.get_rng_state()
    pyrogen.load(saved)
    assert torch.equal(torch.get_rng_state(), before)
