"""What is measured of energy models, and what their layers are worth to a classifier."""

import math
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen.data import load
from pyrogen.inference import fit, log_evidence
from pyrogen.inference.metrics.evidence import Nats, evidence, gain, gain_over_marginals
from pyrogen.inference.metrics.hidden_units import error_saved
from pyrogen.inference.metrics.partition import gain_over_base, log_partition_calibration, log_partition_error
from pyrogen.inference.metrics.representations import probe_gain
from pyrogen.inference.training.checkpoint import Stopped
from pyrogen.inference.training.game import Game
from pyrogen.models.energy.boltzmann import RBM

QUICK = {"epochs": 1, "batch_size": 200, "validate": False, "progress": False}


@pytest.fixture(scope="module")
def digits():
    return load("digits", binarization="static")


@pytest.fixture(scope="module")
def unit():
    return load("digits", kind="unit", dequantization=False)


def machine(hidden=3, size=1.0):
    torch.manual_seed(0)
    m = RBM((1, 8, 8), hidden)
    with torch.no_grad():
        m.weight.mul_(100 * size)
    return m


def test_chains_beat_as_many_draws_of_the_base(digits):
    m = machine()
    annealed = log_partition_error(m, digits, 0, runs=3, temperatures=100)
    plain = log_partition_error(m, digits, 0, runs=3, temperatures=100, plain=True)
    assert annealed < 0.1 < plain
    assert 0.5 < log_partition_calibration(m, digits, 0, runs=12, temperatures=50) < 1.6


def test_the_error_of_log_z_is_in_that_of_every_mean(digits):
    """All data share it, and their spread does not show it: a machine whose log Z is poorly known gains with a wide error."""
    few = {"name": "AIS", "temperatures": 5, "chains": 8, "doubling": False}
    machines = machine(size=3), machine(hidden=2, size=3)
    own, other = (log_evidence(m, digits.test, few) for m in machines)
    for m, ev in zip(machines, (own, other), strict=True):
        spread = float(ev["log_evidence"].values.std(ddof=1)) / math.sqrt(len(digits.test))
        found = evidence(m, digits, 0, few)
        assert found.error == pytest.approx(math.hypot(spread, float(ev["log_partition_se"])))
        assert gain_over_marginals(m, digits, 0, few).error > float(ev["log_partition_se"])
    gained = gain(machines[0], digits, 0, machines[1], few)
    difference = (own["log_evidence"] - other["log_evidence"]).values
    shared = math.hypot(float(own["log_partition_se"]), float(other["log_partition_se"]))
    assert float(gained) == pytest.approx(difference.mean())
    assert gained.error == pytest.approx(math.hypot(difference.std(ddof=1) / math.sqrt(len(difference)), shared))
    assert shared > 0.1  # 8 chains know little


def test_errors_of_means_by_hand():
    assert Nats(np.array([1.0, 2.0, 3.0])).error == pytest.approx(math.sqrt(1 / 3))
    assert Nats(np.array([1.0, 2.0, 3.0]), shared=0.04).error == pytest.approx(math.sqrt(1 / 3 + 0.04))
    assert math.isnan(Nats(np.array([1.0]), shared=0.04).error)


def test_the_gain_over_the_base_is_that_over_independent_pixels(digits):
    m = machine(size=0)
    m.before_training(digits.train.x)
    assert float(gain_over_base(m, digits, 0)) == pytest.approx(0, abs=1e-4)
    m = machine()
    base = -64 * math.log(2)  # of a machine that has seen no data
    with torch.no_grad():
        expected = float(m.log_prob(digits.test.x).mean()) - base
    assert float(gain_over_base(m, digits, 0)) == pytest.approx(expected, abs=1e-3)


def test_the_probe_reads_features_and_x_alike(digits):
    blind = machine(hidden=2, size=0)
    found = probe_gain(blind, digits, 0, labels=10, draws=2)
    assert found < -0.4  # what says nothing names classes at chance
    assert probe_gain(blind, digits, 0, labels=10, draws=2, in_errors=True) == pytest.approx(found / found.error)


def test_errors_saved_are_those_of_known_labels(unit):
    torch.manual_seed(0)
    few = load("digits", kind="unit", dequantization=False, labels=100)
    a, b = (pyrogen.create("classifier-pretrained", x_shape=(1, 8, 8), classes=10, hidden=(8,)) for _ in "ab")
    assert error_saved(a, few, 0, a) == 0
    assert error_saved(a, few, 0, b) == -error_saved(b, few, 0, a)
    known = few.train.y >= 0
    with torch.no_grad():
        wrong = [(m.classify(few.train.x[known]).probs.argmax(1) != few.train.y[known]).double().mean() for m in (a, b)]
    assert error_saved(a, few, 0, b, "train") == pytest.approx(float(wrong[1] - wrong[0]))
    assert math.isfinite(error_saved(a, few, 0, b, nats=True))


def test_pretraining_looks_at_no_label(unit):
    """With hidden labels the layers become what they become with labels; the head alone differs."""
    found = []
    for labels in (None, 20):
        data = load("digits", kind="unit", dequantization=False, labels=labels)
        torch.manual_seed(0)
        m = pyrogen.create("classifier-pretrained", x_shape=(1, 8, 8), classes=10, hidden=(8, 6))
        assert [stage.name for stage in m.stages()] == ["layer 1", "layer 2", "labels"]
        greedy, last = m.stages()[:2], m.stages()[2]
        m.stages = lambda greedy=greedy, last=last: [*greedy, replace(last, epochs=0)]
        fit(m, data, **QUICK)
        found.append([linear.weight.detach() for linear in m.linears])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_pretrained_classifier_resumes_inside_a_layer(unit, tmp_path, monkeypatch):
    def train(folder, **more):
        torch.manual_seed(0)
        m = pyrogen.create("classifier-pretrained", x_shape=(1, 8, 8), classes=10, hidden=(8, 6))
        return fit(m, unit, folder=folder, **QUICK, **more)

    train(tmp_path / "whole")
    move, left = Game.move, [9]

    def counted(game):
        move(game)
        left[0] -= 1
        if not left[0]:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Game, "move", counted)
        with pytest.raises(Stopped):
            train(tmp_path / "cut")
    train(tmp_path / "cut", resume=True)
    assert (tmp_path / "whole/weights.safetensors").read_bytes() == (tmp_path / "cut/weights.safetensors").read_bytes()


REFUSED = {
    "log Z of a VAE": (
        lambda d: log_partition_error(pyrogen.create("vae", x_shape=(1, 8, 8)), d, 0),
        "no energy model",
    ),
    "a large machine": (lambda d: log_partition_error(RBM((1, 8, 8), 64), d, 0), "cannot be enumerated"),
    "features of a MADE": (
        lambda d: probe_gain(pyrogen.create("made", x_shape=(1, 8, 8), hidden=(8,)), d, 0),
        "neither codes nor hidden units",
    ),
    "classes of an RBM": (lambda d: error_saved(machine(), d, 0, machine()), "names no classes"),
    "real data": (
        lambda d: pyrogen.create("classifier-pretrained", x_shape=(4,), classes=2, kind="real"),
        "data between 0 and 1",
    ),
}


@pytest.mark.parametrize(("act", "match"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_measured_is_refused(act, match, digits):
    with pytest.raises(ValueError, match=match):
        act(digits)
