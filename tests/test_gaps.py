"""What a bound loses to the network and to the family, against closed forms; and modes that a guide misses."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import pyrogen
from pyrogen.data import load
from pyrogen.inference import AIS, IWAE, diagnose, gaps, log_evidence
from pyrogen.inference.latents.gaps import Gaps, mean_of
from pyrogen.inference.metrics.calibration import inference_gap

QUICK = AIS(temperatures=40, chains=64, leapfrogs=2, init="guide", doubling=False)


def kl_of_wider(spread, latents=2):
    """KL(N(0, s²) ‖ N(0, 1)) of so many coordinates."""
    return latents * (spread**2 / 2 - 0.5 - math.log(spread))


@pytest.mark.rotating
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gaps_are_the_closed_forms_within_a_fiftieth_of_a_nat(linear, seed):
    """Mean field loses ½ (Σ log P_ii − log det P) whatever the network; a full covariance nothing."""
    x = linear.draw(64, seed)
    loose = gaps(
        linear.vae("DiagonalNormal", 1.3), x, estimator=QUICK, steps=200, num_samples=500, seed=seed, check=False
    )
    full = gaps(
        linear.vae("FullRankNormal", 1.3), x, estimator=QUICK, steps=200, num_samples=500, seed=seed, check=False
    )
    for found, exact in ((loose, linear.mean_field_gap()), (full, 0.0)):
        assert mean_of(found, "approximation")[0] == pytest.approx(exact, abs=0.02)
        assert mean_of(found, "amortization")[0] == pytest.approx(kl_of_wider(1.3), abs=0.02)
        error = (found["log_evidence"] - linear.log_prob(x)) / found["mc_se"]
        assert np.abs(error).max() < 4.5
        np.testing.assert_allclose(
            found["elbo"] + found["amortization"] + found["approximation"], found["log_evidence"]
        )
    assert loose.attrs["family"] == "DiagonalNormal"
    assert loose.attrs["estimator"] == "AIS"


def test_errors_are_those_of_the_draws(linear):
    """z-scores against the closed form, datum by datum; shared draws make the amortization gap surer than its two ends."""
    x = linear.draw(64)
    found = gaps(linear.vae("DiagonalNormal", 1.3), x, estimator=QUICK, num_samples=500, check=False)
    for part, exact in (("amortization", kl_of_wider(1.3)), ("approximation", linear.mean_field_gap())):
        z = ((found[part] - exact) / found[f"{part}_se"]).values
        assert 0.7 < z.std() < 1.35
        assert np.abs(z).max() < 4.5
    apart = np.hypot(found["elbo_se"], found["best_se"])
    assert found["amortization_se"].mean() < 0.6 * apart.mean()


def test_the_best_encoder_has_no_amortization_gap(linear):
    found = gaps(linear.vae("DiagonalNormal"), linear.draw(64), estimator=QUICK, num_samples=500, check=False)
    value, error = mean_of(found, "amortization")
    assert -0.005 < value < 0.001
    assert error < 0.002


def test_programs_of_ones_own_are_held_against_independent_normals(linear):
    """No posterior axis says what the family is: the best diagonal normal is found on the latents themselves."""
    x = linear.draw(32)
    model = linear.vae("FullRankNormal")
    scale = 1.3 * linear.precision.diagonal().rsqrt().float()

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(linear.posterior_mean(x).float(), scale).to_event(1))

    def plain(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", model.decode(z), obs=x)

    found = gaps((plain, guide), x, estimator=QUICK, num_samples=500, check=False)
    assert found.attrs["family"].startswith("independent normals")
    assert mean_of(found, "approximation")[0] == pytest.approx(linear.mean_field_gap(), abs=0.02)
    assert mean_of(found, "amortization")[0] == pytest.approx(kl_of_wider(1.3), abs=0.03)


def test_constrained_latents_are_climbed_where_they_have_no_bounds():
    """Gamma–Poisson: log p is negative binomial; a log-normal is what independent normals are on the positive numbers."""

    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Gamma(2.0, 0.5))
            pyro.sample("x", dist.Poisson(z), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Gamma(2.0 + x, 1.5))

    x = torch.tensor([0.0, 3.0, 9.0])
    found = gaps((model, guide), x, estimator=IWAE(200), num_samples=1500, check=False)
    # the exact guide: its ELBO is log p, and the best log-normal's KL to the Gamma is known by its moments
    shape = 2 + x.double().numpy()
    variance = 1 / shape
    mean = np.log(shape) - variance / 2
    kl = [
        torch.special.gammaln(torch.tensor(a)) - a * m + a - 0.5 * math.log(2 * math.pi * math.e * v)
        for a, m, v in zip(shape, mean, variance, strict=True)
    ]
    assert (found["approximation_se"] < 0.01).all()
    assert (np.abs(found["approximation"] - np.array(kl)) < 3.5 * found["approximation_se"] + 0.002).all()
    np.testing.assert_allclose(found["amortization"], -found["approximation"], atol=1e-3)


def squared(x):
    with pyro.plate("datum", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.5))
        pyro.sample("x", dist.Normal(z**2, 0.5), obs=x)


def one_root(x):
    with pyro.plate("datum", len(x)):
        pyro.sample("z", dist.Normal(x.sqrt(), 0.25))


def test_a_guide_that_misses_a_mode_is_caught():
    x = torch.linspace(2, 4, 8)
    missing = gaps((squared, one_root), x, estimator=IWAE(2000), steps=100, num_samples=300)
    assert diagnose(missing).findings["guide"].broken
    # by chains from the prior both roots are found, and what the family misses is at least ln 2
    found = gaps(
        (squared, one_root), x, estimator=AIS(temperatures=300, chains=64, leapfrogs=3), steps=100, num_samples=300
    )
    low = found["approximation"].values - missing["approximation"].values
    error = np.sqrt((found["mc_se"].values ** 2 + missing["mc_se"].values ** 2).sum()) / len(x)
    assert abs(low.mean() - math.log(2)) < 4 * error
    assert error < 0.05


def test_a_right_guide_is_not_suspected(linear):
    found = gaps(linear.vae("FullRankNormal"), linear.draw(16), estimator=QUICK, steps=40, num_samples=200)
    assert not diagnose(found).findings["guide"].broken
    assert int(found["from_prior"].notnull().sum()) == 8


@pytest.mark.parametrize("posterior", ["LowRankNormal", "Laplace", "MixtureOfGaussians", "FlowPosterior", "PlanarFlow"])
def test_every_family_climbs(pair, posterior):
    model, x = pair(posterior=posterior), torch.rand(6, 1, 4, 4).round()
    found = gaps(model, x, estimator=IWAE(2000), steps=60, num_samples=200, check=False)
    assert found.attrs["family"] == posterior
    assert mean_of(found, "amortization")[0] > 0
    assert (found["approximation"] > -4 * found["approximation_se"]).all()


def test_conditions_are_told_and_programs_left_as_they_were():
    model = pyrogen.create("vae-conditional", x_shape=(4,), latent_size=2, hidden=(4,), classes=3).train()
    x, y = torch.rand(5, 4).round(), torch.tensor([0, 1, 2, 1, 0])
    state, before = torch.get_rng_state(), {k: v.clone() for k, v in model.state_dict().items()}
    first, again = (gaps(model, x, y, steps=20, num_samples=100, seed=1, check=False) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    np.testing.assert_array_equal(first["approximation"], again["approximation"])
    evidence = log_evidence(model, x, IWAE(5000), y=y)
    assert np.abs(first["log_evidence"] - evidence["log_evidence"]).max() < 0.1


def test_what_has_no_best_posterior_is_refused(pair):
    x = torch.zeros(2, 1, 4, 4)
    with pytest.raises(ValueError, match="latents are discrete"):
        gaps(pair(prior="Bernoulli", posterior="Bernoulli"), x)
    with pytest.raises(ValueError, match="'z' is a point mass"):
        gaps(pair(posterior="PointMass"), x)
    with pytest.raises(ValueError, match="num_samples >= 100"):
        gaps(pair(), x, num_samples=3)


def test_where_chains_cannot_move_the_weights_answer(pair):
    model = pair(prior="HypersphericalUniform", posterior="VonMisesFisher")
    x = torch.rand(4, 1, 4, 4).round()
    found = gaps(model, x, steps=40, num_samples=2000)
    assert found.attrs["estimator"] == "IWAE"
    exact = log_evidence(model, x, IWAE(5000))
    assert np.abs(found["log_evidence"] - exact["log_evidence"]).max() < 0.05


@pytest.mark.rotating
def test_the_analysis_and_the_metric():
    data = load("digits")
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,))
    asked = Gaps(num_data=8, steps=20, num_samples=100)
    assert asked.refusal(model, data) == ""
    assert "discrete" in asked.refusal(
        pyrogen.create("vae", x_shape=data.x_shape, prior="Bernoulli", posterior="Bernoulli"), data
    )
    found = asked.run(model, data)
    assert found.verdict in ("well", "beware", "open")
    assert [row[0] for row in found.table] == ["split", "train", "test"]
    gap = inference_gap(model, data, 0, num_data=4, steps=20)
    assert math.isfinite(gap)
    assert gap.error > 0


@pytest.mark.rotating
@pytest.mark.parametrize("components", [8, 5])
def test_the_best_posterior_leaves_a_prior_alone_that_is_made_of_the_encoder(components):
    # as many pseudo-inputs as data: the prior would read the data's features for its own, and its best bound exceed log p(x)
    torch.manual_seed(0)
    model = pyrogen.create("vae-vamp", x_shape=(1, 4, 4), latent_size=2, hidden=(8,), components=components).eval()
    x = torch.rand(8, 1, 4, 4).round()
    model.before_training(x)
    found = gaps(model, x)
    assert float(found["approximation"].mean()) > -4 * float(found["approximation_se"].mean())
