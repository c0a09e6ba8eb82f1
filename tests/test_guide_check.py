"""Chains from the prior beside estimates of the guide's draws: what a guide misses is found, and right guides pass."""

from __future__ import annotations

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import pyrogen
from pyrogen.data import load
from pyrogen.inference import AIS, BDMC, ELBO, IWAE, check_guide, compare_evidence, diagnose, log_evidence, summarize
from pyrogen.inference.runs.scores import read_scores, save_score

X = torch.linspace(1, 4, 40)


def squared(x):
    """Of x ~ N(z², ½) both roots explain x, by the symmetry of the prior equally well."""
    with pyro.plate("datum", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.5))
        pyro.sample("x", dist.Normal(z**2, 0.5), obs=x)


def one_root(x):
    with pyro.plate("datum", len(x)):
        pyro.sample("z", dist.Normal(x.sqrt(), 0.25))


def linear(x):
    with pyro.plate("datum", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def exact_guide(x):
    with pyro.plate("datum", len(x)):
        pyro.sample("z", dist.Normal(0.8 * x, 0.2**0.5))


def truth_of_squares(x):
    z = torch.linspace(-12, 12, 100_001, dtype=torch.float64)[:, None]
    joint = dist.Normal(0.0, 1.5).log_prob(z) + dist.Normal(z**2, 0.5).log_prob(x.double())
    return torch.trapezoid(joint.exp(), z[:, 0], dim=0).log().numpy()


def test_a_mode_that_the_guide_misses_is_found_and_is_ln_2():
    found = log_evidence((squared, one_root), X, IWAE(5000))
    low = truth_of_squares(X) - found["log_evidence"].values
    assert np.abs(np.median(low) - math.log(2)) < 0.01
    before = diagnose(found)
    assert "guide" not in before.findings
    assert before.unchecked.startswith(
        "whether the guide misses part of p(z|x), which its own draws cannot see; check_guide"
    )
    checked = check_guide((squared, one_root), X, found, num_data=8)
    assert int(checked["from_prior"].notnull().sum()) == 8
    more = (checked["from_prior"] - checked["log_evidence"]).values
    some = ~np.isnan(more)
    error = math.sqrt((checked["from_prior_se"].values[some] ** 2).sum()) / some.sum()
    assert abs(more[some].mean() - low[some].mean()) < 3.5 * error
    judged = diagnose(checked)
    assert judged.reasons["guide"].says.endswith("more on 8 data: the guide misses part of p(z|x)")
    assert judged.unchecked == ""
    assert judged.advice.python == "log_evidence(pair, x, AIS(temperatures=1000))"
    assert "unchecked" not in judged.text()
    assert "unchecked whether the guide" in before.text()


@pytest.mark.parametrize("estimator", [ELBO(), AIS(temperatures=20, leapfrogs=3, init="guide", doubling=False)])
def test_whatever_starts_from_the_guide_is_checked(estimator):
    found = log_evidence((squared, one_root), X[::4], estimator)
    assert diagnose(check_guide((squared, one_root), X[::4], found, num_data=8)).findings["guide"].broken


@pytest.mark.parametrize("estimator", [AIS(temperatures=5), BDMC(temperatures=5)])
def test_what_owes_the_guide_nothing_stays_as_it_is(estimator):
    found = log_evidence((linear, exact_guide), X[:2], estimator)
    assert check_guide((linear, exact_guide), X[:2], found) is found
    assert diagnose(found).unchecked == ""


def test_right_guides_pass():
    """20 estimates of 8 data of the model's own, made at once: no false alarm; of 40 seeds apart there was none."""
    x = 1.25**0.5 * torch.randn(160, generator=torch.Generator().manual_seed(0))
    found = check_guide((linear, exact_guide), x, log_evidence((linear, exact_guide), x, IWAE(100)), num_data=160)
    judged = [diagnose(found.isel(datum=slice(at, at + 8))).findings["guide"] for at in range(0, 160, 8)]
    assert sum(finding.broken for finding in judged) <= 1
    assert sum("agree within" in finding.says for finding in judged) >= 18


@pytest.mark.parametrize("noise", [1e-3, 0.05])
def test_chains_that_are_too_short_say_so(noise):
    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, noise), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(x, noise))

    found = log_evidence((model, guide), X, IWAE(200))
    short = check_guide((model, guide), X, found, AIS(temperatures=2, leapfrogs=1, doubling=False), num_data=4)
    judged = diagnose(short)
    assert "guide" not in judged.findings
    assert "too short to tell" in judged.unchecked
    assert "on 4 data" in judged.text()


def test_where_no_chain_can_move_the_reason_is_said():
    def model(x):
        with pyro.plate("datum", len(x)):
            k = pyro.sample("k", dist.Categorical(torch.tensor([0.3, 0.7])))
            pyro.sample("x", dist.Normal(2.0 * k, 0.5), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("k", dist.Categorical(logits=torch.zeros(len(x), 2)))

    found = check_guide((model, guide), X, log_evidence((model, guide), X, IWAE(100)))
    assert "from_prior" not in found
    assert "could not be: the latent 'k' is discrete" in diagnose(found).unchecked
    assert found.attrs["chains_stand"] == 1


def test_other_data_are_refused():
    found = log_evidence((linear, exact_guide), X, IWAE(20))
    with pytest.raises(ValueError, match="other data than those of the estimate"):
        check_guide((linear, exact_guide), X.flip(0), found)
    with pytest.raises(ValueError, match="given 3 data, and the estimate is of 40"):
        check_guide((linear, exact_guide), X[:3], found)
    for few in (0, -1):
        with pytest.raises(ValueError, match=f"num_data={few}"):
            check_guide((linear, exact_guide), X, found, num_data=few)
    with pytest.raises(ValueError, match="only chains from the prior"):
        check_guide((linear, exact_guide), X, found, AIS(init="guide"))


@pytest.mark.parametrize("entry", ["vae", "vae-conditional"])
def test_splits_and_labels_are_cut_alike(entry, tmp_path):
    """What the chains find is of the same data and labels, and survives the disk."""
    data = load("digits")
    torch.manual_seed(0)
    given = {"classes": data.classes} if entry == "vae-conditional" else {}
    model = pyrogen.create(entry, x_shape=data.x_shape, latent_size=2, hidden=(8,), **given)
    split = data.test.take(12)
    found = check_guide(model, split, log_evidence(model, split, IWAE(300)), num_data=3)
    gap = (found["from_prior"] - found["log_evidence"]).values
    assert np.nanmax(np.abs(gap)) < 1
    assert compare_evidence({"a": found, "b": found})["difference"].values[1] == 0
    assert math.isfinite(summarize(found).nats)
    save_score(tmp_path, found)
    (again,) = read_scores(tmp_path).values()
    np.testing.assert_array_equal(again["from_prior"], found["from_prior"])
    assert diagnose(again).findings["guide"].says == diagnose(found).findings["guide"].says
