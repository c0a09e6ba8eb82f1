"""Regression with any head: its density by hand, the laws of its data by integration, and metrics that know the truth."""

import itertools
import math
import re

import pytest
import torch
from torch import nn

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch
from pyrogen.command.cli import main
from pyrogen.conditions import Condition
from pyrogen.data import from_arrays
from pyrogen.data.regression import LAWS, Arm, Heteroscedastic, InverseSine
from pyrogen.inference import ELBO, fit, log_evidence
from pyrogen.inference.pages import density_sections
from pyrogen.likelihoods import Normal
from pyrogen.models.heads.mdn import Regression

pytestmark = pytest.mark.usefixtures("empty_store")


def midpoints(low, high, n):
    return low + (high - low) * (torch.arange(n, dtype=torch.float64) + 0.5) / n


# ------------------------------------------------------------------------------------------------------------ laws


@pytest.mark.parametrize(("law", "low", "high"), [(Heteroscedastic(), -4, 4), (InverseSine(), 0, 1)])
def test_conditional_densities_of_a_number_integrate_to_one(law, low, high):
    x = midpoints(low, high, 20_000).unsqueeze(1)
    for y in (-0.1, 0.0, 0.31, 0.5, 0.97):
        total = law.log_prob(x, torch.full_like(x, y)).exp().mean() * (high - low)
        assert float(total) == pytest.approx(1, abs=1e-5)


def test_the_conditional_density_of_the_arm_integrates_to_one():
    side, y = midpoints(-math.pi, math.pi, 1200), torch.tensor([0.7, 0.4])
    plane = torch.cartesian_prod(side, side)
    total = Arm().log_prob(plane, y.expand(len(plane), 2)).exp().mean() * (2 * math.pi) ** 2
    assert float(total) == pytest.approx(1, abs=1e-5)


def test_the_inverted_sine_has_the_posterior_of_its_own_draws():
    """Draws whose y fell into a narrow band are distributed as p(x|y) says."""
    law = InverseSine()
    x, y = law.sample(400_000, torch.Generator().manual_seed(0))
    near = x[(y - 0.5).abs() < 0.005]
    edges = torch.linspace(0, 1, 11, dtype=torch.float64)
    nodes = midpoints(0, 1, 1000).unsqueeze(1)
    expected = law.log_prob(nodes, torch.full_like(nodes, 0.5)).exp().reshape(10, 100).mean(1) / 10
    seen = torch.histogram(near.double(), edges).hist / len(near)
    assert len(near) > 2000
    assert ((seen - expected).abs() < 5 * (expected * (1 - expected) / len(near)).sqrt() + 1e-3).all()
    assert law.log_prob(torch.tensor([[-0.01], [1.01]]), torch.zeros(2, 1)).isneginf().all()


def test_both_elbows_reach_the_hand():
    arm, generator = Arm(), torch.Generator().manual_seed(0)
    _, y = arm.sample(500, generator)
    both = arm.inverse(y.double())
    assert torch.allclose(arm.forward(both), y.double().unsqueeze(1).expand(-1, 2, -1), atol=1e-9)
    assert (both[:, 0, 1] > 0.5).all()
    assert torch.allclose(both[:, 0, 1], -both[:, 1, 1])
    up, down = torch.tensor([[0.3, 1.1]]), arm.inverse(arm.forward(torch.tensor([[0.3, 1.1]])))
    assert torch.allclose(down[:, 0], up, atol=1e-5)
    between = arm.forward(both.mean(1)).norm(dim=-1) - y.norm(dim=-1)
    assert (between > 0.09).all()  # the mean of both reaches too far


def test_draws_of_the_arm_have_its_mean_and_covariance():
    arm = Arm(sigma=0.04, correlation=-0.8)
    x, y = arm.sample(50_000, torch.Generator().manual_seed(0))
    away = (x.unsqueeze(1) - arm.inverse(y)).double()
    nearest = away.norm(dim=-1).argmin(1)
    noise = away[torch.arange(len(x)), nearest]
    expected = 0.04**2 * torch.tensor([[1, -0.8], [-0.8, 1]]).double()
    assert torch.allclose(noise.T.cov(), expected, atol=4e-5)
    assert float(nearest.double().mean()) == pytest.approx(0.5, abs=0.01)
    by_hand = torch.distributions.MultivariateNormal(torch.zeros(2).double(), expected)
    mixed = by_hand.log_prob(arm.inverse(y).double().sub(x.unsqueeze(1))).logsumexp(1) - math.log(2)
    assert torch.allclose(arm.log_prob(x, y), mixed, atol=1e-3)


@pytest.mark.parametrize("name", LAWS)
def test_data_sets_are_draws_of_their_laws(name):
    data = pyrogen.data.load(name)
    assert (data.kind, len(data.train), len(data.test)) == ("real", 10_000, 6_000)
    assert (data.x_shape, data.y_shape) == (data.train.x.shape[1:], data.train.y.shape[1:])
    assert data.classes is None
    x, y = LAWS[name]().sample(10_000, torch.Generator().manual_seed(0))
    assert torch.equal(x, data.train.x)
    assert torch.equal(y, data.train.y)


def test_angles_of_the_arm_are_angles():
    assert pyrogen.data.load("arm", kind="angle").kind == "angle"
    with pytest.raises(ValueError, match="offers kind 'real', not 'angle'"):
        pyrogen.data.load("inverse-sine", kind="angle")


# ------------------------------------------------------------------------------------------------------------ heads


def head(likelihood="Normal", x_shape=(2,), y_shape=(1,), classes=None, **choices):
    torch.manual_seed(0)
    return pyrogen.create(
        "regression", x_shape=x_shape, y_shape=y_shape, classes=classes, hidden=(8,), likelihood=likelihood, **choices
    )


SCALES = list(itertools.product(("fixed", "shared", "predicted"), ("softplus", "exp")))


@pytest.mark.parametrize(("scale", "positive"), SCALES)
def test_a_normal_head_scores_by_hand(scale, positive):
    m = head(Normal(scale, 0.7, positive))
    x, y = torch.randn(6, 2), torch.randn(6, 1)
    features = m.net.net(y)
    mean = features[:, :2]
    if scale == "predicted":
        raw = features[:, 2:]
        sigma = 1e-3 + (raw.exp() if positive == "exp" else (1 + raw.exp()).log())
    else:
        sigma = torch.full_like(mean, 0.7)
    by_hand = -((x - mean) / sigma).square() / 2 - sigma.log() - math.log(2 * math.pi) / 2
    assert torch.allclose(m.log_prob(x, y), by_hand.sum(1), atol=1e-5)
    loss = ELBO().terms(m, Batch(x, y))
    assert torch.allclose(loss["loss"], -by_hand.sum(1).mean(), atol=1e-5)
    assert set(loss) == {"loss"}


def test_a_mixture_head_scores_by_hand():
    torch.manual_seed(0)
    m = pyrogen.create("mdn", x_shape=(2,), y_shape=(1,), hidden=(8,), components=3, component="MultivariateNormal")
    x, y = torch.randn(5, 2), torch.randn(5, 1)
    logits, rest = m.net(y).split([3, 15], -1)
    total = torch.zeros(5)
    for k in range(3):
        mean1, mean2, raw1, raw2, slope = rest[:, 5 * k : 5 * k + 5].unbind(-1)
        s1, s2 = (1e-3 + nn.functional.softplus(raw) for raw in (raw1, raw2))
        root = torch.stack([torch.stack([s1, torch.zeros(5)], -1), torch.stack([slope * s1, s2], -1)], -2)
        part = torch.distributions.MultivariateNormal(torch.stack([mean1, mean2], -1), scale_tril=root)
        total = total + logits.softmax(-1)[:, k] * part.log_prob(x).exp()
    assert torch.allclose(m.log_prob(x, y), total.log(), atol=1e-4)
    side = midpoints(-6, 6, 300).float()
    plane = torch.cartesian_prod(side, side)
    with torch.no_grad():
        mass = m.log_prob(plane, torch.full((len(plane), 1), 0.3)).double().exp().mean() * 144
    assert float(mass) == pytest.approx(1, abs=1e-3)


def test_a_mixture_of_angles_is_a_density_on_the_circle():
    torch.manual_seed(0)
    m = pyrogen.create("mdn", x_shape=(1,), y_shape=(1,), hidden=(8,), components=4, component="VonMises")
    x = midpoints(-math.pi, math.pi, 4000).float().unsqueeze(1)
    with torch.no_grad():
        mass = m.log_prob(x, torch.full_like(x, 0.3)).double().exp().mean() * 2 * math.pi
    assert float(mass) == pytest.approx(1, abs=1e-5)
    assert m.kinds == ("angle",)


def test_a_head_predicts_what_it_samples():
    m = head(Normal("predicted"))
    y = torch.tensor([[-1.0], [2.0]])
    p = m.predict(y)
    assert (p.batch_shape, p.event_shape) == ((2,), (2,))
    drawn = m.sample(20_000, y.repeat(10_000, 1)).unflatten(0, (-1, 2))
    error = p.variance.sqrt() / 100
    assert ((drawn.mean(0) - p.mean).abs() < 5 * error).all()
    assert torch.allclose(drawn.var(0), p.variance, rtol=0.1)


@pytest.mark.parametrize("likelihood", ["Bernoulli", "Categorical", "Poisson"])
def test_a_table_of_classes_learns_the_frequencies(likelihood):
    """The maximum of the likelihood is known: a linear head of one-hot classes gives each class its own frequencies."""
    torch.manual_seed(0)
    y = torch.arange(600) % 3
    kind = {"Bernoulli": "binary", "Categorical": "levels", "Poisson": "counts"}[likelihood]
    rate = torch.tensor([0.2, 0.5, 0.9])[y].unsqueeze(1)
    x = {"binary": torch.bernoulli(rate), "levels": 9 * torch.bernoulli(rate), "counts": torch.poisson(5 * rate)}[kind]
    m = pyrogen.create("regression", x_shape=(1,), classes=3, hidden=(), likelihood=likelihood)
    assert kind in m.kinds
    optimizer = torch.optim.LBFGS(m.parameters(), 0.5, 300, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = -m.log_prob(x, y).mean()
        value.backward()
        return value

    optimizer.step(loss)
    if kind == "levels":
        found = m.predict(torch.arange(3)).log_prob(torch.full((3, 1), 9.0)).exp()
        expected = torch.stack([(x[y == k] == 9).float().mean() for k in range(3)])
    else:
        found = m.predict(torch.arange(3)).mean.flatten()
        expected = torch.stack([x[y == k].mean() for k in range(3)])
    assert torch.allclose(found, expected, atol=5e-3)


def test_least_squares_is_a_normal_head():
    """A linear head with a fixed scale has the closed form of least squares as its optimum."""
    torch.manual_seed(0)
    y = torch.randn(200, 2)
    x = y @ torch.tensor([[1.0], [-2]]) + 0.5 + 0.3 * torch.randn(200, 1)
    solution = torch.linalg.lstsq(torch.cat([y, torch.ones(200, 1)], 1), x).solution.flatten()
    m = pyrogen.create("regression", x_shape=(1,), y_shape=(2,), hidden=(), likelihood=Normal("fixed", 0.3))
    layer = m.net.net[1]
    with torch.no_grad():
        layer.weight.copy_(solution[None, :2])
        layer.bias.copy_(solution[2:])
    gradients = torch.autograd.grad(-m.log_prob(x, y).mean(), m.parameters())
    assert all(g.abs().max() < 1e-4 for g in gradients)


REFUSED = {
    "no y to score by": (lambda m: m.log_prob(torch.zeros(3, 2)), "conditional, and got no y: pass 1 real numbers"),
    "no y to sample at": (lambda m: m.sample(3), "conditional, and got no y"),
    "too few y": (lambda m: m.sample(3, torch.zeros(2, 1)), "y of shape (3, 1); got (2, 1)"),
    "y of another size": (lambda m: m.predict(torch.zeros(3, 2)), "y of shape (3, 1); got (3, 2)"),
    "no y to evaluate at": (lambda m: log_evidence(m, torch.zeros(3, 2)), "got no y"),
    "data without y": (lambda m: fit(m, pyrogen.data.load("ring"), epochs=1), "y of shape (10000, 1); got (10000,)"),
    "no density": (
        lambda m: Regression(nn.Linear(1, 2), (2,), Condition((1,)), "Perceptual"),
        "Perceptual is no density of x",
    ),
    "too small a net": (
        lambda m: Regression(nn.Linear(1, 3), (2,), Condition((1,))).sample(1, torch.zeros(1, 1)),
        "net gives 3 numbers",
    ),
    "neither classes nor numbers": (lambda m: pyrogen.create("regression", x_shape=(2,)), "needs classes"),
    "pictures in a mixture": (lambda m: pyrogen.create("mdn", x_shape=(1, 8, 8), classes=3), "flatten the data"),
}


@pytest.mark.parametrize(("use", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_regression_refuses(use, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        use(head())


# ---------------------------------------------------------------------------------------------------------- metrics


def metric(name, *args, **settings):
    return registry.find("metric", name).load()(*args, **settings)


class Truth(nn.Module):
    """The law itself in a model's place, with its scale multiplied."""

    device, training = torch.device("cpu"), False

    def __init__(self, law, factor=1.0):
        super().__init__()
        self.law, self.factor = law, factor

    def condition_for(self, y, x=None):
        return y

    def sample(self, n, y):
        if isinstance(self.law, Arm):
            elbow = torch.randint(2, (n,))
            return self.law.inverse(y)[torch.arange(n), elbow] + torch.randn(n, 2) @ self.law.root.T.float()
        return self.law.mean(y) + self.factor * self.law.scale(y) * torch.randn(n, 1)


@pytest.fixture(scope="module")
def heteroscedastic():
    return pyrogen.data.load("heteroscedastic")


def test_the_law_itself_is_calibrated(heteroscedastic):
    assert metric("interval-error", Truth(Heteroscedastic()), heteroscedastic, 0) < 5 * math.sqrt(0.09 / 2000)
    assert (
        metric("interval-error", Truth(Heteroscedastic()), heteroscedastic, 0, level=0.5, draws=99)
        < 5 * 0.5 / 2000**0.5
    )
    assert metric("scale-error", Truth(Heteroscedastic()), heteroscedastic, 0) == pytest.approx(1 / 4000**0.5, rel=0.2)


def test_wrong_scales_are_found_by_as_much_as_they_are_wrong(heteroscedastic):
    wide = Truth(Heteroscedastic(), 1.5)
    normal = torch.distributions.Normal(0, 1)
    held = float(2 * normal.cdf(1.5 * normal.icdf(torch.tensor(0.95))) - 1)
    assert metric("interval-error", wide, heteroscedastic, 0) == pytest.approx(held - 0.9, abs=0.02)
    assert metric("scale-error", wide, heteroscedastic, 0) == pytest.approx(0.5, abs=0.01)


def test_a_scale_that_is_right_on_average_is_wrong_in_the_worst_third(heteroscedastic):
    """In closed form: σ = 0.27 for all y holds 100 % where σ(y) is small, and the fraction below where it is large."""
    law = Heteroscedastic()

    class Same(Truth):
        def sample(self, n, y):
            return self.law.mean(y) + 0.27 * torch.randn(n, 1)

    normal = torch.distributions.Normal(0, 1)
    y = midpoints(-1, 1, 3000).unsqueeze(1)
    held = 2 * normal.cdf(0.27 * normal.icdf(torch.tensor(0.95)).double() / law.scale(y)) - 1
    worst = max(abs(float(third.mean()) - 0.9) for third in held.chunk(3))
    assert metric("interval-error", Same(law), heteroscedastic, 0) == pytest.approx(worst, abs=0.025)


def test_the_law_of_the_arm_finds_both_elbows_and_misses_by_its_noise():
    data, arm = pyrogen.data.load("arm"), Arm()
    truth = Truth(arm)
    assert metric("solutions-found", truth, data, 0) > 0.999
    miss = float((arm.forward(data.test.x) - data.test.y).norm(dim=-1).mean())
    assert metric("forward-error", truth, data, 0) == pytest.approx(miss, rel=0.03)
    assert metric("forward-error", truth, data, 0, against=truth) == 1

    class OneElbow(Truth):
        def sample(self, n, y):
            return self.law.inverse(y)[:, 0]

    assert metric("solutions-found", OneElbow(arm), data, 0) == 0
    assert metric("forward-error", OneElbow(arm), data, 0) < 1e-5


def test_the_gap_to_a_law_is_a_divergence(heteroscedastic):
    """KL(N(m, σ²) ‖ N(0, s²)) = log s/σ + (σ² + m²)/2s² − ½, averaged over y."""
    m = pyrogen.create("regression", x_shape=(1,), y_shape=(1,), hidden=(), likelihood=Normal("fixed", 0.8))
    for p in m.parameters():
        nn.init.zeros_(p)
    law, y = Heteroscedastic(), heteroscedastic.test.y.double()
    exact = (0.8 / law.scale(y)).log() + (law.scale(y) ** 2 + law.mean(y) ** 2) / (2 * 0.64) - 0.5
    assert metric("law-gap", m, heteroscedastic, 0) == pytest.approx(float(exact.mean()), abs=0.03)


WRONG = {
    "levels between draws": (("interval-error", "heteroscedastic"), {"level": 0.9, "draws": 100}, "whole number"),
    "labels": (("interval-error", "digits"), {}, "real numbers"),
    "no y": (("forward-error", "ring"), {}, "knows the laws of 'inverse-sine', 'arm'; got the data 'ring'"),
    "no known scale": (("scale-error", "arm"), {}, "knows the laws of 'heteroscedastic'"),
    "one solution": (("solutions-found", "inverse-sine"), {}, "knows the laws of 'arm'"),
    "no law": (
        ("law-gap", "digits"),
        {},
        "compares with the law that .digits. come from as they are, and nobody knows",
    ),
}


@pytest.mark.parametrize(("asked", "settings", "message"), WRONG.values(), ids=WRONG)
def test_metrics_refuse_data_that_they_know_nothing_of(asked, settings, message):
    name, data = asked
    with pytest.raises(ValueError, match=message):
        metric(name, Truth(Heteroscedastic()), pyrogen.data.load(data), 0, **settings)


def test_a_law_is_of_data_as_they_are():
    data = pyrogen.data.load("arm", standardize=True)
    with pytest.raises(ValueError, match="standardize=False"):
        metric("law-gap", Truth(Arm()), data, 0)


# ------------------------------------------------------------------------------------------------ training and runs


def test_every_step_is_recorded_and_learns():
    data = pyrogen.data.load("inverse-sine")
    torch.manual_seed(0)
    m = pyrogen.create("mdn", **data.decides(registry.find("entry", "mdn").load()), hidden=(32,), components=3)
    before = metric("law-gap", m, data, 0)
    run = fit(m, data, epochs=8, lr=1e-2, device="cpu", progress=False)
    assert run.steps.startswith("recorded")
    assert "eager" not in run.steps
    assert metric("law-gap", m, data, 0) < before - 0.5


@pytest.mark.parametrize(
    ("words", "figures"),
    [
        (["regression"], {"conditional-density", "intervals", "samples"}),
        (["mdn", "--components", "2"], {"conditional-density", "intervals"}),
        (["mdn", "--data", "arm", "--component", "MultivariateNormal"], {"conditional-density", "intervals"}),
        (["regression", "--data", "digits", "--likelihood", "Bernoulli"], {"classes", "samples", "log-prob"}),
    ],
    ids=["heteroscedastic", "inverse-sine", "arm", "digits"],
)
def test_a_report_shows_densities_and_intervals(words, figures, tmp_path):
    run = str(tmp_path / "run")
    assert main(["train", *words, "--epochs", "1", "--hidden", "[8]", "--device", "cpu", "--folder", run]) == 0
    drawn = {p.stem for p in (tmp_path / "run" / "figures").glob("*.svg")}
    assert figures <= drawn
    page = (tmp_path / "run" / "report.html").read_text()
    assert "What could not be shown" not in page
    known = words[-1] != "Bernoulli"
    assert ("The law that the test data come from" in page) is known


def test_data_of_a_density_are_spread_and_numbered_as_in_the_split(monkeypatch):
    titled = []
    monkeypatch.setattr(density_sections.density_plots, "density_strip", lambda *given: titled.extend(given[3]))
    x, y = torch.randn(40, 2), torch.arange(40.0)[:, None].expand(40, 5).contiguous()
    data = from_arrays(x, y, x, y, x, y, standardize=False)
    model = pyrogen.create("mdn", x_shape=(2,), y_shape=(5,), hidden=(4,), components=2)
    list(density_sections.conditional_density(model, data, []))
    assert titled == [f"test datum {n + 1}" for n in range(0, 40, 5)]


def test_angles_are_trained_scored_and_sampled():
    data = pyrogen.data.load("arm", kind="angle")
    torch.manual_seed(0)
    m = pyrogen.create("mdn", x_shape=(2,), y_shape=(2,), hidden=(32,), components=2, component="VonMises")
    before = log_evidence(m, data.test)["log_evidence"].mean()
    run = fit(m, data, epochs=8, lr=1e-2, device="cpu", progress=False)
    assert run.steps.startswith("recorded")
    assert "eager" not in run.steps
    assert log_evidence(m, data.test)["log_evidence"].mean() > before + 1
    assert (m.sample(100, data.test.y[:100]).abs() <= math.pi).all()
