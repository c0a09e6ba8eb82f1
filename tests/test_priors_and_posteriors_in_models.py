"""Models that differ in a prior or a posterior alone: schedules, exact gaps, two-sample tests, and what is learned beside."""

import dataclasses
import itertools
import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from playing import stop_after
from pyro import poutine
from torch import nn

import pyrogen
from pyrogen import schedules
from pyrogen.base import Batch, HasPosterior, Model, Pair
from pyrogen.data import from_arrays, load
from pyrogen.inference import ELBO, IWAE, fit, log_evidence
from pyrogen.inference.programs.record import record
from pyrogen.inference.replay import recorded_step
from pyrogen.inference.training.game import Game, Rules
from pyrogen.nets.features import Features
from pyrogen.registry import find, make

COOLING = {"temperature": 0.5, "start": 2.0, "cooling": 6}
WEIGHT = [[1.0, 0.9], [0.9, 1.0]]


def metric(name):
    return find("metric", name).load()


def disturbed(m, by=0.5):
    with torch.no_grad():
        for p in m.parameters():
            p.add_(by * torch.randn_like(p))
    return m


# ------------------------------------------------------------------------------------------------------ schedules


def test_a_schedule_is_even_in_the_logarithm_and_stays_at_its_end():
    like = torch.zeros(3, dtype=torch.float64)
    values = []
    for step in (0, 1, 2, 4, 9):
        with schedules.training_at(torch.tensor(step)):
            values.append(schedules.geometric(2.0, 0.5, 4, like))
    assert [float(v) for v in values] == pytest.approx([2, 2**0.5, 1, 0.5, 0.5], rel=1e-12)
    assert {(v.dtype, v.shape) for v in values} == {(torch.float64, torch.Size([]))}


def test_outside_of_training_a_schedule_is_at_its_end():
    like = torch.zeros(())
    assert float(schedules.geometric(2.0, 0.5, 4, like)) == 0.5
    with schedules.training_at(torch.tensor(0)):
        with schedules.training_at(None):
            assert float(schedules.geometric(2.0, 0.5, 4, like)) == 0.5
        assert float(schedules.geometric(2.0, 0.5, 4, like)) == 2.0
    assert float(schedules.geometric(2.0, 0.5, 4, like)) == 0.5
    with schedules.training_at(torch.tensor(0)):
        assert float(schedules.geometric(2.0, 0.5, 0, like)) == 0.5


RELAXED = ["RelaxedBernoulli", "RelaxedCategorical"]


def relaxed(name, **posterior):
    torch.manual_seed(0)
    return pyrogen.create(
        "vae", x_shape=(1, 4, 4), latent_size=3, hidden=(8,), prior=name, posterior={"name": name, **posterior}
    )


@pytest.mark.parametrize("name", RELAXED)
def test_at_a_step_the_posterior_is_one_of_the_schedules_temperature(name, draws):
    x, cooling = draws("binary", 5, 1, 4, 4), relaxed(name, **COOLING)
    z = cooling.encode(x).sample()
    for step, temperature in ((0, 2.0), (3, 1.0), (6, 0.5), (100, 0.5)):
        with schedules.training_at(torch.tensor(step)):
            found = cooling.encode(x).log_prob(z)
        expected = relaxed(name, temperature=temperature).encode(x).log_prob(z)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(cooling.encode(x).log_prob(z), relaxed(name, temperature=0.5).encode(x).log_prob(z))


def play(model, data, compile, epochs=4):
    """The terms of every step of a game from a fixed seed, the state that it leaves, and how it was computed."""
    torch.manual_seed(1)
    model.train()
    g = Game(model, model.stages()[0].players, data.train, Rules(batch_size=8, epochs=epochs, compile=compile))
    generator, terms = torch.Generator().manual_seed(0), []
    with pyro.validation_enabled(False):
        for epoch in range(epochs):
            g.begin_epoch(generator)
            g.enter(epoch + 1)
            while g.batch < g.batches:
                g.move()
            terms.append(g.record.clone())
    return torch.cat(terms), {k: v.clone() for k, v in model.state_dict().items()}, g


@pytest.mark.parametrize("name", RELAXED)
def test_a_recorded_step_follows_the_schedule_to_the_bit(name, tiny_data, monkeypatch, caplog):
    monkeypatch.setattr(recorded_step, "PAYS", 1)
    data = tiny_data(relaxed(name))
    terms, state, g = play(relaxed(name, **COOLING), data, "auto")
    expected_terms, expected, _ = play(relaxed(name, **COOLING), data, False)
    (mover,) = g.movers
    assert mover.step.eager_because == ""
    assert [e.replays for e in mover.step.entries.values()] == [12]
    assert torch.equal(terms, expected_terms)
    assert all(torch.equal(v, state[k]) for k, v in expected.items())
    assert not caplog.messages
    # the schedule was at work, and had come to its end
    constant, *_ = play(relaxed(name, temperature=0.5), data, False)
    assert not torch.equal(constant[0], terms[0])


@pytest.mark.parametrize("name", RELAXED)
def test_a_resumed_schedule_changes_no_bit(name, tiny_data, tmp_path, monkeypatch):
    settings = {"epochs": 4, "batch_size": 8, "progress": False}
    data = tiny_data(relaxed(name))
    whole = fit(relaxed(name, **COOLING), data, folder=tmp_path / "whole", **settings)
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            fit(relaxed(name, **COOLING), data, folder=tmp_path / "cut", **settings)
    resumed = fit(relaxed(name, **COOLING), data, folder=tmp_path / "cut", resume=True, **settings)
    assert resumed.records == whole.records
    state = resumed.model.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in whole.model.state_dict().items())


@pytest.mark.parametrize("name", RELAXED)
def test_what_is_validated_and_scored_is_the_end_of_the_schedule(name, tiny_data):
    cooling, constant = relaxed(name, **COOLING), relaxed(name, temperature=0.5)
    data = tiny_data(cooling)
    run = fit(cooling, data, epochs=1, batch_size=24, progress=False)  # one step, far from the end
    constant.load_state_dict(cooling.state_dict())
    again = fit(constant, data, epochs=1, batch_size=24, progress=False, lr=1e-30)
    assert run.records[1]["valid/loss"] == pytest.approx(again.records[1]["valid/loss"], rel=1e-6)
    assert run.records[1]["train/loss"] != pytest.approx(again.records[1]["train/loss"], rel=1e-3)
    first, second = (log_evidence(m, data.test.x, IWAE(20))["log_evidence"].values for m in (cooling, constant))
    assert (first == second).all()


def test_a_schedule_has_no_state_and_is_remade_from_its_description(tmp_path):
    m = relaxed("RelaxedBernoulli", **COOLING)
    assert m.state_dict().keys() == relaxed("RelaxedBernoulli").state_dict().keys()
    m.save(tmp_path)
    q = pyrogen.load(tmp_path).posterior
    assert (q.temperature, q.start, q.cooling) == (0.5, 2.0, 6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"start": 2.0}, "give both"),
        ({"cooling": 10}, "give both"),
        ({"start": 2.0, "cooling": -1}, "give both"),
        ({"start": 0.05, "cooling": 10}, "below 0.[14]"),
        ({"temperature": 0.05}, "below 0.[14]"),
    ],
)
@pytest.mark.parametrize("name", RELAXED)
def test_schedules_that_mean_nothing_are_refused(name, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        relaxed(name, **settings)


# the least temperature, and what stands behind logits (l, 0, 0) at it
AS_SURE = {
    "RelaxedBernoulli": (0.4, {1.0: 0.980, 2.0: 1.849, 50.0: 4.0}),
    "RelaxedCategorical": (0.1, {1.0: 1.0, 2.0: 2.0, 50.0: 5.917}),
}


@pytest.mark.parametrize("name", RELAXED)
def test_the_coldest_latents_are_about_as_sure_as_their_features(name):
    coldest, behind = AS_SURE[name]
    with pytest.raises(ValueError, match=rf"temperature=.*: below {coldest} "):
        relaxed(name, temperature=coldest - 0.01)
    prior, posterior = (make(axis, {"name": name, "temperature": coldest}) for axis in ("prior", "posterior"))
    prior.size(3)
    for size, logit in behind.items():
        q, logits = posterior(torch.tensor([size, 0.0, 0.0])), torch.tensor([logit, 0, 0]).double()
        z = q.sample((40_000,))
        first, sure = z[:, 0] > 0.5, torch.sigmoid(logits)[0]
        u = torch.rand(40_000, 3).double()
        if name == "RelaxedBernoulli":
            noise = torch.logit(u)
            ratio = (2 * nn.functional.softplus(noise + logits) - 2 * nn.functional.softplus(noise) - logits).sum(1)
        else:
            first, sure = z.argmax(1) == 0, logits.softmax(0)[0]
            noise = -(-u.log()).log()
            ratio = logits.sum() - 3 * torch.logsumexp(-noise, 1) + 3 * torch.logsumexp(-noise - logits, 1)
        assert float(first.double().mean()) == pytest.approx(float(sure), abs=0.01)
        found = q.log_prob(z) - prior().log_prob(z)
        assert float(found.mean()) == pytest.approx(float(ratio.mean()), abs=0.05)


@pytest.mark.parametrize(("q", "p"), [*itertools.product(RELAXED, ["Bernoulli", "Categorical"])])
def test_a_density_is_not_weighed_against_a_mass(q, p, draws):
    with pytest.raises(ValueError, match=rf"prior {p} is over .* posterior {q} over"):
        pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=3, prior=p, posterior=q)
    # nor where the two come as plain functions
    m, x = relaxed(q), draws("binary", 5, 1, 4, 4)
    mass = pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=3, hidden=(8,), prior=p, posterior=p).prior

    def model(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("x", m.decode(pyro.sample("z", mass())), obs=x)

    with pytest.raises(ValueError, match=r"cannot score these data|support"):
        log_evidence((model, m.guide), x, IWAE(30))


# ------------------------------------------------------------------------------------------------- gaps


def linear(posterior="DiagonalNormal", x_shape=(2,), **choices):
    torch.manual_seed(0)
    likelihood = {"name": "Normal", "scale": "fixed", "value": 0.5}
    settings = {"latent_size": 2, "hidden": (), "known": WEIGHT, "likelihood": likelihood, **choices}
    return pyrogen.create("vae-fullrank", x_shape=x_shape, posterior=posterior, **settings)


def inferred(m, covariance):
    """The same with q(z|x) = N(z; E[z|x], ``covariance``), by its linear encoder."""
    w = torch.tensor(WEIGHT)
    precision = torch.eye(2) + w.T @ w / 0.25
    *_, layer = (part for part in m.encoder.modules() if isinstance(part, nn.Linear))
    tril = torch.linalg.cholesky(covariance)
    diagonal = torch.expm1(tril.diagonal() - 1e-5).log()
    full = len(layer.bias) == 5
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[:2] = torch.linalg.solve(precision, w.T) / 0.25
        layer.bias.zero_()
        layer.bias[2:] = torch.cat([diagonal, tril[1:, 0]]) if full else covariance.diagonal().log()
    return m


@pytest.fixture(scope="module")
def ring():
    data = load("ring")
    return dataclasses.replace(data, test=data.test.take(400))


def test_a_known_decoder_is_given_and_not_learned(ring):
    m = linear()
    z = torch.randn(3, 4, 2)
    torch.testing.assert_close(m.decode(z).mean, z @ torch.tensor(WEIGHT).T)
    fit(m, ring, epochs=1, batch_size=1000, progress=False, validate=False)
    assert {k.split(".")[0] for k, _ in m.named_parameters()} == {"encoder"}
    assert torch.equal(m.decoder.net.weight, torch.tensor(WEIGHT))
    with pytest.raises(ValueError, match="decoder"):
        linear(latent_size=3)


def test_the_gap_is_that_of_closed_forms(ring):
    w = torch.tensor(WEIGHT)
    precision = torch.eye(2) + w.T @ w / 0.25
    mean_field = 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))
    assert mean_field > 0.7
    full = inferred(linear("FullRankNormal"), torch.linalg.inv(precision))
    assert metric("posterior-gap")(full, ring, 0) == pytest.approx(0, abs=1e-4)
    wide = inferred(linear("FullRankNormal"), 2 * torch.linalg.inv(precision))
    assert metric("posterior-gap")(wide, ring, 0, {"name": "ELBO", "num_samples": 200}) == pytest.approx(
        1 - math.log(2), abs=0.01
    )  # KL(N(m, 2S) ‖ N(m, S)) = ½ d (2 − 1 − log 2)
    apart = inferred(linear(), torch.diag(1 / precision.diagonal()))
    several = {"name": "ELBO", "num_samples": 200}
    assert metric("posterior-gap")(apart, ring, 0, several) == pytest.approx(mean_field, abs=0.01)
    assert metric("posterior-gap")(apart, ring, 0, several, relative=True) == pytest.approx(1, abs=0.015)
    # log p(x) itself
    exact = dist.MultivariateNormal(torch.zeros(2), w @ w.T + 0.25 * torch.eye(2)).log_prob(ring.test.x).mean()
    many = metric("evidence")(full, ring, 0, {"name": "IWAE", "k": 50})
    assert many == pytest.approx(float(exact), abs=1e-3)
    above, below = {"name": "IWAE", "k": 50}, {"name": "ELBO", "num_samples": 200}
    assert metric("bound-gap")(wide, ring, 0, {"name": "IWAE", "k": 500}, below) == pytest.approx(
        metric("posterior-gap")(wide, ring, 0, below), abs=5e-3
    )
    assert metric("bound-gap")(full, ring, 0, above, below) == pytest.approx(0, abs=1e-4)


def test_the_best_components_are_told_in_the_units_of_the_score():
    rows = torch.randn(300, 3, generator=torch.Generator().manual_seed(0)).double() @ torch.tensor(
        [[100.0, 20, 0], [0, 50, 10], [0, 0, 300]], dtype=torch.float64
    )
    data = from_arrays(rows)
    assert data.train.log_jacobian < -10
    values = torch.linalg.eigvalsh(torch.cov(data.train.x.double().T, correction=0)).flip(0)
    noise = values[1:].mean()
    best = -0.5 * (3 * math.log(2 * math.pi) + float(values[0].log() + 2 * noise.log()) + 3)
    m = pyrogen.create("vae", x_shape=(3,), latent_size=1, hidden=(), likelihood="Normal")
    own = log_evidence(m, data.train.x, IWAE(50))["log_evidence"].values
    found = metric("gap-to-ppca")(m, data, 0, components=1, estimator={"name": "IWAE", "k": 50})
    assert found == pytest.approx(best - own.mean(), abs=1e-3)
    assert found.error == pytest.approx(own.std(ddof=1) / math.sqrt(len(own)), rel=1e-3)
    rows[::3, 1] = math.nan
    with pytest.raises(ValueError, match="some of 'arrays' have missing cells"):
        metric("gap-to-ppca")(m, from_arrays(rows, missing=True), 0, components=1)


CURVED = {
    "two layers": lambda: pyrogen.create("vae", x_shape=(2,), latent_size=2, hidden=(8,), likelihood="Normal"),
    "a mixture": lambda: linear_prior("MixtureOfGaussians"),
    "heavy tails": lambda: linear_prior("StudentT"),
    "bits": lambda: linear_prior("Bernoulli", posterior="Bernoulli"),
}


def linear_prior(prior, **choices):
    likelihood = {"name": "Normal", "scale": "fixed", "value": 0.5}
    return pyrogen.create("vae", x_shape=(2,), latent_size=2, hidden=(), likelihood=likelihood, prior=prior, **choices)


@pytest.mark.parametrize("model", CURVED.values(), ids=CURVED)
def test_a_posterior_that_is_not_normal_is_refused(model, ring):
    with pytest.raises(ValueError, match=r"posterior-gap knows .*use bound-gap"):
        metric("posterior-gap")(disturbed(model()), ring, 0)


def test_what_the_elbo_of_classes_misses_is_the_divergence_from_the_posterior():
    data = load("digits", kind="binary")
    m = disturbed(pyrogen.create("vae-categorical", x_shape=data.x_shape, latent_size=4, hidden=(6,)))
    x, z = data.test.x, torch.eye(4)
    with torch.no_grad():
        joint = torch.stack([m.prior().log_prob(one) + m.decode(one).log_prob(x) for one in z], -1)
        log_q = torch.stack([m.encode(x).log_prob(one) for one in z], -1)
        divergence = (log_q.exp() * (log_q - joint.log_softmax(-1))).sum(-1).mean()
        evidence = joint.logsumexp(-1).mean()
    gap = metric("bound-gap")(m, data, 0, "Enumerate", {"name": "ELBO", "num_samples": 2000})
    assert gap == pytest.approx(float(divergence), rel=0.02)
    # that of the difference, paired datum by datum
    below = log_evidence(m, data.test, ELBO(2000))["log_evidence"].values
    difference = log_evidence(m, data.test, "Enumerate")["log_evidence"].values - below
    assert gap.error == pytest.approx(difference.std(ddof=1) / math.sqrt(len(difference)))
    assert metric("evidence")(m, data, 0, "Enumerate") == pytest.approx(float(evidence), abs=1e-4)


def test_linear_networks_can_be_exact_about_a_mixture_of_pixels():
    """q(z|x) of a linear encoder is the posterior, log πₖ + Σ_d log p(x_d|k) being linear in x."""
    data = load("digits", kind="binary")
    m = disturbed(pyrogen.create("vae-categorical", x_shape=data.x_shape, latent_size=4, hidden=()))
    (encoder,) = (part for part in m.encoder.modules() if isinstance(part, nn.Linear))
    with torch.no_grad():
        logits = m.decoder(torch.eye(4)).flatten(1)
        encoder.weight.copy_(logits)
        encoder.bias.copy_(m.prior.logits - nn.functional.softplus(logits).sum(1))
    assert metric("bound-gap")(m, data, 0, "Enumerate") == pytest.approx(0, abs=1e-4)


# ------------------------------------------------------------------------------------------------- priors


def test_bits_behind_relaxed_ones_are_summed_over():
    data = load("digits", kind="binary")
    m = disturbed(pyrogen.create("vae-relaxed", x_shape=data.x_shape, latent_size=3, hidden=(8,)))
    with torch.no_grad():
        each = [m.decode(torch.tensor(z)).log_prob(data.test.x) for z in itertools.product([0.0, 1.0], repeat=3)]
    expected = float((torch.stack(each).logsumexp(0) - 3 * math.log(2)).mean())
    assert metric("evidence-of-bits")(m, data, 0) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ValueError, match="rounds latents between 0 and 1"):
        metric("evidence-of-bits")(pyrogen.create("vae", x_shape=data.x_shape, latent_size=3), data, 0)
    with pytest.raises(ValueError, match="has none that it decodes"):
        metric("evidence-of-bits")(pyrogen.create("made", x_shape=data.x_shape), data, 0)


LEARNED = {
    "vae-mixture": {"components": 5},
    "vae-vamp": {"components": 20},
    "vae-flow-prior": {},
    "vae-autoregressive-prior": {},
}


@pytest.mark.parametrize("name", LEARNED)
def test_draws_of_a_prior_are_told_from_draws_of_another(name):
    data = load("digits", kind="binary")
    torch.manual_seed(0)
    m = disturbed(pyrogen.create(name, x_shape=data.x_shape, latent_size=3, hidden=(8,), **LEARNED[name]), 0.3)
    few = {"draws": 1000, "steps": 60}
    assert metric("prior-two-sample")(m, data, 0, **few) > 1e-3
    assert metric("prior-two-sample")(m, data, 0, **few, drawn="StandardNormal") < 1e-6


@pytest.mark.rotating
def test_the_p_value_of_equal_laws_is_at_most_what_it_says():
    data = load("digits", kind="binary")
    m = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2)
    values = torch.tensor([metric("prior-two-sample")(m, data, seed, draws=100, steps=20) for seed in range(150)])
    for level in (0.05, 0.2, 0.5):
        share = float((values < level).double().mean())
        assert share < level + 3.1 * math.sqrt(level * (1 - level) / 150)
    assert values.min() < 0.5  # and it is one: it does move


def test_a_sampler_that_is_not_the_scored_prior_is_found(monkeypatch):
    """The fault that the test is for: scored as a mixture, drawn from as if all components weighed alike."""
    data = load("digits", kind="binary")
    m = pyrogen.create("vae-mixture", x_shape=data.x_shape, latent_size=2, components=2)
    with torch.no_grad():
        m.prior.means.copy_(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
        m.prior.logits.copy_(torch.tensor([1.5, 0.0]))
    assert metric("prior-two-sample")(m, data, 0) > 1e-3

    def alike(self, shape=()):
        each = self.component_distribution.sample(shape)
        return each.gather(-2, torch.randint(2, (*each.shape[:-2], 1, 1)).expand_as(each[..., :1, :])).squeeze(-2)

    monkeypatch.setattr(type(m.prior()), "sample", alike)
    assert metric("prior-two-sample")(m, data, 0) < 1e-6


def test_bits_do_not_move():
    data = load("digits", kind="binary")
    with pytest.raises(ValueError, match="moves one real vector"):
        metric("prior-two-sample")(pyrogen.create("vae-bernoulli", x_shape=data.x_shape, latent_size=3), data, 0)


class Apart(Pair):
    """Two levels as two sites, of known rates: KL(N(m, 1) ‖ N(0, 1)) = m²/2 each."""

    def __init__(self, rates):
        super().__init__()
        self.x_shape, self.shifts = torch.Size([1, 8, 8]), [math.sqrt(2 * rate) for rate in rates]

    def _levels(self, x, shifts):
        with pyro.plate("datum", len(x)):
            for number, shift in enumerate(shifts):
                pyro.sample(f"z{number}", dist.Normal(torch.full((len(x), 2), shift / math.sqrt(2)), 1).to_event(1))

    def model(self, x, y=None):
        self._levels(x, [0.0] * len(self.shifts))
        with pyro.plate("datum", len(x)):
            pyro.sample("x", dist.Bernoulli(torch.full_like(x, 0.5)).to_event(3), obs=x)

    def guide(self, x, y=None):
        self._levels(x, self.shifts)

    def sample(self, n, y=None):
        raise NotImplementedError


def test_the_least_level_is_found_among_sites_and_among_levels():
    data = load("digits", kind="binary")
    rate = metric("least-level-rate")
    assert rate(Apart([0.8, 0.3, 1.2]), data, 0, num_samples=100) == pytest.approx(0.3, abs=0.02)
    for posterior in ("Ladder", "DiagonalNormal"):
        m = pyrogen.create(
            "vae-ladder", x_shape=data.x_shape, latent_size=4, upper=(1,), hidden=(8,), posterior=posterior
        )
        disturbed(m, 0.1)
        x, z = data.test.x, []
        for _ in range(50):
            drawn = record(m.guide, x, None)
            z.append(record(poutine.condition(m.model, {"z": drawn["z"]["value"]}), x, None)["z"]["value"].detach())
        z = torch.stack(z)
        with torch.no_grad():
            top = m.prior.level(0, z[..., :0]).log_prob(z[..., :1])
            below = m.prior.level(1, z[..., :1]).log_prob(z[..., 1:])
            q = m.encode(x)
            joint = q.log_prob(z)
            loc, log_variance = (part[..., :1] for part in m.encoder(x).chunk(2, -1))
            first = dist.Normal(loc, (0.5 * log_variance).exp()).log_prob(z[..., :1]).sum(-1)
        expected = min(float((first - top).mean()), float((joint - first - below).mean()))
        assert rate(m, data, 0, num_samples=50) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("name", "choices", "sentence"),
    [
        ("vae", {}, "vae-?.*|latents in levels"),
        ("made", {}, "latents in levels"),
        ("vae-ladder", {"posterior": "FullRankNormal"}, "ties all coordinates together"),
    ],
)
def test_without_levels_there_is_no_least_one(name, choices, sentence):
    data = load("digits", kind="binary")
    with pytest.raises(ValueError, match=sentence):
        metric("least-level-rate")(pyrogen.create(name, x_shape=data.x_shape, **choices), data, 0)


# ------------------------------------------------------------------------------------------------- features


@pytest.fixture(scope="module")
def unit():
    return load("digits", kind="unit")


def test_features_learn_and_are_held(unit):
    torch.manual_seed(0)
    see, x, y = Features((1, 8, 8), 8), unit.train.x[:600], unit.train.y[:600]
    assert not list(see.parameters())
    before = {k: v.clone() for k, v in see.state_dict().items()}
    head = see.fit(x, y)
    assert not any(torch.equal(v, before[k]) for k, v in see.state_dict().items())
    assert not any(v.requires_grad or v.grad is not None for v in see.buffers())
    right = (head(see(unit.test.x)[-1]).argmax(1) == unit.test.y).double().mean()
    assert right > 0.85
    for layer in see(x):
        assert float(layer.flatten(1).var(0).sum()) == pytest.approx(64, rel=1e-4)


def test_without_labels_features_learn_how_far_images_were_turned(unit):
    torch.manual_seed(0)
    see, x = Features((1, 8, 8), 8), unit.train.x[:600]
    head = see.fit(x)
    turned = torch.cat([unit.test.x.rot90(k, (-2, -1)) for k in range(4)])
    right = head(see(turned)[-1]).argmax(1) == torch.arange(4).repeat_interleave(len(unit.test.x))
    assert right.double().mean() > 0.7


@pytest.mark.parametrize(("known", "outputs"), [(300, 10), (0, 4)])
def test_features_learn_from_labels_that_are_known(unit, known, outputs):
    """Without any, from turned images; what they learn from half of the labels is what the half alone teaches."""
    x, y = unit.train.x[:600], unit.train.y[:600].clone()
    y[known:] = -1
    heads, seen = [], []
    for images, labels in [(x, y), (x[:known], y[:known]) if known else (x, None)]:
        torch.manual_seed(0)
        see = Features((1, 8, 8), 4)
        see.passes = 2
        heads.append(see.fit(images, labels))
        seen.append(see._see(x[:50])[-1])
    assert heads[0].out_features == outputs
    assert torch.equal(*seen)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Features((3,)), "learned from images"),
        (lambda: pyrogen.create("vae-perceptual", x_shape=(64,)), "learned from images"),
        (lambda: Features((1, 4, 6)).fit(torch.zeros(4, 1, 4, 6)), "must be square"),
    ],
)
def test_what_cannot_be_seen_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_what_a_model_sees_by_is_learned_first_saved_and_then_moves_no_more(unit, tmp_path):
    def build(seed):
        torch.manual_seed(seed)
        return pyrogen.create("vae-perceptual", x_shape=(1, 8, 8), latent_size=2, hidden=(8,))

    m = build(0)
    assert all(name.split(".")[0] in ("encoder", "decoder") for name, _ in m.named_parameters())
    before = {k: v.clone() for k, v in m.feature_net.state_dict().items()}
    fit(m, unit, epochs=0, progress=False, validate=False)
    learned = {k: v.clone() for k, v in m.feature_net.state_dict().items()}
    assert not any(torch.equal(v, before[k]) for k, v in learned.items())
    play(m, unit, False, epochs=1)
    assert all(torch.equal(v, learned[k]) for k, v in m.feature_net.state_dict().items())
    m.before_training(unit.train.x[:100])
    assert all(torch.equal(v, learned[k]) for k, v in m.feature_net.state_dict().items())
    m.save(tmp_path)
    other = pyrogen.load(tmp_path)
    batch = Batch(unit.test.x[:50])
    losses = []
    for each in (m, other, build(1)):
        torch.manual_seed(3)
        losses.append(float(ELBO().terms(each, batch)["reconstruction"]))
    assert losses[0] == losses[1] != losses[2]


class Answers(Model, HasPosterior):
    """Reconstructs by a given function of the data."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def reconstruct(self, x, y=None):
        return self.answer(x)

    encode = decode = sample = None


def test_the_distance_of_features_is_0_for_the_data_and_2_for_other_data(unit):
    distance = metric("feature-distance")
    assert distance(Answers(lambda x: x), unit, 0) == 0
    # two independent draws are twice their variance apart
    assert distance(Answers(lambda x: x[torch.randperm(len(x))]), unit, 0) == pytest.approx(2, abs=0.15)
    assert 0 < distance(Answers(lambda x: x + 0.1 * torch.randn_like(x)), unit, 0) < 0.3


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [("made", {"name": "digits", "kind": "unit"}, "does not make"), ("vae", "ring", "no images with classes")],
)
def test_distances_of_features_need_images_and_reconstructions(name, data, sentence):
    data = load(**data) if isinstance(data, dict) else load(data)
    with pytest.raises(ValueError, match=sentence):
        metric("feature-distance")(pyrogen.create(name, x_shape=data.x_shape), data, 0)


# ------------------------------------------------------------------------------------------------- entries


SWAPS = {
    "vae-mixture": ("MixtureOfGaussians", "DiagonalNormal"),
    "vae-vamp": ("VampPrior", "DiagonalNormal"),
    "vae-exemplar": ("ExemplarPrior", "DiagonalNormal"),
    "vae-flow-prior": ("FlowPrior", "DiagonalNormal"),
    "vae-autoregressive-prior": ("FlowPrior", "DiagonalNormal"),
    "vae-heavy-tailed": ("StudentT", "DiagonalNormal"),
    "vae-spherical": ("HypersphericalUniform", "VonMisesFisher"),
    "vae-bernoulli": ("Bernoulli", "Bernoulli"),
    "vae-categorical": ("Categorical", "Categorical"),
    "vae-relaxed": ("RelaxedBernoulli", "RelaxedBernoulli"),
    "vae-fullrank": ("StandardNormal", "FullRankNormal"),
    "vae-lowrank": ("StandardNormal", "LowRankNormal"),
    "vae-planar": ("StandardNormal", "PlanarFlow"),
    "vae-iaf": ("StandardNormal", "FlowPosterior"),
    "vae-mixture-posterior": ("StandardNormal", "MixtureOfGaussians"),
    "vae-laplace-posterior": ("StandardNormal", "Laplace"),
    "vae-semi-amortized": ("StandardNormal", "SemiAmortized"),
}


@pytest.mark.parametrize("name", SWAPS)
def test_an_entry_is_the_vae_with_other_axes(name):
    m = pyrogen.create(name, x_shape=(1, 4, 4), latent_size=3, hidden=(8,))
    assert (type(m.prior).__name__, type(m.posterior).__name__) == SWAPS[name]
    assert type(m) is type(pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=3))
