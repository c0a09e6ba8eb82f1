"""The generative classifier is Bayes' rule where that is known, and its errors are those of its evidences."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy.stats import multivariate_normal

import pyrogen
from pyrogen.base import HasLogProb, Model, Pair, announce
from pyrogen.conditions import Condition
from pyrogen.data import from_arrays, load
from pyrogen.inference import IWAE, classify, fit, rejection
from pyrogen.inference.latents.bayes_rule import sureness
from pyrogen.inference.latents.generative_classifier import Classifier
from pyrogen.inference.latents.measured import share_error

MEANS = torch.tensor([[0.0, 0.0], [1.5, 0.0], [0.0, 2.0]])
SCALES = (1.0, 0.7, 1.3)
PRIOR = (0.5, 0.2, 0.3)
WEIGHT = torch.tensor([0.8, -0.5])


class Normal(Model, HasLogProb):
    """N(m, s² I) in the plane."""

    def __init__(self, mean, scale):
        super().__init__()
        self.x_shape, self.kinds, self.law = torch.Size([2]), ("real",), dist.Normal(mean, scale).to_event(1)

    def sample(self, n, y=None):
        return self.law.sample((n,))

    def log_prob(self, x, y=None):
        return self.law.log_prob(x)


class Mixed(Pair):
    """z ~ N(0, 1), x ~ N(m_y + wz, s_y² I): p(x|y) is normal with covariance wwᵀ + s_y² I; the guide is the prior."""

    def __init__(self):
        super().__init__()
        self.x_shape, self.kinds, self.condition = torch.Size([2]), ("real",), Condition((), 3)

    def model(self, x, y=None):
        announce(self)
        with pyro.plate("datum", len(x), dim=-1):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            scale = torch.tensor(SCALES)[y].unsqueeze(-1)
            pyro.sample("x", dist.Normal(MEANS[y] + z * WEIGHT, scale).to_event(1), obs=x)

    def guide(self, x, y=None):
        announce(self)
        with pyro.plate("datum", len(x), dim=-1):
            pyro.sample("z", dist.Normal(torch.zeros(1), 1.5).to_event(1))

    def sample(self, n, y=None):
        return MEANS[y] + torch.randn(n, 1) * WEIGHT + torch.tensor(SCALES)[y].unsqueeze(-1) * torch.randn(n, 2)


def bayes(x, spread):
    """log p(x|y) + log p(y) in closed form, ``(N, 3)``, with a common covariance added."""
    laws = [multivariate_normal(m.numpy(), s**2 * np.eye(2) + spread) for m, s in zip(MEANS, SCALES, strict=True)]
    return np.stack([law.logpdf(x.numpy()) for law in laws], 1) + np.log(PRIOR)


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(0)
    y = torch.multinomial(torch.tensor(PRIOR), 300, True, generator=generator)
    noise = torch.randn(300, 2, generator=generator)
    return MEANS[y] + torch.tensor(SCALES)[y].unsqueeze(-1) * noise, y


def test_one_exact_model_a_class_is_the_bayes_rule(points):
    x, _ = points
    models = {10 * k: Normal(m, s) for k, (m, s) in enumerate(zip(MEANS, SCALES, strict=True))}
    found = classify(models, x, PRIOR)
    joint = bayes(x, np.zeros((2, 2)))
    assert found["log_joint"].values == pytest.approx(joint, abs=1e-5)
    posterior = np.exp(joint) / np.exp(joint).sum(1, keepdims=True)
    assert found["posterior"].values == pytest.approx(posterior, abs=1e-5)
    assert (found["named"].values == 10 * joint.argmax(1)).all()
    assert found["confidence"].values == pytest.approx(posterior.max(1), abs=1e-5)
    assert found["log_evidence"].values == pytest.approx(np.log(np.exp(joint).sum(1)), abs=1e-5)
    # what is exact is decided
    for name in ("mc_se", "posterior_se", "undecided", "log_evidence_se"):
        assert (found[name] == 0).all()


def test_a_conditional_pair_is_the_bayes_rule_within_its_errors(points):
    x, _ = points
    found = classify(Mixed(), x, PRIOR, IWAE(400))
    joint = bayes(x, torch.outer(WEIGHT, WEIGHT).numpy())
    z = (found["log_joint"].values - joint) / found["mc_se"].values
    assert abs(z.mean()) < 0.15
    assert 0.8 < z.std() < 1.25
    # the decision falls otherwise about as often as is said: at least the sum over data, by the union bound
    wrong = found["named"].values != joint.argmax(1)
    assert wrong.sum() <= found["undecided"].values.sum() + 4 * math.sqrt(found["undecided"].values.sum() + 1)


def test_errors_of_the_posterior_are_those_of_other_seeds(points):
    x = points[0][:10]
    repeats = [classify(Mixed(), x, PRIOR, IWAE(100), seed) for seed in range(40)]
    for value, error in (("posterior", "posterior_se"), ("log_evidence", "log_evidence_se")):
        spread = np.std([f[value].values for f in repeats], axis=0, ddof=1)
        told = np.mean([f[error].values for f in repeats], axis=0)
        shown = spread > 1e-4
        ratio = told[shown] / spread[shown]
        # 40 seeds know a spread within 11 %, and the median is over 10 data and more
        assert 0.9 < np.median(ratio) < 1.1
    usual = np.array([f["named"].values for f in repeats])
    best = bayes(x, torch.outer(WEIGHT, WEIGHT).numpy()).argmax(1)
    changed = (usual != best).mean(0)
    undecided = np.mean([f["undecided"].values for f in repeats], axis=0)
    assert (changed <= undecided + 4 * np.sqrt(undecided / 40 + 1e-4)).all()


def test_classes_that_are_none_are_refused(pair, points):
    with pytest.raises(ValueError, match="not conditional on one label"):
        classify(pair(), torch.zeros(2, 1, 4, 4))
    # it observes x and y together where it is told y, so that p(y) would count twice
    with pytest.raises(ValueError, match="not conditional on one label"):
        classify(
            pyrogen.create("vae-semi-supervised", x_shape=(1, 4, 4), classes=3, hidden=(8,)), torch.zeros(2, 1, 4, 4)
        )
    with pytest.raises(ValueError, match="nothing to decide"):
        classify({0: Normal(MEANS[0], 1.0)}, points[0])
    for prior in ((0.5, 0.5), (1.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        with pytest.raises(ValueError, match="the prior of 3 classes"):
            classify(Mixed(), points[0], prior)


# -- rejection --------------------------------------------------------------------------------------------------------


def test_the_curve_is_counted():
    right = np.array([True, False, True, True, False])
    found = rejection(right, np.array([3.0, 1.0, 2.0, 3.0, 2.0]))
    # the two of 3.0 together, then the two of 2.0, then the last
    assert found.coverage.tolist() == [0.4, 0.8, 1.0]
    assert found.risk.tolist() == [0.0, 0.25, 0.4]
    assert found.area == pytest.approx((2 * 0.0 + 2 * 0.25 + 0.4) / 5)
    assert found.at(0.5) == pytest.approx((0.8, 0.25, share_error(1, 4)))
    sure = rejection(np.ones(50, bool), np.arange(50.0))
    assert sure.at(0.8) == pytest.approx((0.8, 0.0, share_error(0, 40)))  # of none wrong the error is none of 0
    assert found.at(0.8)[0] == 0.8
    assert found.at(1.0)[:2] == pytest.approx((1.0, 0.4))


def test_rejection_by_the_posterior_is_the_best_there_is(points):
    # the risk of the Bayes rule on data of confidence c is 1 − c: no other signal has a smaller area, on average
    x, y = points
    models = {k: Normal(m, s) for k, (m, s) in enumerate(zip(MEANS, SCALES, strict=True))}
    found = classify(models, x, PRIOR)
    right = found["named"].values == y.numpy()
    expected = 1 - found["confidence"].values
    error = math.sqrt((expected * (1 - expected)).sum()) / len(x)
    assert abs(float((~right).mean()) - expected.mean()) < 4 * error
    areas = {k: rejection(right, s).area for k, s in sureness(found, float(found["log_evidence"].mean())).items()}
    assert areas["posterior"] < min(areas["evidence"], areas["typicality"], float((~right).mean()))


@pytest.mark.parametrize("sure", [np.zeros(3), np.array([1.0, math.nan])])
def test_what_is_no_signal_is_refused(sure):
    with pytest.raises(ValueError, match="a number for each"):
        rejection(np.array([True, False]), sure)


# -- the analysis -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    data = load("digits", kind="binary")
    torch.manual_seed(0)
    model = pyrogen.create("vae-conditional", x_shape=data.x_shape, classes=10, latent_size=3, hidden=(64,))
    fit(model, data, epochs=15, batch_size=64, lr=3e-3, progress=False, validate=False, device="cpu")
    return model, data


def test_a_conditional_vae_knows_digits(digits):
    model, data = digits
    analysis = Classifier(limit=60, draws=20)
    assert analysis.refusal(model, data) == ""
    found = analysis.run(model, data)
    assert found.verdict in ("well", "open")
    assert found.numbers["accuracy"]["mean"] > 0.5 > found.numbers["most_frequent"]
    assert found.numbers["rejection"]["posterior"]["area"] < 1 - found.numbers["accuracy"]["mean"]
    assert [p.name for p in found.pictures] == ["risk-coverage"]


class Certain(Model, HasLogProb):
    """N(10 y, 0.01): classes that nobody can confuse."""

    def __init__(self):
        super().__init__()
        self.x_shape, self.kinds, self.condition = torch.Size([2]), ("real",), Condition((), 3)

    def sample(self, n, y=None):
        return self._law(y).sample()

    def log_prob(self, x, y=None):
        return self._law(y).log_prob(x)

    def _law(self, y):
        return dist.Normal(10.0 * y.unsqueeze(-1).expand(*y.shape, 2), 0.1).to_event(1)


def test_a_perfect_classifier_knows_the_classes():
    y = np.arange(300) % 3
    x = 10.0 * y[:, None] + 0.1 * np.random.default_rng(0).normal(size=(300, 2))
    found = Classifier(limit=30).run(Certain(), from_arrays(x, y, standardize=False))
    assert (found.verdict, found.numbers["accuracy"]["mean"]) == ("well", 1.0)
    assert found.numbers["accuracy"]["error"] == pytest.approx(share_error(30, 30))


def test_it_is_refused_without_labels_or_condition(digits, pair):
    model, data = digits
    assert "not conditional on one label" in Classifier().refusal(pair(), data)
    assert "no labels" in Classifier().refusal(model, from_arrays(data.test.x.numpy()))
    point = pyrogen.create("vae-conditional", x_shape=(1, 8, 8), classes=10, hidden=(8,), posterior="PointMass")
    assert "point mass" in Classifier().refusal(point, data)
