"""Annealed estimates of evidence: are they right, is their error, and does nothing else change?"""

import contextlib
import io
import math
import sys
from dataclasses import replace

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from scipy import optimize, special

import pyrogen
from pyrogen.conditions import Condition
from pyrogen.data import from_arrays, load
from pyrogen.inference import AIS, BDMC, SMC, diagnose, log_evidence, observe
from pyrogen.inference.evidence.annealing import even_schedule, geometric_schedule, sigmoid_schedule, weighed
from pyrogen.inference.evidence.latent_space import Point, latent_spaces
from pyrogen.inference.evidence.noise import Observed
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.smc import Crowd, systematic
from pyrogen.inference.evidence.weight_stream import log_mean_exp
from pyrogen.inference.metrics.annealed import annealed_error, quadrature
from pyrogen.inference.programs.plain import Program
from pyrogen.inference.replay.often import Recorded
from pyrogen.likelihoods import Masked, Normal
from pyrogen.models.adversarial.gan import GAN


class Linear:
    """Probabilistic PCA, x = Wz + σε, as two plain functions, with the best mean-field guide."""

    def __init__(self, dimensions, latents, noise=0.5, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.noise, self.latents = noise, latents
        self.w = torch.randn(dimensions, latents, generator=generator) / math.sqrt(latents)
        self.x = torch.randn(40, latents, generator=generator) @ self.w.T
        self.x += noise * torch.randn(self.x.shape, generator=generator)
        precision = self.w.T @ self.w / noise**2 + torch.eye(latents)
        self.to_mean = torch.linalg.solve(precision, self.w.T) / noise**2
        self.scale = precision.diagonal().rsqrt()

    def model(self, x):
        with pyro.plate("data", x.shape[0]):
            z = pyro.sample("z", dist.Normal(torch.zeros(self.latents), 1).to_event(1))
            pyro.sample("x", dist.Normal(z @ self.w.T, self.noise).to_event(1), obs=x)

    def guide(self, x):
        with pyro.plate("data", x.shape[0]):
            pyro.sample("z", dist.Normal(x @ self.to_mean.T, self.scale).to_event(1))

    def log_prob(self, x):
        covariance = (self.w @ self.w.T).double() + self.noise**2 * torch.eye(len(self.w))
        return torch.distributions.MultivariateNormal(torch.zeros(len(covariance)), covariance).log_prob(x).numpy()

    @property
    def pair(self):
        return self.model, self.guide


@pytest.fixture(scope="module")
def pca():
    return Linear(12, 4)


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=2, hidden=(8,))


@pytest.fixture(scope="module")
def binary():
    return torch.bernoulli(torch.full((9, 1, 4, 4), 0.4), generator=torch.Generator().manual_seed(0))


def scores(ev, truth):
    return (ev["log_evidence"].values - truth) / ev["mc_se"].values


@pytest.mark.rotating
@pytest.mark.parametrize(
    "estimator",
    [AIS(200), AIS(200, schedule="geometric"), AIS(30, init="guide"), SMC(60, particles=8)],
    ids=["prior", "geometric", "guide", "smc"],
)
def test_pca_is_exact_and_so_is_the_error(pca, estimator):
    ev = log_evidence(pca.pair, pca.x, estimator)
    truth = pca.log_prob(pca.x)
    z = scores(ev, truth)
    assert abs(ev["log_evidence"].values.mean() - truth.mean()) < 0.1
    assert abs(ev["log_evidence"].values - truth).max() < 1
    assert float(ev["ess"].mean()) > 10
    assert 0.7 < z.std() < 1.4
    assert abs(z.mean()) < 0.6
    assert abs(float(ev["acceptance"].mean()) - 0.65) < 0.1
    assert ev.attrs["bound"] == "lower"


@pytest.mark.rotating
def test_too_few_temperatures_are_seen_by_doubling_them():
    pca = Linear(30, 10)
    truth = pca.log_prob(pca.x).mean()
    few, many = (log_evidence(pca.pair, pca.x, AIS(t, chains=8, leapfrogs=5)) for t in (10, 300))
    assert float(few["half"].mean()) < float(few["log_evidence"].mean()) - 1 < truth - 1
    assert "half the temperatures" in few["half"].attrs["description"]
    gain = (many["log_evidence"] - many["half"]).values
    error = np.hypot(many["mc_se"], many["half_se"]).values
    assert abs(gain.mean()) < 4 * math.sqrt((error**2).sum()) / len(gain) + 0.1


@pytest.mark.rotating
def test_without_moves_it_is_importance_sampling(pca):
    """The control: at absurd steps no chain moves, and the estimate is that of so few draws of the prior."""
    with latent_spaces(Program(*pca.pair), pca.x, None, "prior", 0) as (space,):
        path = AIS(100).path(space, lambda units: None)
        good = path.from_base(16, 1)
        stuck = replace(path, steps=path.steps * 1e4).from_base(16, 1)
        draws = space.at(space.draw(16, 1)).lift
    truth = pca.log_prob(pca.x)
    assert float(stuck.acceptance.max()) == 0
    torch.testing.assert_close(stuck.log_weights, draws)
    assert abs(log_mean_exp(good.log_weights.numpy()) - truth).mean() < 0.3
    assert abs(log_mean_exp(stuck.log_weights.numpy()) - truth).mean() > 2


@pytest.mark.rotating
def test_bidirectional_bounds_bracket_the_truth_and_close():
    pca = Linear(50, 10)
    gaps = []
    for temperatures in (8, 240):
        ev = log_evidence(pca.pair, pca.x, BDMC(temperatures, chains=8, leapfrogs=5))
        truth = pca.log_prob(torch.from_numpy(ev["simulated"].values))
        assert ev["simulated"].shape == pca.x.shape
        assert abs(ev["simulated"].values - pca.x.numpy()).max() > 1  # made anew
        for inside in (truth - ev["lower"].values, ev["upper"].values - truth):  # in expectation
            assert inside.mean() > -3 * inside.std() / math.sqrt(len(inside))
        np.testing.assert_allclose(ev["gap"], ev["upper"] - ev["lower"])
        np.testing.assert_array_equal(ev["lower"], ev["log_evidence"])
        gaps.append(float(ev["gap"].mean()))
    assert gaps[0] > 2
    assert gaps[1] < gaps[0] / 5
    assert ev.attrs["valid_for"] == "simulated data"
    assert "simulated" in ev.attrs["quantity"]


def gamma_poisson(x):
    with pyro.plate("n", x.shape[0]):
        rate = pyro.sample("rate", dist.Gamma(2.0, 0.5))
        pyro.sample("x", dist.Poisson(rate), obs=x)


def gamma_guide(x):
    with pyro.plate("n", x.shape[0]):
        pyro.sample("rate", dist.LogNormal(torch.log((x + 2) / 1.5), 0.5))


def beta_bernoulli(x):
    with pyro.plate("n", x.shape[0]):
        p = pyro.sample("p", dist.Beta(2.0, 3.0))
        pyro.sample("x", dist.Bernoulli(p.unsqueeze(-1).expand(x.shape)).to_event(1), obs=x)


def beta_guide(x):
    with pyro.plate("n", x.shape[0]):
        pyro.sample("p", dist.Beta(1.0 + x.sum(1), 2.0 + (1 - x).sum(1)))


def dirichlet_multinomial(x):
    with pyro.plate("n", x.shape[0]):
        p = pyro.sample("p", dist.Dirichlet(torch.tensor([1.0, 2.0, 3.0])))
        pyro.sample("x", dist.Multinomial(6, p, validate_args=False), obs=x)


def dirichlet_guide(x):
    with pyro.plate("n", x.shape[0]):
        pyro.sample("p", dist.Dirichlet(torch.ones_like(x)))


def inner_plate(x):
    with pyro.plate("rows", x.shape[0], dim=-2):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("columns", 3, dim=-1):
            w = pyro.sample("w", dist.Normal(z.expand(-1, 3), 1.0))
            pyro.sample("x", dist.Normal(w, 0.5), obs=x)


def inner_guide(x):
    with pyro.plate("rows", x.shape[0], dim=-2):
        z = pyro.sample("z", dist.Normal(0.25 * x.sum(1, keepdim=True), 0.6))
        with pyro.plate("columns", 3, dim=-1):
            pyro.sample("w", dist.Normal(0.8 * x + 0.2 * z, 0.5))


def interval(x):
    """A support that the data decide."""
    with pyro.plate("n", x.shape[0]):
        z = pyro.sample("z", dist.Uniform(torch.zeros_like(x), x))
        pyro.sample("x", dist.Exponential(z), obs=x)


def interval_guide(x):
    with pyro.plate("n", x.shape[0]):
        pyro.sample("z", dist.Uniform(torch.zeros_like(x), x))


def exact_gamma(x):
    return (
        special.gammaln(x + 2) - special.gammaln(2) - special.gammaln(x + 1) + 2 * np.log(0.5) - (x + 2) * np.log(1.5)
    )


def exact_beta(x):
    ones, size = x.sum(1), x.shape[1]
    return special.betaln(2 + ones, 3 + size - ones) - special.betaln(2, 3)


def exact_dirichlet(x):
    a = np.array([1.0, 2.0, 3.0])
    counts = special.gammaln(7) - special.gammaln(x + 1).sum(1)
    return counts + special.gammaln(6) - special.gammaln(12) + (special.gammaln(a + x) - special.gammaln(a)).sum(1)


def exact_inner(x):
    covariance = torch.ones(3, 3) + 1.25 * torch.eye(3)
    return torch.distributions.MultivariateNormal(torch.zeros(3), covariance).log_prob(torch.from_numpy(x)).numpy()


def exact_interval(x):
    """1/x ∫₀ˣ z exp(−zx) dz"""
    return np.log((1 - np.exp(-(x**2)) * (1 + x**2)) / x**3)


CONJUGATE = {
    "gamma": (gamma_poisson, gamma_guide, torch.tensor([0.0, 1, 2, 4, 9, 15]), exact_gamma),
    "beta": (beta_bernoulli, beta_guide, torch.tensor([[0.0, 0, 0, 0], [1, 0, 1, 1], [1, 1, 1, 1]]), exact_beta),
    "dirichlet": (dirichlet_multinomial, dirichlet_guide, torch.tensor([[6.0, 0, 0], [1, 2, 3]]), exact_dirichlet),
    "inner plate": (inner_plate, inner_guide, torch.tensor([[0.3, -1, 2], [0, 0, 0], [4, 3, 4]]), exact_inner),
    "interval": (interval, interval_guide, torch.tensor([0.5, 1.0, 3.0]), exact_interval),
}


@pytest.mark.rotating
@pytest.mark.parametrize("init", ["prior", "guide"])
@pytest.mark.parametrize("name", CONJUGATE)
def test_conjugate_pairs_are_exact_on_any_support(name, init):
    model, guide, x, exact = CONJUGATE[name]
    ev = log_evidence((model, guide), x, AIS(100, chains=64, init=init, leapfrogs=4, doubling=False))
    assert np.abs(scores(ev, exact(x.numpy().astype(np.float64)))).max() < 4
    assert float(ev["mc_se"].max()) < 0.2


def within(x):
    """A support that the latent decides."""
    with pyro.plate("n", x.shape[0]):
        z = pyro.sample("z", dist.Exponential(torch.ones_like(x)))
        pyro.sample("x", dist.Uniform(torch.zeros_like(z), z), obs=x)


def beyond(x):
    """Another, to which the formula of the density is blind."""
    with pyro.plate("n", x.shape[0]):
        z = pyro.sample("z", dist.Exponential(torch.ones_like(x)))
        pyro.sample("x", dist.Pareto(z, torch.ones_like(z)), obs=x)


def around_one(x):
    with pyro.plate("n", x.shape[0]):
        pyro.sample("z", dist.LogNormal(torch.zeros_like(x), 1.0))


# ∫ₓ^∞ exp(−z) / z dz, and ∫₀ˣ z exp(−z) / x² dz
WALLS = {
    "within": (within, special.exp1),
    "beyond": (beyond, lambda x: (1 - np.exp(-x) * (1 + x)) / x**2),
}


@pytest.mark.rotating
@pytest.mark.parametrize(
    "estimator",
    [
        AIS(50, chains=300, leapfrogs=3, doubling=False),
        AIS(50, chains=300, leapfrogs=3, schedule="geometric", doubling=False),
        AIS(50, chains=300, leapfrogs=3, init="guide", doubling=False),
        SMC(50, particles=20, leapfrogs=3),
    ],
    ids=["even", "geometric", "guide", "smc"],
)
@pytest.mark.parametrize("name", WALLS)
def test_latents_of_which_many_cannot_have_made_the_datum(name, estimator):
    model, exact = WALLS[name]
    x = torch.tensor([0.4, 1.0, 2.0])
    ev = log_evidence((model, around_one), x, estimator)
    assert np.abs(scores(ev, np.log(exact(x.double().numpy())))).max() < 4
    assert float(ev["mc_se"].max()) < 0.2
    if "incremental_ess" in ev:
        assert np.isfinite(ev["incremental_ess"].values).all()


def test_what_a_pilot_run_finds_does_not_lean_on_impossible_latents():
    """By 63 % of the prior's draws the datum cannot be made; temperatures and steps are those of the others."""
    with latent_spaces(Program(within, around_one), torch.tensor([1.0]), None, "prior", 0) as (space,):
        path = AIS(100).path(space, lambda units: None)
        lift = space.at(space.draw(1000, 1)).lift
    assert float(lift.isneginf().double().mean()) == pytest.approx(1 - math.exp(-1), abs=0.06)
    assert 0.2 < float(path.betas[50]) < 0.8
    assert float(path.steps.min()) > 0.05


def test_a_datum_that_no_latent_can_have_made_has_probability_0():
    def model(x):
        with pyro.plate("n", x.shape[0]):
            z = pyro.sample("z", dist.Uniform(torch.zeros_like(x), 1.0))
            pyro.sample("x", dist.Uniform(torch.zeros_like(z), z), obs=x)

    def guide(x):
        with pyro.plate("n", x.shape[0]):
            pyro.sample("z", dist.Uniform(torch.zeros_like(x), 1.0))

    x = torch.tensor([0.5, 2.0])
    for estimator in (AIS(20, chains=64, leapfrogs=2, doubling=False), SMC(20, particles=4, leapfrogs=2)):
        ev = log_evidence((model, guide), x, estimator)
        assert ev["log_evidence"].values[0] == pytest.approx(math.log(math.log(2)), abs=0.5)
        assert ev["log_evidence"].values[1] == -np.inf
        assert diagnose(ev).findings["finite"].data.tolist() == [1]
    assert ev["incremental_ess"].values[1] == 0


def test_a_density_is_0_at_every_temperature_but_that_of_the_base():
    base, lift = torch.tensor([[1.0, 1, 1, 1]]), torch.tensor([[2.0, -torch.inf, torch.nan, torch.inf]])
    point = Point(torch.zeros(1, 4, 1), base, lift, torch.zeros(1, 4, 1), torch.zeros(1, 4, 1))
    assert point.log_density(0.5).tolist() == [[2.0, -math.inf, -math.inf, -math.inf]]
    assert point.log_density(torch.tensor([[0.5, 0.0, 0.5, 0.5]])).tolist() == [[2.0, 1.0, -math.inf, -math.inf]]


def test_the_spread_of_a_lift_is_that_of_what_is_finite():
    lift = torch.tensor([[1.0, 1, 5, 0], [2, 2, -torch.inf, 0], [3, 3, torch.nan, 0], [-torch.inf, 6, 7, 0]]).double()
    nothing = torch.zeros(4, 4, 1)
    found = Point(nothing, torch.zeros(4, 4), lift, nothing, nothing).lift_spread()
    assert found[:3].tolist() == pytest.approx([1.0, math.sqrt(14 / 3), math.sqrt(2)], rel=1e-6)
    assert float(found[1]) == float(lift[:, 1].std())  # to the bit where nothing is left out
    alone = Point(nothing, torch.zeros(4, 1), lift[:, :1].where(lift[:, :1] == 2, -torch.inf), nothing, nothing)
    assert alone.lift_spread().tolist() == [1.0]


def test_particles_that_weigh_nothing_are_no_part_of_the_increments():
    crowd = Crowd(1, 4, 1, torch.device("cpu"), threshold=0.0)
    point = Point(*(torch.zeros(4, 1) for _ in range(5)))
    for log_weights in ([0.0, 0, 0, -math.inf], [1.0, 1, 1, -math.inf]):
        crowd.resample(torch.tensor(log_weights).double().unsqueeze(1), point)
        assert float(crowd.incremental_ess) == pytest.approx(3.0)
    crowd.resample(torch.full((4, 1), -math.inf).double(), point)
    assert float(crowd.incremental_ess) == 0.0


@pytest.mark.rotating
def test_nonlinear_decoder_against_quadrature():
    """One latent, two modes: x = sin(3z) + z² / 2 with noise."""

    def model(x):
        with pyro.plate("n", x.shape[0]):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(torch.sin(3 * z) + z**2 / 2, 0.1), obs=x)

    x = torch.linspace(-0.8, 3, 6)
    z = np.linspace(-9, 9, 20_001)
    centre = np.sin(3 * z) + z**2 / 2
    log_joint = -0.5 * z**2 - 0.5 * ((x.numpy()[:, None] - centre) / 0.1) ** 2 - np.log(2 * np.pi * 0.1)
    exact = special.logsumexp(log_joint, axis=1) + np.log(z[1] - z[0])
    for estimator in (
        AIS(100, chains=1000, leapfrogs=5, doubling=False),
        SMC(60, particles=100, leapfrogs=5),
    ):
        ev = log_evidence((model, model_prior), x, estimator)
        assert abs(ev["log_evidence"].values - exact).mean() < 0.1
        assert np.abs(scores(ev, exact)).max() < 5


def model_prior(x):
    with pyro.plate("n", x.shape[0]):
        pyro.sample("z", dist.Normal(torch.zeros_like(x), 1.0))


ESTIMATORS = [
    AIS(10, leapfrogs=2),
    AIS(10, leapfrogs=2, init="guide"),
    BDMC(10, leapfrogs=2),
    SMC(10, leapfrogs=2),
]
NAMES = ["ais", "guide", "bdmc", "smc"]


@pytest.mark.rotating
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
def test_chunks_and_seeds(vae, binary, estimator):
    whole, parts, again, other = (
        log_evidence(vae, binary, estimator, seed=seed, chunk_size=chunk)
        for seed, chunk in ((0, 100), (0, 5), (0, 100), (1, 100))
    )
    assert whole.equals(again)
    assert whole.equals(parts)
    assert float(abs(whole["log_evidence"] - other["log_evidence"]).max()) > 1e-3


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
def test_nothing_else_changes(vae, binary, estimator):
    vae.train()
    frozen = vae.encoder.net[1].weight
    frozen.requires_grad_(False)
    state, before = torch.get_rng_state(), {k: v.clone() for k, v in vae.state_dict().items()}
    log_evidence(vae, binary, estimator)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(v, vae.state_dict()[k]) for k, v in before.items())
    assert all(p.grad is None for p in vae.parameters())
    assert [p.requires_grad for p in vae.parameters()] == [p is not frozen for p in vae.parameters()]
    assert all(m.training for m in vae.modules())
    frozen.requires_grad_(True)


@pytest.mark.parametrize("estimator", ESTIMATORS[:2], ids=NAMES[:2])
def test_a_pair_as_a_tuple_gets_the_same_score(vae, binary, estimator):
    whole, apart = (log_evidence(p, binary, estimator) for p in (vae, (vae.model, vae.guide)))
    error = np.hypot(whole["mc_se"], apart["mc_se"])
    assert (abs(whole["log_evidence"] - apart["log_evidence"]) < 5 * error + 1e-3).all()


def test_order_of_the_batch_changes_results_within_the_error(pca):
    order = torch.randperm(len(pca.x), generator=torch.Generator().manual_seed(0))
    a, b = (log_evidence(pca.pair, x, AIS(20, init="guide", leapfrogs=3)) for x in (pca.x, pca.x[order]))
    difference = a["log_evidence"].values[order] - b["log_evidence"].values
    assert (abs(difference) < 5 * np.hypot(a["mc_se"].values[order], b["mc_se"].values)).all()


def test_gradients_are_taken_once_a_leapfrog(vae, binary):
    """And a new temperature costs none."""
    with latent_spaces(vae, binary, None, "prior", 0) as (space,):
        counted, at = [], space.at
        space.at = lambda z: counted.append(1) or at(z)
        path = AIS(10, leapfrogs=3).path(space, lambda units: None)
        del counted[:]
        path.from_base(4, 1)
    assert len(counted) == 1 + 9 * 3


@pytest.mark.parametrize("estimator", ESTIMATORS[:2], ids=NAMES[:2])
def test_recording_below_python_changes_nothing(vae, binary, estimator, monkeypatch):
    found, calls = [], []
    hook = vae.decoder.register_forward_hook(lambda *_: calls.append(1))
    for habit in (10, 10**9):
        monkeypatch.setattr("pyrogen.inference.replay.often.HABIT", habit)
        found.append(log_evidence(vae, binary, estimator))
        calls.append(0)
    hook.remove()
    np.testing.assert_allclose(found[0]["log_evidence"], found[1]["log_evidence"], atol=1e-5)
    first = calls.index(0)
    assert first < len(calls) / 4  # the control: it did replace the decoder's own calls


def test_what_cannot_be_recorded_runs_as_it_is(monkeypatch):
    """A program whose course depends on values; and one whose recording would answer otherwise."""
    monkeypatch.setattr("pyrogen.inference.replay.often.HABIT", 2)
    z = torch.linspace(-1, 1, 5).unsqueeze(1)
    turns = []

    def branches(z):
        return [z if z.sum() > 0 else -z]

    def alternates(z):
        turns.append(1)
        return [z * len(turns)]

    branching, alternating = Recorded(branches), Recorded(alternates)
    for scale in (1.0, 2.0, 3.0, -1.0):
        assert torch.equal(branching(scale * z)[0], branches(scale * z)[0])
        before = len(turns)
        value = alternating(z)[0]
        assert len(turns) > before
        torch.testing.assert_close(value, z * (before + 1))


def test_the_encoder_runs_once(vae, binary):
    seen = []
    hook = vae.encoder.register_forward_hook(lambda *_: seen.append(1))
    counts = []
    for temperatures in (5, 25):
        del seen[:]
        log_evidence(vae, binary, AIS(temperatures, init="guide", doubling=False))
        counts.append(len(seen))
    hook.remove()
    assert counts[0] == counts[1]


@pytest.mark.rotating
def test_scales_stay_outside_and_masks_count():
    def masked(x):
        with pyro.plate("n", x.shape[0]):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            with poutine.mask(mask=torch.arange(x.shape[0]) % 2 == 0):
                pyro.sample("x", dist.Normal(z, 0.5), obs=x)

    x = torch.tensor([1.0, 1.0, -2.0, 0.5])
    scaled = poutine.scale(masked, 64.0)
    plain, scaled = (log_evidence((m, model_prior), x, AIS(50)) for m in (masked, scaled))
    assert plain.equals(scaled)
    truth = torch.distributions.Normal(0.0, math.sqrt(1.25)).log_prob(x).numpy() * np.array([1, 0, 1, 0])
    assert abs(plain["log_evidence"].values - truth).max() < 0.3
    np.testing.assert_allclose(plain["log_evidence"][1::2], 0, atol=1e-6)


@pytest.mark.rotating
def test_autoencoders_are_scored_from_the_prior():
    """No posterior is needed: a point mass, which importance weights refuse, will do."""
    pca = Linear(6, 2)
    ae = pyrogen.create(
        "vae", x_shape=(6,), latent_size=2, hidden=(), posterior="PointMass", likelihood=Normal("fixed", pca.noise)
    )
    with torch.no_grad():
        ae.decoder.net[1].weight.copy_(pca.w)
        ae.decoder.net[1].bias.zero_()
    ev = log_evidence(ae, pca.x, AIS(100, leapfrogs=5))
    assert abs(scores(ev, pca.log_prob(pca.x)).mean()) < 0.6
    with pytest.raises(ValueError, match=r"point mass.*init='prior'"):
        log_evidence(ae, pca.x, AIS(200, init="guide"))


def discrete(x):
    with pyro.plate("n", x.shape[0]):
        z = pyro.sample("z", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def discrete_guide(x):
    with pyro.plate("n", x.shape[0]):
        pyro.sample("z", dist.Bernoulli(torch.full_like(x, 0.5)))


def twice(x):
    with pyro.plate("n", x.shape[0]):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)
        pyro.sample("again", dist.Normal(z, 1.0), obs=x)


@pytest.mark.parametrize(
    ("subject", "estimator", "match"),
    [
        ((discrete, discrete_guide), AIS(5), "discrete.*Enumerate"),
        ((twice, model_prior), BDMC(5), "exactly one site.*'x'.*'again'"),
        ("autoencoder", AIS(5), "improper"),
        ("gan-nonsaturating", AIS(5), "observe"),
        ("made", SMC(5), "no latents.*Exact"),
        ("rbm", SMC(5), "no latents.*Exact"),
        ("rbm", AIS(5, init="guide"), "no guide"),
    ],
)
def test_refusals(subject, estimator, match):
    x = torch.zeros(3)
    if isinstance(subject, str):
        subject = pyrogen.create(subject, x_shape=(2,))
        x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match=match):
        log_evidence(subject, x, estimator)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: AIS(1), "temperatures >= 2"),
        (lambda: AIS(chains=3), "chains >= 4"),
        (lambda: AIS(leapfrogs=0), "leapfrogs >= 1"),
        (lambda: AIS(acceptance=1.5), "between 0 and 1"),
        (lambda: SMC(particles=1), "particles >= 2"),
        (lambda: BDMC(temperatures=0), "temperatures >= 1"),
        (lambda: log_evidence((twice, model_prior), torch.zeros(2), AIS(5, init="flow")), "'prior' or 'guide'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_schedule_is_symmetric_and_whole():
    betas = sigmoid_schedule(10)
    assert (betas[0], betas[-1], len(betas)) == (0, 1, 11)
    torch.testing.assert_close(betas + betas.flip(0), torch.ones(11, dtype=torch.float64))
    assert (betas.diff() > 0).all()
    torch.testing.assert_close(sigmoid_schedule(20)[::2], betas)


def test_geometric_schedule_has_equal_ratios():
    betas = geometric_schedule(5, 1e-4)
    assert (betas[0], betas[-1], len(betas)) == (0, 1, 6)
    torch.testing.assert_close(betas[2:] / betas[1:-1], torch.full((4,), 10.0, dtype=torch.float64))


def test_one_temperature_is_that_of_the_target_on_every_schedule(pca):
    assert geometric_schedule(1, 1e-4).tolist() == [0, 1]
    even, geometric = (
        log_evidence(pca.pair, pca.x[:3], AIS(1, schedule=schedule, leapfrogs=1, doubling=False))["log_evidence"]
        for schedule in ("even", "geometric")
    )
    np.testing.assert_allclose(even, geometric)


def test_systematic_resampling_leaves_heirs_as_expected():
    torch.manual_seed(0)
    weights = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().view(1, 4, 1).expand(1, 4, 20_000)
    heirs = torch.stack([(systematic(weights) == i).sum(1) for i in range(4)]).double().mean(-1).flatten()
    torch.testing.assert_close(heirs, 4 * weights[0, :, 0].exp().double(), atol=0.02, rtol=0)


class Scaled(torch.nn.Module):
    """Two latents in the first two of so many dimensions, isometrically."""

    def __init__(self, dimensions, factor):
        super().__init__()
        self.dimensions, self.factor = dimensions, factor

    def forward(self, z):
        return torch.nn.functional.pad(self.factor * z, (0, self.dimensions - 2))


def scaled_gan(dimensions, factor):
    return GAN(Scaled(dimensions, factor), torch.nn.Linear(dimensions, 1), (dimensions,), 2)


def test_fitted_noise_is_the_known_one():
    """x = (2z, 0) + σε: where z is well seen, the best σ² is nearly the mean square of the other dimensions."""
    generator, sigma = torch.Generator().manual_seed(0), 0.3
    x = sigma * torch.randn(200, 8, generator=generator)
    x[:, :2] += 2 * torch.randn(200, 2, generator=generator)
    rows = x[torch.linspace(0, 199, 64).round().long()].double()

    def log_prob(log_sigma):
        s = math.exp(log_sigma)
        scale = torch.tensor([math.hypot(2, s)] * 2 + [s] * 6)
        return float(torch.distributions.Normal(0, scale).log_prob(rows).sum())

    best = math.exp(optimize.minimize_scalar(lambda s: -log_prob(s), bounds=(-4, 2), method="bounded").x)
    pair = observe(scaled_gan(8, 2.0), x, temperatures=200, num_data=64)
    assert float(pair.sigma) == pytest.approx(best, rel=0.02)
    assert float(pair.sigma) == pytest.approx(sigma, rel=0.15)
    assert pair.sample(7).shape == (7, 8)


class Told(torch.nn.Module):
    """Two latents in the first two of so many dimensions, and a place of the rest that a class says."""

    def __init__(self, dimensions):
        super().__init__()
        self.dimensions = dimensions

    def forward(self, z, y):
        return torch.cat([2 * z, 10 * y.expand(*z.shape[:-1], -1)], -1)


def test_noise_is_fitted_to_a_generator_that_is_told_a_class():
    """The same data as without classes, but for where these lie: the other class would be 14 away."""
    generator, sigma, y = torch.Generator().manual_seed(0), 0.3, torch.arange(120) % 2
    x = sigma * torch.randn(120, 4, generator=generator)
    x[:, :2] += 2 * torch.randn(120, 2, generator=generator)
    x[:, 2:] += 10 * torch.nn.functional.one_hot(y, 2)
    gan = GAN(Told(4), torch.nn.Linear(6, 1), (4,), 2, condition=Condition(classes=2))
    seen = from_arrays(x, y, standardize=False).train
    asked = {"temperatures": 60, "chains": 4, "num_data": 20}
    fitted = observe(gan, seen, **asked)
    assert float(fitted.sigma) == pytest.approx(sigma, rel=0.25)
    assert torch.equal(observe(gan, seen.x, **asked, y=seen.y).sigma, fitted.sigma)
    with pytest.raises(ValueError, match="the model is conditional"):
        observe(gan, seen.x, **asked)


def test_annealing_agrees_with_quadrature_on_a_generator():
    """And the control, one temperature, does not."""
    pair = Observed(scaled_gan(2, 2.0), 0.1)
    x = 2 * torch.randn(8, 2)
    exact = torch.distributions.Normal(0, math.sqrt(4 + 0.1**2)).log_prob(x.double()).sum(1)
    torch.testing.assert_close(quadrature(pair, x, 600), exact, atol=1e-4, rtol=0)
    many, one = (
        log_evidence(pair, x, AIS(t, chains=30, schedule="geometric", leapfrogs=5, doubling=False)) for t in (100, 1)
    )
    assert abs(many["log_evidence"].values - exact.numpy()).mean() < 0.2
    assert np.abs(scores(many, exact.numpy())).max() < 5
    assert abs(one["log_evidence"].values - exact.numpy()).mean() > 1


@pytest.mark.rotating
def test_annealed_error_fits_the_noise_and_is_small():
    gan, data = scaled_gan(2, 0.5), load("ring")
    assert annealed_error(gan, data, 0, temperatures=30, chains=64, num_data=8, cells=300) < 0.1
    with pytest.raises(ValueError, match="latent_size=2"):
        annealed_error(pyrogen.create("vae", x_shape=(2,)), data, 0)


def test_noise_is_refused_where_nothing_is_generated_or_none_found():
    with pytest.raises(ValueError, match="no generator"):
        observe(pyrogen.create("made", x_shape=(3,)), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="sigma"):
        Observed(pyrogen.create("gan-nonsaturating"), -1.0)


def test_progress_is_silent_unless_a_terminal_waits(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def shown(stream, patience):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr("pyrogen.inference.evidence.progress.PATIENCE", patience)
        with contextlib.suppress(ZeroDivisionError), track(2, "annealing") as advance:
            advance(1)
            advance(1)
            raise ZeroDivisionError
        return stream.getvalue()

    assert shown(io.StringIO(), 0) == ""
    assert shown(Terminal(), 1e9) == ""
    assert "annealing" in shown(Terminal(), 0)


@pytest.mark.parametrize("count", [5, 8, 16, 64])
def test_the_error_of_few_weights_is_their_own(count):
    """4,000 z = (estimate − truth)/error; without the correction for few weights their spread was 1.11 of 16, 1.58 of 5."""
    generator = torch.Generator().manual_seed(count)
    log_weights = 0.1 * torch.randn(count, 8000, generator=generator, dtype=torch.float64) - 0.1**2 / 2
    found = weighed(log_weights)
    z = found["log_evidence"] / found["mc_se"]
    assert z.std() == pytest.approx(1, abs=0.05 if count > 5 else 0.1)  # a t of 4 degrees has no fourth moment
    assert abs(z.mean()) < 0.1


def shifted(x):
    with pyro.plate("n", x.shape[0]):
        z = pyro.sample("z", dist.Normal(torch.zeros_like(x), 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def smc_scores(seeds):
    x = torch.linspace(-2.5, 2.5, 20)
    truth = dist.Normal(0.0, math.sqrt(1.25)).log_prob(x).numpy()
    estimator = SMC(20, particles=8, leapfrogs=3)
    return np.concatenate(
        [scores(log_evidence((shifted, model_prior), x, estimator, seed=seed), truth) for seed in range(seeds)]
    )


def test_the_error_of_smc_on_a_few_seeds():
    z = smc_scores(3)
    assert 0.75 < z.std() < 1.3
    assert abs(z.mean()) < 0.5


@pytest.mark.slow
def test_the_error_of_smc_is_its_error():
    """200 seeds of 20 data: the spread of z = (estimate − truth)/error was 1.118."""
    z = smc_scores(200)
    assert z.std() == pytest.approx(1, abs=0.05)


@pytest.mark.rotating
def test_bounds_of_simulated_whole_rows_are_in_raw_units(tmp_path):
    """Columns of sd 10, 0.1 and 1000, 30 % of the cells empty: the closed form N(b, WWᵀ + 0.25 I) at simulated."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, 3)) * [10, 0.1, 1000]
    rows[rng.random(rows.shape) < 0.3] = np.nan
    rows[np.isnan(rows).all(1)] = 0.0
    np.savetxt(tmp_path / "holes.csv", rows, delimiter=",", header="a,b,c", comments="")
    split = load(tmp_path / "holes.csv", missing=True).test.take(10)
    torch.manual_seed(0)
    likelihood = Masked(Normal("fixed", 0.5))
    model = pyrogen.create("vae", x_shape=(3,), latent_size=2, hidden=(), likelihood=likelihood)
    ev = log_evidence(model, split, BDMC(100, chains=16, leapfrogs=4))
    with torch.no_grad():
        b = model.decode(torch.zeros(1, 2)).mean[0].double()
        w = (model.decode(torch.eye(2)).mean.double() - b).T
    closed = torch.distributions.MultivariateNormal(b, w @ w.T + 0.25 * torch.eye(3, dtype=torch.float64))
    simulated = torch.from_numpy(ev["simulated"].values).double()
    assert not simulated.isnan().any()
    truth = float(closed.log_prob(simulated).mean()) + split.log_jacobian
    assert float(split.log_jacobians().mean()) != pytest.approx(split.log_jacobian, abs=0.5)
    error = float(np.hypot(ev["lower_se"], ev["upper_se"]).mean()) / math.sqrt(len(simulated))
    assert float(ev["lower"].mean()) - 3 * error < truth < float(ev["upper"].mean()) + 3 * error
    assert float(ev["gap"].mean()) < 0.3
    assert ev.attrs["log_jacobian"] == pytest.approx(split.log_jacobian)
    assert ev["lower"].attrs["unit"] == ev["upper"].attrs["unit"] == ev["log_evidence"].attrs["unit"]
    assert "raw" in ev["lower"].attrs["unit"]
    assert "standardized" in ev["simulated"].attrs["unit"]


def wide(seed, size=30, latents=6, noise=0.5, n=20):
    """x = W z + ε with entries of W from N(0, 1), data of the model's own, and their exact log p(x)."""
    torch.manual_seed(seed)
    weight, x = torch.randn(size, latents), torch.randn(n, size)
    x = torch.randn(n, latents) @ weight.T + noise * x

    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(latents), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z @ weight.T, noise).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(latents), 1.0).to_event(1))

    covariance = (weight @ weight.T).double() + noise**2 * torch.eye(size, dtype=torch.float64)
    exact = dist.MultivariateNormal(torch.zeros(size, dtype=torch.float64), covariance).log_prob(x.double())
    return (model, guide), x, exact.numpy()


def errors(seeds, **settings):
    found = []
    for seed in seeds:
        pair, x, exact = wide(seed)
        found.append(np.abs(log_evidence(pair, x, AIS(**settings), seed=seed)["log_evidence"].values - exact).mean())
    return np.array(found)


@pytest.mark.rotating
def test_strides_of_equal_length_err_less_than_those_of_a_sigmoid():
    few = {"temperatures": 60, "chains": 16, "leapfrogs": 5, "doubling": False}
    even, sigmoid = (errors(range(3), schedule=schedule, **few) for schedule in ("even", "sigmoid"))
    assert (even < sigmoid).all()


@pytest.mark.slow
def test_a_thousand_temperatures_from_the_prior_err_by_less_than_a_tenth_of_a_nat():
    assert errors(range(10), temperatures=1000, chains=16, doubling=False).mean() <= 0.1


def test_an_even_schedule_is_finest_where_the_lift_varies():
    levels = np.linspace(0, 1, 101)
    spreads = np.where(levels < 0.1, 9.0, 1.0)
    betas = even_schedule(1000, levels, spreads, levels).numpy()
    assert (betas[0], betas[-1]) == (0.0, 1.0)
    assert (np.diff(betas) > 0).all()
    # half of the length, and a fifth of the temperatures in proportion
    assert (betas < 0.1).mean() == pytest.approx(0.8 * 0.5 + 0.2 * 0.1, abs=0.03)
    flat = even_schedule(10, levels, np.zeros(101), levels).numpy()
    assert flat == pytest.approx(np.linspace(0, 1, 11))
