"""Entries in which an encoder plays, and what judges them: exact where the answer is known."""

import math

import pyro.distributions as dist
import pytest
import torch
from pyro import poutine

import pyrogen
from pyrogen.base import Batch
from pyrogen.distributions.beside import Beside
from pyrogen.inference.adversarial.information import Information
from pyrogen.inference.metrics.information import held_out_information
from pyrogen.inference.metrics.reconstructions import aggregate_p_value, reconstruction_ratio


@pytest.fixture(scope="module")
def digits():
    return pyrogen.data.load("digits", kind="unit", dequantization=False)


def small(name, **arguments):
    torch.manual_seed(0)
    made = {"x_shape": (1, 8, 8), "hidden": (8,), "latent_size": 3, **arguments}
    return pyrogen.create(name, **{k: v for k, v in made.items() if v is not None})


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


# --------------------------------------------------------------------------------------------------------------- codes


def test_a_joined_distribution_is_the_product_of_its_parts():
    parts = [
        dist.OneHotCategorical(logits=torch.tensor([0.0, 1.0, 2.0])),
        dist.Uniform(-torch.ones(2), torch.ones(2)).to_event(1),
        dist.Normal(torch.tensor([0.5]), 2.0).to_event(1),
    ]
    joined = Beside(parts).expand((4,))
    torch.manual_seed(0)
    x = joined.sample((5,))
    assert (x.shape, joined.batch_shape, joined.event_shape) == ((5, 4, 6), (4,), (6,))
    split = x[..., :3], x[..., 3:5], x[..., 5:]
    torch.testing.assert_close(joined.log_prob(x), sum(p.log_prob(v) for p, v in zip(parts, split, strict=True)))
    assert joined.support.check(x).all()
    assert joined.support.is_discrete
    x[0, 0, 0] = 0.5
    assert not joined.support.check(x)[0, 0]
    assert joined.support.check(x)[1:].all()


def test_the_information_term_is_what_the_reader_says_of_the_codes_that_were_drawn():
    m = small("infogan", latent_size=None, categories=3, uniform=2, noise_size=4)
    (player,) = Information().players(m)
    torch.manual_seed(2)
    loss = player.loss(batch(7))["loss"]
    torch.manual_seed(2)
    z = m.latent_prior().sample((7,))
    logits, means, raw = m.code_reader(m.generate(z)).split([3, 2, 2], -1)
    scale = 0.05 + torch.nn.functional.softplus(raw)
    category = logits.log_softmax(-1)[z[:, :3].bool()]
    number = dist.Normal(means, scale).log_prob(z[:, 3:5]).sum(-1)
    torch.testing.assert_close(loss, -(category + number).mean())
    assert reached_by(player, m) == {"generator", "code_reader"}


def test_in_a_sum_the_generator_pays_for_information_and_the_critic_does_not():
    m = small("infogan", latent_size=None, categories=3, noise_size=4, weight=2.0)
    critic, generator = m.objective.players(m)
    assert [p.name for p in (critic, generator)] == ["critic", "generator"]
    owned = {id(p) for p in generator.parameters()}
    assert owned == {id(p) for part in (m.generator, m.code_reader) for p in part.parameters()}
    assert not owned & {id(p) for p in critic.parameters()}
    terms = generator.loss(batch())
    assert set(terms) == {"loss", "fake", "information"}


def test_codes_are_pyro_sites_whose_guide_is_the_reader():
    m = small("infogan", latent_size=None, categories=3, uniform=1, noise_size=4)
    x = batch().x
    drawn = poutine.trace(m.model).get_trace(x)
    assert [n for n in drawn.stochastic_nodes if n != "datum"] == ["codes", "noise", "x"]
    z = torch.cat([drawn.nodes[n]["value"] for n in ("codes", "noise")], -1)
    torch.testing.assert_close(drawn.nodes["x"]["value"], m.generate(z))
    read = poutine.trace(m.guide).get_trace(x).nodes["codes"]
    torch.testing.assert_close(read["fn"].log_prob(read["value"]), m.read_codes(x).log_prob(read["value"]))
    with pytest.raises(ValueError, match="at least two categories"):
        small("infogan", latent_size=None, categories=1)
    with pytest.raises(ValueError, match="no codes to be read back"):
        Information().players(small("bigan"))


def test_the_information_that_is_held_out_is_exact_where_features_tell_all_or_nothing():
    category = torch.arange(4000) % 4
    told = torch.nn.functional.one_hot(category, 4).float()
    assert held_out_information(told, category) == pytest.approx(math.log(4), abs=0.02)
    noise = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    assert abs(held_out_information(noise, category)) < 0.02
    pairs = torch.nn.functional.one_hot(category // 2, 2).float()  # which half it is in: log 2 of the log 4
    assert held_out_information(pairs, category) == pytest.approx(math.log(2), abs=0.02)
