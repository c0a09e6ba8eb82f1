"""Entries in which an encoder plays, and what judges them: exact where the answer is known."""

import math
from types import SimpleNamespace

import pyro.distributions as dist
import pytest
import torch
from pyro import poutine

import pyrogen
from pyrogen.base import Batch
from pyrogen.distributions.beside import Beside
from pyrogen.distributions.implicit import Implicit
from pyrogen.inference import AIS, IWAE, log_evidence
from pyrogen.inference.adversarial.information import Information
from pyrogen.inference.adversarial.similarity import LearnedSimilarity
from pyrogen.inference.adversarial.variational import AVB
from pyrogen.inference.metrics import information
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
    found = reconstruction_ratio(m, digits, 0)
    assert found == pytest.approx(float(square / 4 / (1.25 * square - mean)), abs=3 * found.error)
    assert 0 < found.error < 0.02


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
    nothing = held_out_information(noise, category)
    assert abs(nothing) < 0.02
    # what a reader says of noise is noise: its mean, over 2000 data that it has not learned from, is as near to 0 as it says
    assert 0 < nothing.error < 0.02
    pairs = torch.nn.functional.one_hot(category // 2, 2).float()  # which half it is in: log 2 of the log 4
    assert held_out_information(pairs, category) == pytest.approx(math.log(2), abs=0.02)


def test_the_information_of_a_code_is_what_a_judge_of_the_data_sees_of_it(digits, monkeypatch):
    m = small("infogan", latent_size=None, categories=4)
    monkeypatch.setattr(information, "judge_of", lambda data: SimpleNamespace(features=lambda x: x.flatten(1)))
    for seen, nats in (
        (lambda c: c, math.log(4)),
        (lambda c: c[:, :2], math.log(4) - math.log(2) / 2),
        (torch.zeros_like, 0),
    ):
        m.generate = lambda z, seen=seen: seen(m.codes(z)[:, :4])
        # of the second, what is neither of two is one of two
        assert information.code_information(m, digits, 0, n=2000) == pytest.approx(nats, abs=0.05)


# ------------------------------------------------------------------------------------------------- known by draws alone


def bent(features, noise):
    """z = (h + ε₁, (h + ε₁)² + ε₂): a banana."""
    first = features[..., 0] + noise[..., 0]
    return torch.stack([first, first.square() + noise[..., 1]], -1)


def test_an_implicit_distribution_draws_anew_and_has_a_mean_but_no_density():
    nodes = torch.special.ndtri(torch.quasirandom.SobolEngine(2, scramble=True, seed=0).draw(1024).double()).float()
    q = Implicit(torch.tensor([[0.0], [2.0]]), 2, nodes, bent).expand((3, 2))
    torch.manual_seed(0)
    z = q.rsample((20_000,))
    assert (z.shape, q.batch_shape, q.event_shape) == ((20_000, 3, 2, 2), (3, 2), (2,))
    exact = torch.tensor([[0.0, 1.0], [2.0, 5.0]])  # E (h + ε)² = h² + 1
    torch.testing.assert_close(q.mean, exact.expand(3, 2, 2), atol=0.03, rtol=0)
    # standard deviations are at most √(2 + 4·4 + 1), and 5 of 20,000 draws' means are 0.16
    torch.testing.assert_close(z.mean(0), exact.expand(3, 2, 2), atol=0.16, rtol=0)
    assert torch.equal(q.log_prob(z), torch.zeros(20_000, 3, 2))
    assert not torch.equal(q.sample(), q.sample())


def test_avb_has_beliefs_that_importance_weights_refuse_and_annealing_scores():
    data = pyrogen.data.load("one-hot")
    torch.manual_seed(1)
    m = pyrogen.create("avb", x_shape=(1, 2, 2), latent_size=2, hidden=(8,))
    with torch.no_grad():
        for p in m.decoder.parameters():
            p.mul_(3)
    x = data.test.x[:2]
    with pytest.raises(ValueError, match=r"'z' is known by its draws alone and has no density.*Reconstruction"):
        log_evidence(m, x, IWAE(30))
    with pytest.raises(ValueError, match=r"known by its draws alone.*init='prior'"):
        log_evidence(m, x, AIS(temperatures=10, chains=4, init="guide"))
    side = torch.special.ndtri((torch.arange(200) + 0.5) / 200)
    z = torch.cartesian_prod(side, side)
    with torch.no_grad():
        exact = m.decode(z).log_prob(x.unsqueeze(1)).double().logsumexp(1) - math.log(len(z))
    found = log_evidence(m, x, AIS(temperatures=50, chains=32))
    off = torch.from_numpy(found["log_evidence"].values) - exact
    assert (off.abs() < 4.5 * torch.from_numpy(found["mc_se"].values) + 0.01).all()


def test_avb_is_the_elbo_with_a_critic_in_the_place_of_the_kl():
    m = small("avb", noise=2, features=4, push=(8,))
    pair, critic = m.objective.players(m)
    torch.manual_seed(0)
    terms = pair.loss(batch())
    torch.testing.assert_close(terms["loss"], terms["kl"] - terms["reconstruction"])
    assert reached_by(pair, m) == {"encoder", "decoder", "posterior"}
    assert reached_by(critic, m) == set()


def test_the_critic_of_avb_learns_the_log_ratio_of_guide_and_prior():
    """q = N(1, 1) and p = N(0, 1): T = z − ½, and its mean under q is the KL, ½."""
    m = small("vae", latent_size=1, objective=AVB(critic="Perceptron"))
    *_, last = (layer for layer in m.encoder.modules() if isinstance(layer, torch.nn.Linear))
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor([1.0, 0.0])
    pair, critic = m.objective.players(m)
    (net,) = critic.owns
    x = Batch(torch.zeros(1000, 1, 8, 8))
    torch.manual_seed(0)
    adam = torch.optim.Adam(net.parameters(), 2e-3)
    for step in range(200):
        adam.param_groups[0]["lr"] = 2e-3 if step < 120 else 2e-4
        adam.zero_grad()
        critic.loss(x)["loss"].backward()
        adam.step()
    z = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0]).unsqueeze(1)
    with torch.no_grad():
        learned = net({"x": x.x[:5], "z": z})
        told = pair.loss(Batch(x.x.repeat(20, 1, 1, 1)))["kl"]
    torch.testing.assert_close(learned, z[:, 0] - 0.5, atol=0.2, rtol=0)
    assert float(told) == pytest.approx(0.5, abs=0.06)


def test_avb_refuses_what_it_cannot_compare():
    for arguments, message in (
        ({"prior": "Flat", "posterior": "PointMass"}, "improper"),
        ({"prior": "Bernoulli", "posterior": "Bernoulli"}, "not reparameterized"),
    ):
        m = small("vae", **arguments)
        with pytest.raises(ValueError, match=message):
            AVB().players(m)
    with pytest.raises(ValueError, match="pair, which AVB needs"):
        AVB().players(pyrogen.create("gan-nonsaturating"))


# ------------------------------------------------------------------------------------------ in the eyes of a critic


def test_similarity_is_the_elbo_of_what_the_critic_sees():
    objective = LearnedSimilarity({"name": "Adversarial", "critic": "Perceptron"}, weight=3.0, scale=0.5)
    m = small("vae-gan", objective=objective)
    pair, critic = m.objective.players(m)
    (eyes,) = critic.owns
    torch.manual_seed(4)
    terms = pair.loss(batch())
    torch.manual_seed(4)
    with torch.no_grad():
        q = m.encode(batch().x)
        made = m.decode(q.rsample()).mean
        seen, again = (eyes.net.net.features(x.flatten(1)) for x in (batch().x, made))
        fit_of_it = dist.Normal(again, 0.5).log_prob(seen).sum(-1).mean()
        kl = torch.distributions.kl_divergence(q, m.latent_prior()).mean()
    torch.testing.assert_close(terms["reconstruction"], fit_of_it)
    torch.testing.assert_close(terms["kl"], kl)
    torch.testing.assert_close(terms["loss"], kl - fit_of_it + 3 * terms["generator"])


def test_the_encoder_of_a_vae_gan_has_no_part_in_the_game():
    m = small("vae-gan", objective=LearnedSimilarity(weight=1e6, beta=0.0, scale=1e6))
    pair, _ = m.objective.players(m)
    m.zero_grad()
    pair.loss(batch())["loss"].backward()
    # what is left of the ELBO is a millionth of a millionth; a game that reached the encoder would be a million
    of_encoder, of_decoder = (
        max(float(p.grad.abs().max()) for p in part.parameters()) for part in (m.encoder, m.decoder)
    )
    assert of_encoder < 1e-3
    assert of_decoder > 1


def test_similarity_refuses_critics_that_see_other_things():
    with pytest.raises(ValueError, match="reads x"):
        LearnedSimilarity({"name": "Adversarial", "sites": ["z"]})
    packed = {"name": "Adversarial", "critic": {"name": "Perceptron", "pack": 2}}
    pair, _ = small("vae-gan", objective=LearnedSimilarity(packed)).objective.players(small("vae-gan"))
    with pytest.raises(ValueError, match="without packs"):
        pair.loss(batch())
