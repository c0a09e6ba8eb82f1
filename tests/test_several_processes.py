"""Two processes train as one does, in few messages, and a run moves between one and two of them."""

import json
import multiprocessing
import os
import socket
import traceback
from functools import partial

import pytest
import torch
import torch.distributed as distributed
from torch import nn

import pyrogen
from pyrogen.inference import fit
from pyrogen.inference.replay import recorded_step
from pyrogen.inference.training import checkpoint, processes
from pyrogen.inference.training.checkpoint import Stopped
from pyrogen.inference.training.game import Game
from pyrogen.inference.training.run import read_history

FAST = {"epochs": 2, "progress": False, "seed": 1}


def train(folder, name="autoencoder", stop=0, **more):
    """Train a small model, whose loss has no noise unless it is a VAE; its last process wishes to stop after some moves."""
    torch.manual_seed(0)
    data = pyrogen.data.load("digits", binarization="static")
    model = pyrogen.create(name, x_shape=(1, 8, 8), latent_size=3, hidden=(16,))
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
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0, 0]


def agree(a, b):
    """Two runs end in the same weights and losses, as far as sums in another order let them."""
    ours, theirs = (pyrogen.load(folder).state_dict() for folder in (a, b))
    for name, value in ours.items():
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


@pytest.mark.rotating
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
        assert sent == [11, 4]
        assert [p.grad.unique().tolist() for p in parameters[:2]] == [[1.75], [0.0]]
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
