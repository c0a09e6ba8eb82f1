"""Plain Pyro programs: which sites count, and where values or data have no density."""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from pyrogen.inference import AIS, ELBO, IWAE, log_evidence, summarize

X = torch.linspace(-2, 2, 5)


def _conjugate(x):
    with pyro.plate("datum", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.deterministic("twice", 2 * z)
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def _with_factor(x):
    with pyro.plate("datum", len(x)):
        z = pyro.sample("z", dist.Normal(0.8 * x, 0.5))
        pyro.factor("f", torch.full((len(x),), -3.0))
        pyro.sample("seen", dist.Normal(z, 1.0), obs=x)


@pytest.mark.parametrize("estimator", [IWAE(1000), ELBO()])
def test_a_guides_factors_and_observations_are_part_of_no_log_q(estimator):
    exact = float(dist.Normal(0.0, 1.25**0.5).log_prob(X).mean())
    found = float(log_evidence((_conjugate, _with_factor), X, estimator)["log_evidence"].mean())
    assert found == pytest.approx(exact, abs=0.03), (found, exact)


@pytest.mark.parametrize("validate", [None, True, False])
def test_draws_outside_the_priors_support_weigh_nothing(validate):
    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Exponential(torch.tensor(2.0), validate_args=validate))
            pyro.sample("x", dist.Normal(z, 1.0, validate_args=validate), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(torch.full((len(x),), 0.5), 0.5))

    z = torch.linspace(0, 20, 200_001, dtype=torch.float64)
    exact = math.log(
        torch.trapezoid((dist.Exponential(2.0).log_prob(z) + dist.Normal(z, 1.0).log_prob(torch.tensor(0.3))).exp(), z)
    )
    x = torch.tensor([0.3])
    assert log_evidence((model, guide), x, IWAE(5000))["log_evidence"].item() == pytest.approx(exact, abs=0.03)
    annealed = log_evidence((model, guide), x, AIS(temperatures=20, chains=400, init="guide", doubling=False))
    assert annealed["log_evidence"].item() == pytest.approx(exact, abs=0.1)
    assert log_evidence((model, guide), x, ELBO())["log_evidence"].item() == -math.inf


@pytest.mark.parametrize("estimator", [IWAE(100), AIS(temperatures=4)])
def test_data_outside_the_likelihoods_support_are_refused_whatever_the_program_validates(estimator):
    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Bernoulli(logits=z[:, None].expand(-1, 4), validate_args=False).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0))

    x = torch.ones(25, 4)
    x[20] = 0.5  # beyond the rows of a trial run
    with pytest.raises(ValueError, match="outside the support of its likelihood Bernoulli"):
        log_evidence((model, guide), x, estimator)


@pytest.mark.parametrize(("observed", "quantity"), [(True, "log p(x, y)"), (False, "log p(x|y)")])
def test_the_quantity_says_whether_y_is_observed(observed, quantity):
    def model(x, y):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z + y, 0.5), obs=x)
            if observed:
                pyro.sample("y", dist.Normal(z, 1.0), obs=y)

    def guide(x, y):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(0.8 * (x - y), 0.5))

    assert log_evidence((model, guide), X, IWAE(10), y=X.flip(0) / 3).attrs["quantity"] == quantity
    assert log_evidence((_conjugate, _with_factor), X, IWAE(10)).attrs["quantity"] == "log p(x)"


@pytest.mark.parametrize("failure", [math.nan, -math.inf])
def test_a_summary_averages_nothing_without_what_failed_and_names_it(failure):
    evidence = log_evidence((_conjugate, _with_factor), X, IWAE(100))
    evidence["log_evidence"][3] = failure
    summary = summarize(evidence)
    assert summary.failed == [3]
    assert not math.isfinite(summary.nats)
    assert "1 of 5 data have no finite estimate: 3" in str(summary)
