"""Steps as CUDA graphs: the bits of eager ones, shown without a device by a graph that runs what it was told to capture."""

import logging
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from playing import played
from pretended import Graph
from smallest import small
from torch import nn

import pyrogen
from pyrogen.inference import Adversarial, PersistentContrastiveDivergence, fit
from pyrogen.inference.replay import captured, recorded_step
from pyrogen.inference.replay.recorded_step import said
from pyrogen.inference.training import fit as fitting

pytestmark = pytest.mark.usefixtures("steps_pay")

# its network runs on the people who are there, others in every batch
EAGER = {"social-gan"}


@pytest.fixture
def graphs(monkeypatch):
    """A device with graphs; those that were captured."""
    made = []

    def capture(function):
        made.append(graph := Graph())
        with graph:
            outputs = function()
        graph.captured()
        return outputs, graph.replay

    monkeypatch.setattr(captured, "captures", lambda device: True)
    monkeypatch.setattr(captured, "capture", capture)
    return made


def agree(name, tiny_data, goal=None, **rules):
    """The captured game, after it was compared with the eager one: weights, buffers, and all terms of all moves."""
    games = []
    for compile in ("auto", False):
        model = small(name)
        players = None if goal is None else goal.players(model)
        games.append(played(model, tiny_data(model), compile, players, batch_size=12, **rules))
    captured_game, eager = games
    assert torch.equal(captured_game.record, eager.record)
    for (key, a), b in zip(captured_game.model.state_dict().items(), eager.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), key
    return captured_game


@pytest.mark.rotating
@pytest.mark.parametrize("name", sorted({*pyrogen.list_models()} - EAGER))
def test_every_entry_is_captured_to_the_bit(name, tiny_data, graphs):
    g = agree(name, tiny_data)
    assert "each launched as one CUDA graph" in said([m.step for m in g.movers])
    assert all(m.step.captures and any(e.compiled for e in m.step.entries.values()) for m in g.movers)


RULES = {
    "clipped": {"clip": 0.1},
    "by a schedule": {"milestones": (2, 3)},
    "with another rate": {"lr": 0.01},
    "in half precision": {"dtype": torch.bfloat16},
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_rules_are_kept(rules, tiny_data, graphs):
    agree("vae", tiny_data, **rules)


def test_the_optimizer_is_in_the_graph_where_nothing_comes_before_it(tiny_data, graphs):
    g = agree("gan-nonsaturating", tiny_data, Adversarial(reuse=True))
    assert [any(e.moves for e in m.step.entries.values()) for m in g.movers] == [True, False]


def test_what_comes_after_a_step_finds_its_gradients(tiny_data, graphs):
    agree("rbm", tiny_data, PersistentContrastiveDivergence(fast=0.1), clip=0.1)


def test_each_learning_rate_has_a_graph_of_its_own(tiny_data, graphs):
    model = small("vae")
    played(model, tiny_data(model))
    plain = len(graphs)
    model = small("vae")
    played(model, tiny_data(model), milestones=(3,))
    assert len(graphs) == plain + 2 * plain


def test_any_number_of_learning_rates_is_captured(tiny_data, graphs, monkeypatch):
    monkeypatch.setattr(recorded_step, "RECORDINGS", 2)
    g = agree("vae", tiny_data, milestones=(2, 3, 4), epochs=4)
    step = g.movers[0].step
    assert (step.captures, step.eager_because, len(step.entries)) == (True, "", step.recordings)


def test_a_model_whose_memory_moves_goes_on_without_its_graph(tiny_data, graphs):
    def move(g):
        for p in g.model.parameters():
            p.data = p.data.clone()

    ends = []
    for compile in ("auto", False):
        model = small("vae")
        g = played(model, tiny_data(model), compile, between=move, epochs=6)
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
        if compile:
            assert all(m.step.captures for m in g.movers)
    assert torch.equal(*ends)


def test_what_is_captured_is_on_the_device_of_the_fit(monkeypatch):
    """Whichever that is, in this process or its neighbours: a graph is of the current device, and of a stream of that."""
    current, streams = [], []

    @contextmanager
    def entered(device):
        current.append(device)
        yield
        current.pop()

    @contextmanager
    def captures(graph, stream):
        streams.append(stream)
        yield

    second = torch.device("cuda", 1)
    monkeypatch.setattr(fitting, "device_named", torch.device)
    monkeypatch.setattr(torch.cuda, "device", entered)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=None))
    monkeypatch.setattr(torch.cuda, "Stream", lambda: ("a stream of", current[-1]))
    monkeypatch.setattr(torch.cuda, "graph", captures)
    with fitting._processes("cuda:1") as where:
        assert where == second
        captured.capture(list)
    with fitting._processes("cpu"):
        assert current == []
    assert streams == [("a stream of", second)]


def test_a_device_that_cannot_goes_on_without(tiny_data, graphs, monkeypatch, caplog):
    def capture(function):
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

    monkeypatch.setattr(captured, "capture", capture)
    with caplog.at_level(logging.WARNING, logger="pyrogen"):
        g = agree("vae", tiny_data)
    assert not g.movers[0].step.captures
    assert g.movers[0].step.eager_because == ""
    assert "without a CUDA graph: the device cannot capture it (RuntimeError: operation not permitted" in caplog.text
    assert caplog.text.count("without a CUDA graph") == 1


def test_a_graph_that_is_wrong_is_found_and_left(tiny_data, graphs, monkeypatch, caplog):
    """One that reads where the batch once was, as if it had not been copied there."""
    monkeypatch.setattr(captured.Captured, "__call__", lambda self, inputs: (self.replay(), self.outputs)[1])
    with caplog.at_level(logging.WARNING, logger="pyrogen"):
        g = played(model := small("vae"), tiny_data(model))
    assert not g.movers[0].step.captures
    assert "without a CUDA graph: it differs in its" in caplog.text


def test_a_run_says_so_and_goes_on_after_a_stop(tiny_data, graphs, tmp_path):
    settings = {"batch_size": 12, "seed": 0, "device": "cpu", "progress": False}
    whole, parts = small("vae"), small("vae")
    data = tiny_data(whole)
    assert "each launched as one CUDA graph" in fit(whole, data, epochs=4, **settings).steps
    fit(parts, data, epochs=2, folder=tmp_path / "run", **settings)
    fit(parts, data, epochs=4, folder=tmp_path / "run", resume=True, **settings)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["vae", "vae-conv", "wgan-gp", "rbm-persistent", "stylegan"])
def test_graphs_of_a_gpu_give_the_numbers_of_eager_steps(name, tiny_data):
    ends = []
    for compile in ("auto", False):
        model = small(name)
        fit(model, tiny_data(model), epochs=4, batch_size=12, seed=0, device="cuda", progress=False, compile=compile)
        ends.append(nn.utils.parameters_to_vector(model.parameters()).detach().cpu())
    torch.testing.assert_close(*ends, rtol=1e-3, atol=1e-4)
