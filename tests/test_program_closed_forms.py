"""Programs whose log p(x) is a closed form: plates in plates, several sites, factors, scales, chains of latents, loops."""

from __future__ import annotations

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine

from pyrogen.inference import AIS, IWAE, Enumerate, log_evidence

X = torch.linspace(-2, 2, 4)
ROWS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
LOADINGS = torch.tensor([[1.0, 0.5], [0.0, 1.0], [-1.0, 0.3]])
COUNTS = torch.tensor([0, 1, 3, 7])
CLASSES = torch.tensor([0, 1, 2, 1])


def normal(covariance, rows=ROWS):
    return dist.MultivariateNormal(torch.zeros(len(covariance)), covariance).log_prob(rows)


def in_plate(body):
    """A program: the body inside the plate over the data."""

    def program(x):
        with pyro.plate("datum", len(x), dim=-1):
            body(x)

    return program


def draw(name, distribution, **given):
    return pyro.sample(name, distribution, **given)


def linear():
    inner = torch.linalg.inv(torch.eye(2) + LOADINGS.T @ LOADINGS / 0.49)

    def model(x):
        z = draw("z", dist.MultivariateNormal(torch.zeros(2), torch.eye(2)))
        draw("x", dist.Normal(z @ LOADINGS.T, 0.7).to_event(1), obs=x)

    def guide(x):
        draw("z", dist.MultivariateNormal(x @ LOADINGS @ inner / 0.49, 1.2 * inner))

    return in_plate(model), in_plate(guide), ROWS, normal(LOADINGS @ LOADINGS.T + 0.49 * torch.eye(3))


def nested(outer):
    """A latent for each datum and one for each of its columns, the data's plate outside or inside."""
    dims = (-2, -1) if outer else (-1, -2)

    def turned(t):
        return t if outer else t.T

    def model(x):
        with pyro.plate("datum", len(x), dim=dims[0]):
            u = draw("u", dist.Normal(torch.zeros((len(x), 1) if outer else (len(x),)), 1.0))
            with pyro.plate("column", 3, dim=dims[1]):
                z = draw("z", dist.Normal(u, 0.5))
                draw("x", dist.Normal(z, 0.5), obs=turned(x))

    def guide(x):
        with pyro.plate("datum", len(x), dim=dims[0]):
            u = draw("u", dist.Normal(0.8 * x.mean(1, keepdim=outer), 0.5))
            with pyro.plate("column", 3, dim=dims[1]):
                draw("z", dist.Normal((u + turned(x)) / 2, 0.4))

    return model, guide, ROWS, normal(torch.ones(3, 3) + 0.5 * torch.eye(3))


def two_sites():
    def model(x):
        z = draw("z", dist.Normal(0.0, 1.0))
        draw("a", dist.Normal(z, 0.5), obs=x[:, 0])
        draw("b", dist.Normal(-z, 1.0), obs=x[:, 1])

    def guide(x):
        draw("z", dist.Normal((4 * x[:, 0] - x[:, 1]) / 6, 0.5))

    return in_plate(model), in_plate(guide), ROWS[:, :2], normal(torch.tensor([[1.25, -1.0], [-1.0, 2.0]]), ROWS[:, :2])


def one_latent(observe, nats=0.0):
    """z ~ N(0, 1), x ~ N(z, ½), observed in some way."""

    def model(x):
        observe(x, draw("z", dist.Normal(0.0, 1.0)))

    def guide(x):
        draw("z", dist.Normal(0.8 * x, 0.6))

    return in_plate(model), in_plate(guide), X, dist.Normal(0.0, 1.25**0.5).log_prob(X) + nats


def by_factor(x, z):
    pyro.factor("seen", dist.Normal(z, 0.5).log_prob(x))


def and_factor(x, z):
    draw("x", dist.Normal(z, 0.5), obs=x)
    pyro.factor("more", torch.full((len(x),), -1.5))


def scaled(x, z):
    with poutine.scale(scale=3.0):
        draw("x", dist.Normal(z, 0.5), obs=x)


def chain():
    """The guide draws in the other order."""

    def model(x):
        z2 = draw("z2", dist.Normal(0.0, 1.0))
        z1 = draw("z1", dist.Normal(z2, 1.0))
        draw("x", dist.Normal(z1, 1.0), obs=x)

    def guide(x):
        z1 = draw("z1", dist.Normal(2 * x / 3, 0.8))
        draw("z2", dist.Normal(z1 / 2, 0.8))

    return in_plate(model), in_plate(guide), X, dist.Normal(0.0, 3**0.5).log_prob(X)


def walk():
    def model(x):
        z = torch.zeros(len(x))
        for t in range(3):
            z = draw(f"z{t}", dist.Normal(z, 1.0))
            draw(f"x{t}", dist.Normal(z, 0.5), obs=x[:, t])

    def guide(x):
        for t in range(3):
            draw(f"z{t}", dist.Normal(0.8 * x[:, t], 0.6))

    steps = torch.tril(torch.ones(3, 3))
    return in_plate(model), in_plate(guide), ROWS, normal(steps @ steps.T + 0.25 * torch.eye(3))


def looped():
    """A loop over columns inside the plate over the data."""

    def model(x):
        z = draw("z", dist.Normal(0.0, 1.0))
        for j in pyro.plate("column", 3):
            draw(f"x{j}", dist.Normal(z, 0.5), obs=x[:, j])

    def guide(x):
        draw("z", dist.Normal(0.31 * x.sum(1), 0.35))

    return in_plate(model), in_plate(guide), ROWS, normal(torch.ones(3, 3) + 0.25 * torch.eye(3))


def gamma_poisson():
    def model(x):
        draw("x", dist.Poisson(draw("rate", dist.Gamma(3.0, 1.0))), obs=x)

    def guide(x):
        draw("rate", dist.Gamma(3.3 + x, 2.2))

    return in_plate(model), in_plate(guide), COUNTS, dist.NegativeBinomial(3.0, 0.5).log_prob(COUNTS.float())


def dirichlet():
    prior = torch.tensor([1.0, 2.0, 3.0])

    def model(x):
        draw("x", dist.Categorical(draw("p", dist.Dirichlet(prior))), obs=x)

    def guide(x):
        draw("p", dist.Dirichlet(prior + 0.8 * torch.nn.functional.one_hot(x, 3)))

    return in_plate(model), in_plate(guide), CLASSES, (prior / 6)[CLASSES].log()


PROGRAMS = {
    "linear": linear(),
    "plates in the data's": nested(True),
    "the data's in plates": nested(False),
    "two observed sites": two_sites(),
    "observed by a factor": one_latent(by_factor),
    "a factor beside": one_latent(and_factor, -1.5),
    "scaled": one_latent(scaled),
    "two latents, drawn in the other order": chain(),
    "a walk": walk(),
    "a loop over columns": looped(),
    "counts": gamma_poisson(),
    "a simplex": dirichlet(),
}


@pytest.mark.parametrize("case", PROGRAMS.values(), ids=PROGRAMS)
def test_the_score_is_the_closed_form(case):
    model, guide, x, exact = case
    found = log_evidence((model, guide), x, IWAE(3000))
    off = found["log_evidence"].values - exact.double().numpy()
    assert (np.abs(off) < 4.5 * found["mc_se"].values + 1e-5).all(), off
    assert found["mc_se"].max() < 0.1
    assert found.attrs["bound"] == "lower"


@pytest.mark.parametrize("name", ["plates in the data's", "the data's in plates", "a simplex"])
def test_chains_from_the_prior_agree(name):
    model, _, x, exact = PROGRAMS[name]
    found = log_evidence((model, lambda x: None), x, AIS(temperatures=40, leapfrogs=4, doubling=False))
    off = found["log_evidence"].values - exact.double().numpy()
    assert (np.abs(off) < 4.5 * found["mc_se"].values).all(), off


def test_a_mixture_is_summed():
    weights, centers = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([-1.0, 0.0, 2.0])

    def model(x):
        k = draw("k", dist.Categorical(weights), infer={"enumerate": "parallel"})
        draw("x", dist.Normal(centers[k], 0.5), obs=x)

    exact = (weights.log() + dist.Normal(centers, 0.5).log_prob(X[:, None])).logsumexp(1)
    found = log_evidence((in_plate(model), lambda x: None), X, Enumerate())
    np.testing.assert_allclose(found["log_evidence"], exact, atol=1e-5)


def test_a_loop_over_the_data_is_refused_for_what_it_is():
    def program(x, observes=True):
        for i in pyro.plate("datum", len(x)):
            z = draw(f"z{i}", dist.Normal(0.0, 1.0))
            if observes:
                draw(f"x{i}", dist.Normal(z, math.sqrt(0.25)), obs=x[i])

    with pytest.raises(ValueError, match=r"'z0' is in a loop over the data.*with pyro.plate\('datum', x.shape"):
        log_evidence((program, lambda x: program(x, False)), X, IWAE(10))
