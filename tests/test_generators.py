"""Generators without an encoder: their density by quadrature, and why random pairs cannot train them."""

import math

import pytest
import torch
from torch import nn

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch
from pyrogen.command.cli import main
from pyrogen.inference import ELBO, IWAE, fit, log_evidence
from pyrogen.inference.metrics.generators import cell_probabilities
from pyrogen.likelihoods import Laplace, Normal
from pyrogen.models.adversarial.generators import Generator

pytestmark = pytest.mark.usefixtures("empty_store")


def metric(name, *args, **settings):
    return registry.find("metric", name).load()(*args, **settings)


def linear(noise=0.3, weight=((1.0, 0.5), (-0.5, 0.8)), **choices):
    """x = W z + b + noise ε."""
    net = nn.Linear(2, 2)
    with torch.no_grad():
        net.weight.copy_(torch.tensor(weight))
        net.bias.copy_(torch.tensor([0.3, -0.2]))
    return Generator(net, (2,), 2, likelihood=Normal("fixed", noise, floor=0.0), **choices)


@pytest.mark.parametrize("likelihood", ["Normal", "Laplace"])
def test_quadrature_is_the_closed_form_of_a_linear_generator(likelihood):
    """Diagonal W: the elements of x are independent, N(b, w² + s²), or a Laplace by convolution."""
    m = linear(weight=((0.8, 0.0), (0.0, 0.5)))
    edges = torch.stack([torch.linspace(-2, 2, 9), torch.linspace(-1.5, 1.5, 9)], 1).double()
    below = []
    if likelihood == "Laplace":
        m.likelihood = Laplace("fixed", 0.3, floor=0.0)
        m.likelihood.size(torch.Size([2]))
    for d, (mean, weight) in enumerate(((0.3, 0.8), (-0.2, 0.5))):
        if likelihood == "Normal":
            below.append(torch.distributions.Normal(mean, math.hypot(weight, 0.3)).cdf(edges[:, d]))
        else:
            z = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
            p = torch.distributions.Normal(0, 1).log_prob(z).exp() * (z[1] - z[0])
            below.append((torch.distributions.Laplace(mean + weight * z, 0.3).cdf(edges[:, d, None]) * p).sum(1))
    expected = below[0].diff()[:, None] * below[1].diff()[None, :]
    with torch.no_grad():
        found = cell_probabilities(m, edges, nodes=200)
    assert torch.allclose(found, expected, atol=1e-5)


def test_quadrature_sums_to_one():
    torch.manual_seed(0)
    m = pyrogen.create("generator-random", depth=3, width=20)
    edges = torch.stack([torch.linspace(-30, 30, 50)] * 2, 1).double()
    with torch.no_grad():
        assert float(cell_probabilities(m, edges, nodes=300).sum()) == pytest.approx(1, abs=1e-5)


def test_samples_have_the_density_of_quadrature_and_of_nobody_else():
    m = linear()
    settings = {"n": 400_000, "bins": 12, "nodes": 150}
    assert metric("density-error", m, None, 0, against=m, **settings) < 0.008
    assert metric("density-error", m, None, 0, against=linear(0.4), **settings) > 0.02
    assert metric("density-error", m, None, 0, against=linear(weight=((1.0, 0), (0, 0.8))), **settings) > 0.05


def test_what_cannot_be_integrated_is_refused():
    m = linear()
    plane = pyrogen.create("generator-random", latent_size=3)
    with pytest.raises(ValueError, match="one z of two numbers; Generator has none here"):
        metric("density-error", m, None, 0, against=plane, n=1000)
    with pytest.raises(ValueError, match=r"points of the plane, x_shape=\(2,\); got x_shape=\(1, 8, 8\)"):
        metric("density-error", pyrogen.create("generator-paired", x_shape=(1, 8, 8)), None, 0, against=m)
    heavy = Generator(nn.Linear(2, 2), (2,), 2, likelihood={"name": "StudentT", "scale": "fixed"})
    with pytest.raises(ValueError, match="StudentT has none"):
        metric("density-error", m, None, 0, against=heavy, n=1000)
    with pytest.raises(ValueError, match="one z of two numbers; GAN"):
        metric("density-error", m, None, 0, against=pyrogen.create("gan-nonsaturating"), n=1000)


# --------------------------------------------------------------------------------------------------- random networks


def test_a_random_generator_has_the_shape_and_the_weights_it_says():
    torch.manual_seed(0)
    m = pyrogen.create("generator-random", depth=7, width=100, gain=2.0, spread=0.5)
    layers = [layer for layer in m.net.net if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(2, 100), *[(100, 100)] * 6, (100, 2)]
    inner = torch.stack([layer.weight for layer in layers[1:-1]])
    assert float(inner.detach().std()) == pytest.approx(2 / 10, rel=0.02)
    assert float(torch.cat([layer.bias for layer in layers]).detach().std()) == pytest.approx(0.5, rel=0.1)
    with pytest.raises(ValueError, match="at least 1 hidden layer"):
        pyrogen.create("generator-random", depth=0)


def test_samples_are_means_with_noise():
    m = linear(0.3)
    torch.manual_seed(0)
    x, means = m.sample(100_000), m.sample_mean(100_000)
    weight = m.net.net.weight.detach()
    assert torch.allclose(means.T.cov(), weight @ weight.T, atol=0.02)
    assert torch.allclose(x.T.cov(), weight @ weight.T + 0.09 * torch.eye(2), atol=0.02)
    assert torch.allclose(x.mean(0), m.net.net.bias.detach(), atol=0.02)


def test_a_random_generator_needs_no_training(tmp_path):
    run = str(tmp_path / "run")
    assert main(["train", "generator-random", "--width", "20", "--device", "cpu", "--folder", run]) == 0
    loaded = pyrogen.load(run)
    torch.manual_seed(0)
    assert loaded.sample(5).shape == (5, 2)
    assert main(["sample", run, "--n", "100"]) == 0
    assert main(["evaluate", run, "--limit", "5", "--estimator", "IWAE", "--estimator.k", "50"]) == 0
    assert (tmp_path / "run" / "figures" / "samples.svg").is_file()


def test_the_evidence_of_a_linear_generator_is_exact():
    m = linear(0.6)
    torch.manual_seed(0)
    x = m.sample(8)
    weight = m.net.net.weight.detach()
    covariance = weight @ weight.T + 0.36 * torch.eye(2)
    exact = torch.distributions.MultivariateNormal(m.net.net.bias.detach(), covariance).log_prob(x)
    score = log_evidence(m, x, IWAE(20_000))
    assert (abs(score["log_evidence"].values - exact.numpy()) < 5 * score["mc_se"].values).all()


PRIORS = {
    "learned": "MixtureOfGaussians",
    "improper": "Flat",
    "of posteriors": "VampPrior",
    "conditional": "ConditionalNormal",
}


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_a_generator_draws_from_a_fixed_prior(prior):
    with pytest.raises(ValueError, match=f"fixed prior such as StandardNormal; got {prior}"):
        pyrogen.create("generator-paired", x_shape=(2,), prior=prior)


# ------------------------------------------------------------------------------------------------------ random pairs


def test_random_pairs_have_the_loss_of_a_posterior_that_is_the_prior():
    """E_z −log N(x; W z + b, s²) = D/2 log 2πs² + (|x − b|² + tr WᵀW) / 2s², in closed form; the KL is nothing."""
    m, x = linear(0.5), torch.randn(6, 2)
    with torch.no_grad():
        found = torch.stack([ELBO(1000).terms(m, Batch(x))["loss"] for _ in range(20)])
        kl = ELBO().terms(m, Batch(x))["kl"]
    net = m.net.net.requires_grad_(False)
    squared = (x - net.bias).square().sum(1).mean() + net.weight.square().sum()
    exact = float(math.log(2 * math.pi * 0.25) + squared / 0.5)
    assert float(kl) == 0
    assert float(found.mean()) == pytest.approx(exact, abs=5 * float(found.std()) / 20**0.5)


@pytest.mark.rotating
def test_the_best_generator_of_random_pairs_is_the_mean():
    """At W = 0 and b = mean x the loss has no slope; with a Laplace, at the median."""
    x = torch.randn(501, 2).exp()
    for likelihood, centre in ((Normal("fixed", 0.5), x.mean(0)), (Laplace("fixed", 0.5), x.median(0).values)):
        m = Generator(nn.Linear(2, 2), (2,), 2, likelihood=likelihood)
        with torch.no_grad():
            m.net.net.weight.zero_()
            m.net.net.bias.copy_(centre)
        slopes = []
        for seed in range(100):
            torch.manual_seed(seed)
            loss = ELBO(20).terms(m, Batch(x))["loss"]
            slopes.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(m.parameters()))]))
        drawn = torch.stack(slopes)
        # of an absolute value the slope at a datum itself is 0, and every other datum is on one side
        assert (drawn.mean(0).abs() < 5 * drawn.std(0) / 10 + 1e-4).all()


def test_random_pairs_collapse_where_an_encoder_does_not():
    data = pyrogen.data.load("digits", kind="unit", dequantization=False)
    found = {}
    for name in ("generator-paired", "vae"):
        torch.manual_seed(0)
        likelihood = Normal("fixed", 0.2)
        m = pyrogen.create(name, x_shape=data.x_shape, latent_size=8, hidden=(64,), likelihood=likelihood)
        run = fit(m, data, epochs=30, batch_size=64, lr=3e-3, device="cpu", progress=False, validate=False)
        assert run.steps.startswith("recorded")
        assert "eager" not in run.steps
        found[name] = metric("output-variance", m, data, 0)
    assert found["generator-paired"] < 0.1
    assert found["vae"] > 0.5


def test_the_variance_of_outputs_is_a_fraction_of_the_datas():
    data = pyrogen.data.load("ring")
    m = linear()
    weight = m.net.net.weight.detach()
    expected = float(weight.square().sum()) / float(data.test.x.var(0).sum())
    assert metric("output-variance", m, data, 0, n=20_000) == pytest.approx(expected, rel=0.03)
    with torch.no_grad():
        m.net.net.weight.zero_()
    assert metric("output-variance", m, data, 0) < 1e-12
