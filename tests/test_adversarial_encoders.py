"""Entries in which an encoder plays, and what judges them: exact where the answer is known."""

import pytest
import torch

import pyrogen
from pyrogen.base import Batch
from pyrogen.inference.metrics.reconstructions import aggregate_p_value, reconstruction_ratio


@pytest.fixture(scope="module")
def digits():
    return pyrogen.data.load("digits", kind="unit", dequantization=False)


def small(name, **arguments):
    torch.manual_seed(0)
    return pyrogen.create(name, **{"x_shape": (1, 8, 8), "hidden": (8,), "latent_size": 3, **arguments})


def batch(n=6):
    return Batch(torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)).round())


def reached_by(player, model):
    """The parts of a model that a player's loss moves."""
    model.zero_grad()
    player.loss(batch())["loss"].backward()
    return {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}


# ------------------------------------------------------------------------------------------------------ bigan and aae


@pytest.mark.parametrize("posterior", ["PointMass", "DiagonalNormal"])
def test_a_bigan_moves_both_its_networks_by_the_game_alone(posterior):
    m = small("bigan", posterior=posterior)
    critic, generator = m.objective.players(m)
    assert (critic.name, generator.name) == ("critic", "generator")
    assert reached_by(generator, m) == {"encoder", "decoder"}
    scored = {p.numel() for p in critic.parameters()}
    assert 128 * (64 + 3) in scored  # its first layer reads x and z


def test_an_aae_pays_for_reconstructions_and_lets_its_encoder_alone_play():
    m = small("aae", weight=2.0)
    pays, critic = m.objective.players(m)
    torch.manual_seed(3)
    terms = pays.loss(batch())
    assert torch.allclose(terms["loss"], 2 * terms["generator"] - terms["reconstruction"])
    assert reached_by(pays, m) == {"encoder", "decoder"}
    game = small("aae", objective={"name": "Adversarial", "sites": ["z"]})
    assert reached_by(game.objective.players(game)[1], game) == {"encoder"}
    assert 128 * 3 in {p.numel() for p in critic.parameters()}  # its first layer reads z alone


def test_the_prior_of_an_aae_need_not_be_one_that_can_be_scored_against():
    for prior in ("Laplace", "StudentT"):
        m = small("aae", prior=prior)
        assert torch.isfinite(m.objective.players(m)[0].loss(batch())["loss"])


def test_the_reconstruction_ratio_is_0_of_the_data_and_1_of_what_is_always_the_same(digits, monkeypatch):
    m = small("bigan")
    monkeypatch.setattr(m, "reconstruct", lambda x, y=None: x)
    assert reconstruction_ratio(m, digits, 0) == 0
    monkeypatch.setattr(m, "reconstruct", lambda x, y=None: torch.full_like(x, 0.3))
    assert reconstruction_ratio(m, digits, 0) == pytest.approx(1, abs=1e-12)
    # r(x) = x/2 is ‖x‖²/4 off, and of another datum, independent of x, ‖x‖² + ‖x‖²/4 − ‖E x‖² in the mean
    monkeypatch.setattr(m, "reconstruct", lambda x, y=None: x / 2)
    x = digits.test.x.double().flatten(1)
    square, mean = x.square().sum(1).mean(), x.mean(0).square().sum()
    assert reconstruction_ratio(m, digits, 0) == pytest.approx(float(square / 4 / (1.25 * square - mean)), rel=0.02)


def test_the_aggregate_test_believes_codes_that_are_drawn_from_the_prior_and_no_others(digits):
    m = small("vae", likelihood="Normal")
    *_, last = (layer for layer in m.encoder.modules() if isinstance(layer, torch.nn.Linear))
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    assert torch.equal(m.encode(digits.test.x[:2]).mean, torch.zeros(2, 3))
    # now q(z|x) = N(0, I) exactly, and p-values are uniform: of 20, at most one in a billion seeds has all below 0.35
    values = [aggregate_p_value(m, digits, seed, n=50, permutations=99) for seed in range(20)]
    assert max(values) > 0.35
    assert min(values) > 0.01 / 20
    last.bias.data[:3] = 1.0
    assert aggregate_p_value(m, digits, 0, n=50, permutations=99) == 0.01
