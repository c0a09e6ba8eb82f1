"""Two threads of one process: each gives the bits that it gives alone."""

import sys
import threading

import pytest
import torch
from torch.distributions import Distribution

import pyrogen
from pyrogen import storage
from pyrogen.data import load
from pyrogen.inference import IWAE, fit, log_evidence
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.seeds import check_seed


@pytest.fixture(autouse=True)
def _hasty_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def work(seed, folder=None):
    """Weights and scores of a small fit, as one tensor; with a folder, of the model that is read from it again."""
    data = load("digits")
    with seeded(seed):
        model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,), prior="MixtureOfGaussians")
        fit(model, data, epochs=1, batch_size=256, seed=seed, folder=folder)
    if folder is not None:
        model = pyrogen.load(folder)
    scores = [log_evidence(model, data.test.take(20), IWAE(50), seed=seed).log_evidence.values for _ in range(3)]
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    return torch.cat([weights, *(torch.as_tensor(s).flatten() for s in scores)])


def beside_one_another(*jobs):
    """What the jobs return, each in a thread of its own, all begun at once."""
    found, start = {}, threading.Barrier(len(jobs))

    def run(i, job):
        start.wait()
        found[i] = job()

    threads = [threading.Thread(target=run, args=(i, job)) for i, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[i] for i in range(len(jobs))]


def test_fits_and_scores_beside_one_another_are_those_alone(tmp_path):
    before = torch.get_rng_state()
    alone = [work(0), work(1), work(2, tmp_path / "alone")]
    beside = beside_one_another(lambda: work(0), lambda: work(1), lambda: work(2, tmp_path / "beside"))
    for a, b in zip(alone, beside, strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(alone[0], alone[1])
    assert torch.equal(torch.get_rng_state(), before)
    for name in storage.SAVED.values():
        if (tmp_path / "alone" / name).is_file():
            assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "beside" / name).read_bytes()


def test_draws_of_two_threads_do_not_mix():
    def draws(seed):
        with seeded(seed):
            return torch.cat([torch.randn(1000) for _ in range(50)])

    alone = [draws(0), draws(1)]
    for _ in range(5):
        beside = beside_one_another(lambda: draws(0), lambda: draws(1))
        assert all(torch.equal(a, b) for a, b in zip(alone, beside, strict=True))


def test_validation_is_as_it_was_after_two_threads():
    def evaluate():
        for _ in range(200):
            with evaluating(torch.nn.Identity()):
                pass
        return True

    assert Distribution._validate_args  # of the whole process
    beside_one_another(evaluate, evaluate)
    assert Distribution._validate_args


@pytest.mark.parametrize("seed", [2**64 - 1, 2**63, -(2**63) - 1, 1.5, "3", None])
def test_seeds_that_mean_nothing_are_refused_by_one_check(seed):
    for refuse in (check_seed, lambda s: seeded(s).__enter__()):
        with pytest.raises(ValueError, match=r"^seed=.*: needs a whole number"):
            refuse(seed)
