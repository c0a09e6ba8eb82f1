"""Two processes train as one does, in few messages, and a run moves between one and two of them."""

import contextlib
import json
import multiprocessing.connection
import os
import socket
import traceback
from functools import partial

import pytest
import torch
import torch.distributed as distributed
from torch import nn

import pyrogen
from pyrogen.command.cli import main
from pyrogen.inference import fit
from pyrogen.inference.replay import recorded_step
from pyrogen.inference.training import checkpoint, processes
from pyrogen.inference.training.checkpoint import Stopped
from pyrogen.inference.training.game import Game
from pyrogen.inference.training.run import read_history
from pyrogen.nets.switch import Switch
from pyrogen.optim import Adam

pytestmark = pytest.mark.rotating  # two processes beside those of other workers

FAST = {"epochs": 2, "progress": False, "seed": 1}


SMALL = {
    "vqvae": {"codes": 8, "code_size": 4, "width": 8, "prior_width": 4},
    "rbm": {"hidden": 8},
}


def train(folder, name="autoencoder", stop=0, own=(), **more):
    """Train a small model, whose loss has no noise unless it is a VAE; its last process wishes to stop after some moves."""
    torch.manual_seed(0)
    data = pyrogen.data.load("digits", binarization="static")
    sizes = SMALL.get(name, {"latent_size": 3, "hidden": (16,)})
    model = pyrogen.create(name, x_shape=(1, 8, 8), **sizes, **dict(own))
    stops, move = checkpoint.Stops(), Game.move

    def counted(self):
        move(self)
        stops.wished = int(self.step) == stop and processes.rank() == processes.world() - 1

    with pytest.MonkeyPatch.context() as patch:
        if stop:
            patch.setattr(Game, "move", counted)
            patch.setattr(checkpoint, "Stops", lambda: stops)
        try:
            return fit(model, data, folder=folder, **{**FAST, **more})
        except Stopped:
            return None


def _one_of_two(rank, port, job, arguments):
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank), **address}
    torch.set_num_threads(1)
    try:
        job(*arguments)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def by_two(job, *arguments):
    """Run a job in two processes, as torchrun would start them; forked, for torch is imported already."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=_one_of_two, args=(rank, port, job, arguments)) for rank in (0, 1)]
    for process in started:
        process.start()
    # one that has failed is not waited for by the other
    while (alive := [p.sentinel for p in started if p.is_alive()]) and not any(p.exitcode for p in started):
        multiprocessing.connection.wait(alive)
    for process in started:
        if any(p.exitcode for p in started):
            process.kill()
        process.join()
    assert [process.exitcode for process in started] == [0, 0]


def agree(a, b):
    """Two runs end in the same weights and losses, as far as sums in another order let them."""
    ours, theirs = (pyrogen.load(folder).state_dict() for folder in (a, b))
    for name, value in ours.items():
        if name.endswith(".rows"):  # one of the batch for each code that may be dead, at random
            continue
        torch.testing.assert_close(value, theirs[name], atol=1e-4, rtol=1e-3)
    losses = [[line["train/loss"] for line in read_history(folder)[1:]] for folder in (a, b)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("batch_size", [100, 314])  # of 1,257 data: shares of unlike size, and a last datum that joins
def test_two_processes_train_as_one(batch_size, tmp_path):
    train(tmp_path / "one", batch_size=batch_size)
    by_two(lambda: train(tmp_path / "two", batch_size=batch_size))
    agree(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize(("first", "then"), [("one", "two"), ("two", "one"), ("two", "two")])
def test_a_run_moves_between_one_and_two(first, then, tmp_path):
    """Stopped in the middle of an epoch, of which the other processes measure the rest."""
    by = {"one": lambda job: job(), "two": by_two}
    by[first](lambda: train(tmp_path / "moved", stop=18))
    assert not (tmp_path / "moved" / "weights.safetensors").exists()
    by[then](lambda: train(tmp_path / "moved", resume=True))
    train(tmp_path / "one")
    agree(tmp_path / "one", tmp_path / "moved")


def test_two_that_are_stopped_change_no_bit(tmp_path):
    """Each goes on with its own noise, and recorded steps are recorded anew."""

    def job(folder, **more):
        recorded_step.PAYS = 1
        run = train(folder, name="vae", batch_size=419, **more)
        assert run is None or run.steps.startswith("recorded in ")

    by_two(job, tmp_path / "whole")
    by_two(lambda: job(tmp_path / "cut", stop=4))
    by_two(lambda: job(tmp_path / "cut", resume=True))
    for name in ("weights.safetensors", "metrics.jsonl", "checkpoint.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_processes_that_join_have_noise_of_their_own(tmp_path):
    """Neither that of the others, nor that of the start over again."""

    def job():
        drawn = []
        move = Game.move

        def watched(self):
            drawn.append(torch.get_rng_state())
            move(self)

        Game.move = watched
        train(tmp_path / "run", name="vae", resume=True, epochs=2)
        (tmp_path / os.environ["RANK"]).write_text(json.dumps(drawn[0].tolist()))

    train(tmp_path / "run", name="vae", epochs=1)
    by_two(job)
    states = [(tmp_path / str(rank)).read_text() for rank in (0, 1)]
    fresh = torch.Generator().manual_seed(FAST["seed"]).get_state()
    assert len({*states, json.dumps(fresh.tolist())}) == 3


def test_gradients_go_in_few_messages(tmp_path):
    def job():
        sent = []
        send = distributed.all_reduce
        distributed.all_reduce = lambda tensor, **how: (sent.append(tensor.numel()), send(tensor, **how))[1]
        distributed.init_process_group("gloo")
        parameters = [nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(4))]
        rank = processes.rank()
        parameters[0].grad = torch.full((2, 3), 1.0 + rank)
        parameters[2].grad = torch.arange(4.0) if rank else None  # of what one process's data do not reach
        processes.BUCKET = 11
        processes.share_gradients(parameters, 0.25 + 0.5 * rank)
        assert sent == [13, 5]  # each says of its parameters in how many processes they had a gradient
        assert parameters[0].grad.unique().tolist() == [1.75]
        assert parameters[1].grad is None
        assert parameters[2].grad.tolist() == [0.0, 0.75, 1.5, 2.25]
        distributed.destroy_process_group()

    by_two(job)


def test_compiled_steps_of_two_share_gradients(tmp_path, monkeypatch):
    """What is compiled leaves gradients, and the optimizer waits for everyone's."""
    monkeypatch.setattr("torch._inductor.standalone_compile", lambda module, inputs, **how: module)
    by_two(train, tmp_path / "two", "autoencoder", 0)
    by_two(partial(train, compile=True), tmp_path / "compiled", "autoencoder", 0)
    train(tmp_path / "one", compile=True)
    agree(tmp_path / "two", tmp_path / "compiled")
    agree(tmp_path / "two", tmp_path / "one")


@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_a_codebook_is_of_all_data(codebook, tmp_path):
    """Running means of both shares are those of one process; none is revived, which is random."""
    own = {"codebook": codebook, "revive": 0.0}
    train(tmp_path / "one", "vqvae", own=own, epochs=1)
    by_two(lambda: train(tmp_path / "two", "vqvae", own=own, epochs=1))
    agree(tmp_path / "one", tmp_path / "two")


def job_of(name, folder, **more):
    """Train, and write down the weights that this process ends with."""
    run = train(folder, name, **more)
    if run is not None:
        torch.save(run.model.state_dict(), f"{folder}-{os.environ['RANK']}.pt")


@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_revived_codes_are_the_same_in_all_processes(codebook, tmp_path):
    by_two(lambda: job_of("vqvae", tmp_path / "run", own={"codebook": codebook, "revive": 0.9}, epochs=1))
    first, second = (torch.load(f"{tmp_path / 'run'}-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(first[k], second[k]) for k in first if not k.endswith(".rows"))


def test_processes_begin_with_the_weights_of_the_first(tmp_path):
    def job():
        torch.manual_seed(int(os.environ["RANK"]))
        model = pyrogen.create("autoencoder", x_shape=(1, 8, 8), latent_size=3, hidden=(16,))
        run = fit(model, "digits", epochs=1, progress=False)
        torch.save(run.model.state_dict(), tmp_path / os.environ["RANK"])

    by_two(job)
    first, second = (torch.load(tmp_path / str(rank)) for rank in (0, 1))
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_chains_of_each_process_go_on(tmp_path):
    """Persistent chains are moved by each process's own noise, and the next process of its number goes on with them."""

    def job(folder, **more):
        train(folder, "rbm", objective=pyrogen.inference.PersistentContrastiveDivergence(chains=20), **more)

    by_two(job, tmp_path / "whole")
    by_two(lambda: job(tmp_path / "cut", stop=18))
    by_two(lambda: job(tmp_path / "cut", resume=True))
    for name in ("weights.safetensors", "metrics.jsonl", "checkpoint.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_a_run_that_has_ended_is_given_to_all_processes(tmp_path):
    train(tmp_path / "run", epochs=1)

    def job():
        again = train(tmp_path / "run", epochs=1, resume=True)
        saved = pyrogen.load(tmp_path / "run").state_dict()
        assert all(torch.equal(value, saved[name]) for name, value in again.model.state_dict().items())
        assert [line["epoch"] for line in again.records] == [0, 1]
        later = train(tmp_path / "run", epochs=1, resume=True, lr=0.5, patience=3)
        assert (later.settings["lr"], later.settings["patience"]) == (again.settings["lr"], None)

    by_two(job)


def test_what_python_keeps_of_a_tensor_begins_alike(tmp_path):
    def job():
        distributed.init_process_group("gloo")
        switch = Switch(on=processes.rank() == 0)
        processes.begin_alike([switch])
        assert switch.on
        distributed.destroy_process_group()

    by_two(job)


def test_fewer_data_than_processes_are_refused(tmp_path):
    def job():
        with pytest.raises(ValueError, match="2 processes share a batch of 1, of which some would get nothing"):
            train(tmp_path / "run", batch_size=1)

    by_two(job)


def test_what_is_frozen_stays(tmp_path):
    """A gradient of zeros is none: an optimizer that remembers, or that decays weights, would move by it."""

    def job():
        torch.manual_seed(0)
        model = pyrogen.create("rbm", x_shape=(1, 8, 8), hidden=8)
        model.hidden_bias.requires_grad_(False).fill_(1.0)
        goal = pyrogen.inference.ContrastiveDivergence(optimizer=Adam(weight_decay=0.5))
        fit(model, pyrogen.data.load("digits", binarization="static"), epochs=1, objective=goal, progress=False)
        assert model.hidden_bias.eq(1.0).all()

    by_two(job)


def test_the_first_process_alone_speaks_and_reports(tmp_path):
    def job():
        words = ["train", "autoencoder", "--epochs", "1", "--hidden", "8", "--latent_size", "2"]
        with (tmp_path / os.environ["RANK"]).open("w") as said, contextlib.redirect_stdout(said):
            assert main([*words, "--folder", str(tmp_path / "run")]) == 0

    by_two(job)
    assert (tmp_path / "1").read_text() == ""
    assert "the report is in" in (tmp_path / "0").read_text()
    assert (tmp_path / "run" / "report.html").is_file()


def test_one_process_is_the_first_whatever_its_wrapper_calls_it(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert processes.is_first()
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert not processes.is_first()
