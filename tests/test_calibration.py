"""Simulation-based calibration: exact encoders pass, and each way of being wrong is caught."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats

import pyrogen
from pyrogen.data import load
from pyrogen.inference import calibrate
from pyrogen.inference.latents.calibration import Calibration, band, randomized_rank, uniformity
from pyrogen.inference.metrics.calibration import smallest_p
from pyrogen.inference.programs.contexts import seeded

SEEDS = (0, 1, 2)


def guided(linear, mean, scale):
    """The linear model with a guide of independent normals."""
    model = linear.vae("FullRankNormal")

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(mean(x).float(), scale.float()).to_event(1))

    return model.model, guide


def wrong(linear):
    marginal = linear.posterior_covariance.diagonal().sqrt()
    return {
        "the prior": guided(linear, lambda x: torch.zeros(len(x), 2), torch.ones(2)),
        "mean field with the right marginals": guided(linear, linear.posterior_mean, marginal),
        "mean field of the least KL": linear.vae("DiagonalNormal"),
        "20 % too wide": linear.vae("FullRankNormal", 1.2),
        "20 % too narrow": linear.vae("FullRankNormal", 0.8),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_the_exact_encoder_passes(linear, seed):
    found = calibrate(linear.vae("FullRankNormal"), linear.draw(10), seed=seed)
    assert found.attrs["smallest_p"] > 1e-3
    assert found["rank"].shape == (2 + 5 + 1 + 3, 1000)
    z = ((found["coverage"] - found["level"]) / found["coverage_se"]).values
    assert np.abs(z).max() < 4


@pytest.mark.parametrize("seed", SEEDS)
def test_wrong_encoders_are_caught(linear, seed):
    found = {name: calibrate(q, linear.draw(10), seed=seed).attrs["smallest_p"] for name, q in wrong(linear).items()}
    assert len(found) == 5
    assert {name: p for name, p in found.items() if p >= 1e-6} == {}


def test_what_the_ranks_of_coordinates_alone_let_pass(linear):
    """The control of the quantities that depend on x: without them the prior would be an encoder like any other."""
    found = calibrate(wrong(linear)["the prior"], linear.draw(10))
    assert found["p"].sel(quantity=["z[0]", "z[1]"]).min() > 1e-3
    assert found["p"].sel(quantity=["TARP", "log p(x|z)"]).max() < 1e-6


def test_samplers_take_the_place_of_the_guide(linear):
    """Exact draws pass and draws of another covariance do not, whatever the guide."""
    autoencoder = linear.vae("DiagonalNormal")
    root = torch.linalg.cholesky(linear.posterior_covariance)

    def sampler(spread):
        def draws(x, n, seed):
            noise = torch.randn(n, len(x), 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            return (linear.posterior_mean(x) + spread * noise @ root.T).float()

        return draws

    assert calibrate(autoencoder, linear.draw(10), draws=sampler(1.0)).attrs["smallest_p"] > 1e-3
    assert calibrate(autoencoder, linear.draw(10), draws=sampler(1.2)).attrs["smallest_p"] < 1e-6
    with pytest.raises(ValueError, match=r"asked for draws of shape \(9, 64, 2\)"):
        calibrate(autoencoder, linear.draw(10), draws=lambda x, n, seed: torch.zeros(n, len(x), 3), num_draws=9)


def discrete(tilt):
    """A coin of known odds, whose posterior is Bayes' rule; the guide's odds are tilted."""
    means = torch.tensor([-1.0, 1.0])

    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Bernoulli(0.3))
            pyro.sample("x", dist.Normal(means[z.long()], 1.0), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Bernoulli(logits=2 * x + math.log(0.3 / 0.7) + tilt))

    return model, guide


def test_discrete_latents_rank_at_random_among_equals():
    for seed in SEEDS:
        assert calibrate(discrete(0.0), torch.zeros(10), seed=seed, simulations=2000).attrs["smallest_p"] > 1e-3
        assert calibrate(discrete(1.0), torch.zeros(10), seed=seed, simulations=2000).attrs["smallest_p"] < 1e-6


def test_randomized_ranks_are_uniform_whatever_the_ties():
    with seeded(0):
        values = torch.randint(3, (10, 20_000)).double()
        ranks = randomized_rank(values[0], values[1:]).numpy()
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3
    assert randomized_rank(torch.tensor([2.0]), torch.tensor([[0.0], [1.0]])).item() > 2 / 3
    infinite = torch.full((3, 1), -torch.inf)
    assert 0 < randomized_rank(infinite[0], infinite[1:]).item() < 1


def test_p_values_are_uniform_or_smaller_of_uniform_numbers():
    generator = np.random.default_rng(0)
    p = np.array([uniformity(generator.random(200)) for _ in range(1000)])
    # twice the least of two is no smaller than uniform, and not much larger
    for level in (0.01, 0.05, 0.2):
        assert level / 2 < (p <= level).mean() < level + 3 * math.sqrt(level / 1000)
    narrow = 0.5 + 0.4 * (generator.random(1000) - 0.5)
    assert uniformity(narrow) < 1e-6


def test_the_band_holds_whole_curves_in_95_percent():
    points = np.linspace(0.02, 0.98, 49)
    low, high = band(200, points)
    generator = np.random.default_rng(1)
    curves = np.array(
        [np.searchsorted(np.sort(generator.random(200)), points, side="right") / 200 for _ in range(1000)]
    )
    held = ((curves >= low) & (curves <= high)).all(1).mean()
    assert held == pytest.approx(0.95, abs=0.03)


def test_seeds_decide_and_nothing_else_changes(linear):
    model = linear.vae("FullRankNormal").train()
    state = torch.get_rng_state()
    first, again = (calibrate(model, linear.draw(10), simulations=100, seed=3) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    np.testing.assert_array_equal(first["rank"], again["rank"])
    assert (first["rank"] != calibrate(model, linear.draw(10), simulations=100, seed=4)["rank"]).mean() > 0.9


def test_what_cannot_be_asked_is_refused(pair, linear):
    x = torch.zeros(4, 1, 4, 4)
    with pytest.raises(ValueError, match="'z' is a point mass"):
        calibrate(pair(posterior="PointMass"), x)
    with pytest.raises(ValueError, match="prior of 'z' is improper"):
        calibrate(pair(posterior="PointMass", prior="Flat"), x)
    with pytest.raises(ValueError, match="needs at least 20"):
        calibrate(linear.vae("DiagonalNormal"), linear.draw(3), simulations=5)

    def twice(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("a", dist.Normal(z, 1.0), obs=x)
            pyro.sample("b", dist.Normal(z, 1.0), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(x, 1.0))

    with pytest.raises(ValueError, match="observes exactly one site"):
        calibrate((twice, guide), torch.zeros(4))
    with pytest.raises(ValueError, match="draws no latents"):
        calibrate(pyrogen.create("made", x_shape=(4,)), torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"is no \(model, guide\) pair"):
        calibrate(pyrogen.create("rbm", x_shape=(4,)), torch.zeros(2, 4))


def test_the_analysis_and_the_metric():
    data = load("digits")
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,))
    asked = Calibration(simulations=200, num_draws=19)
    assert asked.refusal(model, data) == ""
    assert "improper" in asked.refusal(pyrogen.create("autoencoder", x_shape=data.x_shape), data)
    found = asked.run(model, data)
    assert found.verdict in ("well", "beware")
    assert found.numbers["smallest_p"] == smallest_p(model, data, 0, 200, 19)
    assert [picture.name for picture in found.pictures] == ["calibration"]
