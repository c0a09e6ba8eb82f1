"""What training and scoring allocate at once does not grow with the data, the draws or the epochs: bytes are counted."""

import gc
from itertools import accumulate

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import pyrogen
from pyrogen.data import from_arrays
from pyrogen.inference import IWAE, fit, log_evidence
from pyrogen.inference.training.game import Game


def peak(run):
    """The most bytes of tensors that it had at once, above those that were there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watch:
        run()
    moves = [e for e in watch.profiler.kineto_results.events() if e.name() == "[memory]"]
    return max(accumulate(e.nbytes() for e in sorted(moves, key=lambda e: e.start_ns())))


def vae():
    torch.manual_seed(0)
    return pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=2, hidden=(16,))


def bits(n):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 2, (n, 1, 8, 8)).astype(np.float32))


def scored(n, k):
    model, x = vae().eval(), bits(n)
    return peak(lambda: log_evidence(model, x, estimator=IWAE(k), chunk_size=100))


def trained(n, epochs):
    model, data = vae(), from_arrays(bits(n), x_valid=bits(10), x_test=bits(10), kind="binary")
    model.check = lambda x, y=None: None  # all data are looked at once before, with seven bytes a number
    how = {"batch_size": 50, "validate": False, "compile": False, "progress": False}
    return peak(lambda: fit(model, data, epochs=epochs, **how))


def test_bytes_are_counted():
    assert peak(lambda: [torch.ones(1000) for _ in range(10)]) == pytest.approx(40_000, rel=0.05)
    assert peak(lambda: [torch.ones(1000).sum() for _ in range(10)]) == pytest.approx(4_000, rel=0.2)


@pytest.mark.parametrize(("n", "k"), [(100, 200), (10, 2000)], ids=["data", "draws"])
def test_scoring_needs_no_more_for_ten_times_as_much(n, k):
    assert scored(n, k) < 1.25 * scored(10, 200)


@pytest.mark.parametrize(("n", "epochs"), [(1000, 2), (100, 10)], ids=["data", "epochs"])
def test_training_needs_no_more_for_ten_times_as_much(n, epochs, monkeypatch):
    """But for the order of the data, and a row of numbers for each batch of an epoch."""
    begin = Game.begin_epoch

    def swept(game, generator):
        gc.collect(1)  # what programs leave in circles waits for Python's collector, whenever it comes
        begin(game, generator)

    monkeypatch.setattr(Game, "begin_epoch", swept)
    order = 8 * n + 4 * 3 * n // 50
    assert trained(n, epochs) < 1.1 * trained(100, 2) + 2 * order
