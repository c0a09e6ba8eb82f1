"""Evidence with a closed form, off the Gaussian path: conjugate pairs, a mixture, a hidden Markov model, a curve, a flow."""

import itertools
import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.distributions import transforms
from scipy import special, stats

from pyrogen.base import Batch
from pyrogen.inference import ELBO, IWAE, log_evidence, log_weights
from pyrogen.inference.programs.plain import as_pair


def pair(prior, likelihood, posterior, latent="z"):
    """A model and a guide of functions of the latent and of the data."""

    def model(x):
        with pyro.plate("rows", x.shape[0]):
            z = pyro.sample(latent, prior(x))
            pyro.sample("x", likelihood(z), obs=x)

    def guide(x):
        with pyro.plate("rows", x.shape[0]):
            pyro.sample(latent, posterior(x))

    return model, guide


def beta_binomial(widen):
    model, guide = pair(
        lambda x: dist.Beta(torch.full_like(x, 2.0), 3.0),
        lambda z: dist.Binomial(10, z),
        lambda x: dist.Beta((2 + x) * widen, (13 - x) * widen),
    )
    x = torch.arange(0.0, 11.0)
    return model, guide, x, stats.betabinom(10, 2, 3).logpmf(x.numpy())


def gamma_poisson(widen):
    model, guide = pair(
        lambda x: dist.Gamma(torch.full_like(x, 2.0), 0.5),
        dist.Poisson,
        lambda x: dist.Gamma((2 + x) * widen, 1.5 * widen),
    )
    x = torch.arange(0.0, 12.0)
    return model, guide, x, stats.nbinom(2, 0.5 / 1.5).logpmf(x.numpy())


def inverse_gamma_normal(widen):
    model, guide = pair(
        lambda x: dist.InverseGamma(torch.full_like(x, 3.0), 2.0),
        lambda z: dist.Normal(0.0, z.sqrt()),
        lambda x: dist.InverseGamma(3.5 * widen, (2 + x.square() / 2) * widen),
    )
    x = torch.linspace(-3, 3, 11)
    return model, guide, x, stats.t(6, scale=math.sqrt(2 / 3)).logpdf(x.numpy())


def dirichlet_categorical(widen):
    concentration = torch.tensor([1.0, 2.0, 3.0])
    model, guide = pair(
        lambda x: dist.Dirichlet(concentration.expand(len(x), 3)),
        dist.Categorical,
        lambda x: dist.Dirichlet((concentration + torch.nn.functional.one_hot(x.long(), 3)) * widen),
    )
    return model, guide, torch.tensor([0.0, 1.0, 2.0]), np.log([1 / 6, 2 / 6, 3 / 6])


CONJUGATE = (beta_binomial, gamma_poisson, inverse_gamma_normal, dirichlet_categorical)


@pytest.mark.parametrize("case", CONJUGATE)
def test_the_exact_posterior_gives_constant_weights(case):
    model, guide, x, truth = case(1.0)
    weights = log_weights((model, guide), x, 100)
    np.testing.assert_allclose(weights, np.broadcast_to(truth, weights.shape), atol=2e-4)


@pytest.mark.parametrize("case", CONJUGATE)
def test_a_wider_guide_is_right_within_its_error_bar(case):
    model, guide, x, truth = case(0.8)
    score = log_evidence((model, guide), x, IWAE(20_000))
    assert (score["pareto_k"] < 0.7).all()
    z = (score["log_evidence"].values - truth) / score["mc_se"].values
    assert np.abs(z).max() < 4
    assert score["mc_se"].max() < 0.02
    assert (log_evidence((model, guide), x, ELBO(2000))["log_evidence"].values < truth - 1e-4).all()


def test_a_wrong_constant_would_be_seen():
    """The control: the same data under another prior are many errors away."""
    model, guide, x, _ = gamma_poisson(0.8)
    wrong = stats.nbinom(2, 0.6 / 1.6).logpmf(x.numpy())
    score = log_evidence((model, guide), x, IWAE(20_000))
    assert (np.abs((score["log_evidence"].values - wrong) / score["mc_se"].values) > 5).mean() > 0.8


@pytest.mark.rotating
def test_the_bias_of_few_draws_is_half_the_error_squared():
    """E log 1/k Σ w = log p − se²/2 + O(k⁻²), and error bars that z-scores of variance one confirm."""
    model, guide, x, truth = gamma_poisson(0.05)
    x, truth = x[3:4].expand(6000), truth[3]
    score = log_evidence((model, guide), x, IWAE(50))
    error = score["log_evidence"].values - truth
    predicted = -(score["mc_se"].values ** 2).mean() / 2
    sampling = error.std() / math.sqrt(len(error))
    assert predicted < -4 * sampling  # else the next line shows nothing
    assert error.mean() == pytest.approx(predicted, abs=3 * sampling)
    assert (error / score["mc_se"].values).std() == pytest.approx(1, abs=0.1)
    corrected = score["jackknife"].values - truth
    assert abs(corrected.mean()) < abs(error.mean()) / 2


def test_a_mixture_by_brute_force():
    weights, means = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([-2.0, 0.0, 3.0])

    def model(x):
        with pyro.plate("rows", x.shape[0]):
            z = pyro.sample("z", dist.Categorical(weights))
            pyro.sample("x", dist.Normal(means[z], 1.0), obs=x)

    def guide(x):
        with pyro.plate("rows", x.shape[0]):
            pyro.sample("z", dist.Categorical(logits=-(x.unsqueeze(-1) - means).square() / 4))

    x = torch.linspace(-4, 5, 13)
    truth = (weights.log() + dist.Normal(means, 1.0).log_prob(x.unsqueeze(-1))).logsumexp(-1).numpy()
    score = log_evidence((model, guide), x, IWAE(5000))
    assert np.abs((score["log_evidence"].values - truth) / np.maximum(score["mc_se"].values, 1e-6)).max() < 4


def test_a_hidden_markov_model_by_brute_force():
    start, move = torch.tensor([0.6, 0.4]), torch.tensor([[0.9, 0.1], [0.3, 0.7]])
    level = torch.tensor([-1.0, 1.0])

    def model(x):
        with pyro.plate("sequences", x.shape[0]):
            z = pyro.sample("z0", dist.Categorical(start))
            pyro.sample("x0", dist.Normal(level[z], 1.0), obs=x[:, 0])
            for t in range(1, 4):
                z = pyro.sample(f"z{t}", dist.Categorical(move[z]))
                pyro.sample(f"x{t}", dist.Normal(level[z], 1.0), obs=x[:, t])

    def guide(x):
        with pyro.plate("sequences", x.shape[0]):
            for t in range(4):
                pyro.sample(f"z{t}", dist.Categorical(logits=x[:, t, None] * level))

    x = torch.tensor([[-1.0, -0.5, 0.3, 2.0], [1.0, 1.5, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
    paths = torch.tensor(list(itertools.product([0, 1], repeat=4)))
    prior = start[paths[:, 0]].log() + sum(move[paths[:, t - 1], paths[:, t]].log() for t in range(1, 4))
    truth = (prior + dist.Normal(level[paths], 1.0).log_prob(x.unsqueeze(1)).sum(-1)).logsumexp(1).numpy()
    score = log_evidence((model, guide), x, IWAE(20_000))
    assert np.abs((score["log_evidence"].values - truth) / score["mc_se"].values).max() < 4


def test_a_nonlinear_decoder_by_quadrature():
    nodes = torch.linspace(-8, 8, 4001, dtype=torch.float64)  # smooth and falling to 0 at both ends: exact to rounding
    weights = dist.Normal(torch.zeros_like(nodes), 1.0).log_prob(nodes).exp() * (nodes[1] - nodes[0])
    model, guide = pair(
        lambda x: dist.Normal(torch.zeros_like(x), 1.0),
        lambda z: dist.Normal(torch.sin(2 * z) + z, 0.3),
        lambda x: dist.StudentT(5.0, 0.5 * x, 0.7),
    )
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    likelihood = dist.Normal(torch.sin(2 * nodes) + nodes, 0.3).log_prob(x.unsqueeze(-1))
    truth = (weights.log() + likelihood).logsumexp(-1).numpy()
    score = log_evidence((model, guide), x, IWAE(20_000))
    assert np.abs((score["log_evidence"].values - truth) / score["mc_se"].values).max() < 4


def test_a_flow_as_prior_by_quadrature():
    """z = f(ε) through an affine map and a hyperbolic tangent's inverse kin; x ~ N(z, 0.5²)."""
    flow = [transforms.AffineTransform(0.3, 0.8), transforms.SigmoidTransform()]
    model, guide = pair(
        lambda x: dist.TransformedDistribution(dist.Normal(torch.zeros_like(x), 1.0), flow),
        lambda z: dist.Normal(z, 0.5),
        lambda x: dist.Beta(torch.full_like(x, 1.5), 1.5),
    )
    x = torch.linspace(-1, 2, 7, dtype=torch.float64)
    nodes, weights = special.roots_hermitenorm(128)
    z = torch.sigmoid(torch.from_numpy(0.3 + 0.8 * nodes))
    truth = (
        torch.from_numpy(np.log(weights / weights.sum())) + dist.Normal(z, 0.5).log_prob(x.unsqueeze(-1))
    ).logsumexp(-1)
    score = log_evidence((model, guide), x, IWAE(20_000))
    assert np.abs((score["log_evidence"].values - truth.numpy()) / score["mc_se"].values).max() < 4


class Chain(torch.nn.Module):
    """z₂ ~ N(0, 1), z₁ ~ N(z₂, 1), x ~ N(z₁, 1), whose guide draws z₁ first, or z₂ where it is to keep the model's order."""

    def __init__(self, model_order=False):
        super().__init__()
        self.model_order = model_order
        self.slope = torch.nn.Parameter(torch.tensor(2 / 3))
        self.log_scale = torch.nn.Parameter(torch.tensor(0.5 * math.log(2 / 3)))

    def model(self, x):
        with pyro.plate("rows", x.shape[0]):
            top = pyro.sample("z2", dist.Normal(torch.zeros_like(x), 1.0))
            low = pyro.sample("z1", dist.Normal(top, 1.0))
            pyro.sample("x", dist.Normal(low, 1.0), obs=x)

    def guide(self, x):
        with pyro.plate("rows", x.shape[0]):
            if self.model_order:
                top = pyro.sample("z2", dist.Normal(x / 3, math.sqrt(2 / 3)))
                pyro.sample("z1", dist.Normal((x + top) / 2, math.sqrt(1 / 2)))
            else:
                low = pyro.sample("z1", dist.Normal(self.slope * x, self.log_scale.exp()))
                pyro.sample("z2", dist.Normal(low / 2, math.sqrt(1 / 2)))

    @staticmethod
    def log_prob(x):
        return -0.5 * math.log(6 * math.pi) - x.square() / 6


CHAIN_X = torch.linspace(-3, 3, 7, dtype=torch.float64)


def test_an_exact_guide_in_another_order_than_the_model_has_the_evidence_as_its_elbo():
    """Closed forms of KL(q(z₁) ‖ p(z₁|z₂)) and KL(q(z₂|z₁) ‖ p(z₂)) gave 1/3 nat less."""
    chain = Chain().double()
    for x in CHAIN_X:
        found = ELBO().terms(as_pair((chain.model, chain.guide)), Batch(x=x.expand(5)))
        assert -float(found["loss"].detach()) == pytest.approx(float(chain.log_prob(x)), abs=1e-6)


def test_a_guide_in_the_models_order_keeps_its_closed_forms():
    chain, x = Chain(model_order=True).double(), CHAIN_X[-1].expand(20_000)
    kl = ELBO().terms(as_pair((chain.model, chain.guide)), Batch(x=x))["kl"]
    # KL of z₂, and the mean KL of z₁ given it, of which both variances are fixed
    top = 0.5 * (2 / 3 + 1 - 1 - math.log(2 / 3))
    low = 0.5 * (1 / 2 + (1 - 1 / 3) ** 2 * 9 / 4 + 2 / 3 / 4 - 1 - math.log(1 / 2))
    assert float(kl) == pytest.approx(top + low, abs=0.02)


def test_one_latent_keeps_its_closed_form_which_has_no_noise():
    model, guide = pair(
        lambda x: dist.Normal(torch.zeros_like(x), 1.0),
        lambda z: dist.Normal(z, 1.0),
        lambda x: dist.Normal(0.4 * x, 0.7),
    )
    found = {float(ELBO().terms(as_pair((model, guide)), Batch(x=CHAIN_X))["kl"]) for _ in range(3)}
    exact = 0.5 * (0.7**2 + (0.4 * CHAIN_X).square() - 1) - math.log(0.7)
    assert len(found) == 1
    assert found.pop() == pytest.approx(float(exact.mean()))


def test_training_a_guide_in_another_order_lands_at_the_posterior():
    torch.manual_seed(0)
    chain = Chain()
    with torch.no_grad():
        chain.slope.fill_(0.1)
        chain.log_scale.fill_(0.5)
    optimizer, x = torch.optim.Adam(chain.parameters(), lr=0.02), 1.7 * torch.randn(256)
    program = as_pair((chain.model, chain.guide))
    for _ in range(400):
        optimizer.zero_grad()
        ELBO().terms(program, Batch(x=x))["loss"].backward()
        optimizer.step()
    assert float(chain.slope.detach()) == pytest.approx(2 / 3, abs=0.02)
    assert float(chain.log_scale.detach().exp()) == pytest.approx(math.sqrt(2 / 3), abs=0.02)
