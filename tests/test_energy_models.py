"""Boltzmann machines against enumeration and quadrature: paths, chains, log Z with its error, and what is refused."""

import itertools
import signal
import warnings

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

import pyrogen
from pyrogen.inference import (
    AIS,
    BiasWarning,
    ContrastiveDivergence,
    ParallelTempering,
    PersistentContrastiveDivergence,
    compare_evidence,
    fit,
    log_evidence,
    summarize,
)
from pyrogen.inference.objectives.tempering import exchanged
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.training.checkpoint import Stopped
from pyrogen.inference.training.game import Game
from pyrogen.kinds import coins
from pyrogen.likelihoods.pixels import softplus_sum
from pyrogen.models.energy.boltzmann import RBM
from pyrogen.optim import SGD

VISIBLES = {"Bernoulli": "Bernoulli", "Gaussian": "Gaussian(scale='learned')", "Categorical": "Categorical(classes=3)"}


def machine(visible="Bernoulli", units=4, hidden=3, size=1.0, seed=0, **more):
    """An RBM with weights of some size, whose base is not its own."""
    torch.manual_seed(seed)
    m = RBM((units,), hidden, visible=VISIBLES[visible], **more)
    m.before_training(data(visible, units, 50))
    with torch.no_grad():
        for p in m.parameters():
            p.add_(size * torch.randn_like(p))
        if visible == "Gaussian":
            m.visible.log_scale.mul_(0.3)
    return m


def data(visible, units, n, seed=0):
    u = torch.rand(n, units, generator=torch.Generator().manual_seed(seed))
    return {"Bernoulli": u.round(), "Gaussian": 4 * u - 2, "Categorical": (3 * u).floor()}[visible]


def hidden_states(m):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=len(m.hidden_bias))))


def joint(m, x, beta=1.0):
    """log f_β(x, h) for all h, ``(n, 2^H)``, written out."""
    h, own = hidden_states(m), m.visible.own(x, beta)
    t = m.visible.statistic(x)
    return own[:, None] + beta * (t @ m.weight.T @ h.T + (h @ m.hidden_bias)[None])


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("visible", VISIBLES)
def test_the_density_is_the_sum_over_hidden_units(visible, beta):
    m = machine(visible)
    x = data(visible, 4, 7, seed=1)
    with torch.no_grad():
        assert torch.allclose(m.log_density(x, beta), joint(m, x, beta).logsumexp(1), atol=1e-4)
        each = m.log_density(x, torch.full((7,), beta))
        assert torch.allclose(m.log_density(x, beta), each, atol=1e-4)


def grid(visible):
    """All x of two units, or a fine grid with the log of its cell."""
    if visible == "Gaussian":
        side = torch.linspace(-25, 25, 501)
        return torch.cartesian_prod(side, side), 2 * np.log(0.1)
    values = torch.arange(3.0 if visible == "Categorical" else 2.0)
    return torch.cartesian_prod(values, values), 0.0


@pytest.mark.parametrize("visible", VISIBLES)
def test_log_z_of_every_kind_is_that_of_all_x(visible):
    m = machine(visible, units=2, size=0.7)
    x, log_cell = grid(visible)
    with torch.no_grad():
        total = m.log_density(x).double().logsumexp(0) + log_cell
        base = m.log_density(x, 0.0).double().logsumexp(0) + log_cell
        assert float(m.log_partition()) == pytest.approx(float(total), abs=1e-4)
        assert float(m.base_log_partition()) == pytest.approx(float(base), abs=1e-4)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("visible", VISIBLES)
def test_a_move_leaves_the_tempered_density_unchanged(visible, beta):
    """Of chains that start at exact draws, mean statistics stay within their errors."""
    m = machine(visible, units=2, size=0.7)
    x, _ = grid(visible)
    with torch.no_grad():
        p = m.log_density(x, beta).softmax(0)
        start = x[torch.multinomial(p, 20_000, replacement=True)]
        moved = m.move(start, torch.full((20_000,), beta))
    features = [lambda t: t, lambda t: t.square(), lambda t: t[:, :1] * t[:, 1:]]
    for feature in features:
        of_all, found = feature(x), feature(moved)
        mean = (p[:, None] * of_all).sum(0)
        error = ((p[:, None] * (of_all - mean).square()).sum(0) / 20_000).sqrt()
        assert ((found.mean(0) - mean).abs() < 4.5 * error + 1e-3).all()
        assert not torch.equal(moved, start)


@pytest.mark.parametrize("visible", VISIBLES)
def test_climbing_gains_what_the_densities_say(visible):
    m = machine(visible)
    x = data(visible, 4, 5, seed=2)
    with torch.no_grad():
        lift, moved = m.climb(x, 0.25, 0.75)
        assert torch.allclose(lift, m.log_density(x, 0.75) - m.log_density(x, 0.25), atol=1e-4)
    m.visible.check(moved)


@pytest.mark.parametrize("visible", VISIBLES)
def test_exact_states_follow_the_model(visible):
    m = machine(visible, units=2, size=0.7)
    x, _ = grid(visible)
    with torch.no_grad():
        p = m.log_density(x).softmax(0)
    mean = (p[:, None] * x).sum(0)
    error = ((p[:, None] * (x - mean).square()).sum(0) / 20_000).sqrt()
    drawn = m.exact_states(20_000)
    assert ((drawn.mean(0) - mean).abs() < 4.5 * error).all()


@pytest.mark.parametrize("visible", VISIBLES)
def test_ais_meets_enumeration_from_both_sides(visible):
    m = machine(visible, size=0.7)
    x = data(visible, 4, 6, seed=3)
    exact = log_evidence(m, x, "Exact")
    found = log_evidence(m, x, AIS(200, 100))
    assert found.attrs["bound"] == "upper"
    gap = (found["log_evidence"] - exact["log_evidence"]).values
    assert np.ptp(gap) < 1e-4  # one log Z for all
    assert abs(gap[0]) < 5 * float(found["log_partition_se"]) + 1e-3
    assert float(found["log_partition_se"]) < 0.1
    assert float(found["log_partition"]) == pytest.approx(float(m.log_partition().detach()) - gap[0], abs=1e-3)
    lower, upper = found["lower"].mean(), found["upper"].mean()
    slack = 4 * float(np.hypot(found["lower_se"][0], found["upper_se"][0]))
    assert float(lower) - slack < float(exact["log_evidence"].mean()) < float(upper) + slack


def test_error_bars_of_log_z_are_calibrated():
    m = machine(size=1.0)
    truth = float(m.log_partition().detach())
    runs = [AIS(20, 50, doubling=False).log_partition(m, seed) for seed in range(30)]
    z = np.array([(run.value - truth) / run.error for run in runs])
    assert 0.6 < z.std() < 1.5
    back = np.array([(run.upper[0] - truth) / run.upper[1] for run in runs])
    assert 0.6 < back.std() < 1.5
    # in expectation one is below and the other above
    assert z.mean() < 3 / 30**0.5
    assert back.mean() > -3 / 30**0.5


def test_data_share_the_error_of_log_z():
    m = machine()
    x = data("Bernoulli", 4, 40)
    found = log_evidence(m, x, AIS(200, 8))
    told = summarize(found)
    assert told.mc_se == pytest.approx(float(found["log_partition_se"]))
    assert "an estimate whose error all data share" in told.text()
    other = log_evidence(m, x, AIS(200, 8), seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiasWarning)
        table = compare_evidence({"a": found, "b": other})
    both = np.hypot(float(found["log_partition_se"]), float(other["log_partition_se"]))
    assert float(table["difference_mc_se"][1]) == pytest.approx(both)


def test_large_models_are_scored_by_ais_by_default():
    m = machine(units=25, hidden=22, size=0.1)
    found = log_evidence(m, data("Bernoulli", 25, 3))
    assert (found.attrs["estimator"], found.attrs["chains"]) == ("AIS", 100)
    assert "lower" not in found
    with pytest.raises(
        ValueError, match=r"25 visible and 22 hidden .*cannot be enumerated.*score by estimator=AIS\(\)"
    ):
        m.log_partition()


def test_draws_depend_on_the_seed_alone():
    m, x = machine(), data("Bernoulli", 4, 3)
    a, b, c = (log_evidence(m, x, AIS(10, 8), seed=seed)["log_evidence"].values for seed in (0, 0, 1))
    assert (a == b).all()
    assert (a != c).all()


@pytest.mark.parametrize("schedule", ["sigmoid", "geometric"])
def test_other_schedules_find_the_same(schedule):
    m = machine(size=0.7)
    found = AIS(200, 100, schedule=schedule, doubling=False).log_partition(m)
    assert found.value == pytest.approx(float(m.log_partition().detach()), abs=5 * found.error)


# -- objectives -------------------------------------------------------------------------------------------------------

OBJECTIVES = {
    "PCD": PersistentContrastiveDivergence(k=300, chains=4000),
    "a buffer": PersistentContrastiveDivergence(k=300, chains=5000, moved=4000, restart=0.2),
    "fast weights at rest": PersistentContrastiveDivergence(k=300, chains=4000, fast=1e-9),
    "tempering": ParallelTempering(temperatures=4, chains=4000, k=20),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_long_chains_have_the_gradient_of_the_likelihood(name):
    m = machine(units=5, hidden=4, size=0.5)
    x = data("Bernoulli", 5, 8)
    parameters = list(m.parameters())
    exact = torch.autograd.grad(-m.log_prob(x).mean(), parameters)
    (player,) = OBJECTIVES[name].players(m)
    found = torch.autograd.grad(player.loss(pyrogen.base.Batch(x))["loss"], parameters)
    for a, b in zip(exact, found, strict=True):
        assert float((a - b).abs().max()) < 5 * 0.5 / 4000**0.5


def test_exchanges_leave_every_level_as_it_is():
    m = machine(units=2, hidden=2, size=1.0)
    x, _ = grid("Bernoulli")
    levels, chains = torch.tensor([0.0, 0.4, 1.0]), 20_000
    with torch.no_grad():
        p = torch.stack([m.log_density(x, float(beta)).softmax(0) for beta in levels])
        states = torch.cat([x[torch.multinomial(row, chains, replacement=True)] for row in p])
        for first in (0, 1):
            swapped = exchanged(m, states, levels, chains, first)
            assert not torch.equal(swapped, states)
            for row, part in zip(p, swapped.split(chains), strict=True):
                mean = (row[:, None] * x).sum(0)
                assert ((part.mean(0) - mean).abs() < 4.5 * 0.5 / chains**0.5).all()
            kept = states.unflatten(0, (3, chains)).sum(0)
            assert torch.allclose(swapped.unflatten(0, (3, chains)).sum(0), kept)


@pytest.mark.parametrize(
    "objective",
    [PersistentContrastiveDivergence(chains=20, fast=0.01), ParallelTempering(temperatures=3, chains=5)],
    ids=["fast PCD", "tempering"],
)
def test_chains_go_on_where_a_run_was_stopped(objective, tmp_path, monkeypatch):
    def train(folder, **more):
        torch.manual_seed(0)
        m = pyrogen.create("rbm", x_shape=(1, 8, 8), hidden=5, objective=objective)
        return fit(m, "digits", folder=folder, epochs=2, batch_size=400, progress=False, seed=1, **more)

    train(tmp_path / "whole")
    move, left = Game.move, [5]

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
    for file in ("weights.safetensors", "checkpoint.safetensors"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "cut" / file).read_bytes()


def test_validation_moves_no_chain():
    (player,) = PersistentContrastiveDivergence(chains=6).players(machine())
    (chains,) = player.state
    before = chains.states.clone()
    batch = pyrogen.base.Batch(data("Bernoulli", 4, 5))
    player.validation(batch)
    assert torch.equal(before, chains.states)
    player.loss(batch)
    assert not torch.equal(before, chains.states)


@pytest.mark.parametrize("visible", ["Bernoulli", "Gaussian"])
def test_a_contrast_reads_both_sides_at_once(visible):
    m, x, states = machine(visible), data(visible, 4, 5), data(visible, 4, 6, seed=1)
    of_data, of_chains = m.contrast(x, states)
    assert torch.allclose(of_data, m.log_unnormalized(x)[0], atol=1e-5)
    assert torch.allclose(of_chains, m.log_density(states), atol=1e-5)
    parts = [*m.parameters()]
    mine = torch.autograd.grad(of_data.sum() - 2 * of_chains.sum(), parts)
    apart = torch.autograd.grad(m.log_density(x).sum() - 2 * m.log_density(states).sum(), parts)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(mine, apart, strict=True))


def test_sums_of_softplus_are_torchs_with_two_gradients():
    t = torch.linspace(-120, 120, 37).double().repeat(2, 1).requires_grad_()
    total, p = softplus_sum(t)
    assert torch.allclose(total, softplus(t).sum(1))
    assert not p.requires_grad
    (slope,) = torch.autograd.grad(total.sum(), t, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), t)
    assert torch.allclose(slope, torch.sigmoid(t))
    assert torch.allclose(bend, p * (1 - p))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_coins_are_those_of_torch(dtype):
    for p in (torch.rand(40, 30).to(dtype).T, torch.rand(5).to(dtype).expand(3, 5)):
        with seeded(1):
            expected = torch.bernoulli(p)
        with seeded(1):
            assert torch.equal(coins(p), expected)


def test_plain_steps_go_down_the_gradient():
    p = torch.nn.Parameter(torch.tensor([2.0, -1.0]))
    optimizer = SGD(lr=0.5).build([p])
    p.square().sum().backward()
    optimizer.step()
    assert p.tolist() == [0.0, 0.0]


def test_fast_weights_move_the_chains_alone():
    m = machine()
    (player,) = PersistentContrastiveDivergence(chains=6, fast=0.5).players(m)
    (chains,) = player.state
    before = m.weight.detach().clone()
    loss = player.loss(pyrogen.base.Batch(data("Bernoulli", 4, 5)))["loss"]
    loss.backward()
    player.after()
    assert torch.equal(before, m.weight)
    assert torch.allclose(chains.get_buffer("fast_0"), -0.5 * next(m.parameters()).grad)
    with torch.no_grad(), chains.shifted():
        assert not torch.equal(before, m.weight)
    assert torch.equal(before, m.weight)


# -- refusals ---------------------------------------------------------------------------------------------------------

REFUSED = {
    "grey pixels": (
        lambda: fit(RBM((1, 8, 8), 3), pyrogen.data.load("digits", kind="unit"), epochs=1),
        r"Bernoulli take binary data .* these are unit data .*load them with kind='binary'",
    ),
    "grey pixels to score": (lambda: log_evidence(RBM((3,), 2), torch.rand(2, 3)), "Bernoulli take binary data"),
    "not standardized": (
        lambda: RBM((2,), 3, visible="Gaussian").before_training(50 + 20 * torch.randn(40, 2)),
        r"variance 1 .*standardize=True",
    ),
    "too many values": (
        lambda: RBM((2,), 3, visible="Categorical(classes=3)").check(torch.tensor([[0.0, 5.0]])),
        r"values 0 to 2 .*Categorical\(classes=6\)",
    ),
    "one class": (lambda: RBM((2,), 3, visible="Categorical(classes=1)"), "classes >= 2"),
    "no hidden units": (lambda: RBM((2,), 0), "at least 1 hidden"),
    "no step of CD": (lambda: ContrastiveDivergence(k=0), r"ContrastiveDivergence\(k=0\): needs k >= 1"),
    "no chains": (lambda: PersistentContrastiveDivergence(chains=0), "chains >= 1"),
    "too many moved": (lambda: PersistentContrastiveDivergence(chains=4, moved=5), "no more can move"),
    "no probability": (lambda: PersistentContrastiveDivergence(restart=2.0), "probability"),
    "one temperature": (lambda: ParallelTempering(temperatures=1), "temperatures >= 2"),
    "PCD of a VAE": (
        lambda: PersistentContrastiveDivergence().players(pyrogen.create("vae", x_shape=(1, 4, 4))),
        "VAE is no energy model",
    ),
}


@pytest.mark.parametrize(("act", "match"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused(act, match):
    with pytest.raises(ValueError, match=match):
        act()
