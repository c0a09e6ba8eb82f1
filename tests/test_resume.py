"""Nothing is lost: a run killed anywhere goes on to the same bits, and whatever is wrong is one sentence."""

import errno
import importlib.util
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
import types
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playing import stop_after
from safetensors.torch import save_file
from torch import nn

import pyrogen
from pyrogen.base import Player, Stage
from pyrogen.inference import ELBO, IWAE, fit
from pyrogen.inference.runs.recipe import data_of
from pyrogen.inference.training import checkpoint
from pyrogen.inference.training.checkpoint import Stopped
from pyrogen.inference.training.run import read_history

SMALL = {
    "vae": ("digits", {"x_shape": (1, 8, 8), "latent_size": 3, "hidden": (16,)}, {"epochs": 6, "ema": 0.9}),
    "gan-nonsaturating": (
        "ring",
        {"generator": "Perceptron(hidden=(16,))", "critic": "Perceptron(hidden=(16,))"},
        {"epochs": 3, "batch_size": 256},
    ),
    "rbm": ("digits", {"x_shape": (1, 8, 8), "hidden": 12}, {"epochs": 8}),
}
PWNED = f"/tmp/pyrogen-pwned-{os.getpid()}"  # what no file of a folder may make
KEPT = ("weights.safetensors", "best.safetensors", "ema.safetensors")
FILES = (*KEPT, "film.safetensors", "checkpoint.safetensors", "metrics.jsonl", "config.yaml")


def train(name, folder, **more):
    data, arguments, recipe = SMALL[name]
    torch.manual_seed(0)
    model = pyrogen.create(name, **arguments)
    return fit(model, data, folder=folder, progress=False, **{"seed": 1, **recipe, **more})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Every small run, uninterrupted."""
    folder = tmp_path_factory.mktemp("whole")
    for name in SMALL:
        train(name, folder / name)
    return folder


def same(a, b):
    assert [(a / f).exists() for f in FILES] == [(b / f).exists() for f in FILES]
    return {f: (a / f).read_bytes() == (b / f).read_bytes() for f in FILES if (b / f).exists()}


def child(name, folder, batches, delay):
    """Train on, and be ended without a word so long after some batches, whatever is done then."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, batches, lambda: signal.setitimer(signal.ITIMER_REAL, delay))
        train(name, folder, resume=True, checkpoint_seconds=0.0)
    os._exit(0)


def killed_until_done(name, folder, kills, seed):
    """Start, end it anywhere after a few batches, start again, ``kills`` times; then let it go on from where it is."""
    chance = random.Random(seed)
    context = multiprocessing.get_context(
        "fork"
    )  # torch is imported already: kills fall into training, not into imports
    done = 0
    for _ in range(kills):
        process = context.Process(target=child, args=(name, folder, chance.randrange(2, 8), chance.uniform(1e-6, 0.01)))
        process.start()
        process.join()
        assert process.exitcode in (-signal.SIGALRM, 0)
        done += process.exitcode != 0
        assert (folder / "checkpoint.safetensors").exists()
    train(name, folder, resume=True)
    return done


@pytest.mark.parametrize("name", SMALL)
def test_kills_change_no_bit(name, whole, tmp_path):
    assert killed_until_done(name, tmp_path, kills=5, seed=name) >= 1
    assert all(same(tmp_path, whole / name).values())


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_twenty_kills_change_no_bit(name, tmp_path):
    data, arguments, recipe = SMALL[name]
    more = {"epochs": 10 * recipe["epochs"]}
    SMALL[name] = (data, arguments, {**recipe, **more})
    try:
        train(name, tmp_path / "whole")
        assert killed_until_done(name, tmp_path / "killed", kills=20, seed=name) >= 10
    finally:
        SMALL[name] = (data, arguments, recipe)
    assert all(same(tmp_path / "killed", tmp_path / "whole").values())


VARIANTS = {
    "warm-up": {"objective": ELBO(warmup=40)},
    "iwae": {"objective": IWAE(3)},
    "patience": {"patience": 2, "lr": 0.05, "epochs": 12},
    "averaged": {"ema": 0.99, "patience": 3},
    "no validation": {"validate": False},
    "bf16": {"precision": "bf16", "epochs": 3},
}


@pytest.mark.rotating
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("steps", [1, 13, 20])
def test_ctrl_c_anywhere_changes_no_bit(variant, steps, tmp_path, monkeypatch):
    train("vae", tmp_path / "whole", **variant)
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Stopped, match="the same again with resume=True goes on"):
            train("vae", tmp_path / "cut", **variant)
    train("vae", tmp_path / "cut", resume=True, **variant)
    assert all(same(tmp_path / "cut", tmp_path / "whole").values())


def two_stages():
    """First the encoder and decoder as an autoencoder would, then all by IWAE, with batch norm and dropout inside."""
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 4)
    )
    decoder = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 64))
    model = pyrogen.vae(encoder=encoder, decoder=decoder, x_shape=(1, 8, 8), latent_size=2)
    first = Stage(ELBO(beta=0.0).players(model), "without a prior")
    second = Stage(
        IWAE(4).players(model), epochs=3, batch_size=100, lr=2e-3, enter=lambda: decoder[0].bias.data.add_(0.5)
    )
    model.stages = lambda: [first, second]
    return model


@pytest.mark.parametrize("steps", [7, 25, 33])
def test_stages_resume_where_they_were(steps, tmp_path, monkeypatch):
    arguments = {"epochs": 2, "progress": False}
    fit(two_stages(), "digits", folder=tmp_path / "whole", **arguments)
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Stopped):
            fit(two_stages(), "digits", folder=tmp_path / "cut", **arguments)
    fit(two_stages(), "digits", folder=tmp_path / "cut", resume=True, **arguments)
    assert all(same(tmp_path / "cut", tmp_path / "whole").values())
    assert [line["epoch"] for line in read_history(tmp_path / "cut")] == [0, 1, 2, 3, 4, 5]


def test_a_stage_may_have_epochs_batches_and_a_rate_of_its_own_and_is_entered_once():
    model, seen = two_stages(), []
    first, second = model.stages()

    def watched(stage):
        (player,) = stage.players

        def loss(batch):
            seen.append((stage.name, len(batch.x)))
            return player.loss(batch)

        return replace(stage, players=[replace(player, loss=loss)], enter=lambda: seen.append((stage.name, "entered")))

    model.stages = lambda: [watched(first), watched(replace(second, name="with one"))]
    run = fit(model, "digits", epochs=1, batch_size=500, validate=False, compile=False, progress=False)
    size = len(pyrogen.data.load("digits").train)
    whole, rest = divmod(size, 100)
    early = [("without a prior", "entered"), *[("without a prior", n) for n in (500, 500, size - 1000) if n]]
    assert seen == early + [("with one", "entered")] + 3 * (
        [("with one", 100)] * whole + [("with one", rest)] * (rest > 0)
    )
    assert len(run.records) == 4


def test_without_a_checkpoint_it_starts_afresh(whole, tmp_path):
    train("vae", tmp_path / "new", resume=True)
    assert all(same(tmp_path / "new", whole / "vae").values())


def test_a_finished_run_is_left_alone(whole, tmp_path):
    shutil.copytree(whole / "vae", tmp_path / "run")
    before = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in (tmp_path / "run").iterdir()}
    run = train("vae", tmp_path / "run", resume=True)
    assert {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in (tmp_path / "run").iterdir()} == before
    assert [line["epoch"] for line in run.records] == list(range(7))
    loaded = pyrogen.load(tmp_path / "run")
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in run.model.state_dict().items())


NO_STEP = {
    "another rate": ({}, {"lr": 1e-4}),
    "fewer epochs": ({}, {"epochs": 3}),
    "none": ({}, {"epochs": 0}),
    "less patience": ({"epochs": 4, "lr": 0.3, "patience": 9}, {"patience": 1}),
    "more epochs than patience": ({"epochs": 40, "lr": 0.3, "patience": 1}, {"epochs": 50}),
}


@pytest.mark.parametrize(("first", "then"), NO_STEP.values(), ids=NO_STEP)
def test_settings_that_train_nothing_leave_a_finished_run_alone(first, then, tmp_path, caplog):
    begun = train("vae", tmp_path, **first)
    for page in (tmp_path / "report.html", tmp_path / "scores" / "ais.nc"):
        page.parent.mkdir(exist_ok=True)
        page.write_text("of these weights")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with caplog.at_level("WARNING", "pyrogen"):
        run = train("vae", tmp_path, resume=True, **{**first, **then})
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert f"has ended, and nothing is left to train: its {next(iter(then))} stays." in caplog.text
    assert run.settings == begun.settings
    assert run.records == begun.records
    assert all(torch.equal(v, begun.model.state_dict()[k]) for k, v in run.model.state_dict().items())


CHANGED = {
    "batch size": ({"batch_size": 64}, "fit.batch_size was 128, now 64"),
    "objective": ({"objective": ELBO(beta=2.0)}, "fit.objective"),
    "seed": ({"seed": 9}, "fit.seed was 1, now 9"),
}


@pytest.mark.parametrize("case", CHANGED.values(), ids=CHANGED)
def test_changed_settings_are_named(case, whole, tmp_path):
    shutil.copytree(whole / "vae", tmp_path / "run")
    change, message = case
    with pytest.raises(ValueError, match=message):
        train("vae", tmp_path / "run", resume=True, **change)
    assert all(same(tmp_path / "run", whole / "vae").values())


def test_a_second_process_is_refused(tmp_path):
    with checkpoint.owned(tmp_path), pytest.raises(ValueError, match="another process is training"):
        train("vae", tmp_path)
    train("vae", tmp_path)


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    """Of a folder that is there already, the lock is the first thing to be written."""
    (tmp_path / "taken" / ".lock").mkdir(parents=True)
    with pytest.raises(
        ValueError, match=r"a run's folder cannot be made here \(.*lock: Is a directory\); choose another\.$"
    ):
        train("vae", tmp_path / "taken")

    def refused(lock):
        raise PermissionError(errno.EACCES, "Permission denied", lock.lock_file)

    monkeypatch.setattr(checkpoint.filelock.FileLock, "acquire", refused)  # root may write anywhere
    with pytest.raises(
        ValueError, match=r"cannot be made here \(.*only/\.lock: Permission denied\); choose another\.$"
    ):
        train("vae", tmp_path / "read-only")


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(patch, 15)
        with pytest.raises(Stopped):
            train("vae", tmp_path)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pyrogen.files.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            train("vae", tmp_path, resume=True, checkpoint_seconds=0.0)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))
    train("vae", tmp_path, resume=True)


@pytest.mark.rotating
@pytest.mark.parametrize(
    "error", [MemoryError("8 GiB"), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("not enough memory")]
)
@pytest.mark.parametrize("steps", [0, 15])
def test_a_lack_of_memory_loses_no_checkpoint(error, steps, tmp_path, monkeypatch):
    original, taken = ELBO.terms, []

    def terms(self, *given):
        if len(taken) == steps:
            raise error
        taken.append(self)
        return original(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(ELBO, "terms", terms)
        with pytest.raises(MemoryError, match=r"not enough memory \(.*\); lower batch_size \(now 128\)") as said:
            train("vae", tmp_path, checkpoint_seconds=0.0, compile=False, validate=False)
    assert ("what was trained stands" in str(said.value)) == (steps > 0)
    if steps:
        assert len(pyrogen.evaluate(tmp_path, "ELBO", limit=3)["log_evidence"]) == 3
    train("vae", tmp_path, resume=True, compile=False, validate=False)
    train("vae", tmp_path / "whole", compile=False, validate=False)
    assert all(same(tmp_path, tmp_path / "whole").values())


def test_leftovers_of_a_kill_are_swept(tmp_path):
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / ".weights.safetensors.abc.part").write_bytes(b"half")
    train("vae", tmp_path)
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_not_finite_names_term_step_and_checkpoint(tmp_path, monkeypatch):
    original = ELBO.terms

    def spoiled(self, pair, batch):
        terms = original(self, pair, batch)
        late = batch.step is not None and int(batch.step) == 25
        return {**terms, "kl": terms["kl"] * float("nan")} if late else terms

    monkeypatch.setattr(ELBO, "terms", spoiled)
    with pytest.raises(
        FloatingPointError, match=r"term 'kl' of the player 'elbo' became nan at step 26.*checkpoint, of epoch 3"
    ):
        train("vae", tmp_path, checkpoint_seconds=0.0)
    tensors, _ = checkpoint.read(tmp_path / "checkpoint.safetensors")
    assert all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point())
    assert not (tmp_path / "weights.safetensors").exists()


def test_ended_early_keeps_the_best(tmp_path):
    run = train("vae", tmp_path, patience=1, lr=0.3, epochs=40)
    losses = [line["valid/loss"] for line in run.records]
    assert len(losses) < 40
    assert losses[-1] >= min(losses[:-1])
    best = pyrogen.load(tmp_path, weights="best")
    assert any(not torch.equal(v, best.state_dict()[k]) for k, v in run.model.state_dict().items())


def test_the_weights_beside_the_last_are_kept_without_a_folder(whole):
    run = train("vae", None)
    for name in ("best", "ema"):
        kept = pyrogen.load(whole / "vae", weights=name).state_dict()
        assert kept.keys() == run.kept[name].keys()
        assert all(torch.equal(v, run.kept[name][k]) for k, v in kept.items())
    assert train("vae", None, ema=None, validate=False).kept == {}


def test_average_is_the_exponential_one(tmp_path):
    seen = []

    class Spy(ELBO):
        def terms(self, pair, batch):
            if batch.step is not None:
                seen.append(pair.state_dict()["decoder.net.1.bias"].clone())
            return super().terms(pair, batch)

    torch.manual_seed(0)
    data, arguments, _ = SMALL["vae"]
    model = pyrogen.create("vae", **arguments)
    model.objective = Spy()
    fit(model, data, epochs=1, ema=0.8, folder=tmp_path, validate=False)
    seen.append(model.state_dict()["decoder.net.1.bias"])
    expected = seen[0]
    for step, weights in enumerate(seen[1:], 1):
        decay = min(0.8, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights
    averaged = pyrogen.load(tmp_path, model=pyrogen.create("vae", **arguments), weights="ema")
    torch.testing.assert_close(averaged.state_dict()["decoder.net.1.bias"], expected)


def test_networks_compute_in_bf16_and_densities_in_float32():
    seen = {}

    class Spy(ELBO):
        def terms(self, pair, batch):
            decode = pair.likelihood.forward
            pair.decoder.net[1].register_forward_hook(lambda m, i, o: seen.update(inside=o.dtype))
            pair.likelihood.forward = lambda f: (seen.update(outside=f.dtype), decode(f))[1]
            return super().terms(pair, batch)

    data, arguments, _ = SMALL["vae"]
    model = pyrogen.create("vae", **arguments)
    model.objective = Spy()
    fit(model, data, epochs=1, batch_size=2000, precision="bf16", validate=False)
    assert seen == {"inside": torch.bfloat16, "outside": torch.float32}


def mutate(folder, chance):
    """Something random happens to a random file of a run."""
    path = chance.choice(sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"))
    content = path.read_bytes()
    what = chance.randrange(7)
    at = chance.randrange(len(content) + 1)
    if what == 0:
        path.unlink()
    elif what == 1:
        path.write_bytes(content[:at])
    elif what == 2:
        path.write_bytes(
            content[:at] + bytes(chance.randrange(256) for _ in range(chance.randrange(1, 40))) + content[at:]
        )
    elif what == 3 and content:
        at = min(at, len(content) - 1)
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :])
    elif what == 4:
        path.write_bytes(bytes(chance.randrange(256) for _ in range(chance.randrange(200))))
    elif what == 5:
        path.unlink()
        path.mkdir()
    else:
        words = [
            b"null",
            b"[]",
            b"{}",
            b"-1",
            b"1e999",
            f"!!python/object/apply:os.system [touch {PWNED}]".encode(),
            b"nan",
            b"'x'",
        ]
        path.write_bytes(content[:at] + chance.choice(words) + content[min(at + 4, len(content)) :])


def survives(folder, seed):
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 4)):
        if any(p.is_file() for p in folder.rglob("*")):
            mutate(folder, chance)
    for act in (
        lambda: pyrogen.load(folder),
        lambda: data_of(folder),
        lambda: read_history(folder),
        lambda: train("vae", folder, resume=True, epochs=6),
    ):
        complaint = None
        try:
            act()
        except (ValueError, OSError, FloatingPointError) as error:  # a flipped bit of a weight may be a nan
            complaint = str(error)
        assert complaint is None or ("\n" not in complaint.strip() and len(complaint) > 20)


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A run that was stopped on its way."""
    folder = tmp_path_factory.mktemp("half") / "run"
    patch = pytest.MonkeyPatch()
    stop_after(patch, 50)
    with pytest.raises(Stopped):
        train("vae", folder)
    patch.undo()
    return folder


@pytest.mark.rotating
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), finished=st.booleans())
def test_mutated_folders_are_one_sentence(whole, half, tmp_path_factory, seed, finished):
    folder = tmp_path_factory.mktemp("mutated") / "run"
    shutil.copytree(whole / "vae" if finished else half, folder)
    survives(folder, seed)
    shutil.rmtree(folder)
    assert not os.path.exists(PWNED)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_mutated_folders(whole, half, tmp_path, part):
    for seed in range(2500 * part, 2500 * (part + 1)):
        folder = tmp_path / "run"
        shutil.copytree(whole / "vae" if seed % 2 else half, folder)
        survives(folder, seed)
        shutil.rmtree(folder)
    assert not os.path.exists(PWNED)


def test_time_between_checkpoints_is_kept(tmp_path, monkeypatch):
    written = []
    original = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *a: (written.append(time.monotonic()), original(*a)))
    train("vae", tmp_path / "a", checkpoint_seconds=1000.0)
    assert len(written) == 1  # the one at the end
    written.clear()
    train("vae", tmp_path / "b", checkpoint_seconds=0.0)
    assert len(written) > 30


def test_a_checkpoint_whose_optimizer_lacks_a_name_is_refused(half, tmp_path):
    """As one byte of the file's head that changed leaves it; it was found by seed 1926 of the ten thousand."""
    shutil.copytree(half, tmp_path / "run")
    tensors, facts = checkpoint.read(tmp_path / "run" / "checkpoint.safetensors")
    name = next(name for name in tensors if "/optimizer/" in name and name.endswith("/exp_avg_sq"))
    tensors[name[:-1] + "r"] = tensors.pop(name)
    checkpoint.save(tmp_path / "run" / "checkpoint.safetensors", tensors, facts)
    with pytest.raises(ValueError, match=r"does not fit this run .of an optimizer, exp_avg_sq, exp_avg_sr"):
        train("vae", tmp_path / "run", resume=True)


def test_a_checkpoint_of_another_stage_is_refused(half, tmp_path):
    shutil.copytree(half, tmp_path / "run")
    tensors, facts = checkpoint.read(tmp_path / "run" / "checkpoint.safetensors")
    checkpoint.save(tmp_path / "run" / "checkpoint.safetensors", tensors, {**facts, "stage": 3})
    with pytest.raises(ValueError, match="of a stage that this run does not have"):
        train("vae", tmp_path / "run", resume=True)


def test_a_checkpoint_of_an_older_pyrogen_is_refused(half, tmp_path):
    """What it said besides tensors stood in the head of its file, which has an end: long histories did not fit."""
    shutil.copytree(half, tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.safetensors"
    tensors, facts = checkpoint.read(path)
    save_file(tensors, path, {"pyrogen": json.dumps(facts)})
    with pytest.raises(
        ValueError, match=r"is of another version of pyrogen, or damaged: .*; start anew with overwrite=True"
    ):
        train("vae", tmp_path / "run", resume=True)
    assert pyrogen.load(tmp_path / "run").sample(2).shape == (2, 1, 8, 8)


def test_the_head_of_a_checkpoint_does_not_grow_with_the_history(tmp_path):
    sizes = []
    for epochs in (0, 10_000):
        history = [{"epoch": i, "valid/kl_per_dim": [0.25] * 9} for i in range(epochs)]
        checkpoint.save(tmp_path / "file", {"x": torch.arange(3)}, {"history": history, "stage": 1})
        tensors, facts = checkpoint.read(tmp_path / "file")
        assert facts == {"history": history, "stage": 1}
        assert tensors.keys() == {"x"}
        sizes.append(int.from_bytes((tmp_path / "file").read_bytes()[:8], "little"))
    assert max(sizes) < 300


@pytest.fixture
def boards(monkeypatch):
    """Every writer of TensorBoard's that is made, which writes one file, and what was written and closed."""
    made = []

    class Writer:
        def __init__(self, folder):
            self.folder, self.written, self.closed = Path(folder), [], False
            self.folder.mkdir(exist_ok=True)
            (self.folder / f"events.{len(made)}").write_text("")
            made.append(self)

        def add_scalar(self, name, value, epoch):
            self.written.append((name, epoch))

        def flush(self):
            pass

        def close(self):
            self.closed = True

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    known = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "tensorboard" or known(name))
    return made


def test_tensorboard_shows_one_run_and_is_closed(boards, tmp_path, monkeypatch):
    few = {"tensorboard": True, "epochs": 2, "batch_size": 500}
    train("vae", tmp_path, **few)
    train("vae", tmp_path, **few, overwrite=True)
    assert [(board.folder, board.closed) for board in boards] == 2 * [(tmp_path / "tensorboard", True)]
    assert [path.name for path in (tmp_path / "tensorboard").iterdir()] == ["events.1"]
    assert [epoch for name, epoch in boards[1].written if name == "valid/loss"] == [1, 2]
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(Stopped):
            train("vae", tmp_path / "cut", **few)
    assert boards[2].closed
    monkeypatch.setattr("pyrogen.inference.training.fit.is_first", lambda: False)
    train("vae", tmp_path / "other", **few)
    assert len(boards) == 3  # of several processes one writes


def test_tensorboard_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        train("vae", tmp_path, tensorboard=True)


class CriticOfCodes(ELBO):
    """The ELBO, and a critic of codes that no model holds; its batch norm remembers, a chain persists."""

    def players(self, model):
        critic = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))
        chain = nn.Module()
        chain.register_buffer("z", torch.zeros(3))
        (pair,) = super().players(model)

        def fooling(batch):
            terms = pair.loss(batch)
            return {**terms, "loss": terms["loss"] + critic(model.encode(batch.x).mean).square().mean()}

        def judging(batch):
            codes = model.encode(batch.x).rsample()
            if critic.training:
                chain.z.mul_(0.9).add_(codes.detach().mean(0))
            return {"loss": (critic(codes) - critic(torch.randn_like(codes) + chain.z)).mean()}

        return [Player("pair", fooling, [model]), Player("critic", judging, [critic], state=[chain])]


@pytest.mark.parametrize("steps", [4, 20])
def test_modules_of_an_objective_resume_to_the_bit(steps, tmp_path, monkeypatch):
    train("vae", tmp_path / "whole", objective=CriticOfCodes())
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Stopped):
            train("vae", tmp_path / "cut", objective=CriticOfCodes())
    train("vae", tmp_path / "cut", objective=CriticOfCodes(), resume=True)
    assert all(same(tmp_path / "cut", tmp_path / "whole").values())
    tensors, _ = checkpoint.read(tmp_path / "cut" / "checkpoint.safetensors")
    assert {k.split("/", 2)[2] for k in tensors if k.startswith("state/")} >= {"z", "1.running_mean", "3.weight"}


def test_a_stopped_run_gives_what_it_has(half):
    tensors, facts = checkpoint.read(half / "checkpoint.safetensors")
    for which, part in (("last", "model"), ("best", "best"), ("ema", "ema")):
        for name, value in pyrogen.load(half, weights=which).state_dict().items():
            assert torch.equal(value, tensors[f"{part}/{name}"])
    assert len(read_history(half)) == len(facts["history"]) > 0


@pytest.mark.parametrize("start", ["stopped", "finished"])
def test_a_run_is_extended_as_if_it_had_been_longer(start, half, whole, tmp_path):
    """Nothing but the number of epochs differs, so the longer run has the same bits."""
    train("vae", tmp_path / "long", epochs=9)
    shutil.copytree(half if start == "stopped" else whole / "vae", tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 5)
        with pytest.raises(Stopped):
            train("vae", tmp_path / "run", resume=True, epochs=9)
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    pyrogen.load(tmp_path / "run")
    run = train("vae", tmp_path / "run", resume=True, epochs=9)
    assert [line["epoch"] for line in run.records] == list(range(10))
    weights = [pyrogen.load(tmp_path / n).state_dict() for n in ("run", "long")]
    assert all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())
    (change,) = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["changes"]
    assert change["epochs"] == {"was": 6, "now": 9}
    assert change["step"] == {"stopped": 50, "finished": 60}[start]


@pytest.mark.parametrize("start", ["stopped", "finished"])
def test_pages_of_the_weights_before_go_when_a_run_goes_on(start, half, whole, tmp_path):
    shutil.copytree(half if start == "stopped" else whole / "vae", tmp_path / "run")
    pages = [tmp_path / "run" / name for name in ("report.html", "samples.png", "scores/elbo.nc", "notes.txt")]
    for page in pages:
        page.parent.mkdir(exist_ok=True)
        page.write_text("of the weights before")
    train("vae", tmp_path / "run", resume=True, epochs={"stopped": 6, "finished": 7}[start])
    assert [page.exists() for page in pages] == [False, False, False, True]


def test_a_run_that_cannot_go_on_keeps_its_end(whole, tmp_path):
    """The checkpoint is read before anything is given up for it."""
    shutil.copytree(whole / "vae", tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.safetensors"
    tensors, facts = checkpoint.read(path)
    checkpoint.save(path, {k: v for k, v in tensors.items() if k != "order"}, facts)
    with pytest.raises(ValueError, match="does not fit this run"):
        train("vae", tmp_path / "run", resume=True, epochs=9)
    kept = {file: equal for file, equal in same(tmp_path / "run", whole / "vae").items() if file != path.name}
    assert all(kept.values())


class InTurns(ELBO):
    """The ELBO, and a player whose weight is reached in every third step alone."""

    def players(self, model):
        net = nn.Linear(3, 1)

        def lazily(batch):
            loss = net.bias.square().sum()
            if batch.step is None or batch.turn is not None:
                loss = loss + net(model.encode(batch.x).mean).square().mean()
            return {"loss": loss}

        return [*super().players(model), Player("lazy", lazily, [net], every=3)]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_what_is_reached_in_turns_is_reached_after_a_stop_between_them(steps, tmp_path, monkeypatch):
    arguments = {"objective": InTurns(), "epochs": 1}
    train("vae", tmp_path / "whole", **arguments)
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Stopped):
            train("vae", tmp_path / "cut", **arguments)
    train("vae", tmp_path / "cut", resume=True, **arguments)
    assert all(same(tmp_path / "cut", tmp_path / "whole").values())


def test_a_smaller_lr_goes_on_from_the_last_weights(half, tmp_path):
    shutil.copytree(half, tmp_path / "run")
    before = pyrogen.load(tmp_path / "run").state_dict()
    after = train("vae", tmp_path / "run", resume=True, lr=1e-9).model.state_dict()
    assert all(torch.allclose(v, after[k], atol=1e-5) for k, v in before.items())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_weights_that_are_not_finite_are_no_finished_run(tmp_path):
    with pytest.raises(FloatingPointError, match=r"the parameter '.*' is not finite after step 1\b|became"):
        train("vae", tmp_path / "run", epochs=1, batch_size=2000, lr=1e38, ema=None, validate=False)
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    model = pyrogen.create("vae", **SMALL["vae"][1])
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    model.save(tmp_path / "nan")
    with pytest.raises(ValueError, match=r"weights that are not finite \("):
        pyrogen.load(tmp_path / "nan")


def test_a_signal_of_the_program_around_python_is_left_to_it(monkeypatch):
    """Its handler has no name here, so that it could not be put back."""
    taken = []
    monkeypatch.setattr(signal, "getsignal", lambda s: None if s == signal.SIGINT else signal.SIG_DFL)
    monkeypatch.setattr(signal, "signal", lambda s, handler: (taken.append(s), signal.SIG_DFL)[1])
    with checkpoint.Stops().heard() as stops:
        assert not stops.wished
    assert taken == [signal.SIGTERM, signal.SIGTERM]
