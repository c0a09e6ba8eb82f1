"""Every likelihood: its mass is one, it scores what it samples, it equals textbooks, and float32 can bear it."""

import dataclasses
import itertools
import math

import numpy as np
import pyro
import pytest
import torch
from pyro import distributions as dist
from pyro.infer import SVI, Trace_ELBO
from scipy import special, stats
from torch import nn

import pyrogen
from pyrogen import registry
from pyrogen.data import Split, load
from pyrogen.inference import IWAE, Reconstruction, fit, log_evidence
from pyrogen.kinds import kind_of
from pyrogen.likelihoods import (
    Beta,
    Gamma,
    LogNormal,
    LowRankMultivariateNormal,
    Masked,
    MixtureDensity,
    MultivariateNormal,
    Normal,
    Ordinal,
    Perceptual,
    Poisson,
    StudentT,
    VonMises,
    Weibull,
)
from pyrogen.likelihoods.beta import GREATEST, LEAST
from pyrogen.registry import make

# the name on the axis, a specification, and the shape of the smallest datum that shows all that there is
CASES = {
    "Bernoulli": ("Bernoulli", (1,)),
    "ContinuousBernoulli": ("ContinuousBernoulli", (1,)),
    "Beta": ("Beta", (1,)),
    "Normal": ("Normal", (1,)),
    "Laplace": ("Laplace", (1,)),
    "StudentT": ("StudentT", (1,)),
    "StudentT df=3 shared": ({"name": "StudentT", "df": 3.0, "scale": "shared"}, (1,)),
    "Poisson": ("Poisson", (1,)),
    "Poisson exp": ({"name": "Poisson", "positive": "exp"}, (1,)),
    "NegativeBinomial": ("NegativeBinomial", (1,)),
    "ZeroInflatedPoisson": ("ZeroInflatedPoisson", (1,)),
    "ZeroInflatedNegativeBinomial": ("ZeroInflatedNegativeBinomial", (1,)),
    "Gamma": ("Gamma", (1,)),
    "Gamma shared": ({"name": "Gamma", "shape": "shared", "value": 2.5}, (1,)),
    "LogNormal": ("LogNormal", (1,)),
    "LogNormal fixed": ({"name": "LogNormal", "shape": "fixed", "value": 0.4}, (1,)),
    "Weibull": ("Weibull", (1,)),
    "VonMises": ("VonMises", (1,)),
    "Categorical": ("Categorical", (1,)),
    "Ordinal": ("Ordinal", (1,)),
    "Ordinal 5 fixed": ({"name": "Ordinal", "levels": 5, "scale": "fixed"}, (1,)),
    "DiscretizedLogisticMixture": ("DiscretizedLogisticMixture", (1, 1, 1)),
    "MultivariateNormal": ("MultivariateNormal", (2,)),
    "LowRankMultivariateNormal": ({"name": "LowRankMultivariateNormal", "rank": 1}, (2,)),
    "MixtureDensity": ({"name": "MixtureDensity", "components": 3}, (2,)),
    "MixtureDensity full": ({"name": "MixtureDensity", "components": 3, "component": "MultivariateNormal"}, (2,)),
    "MixtureDensity angles": ({"name": "MixtureDensity", "components": 3, "component": "VonMises"}, (2,)),
    "MixtureDensity counts": ({"name": "MixtureDensity", "components": 2, "component": "Poisson"}, (2,)),
    "MixtureDensity durations": ({"name": "MixtureDensity", "components": 2, "component": "Gamma"}, (2,)),
    "MixtureDensity bits": ({"name": "MixtureDensity", "component": "Bernoulli"}, (2,)),
    "MixtureDensity holes": (
        {"name": "MixtureDensity", "component": {"name": "Masked", "likelihood": "VonMises"}},
        (2,),
    ),
    "Tokens": ({"name": "Tokens", "words": 3}, (1, 2)),
    "Autoregressive": ({"name": "Autoregressive", "net": {"name": "LSTM", "width": 4}, "features": 3}, (1, 2)),
    "Autoregressive tokens": (
        {"name": "Autoregressive", "of": {"name": "Tokens", "words": 3}, "net": {"name": "Transformer", "width": 4}},
        (1, 2),
    ),
    "Stepwise": ("Stepwise", (1, 2)),
    "Stepwise counts": ({"name": "Stepwise", "of": "Poisson"}, (1, 2)),
    "Stepwise durations": ({"name": "Stepwise", "of": "Weibull"}, (1, 2)),
    "Masked": ("Masked", (2,)),
    "Masked levels": ({"name": "Masked", "likelihood": "DiscretizedLogisticMixture"}, (1, 2, 1)),
}
PROPER = [name for name in pyrogen.choices("likelihood") if registry.find("likelihood", name).load().proper]


def sized(spec, shape, dtype=torch.float64):
    likelihood = make("likelihood", spec).to(dtype)
    likelihood.size(torch.Size(shape))
    return likelihood


def features(likelihood, scale, *batch, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shape = likelihood.x_shape
    raw = torch.randn(*batch, likelihood.channels(shape), *shape[1:], generator=generator, dtype=torch.float64)
    return (scale * raw).to(dtype)


def nodes(likelihood, elements):
    """Values of one element, and the weight of each in an integral or a sum; fewer where they are paired."""
    kind, fine = likelihood.kinds[0], elements == 1
    if kind in ("binary", "levels", "counts"):
        top = {"binary": 1, "levels": 255, "counts": 20_000 if fine else 150}[kind]
        x = torch.arange(top + 1, dtype=torch.float64)
        inside = likelihood.support.check(x)
        return x[inside], torch.ones(int(inside.sum()), dtype=torch.float64)
    if kind == "tokens":
        x = torch.arange(-1.0, likelihood.words, dtype=torch.float64)
        return x, torch.ones_like(x)
    if kind == "angle":
        n = 20_000 if fine else 400
        return torch.linspace(-math.pi, math.pi, n + 1, dtype=torch.float64)[:-1], torch.full(
            (n,), 2 * math.pi / n
        ).double()
    if kind == "unit":
        t = torch.linspace(-36, 36, 200_001, dtype=torch.float64)
        return t.sigmoid(), t.sigmoid() * (-t).sigmoid() * (t[1] - t[0])
    if kind == "positive":
        t = torch.linspace(-40, 25, 200_001 if fine else 1001, dtype=torch.float64)
        return t.exp(), t.exp() * (t[1] - t[0])
    if not fine:
        x = torch.linspace(-15, 15, 1001, dtype=torch.float64)
        return x, torch.full_like(x, 0.03)
    t = torch.linspace(-11, 11, 400_001, dtype=torch.float64)
    return t.sinh(), t.cosh() * (t[1] - t[0])


def mass(likelihood, p, wrong=0.0):
    """Values of one element, and the probability of every cell of the grid: ``(n,)`` or ``(n, n)``."""
    d = likelihood.x_shape.numel()
    x, w = nodes(likelihood, d)
    every = x[:, None] if d == 1 else torch.cartesian_prod(x, x)
    every = every.reshape(-1, *likelihood.x_shape)
    with torch.no_grad(), pyro.validation_enabled(False):
        score = torch.cat([p.expand((len(part),)).log_prob(part) for part in every.split(100_000)]) + wrong
    return x, (score.exp() * (w if d == 1 else w[:, None].mul(w).flatten())).reshape([len(x)] * d)


def uniform(x, values, probability, *, discrete):
    """Draws of one element through their distribution function, which makes them uniform if it is theirs."""
    below = torch.cat([torch.zeros(1).double(), probability.cumsum(0)])
    if discrete:
        at = torch.searchsorted(values, x.double().contiguous()).clamp(max=len(values) - 1)
        return (below[at] + torch.rand(len(x)).double() * probability[at]).numpy()
    return np.interp(x.double().numpy(), values.numpy(), ((below[:-1] + below[1:]) / 2).numpy())


def test_every_likelihood_is_here():
    named = {spec if isinstance(spec, str) else spec["name"] for spec, _ in CASES.values()}
    assert sorted(named) == PROPER
    assert set(pyrogen.choices("likelihood")) - named == {"Perceptual"}


@pytest.mark.rotating
@pytest.mark.parametrize("scale", [0.0, 0.7, 1.2])
@pytest.mark.parametrize("case", CASES)
def test_the_mass_is_one_and_samples_are_what_is_scored(case, scale):
    likelihood = sized(*CASES[case])
    p = likelihood(features(likelihood, scale))
    values, cells = mass(likelihood, p)
    assert float(cells.sum()) == pytest.approx(1, abs=2e-3)
    assert abs(float(mass(likelihood, p, wrong=0.01)[1].sum()) - 1) > 5e-3  # the control: a normalizer 1 % too large
    x = p.sample((3000,))
    assert likelihood.support.check(x).all()
    x = x.reshape(3000, -1)
    others = [likelihood(features(likelihood, scale + 1, seed=s)).sample((3000,)).reshape(3000, -1) for s in (1, 2, 3)]
    discrete = likelihood.kinds[0] in ("binary", "levels", "counts", "tokens")
    caught = []
    for i in range(x.shape[1]):
        marginal = cells.sum([j for j in range(cells.dim()) if j != i]) if cells.dim() > 1 else cells
        assert stats.kstest(uniform(x[:, i], values, marginal, discrete=discrete), "uniform").pvalue > 1e-3
        wrong = [uniform(other[:, i], values, marginal, discrete=discrete) for other in others]
        caught += [stats.kstest(u, "uniform").pvalue < 1e-3 for u in wrong]
    assert any(caught)  # the control: draws of other features
    if x.shape[1] == 2:  # and together: their product has the mean that the cells say
        product = (x[:, 0].clamp(-3, 3) * x[:, 1].clamp(-3, 3)).double()
        bounded = values.clamp(-3, 3)
        exact = float((cells * bounded[:, None] * bounded).sum())
        assert abs(float(product.mean()) - exact) < 4 * float(product.std()) / 3000**0.5 + 5e-3


# a picture to look at, and of what goes place by place or numbers words, no expectation
LOOKED_AT = [c for c in CASES if "Discretized" in c or "Autoregressive" in c or c in ("Masked levels", "Tokens")]


@pytest.mark.parametrize("case", [c for c in CASES if c not in LOOKED_AT])
def test_the_mean_is_that_of_samples(case):
    likelihood = sized(*CASES[case])
    p = likelihood(features(likelihood, 0.7))
    x = p.sample((20_000,)).reshape(20_000, -1)
    mean = p.mean.flatten()
    if likelihood.kinds[0] == "angle":
        turned = torch.atan2(x.sin().mean(0), x.cos().mean(0))
        spread = torch.sin(x - turned).std(0) / x.cos().mean(0).hypot(x.sin().mean(0))
        assert (torch.sin(turned - mean).abs() < 5 * spread / 20_000**0.5).all()
    else:
        assert ((x.mean(0) - mean).abs() < 5 * x.std(0) / 20_000**0.5).all()


def softplus(t):
    return np.log1p(np.exp(t))


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def inflated(gate, at_zero, other):
    return lambda x: np.where(x == 0, np.log(gate + (1 - gate) * at_zero), np.log1p(-gate) + other(x))


def negative_binomial(f):
    mean, size = 1e-6 + softplus(f[0]), 1e-6 + softplus(f[1])
    return stats.nbinom(size, size / (size + mean))


def zero_inflated(family, gate):
    return inflated(sigmoid(gate), family.pmf(0), family.logpmf)


def ordinal(f):
    cuts = np.log(np.arange(1, 256) / (256 - np.arange(1, 256)))
    below = np.concatenate([[0], sigmoid((cuts - f[0]) / (1e-3 + softplus(f[1]))), [1]])
    return lambda x: np.log(np.diff(below))[x.astype(int)]


def weibull(f):
    form = 0.2 + softplus(f[1] + np.log(np.expm1(0.8)))
    return stats.weibull_min(form, scale=np.exp(f[0]) / special.gamma(1 + 1 / form))


ABOVE = [1e-30, 1e-3, 0.5, 1.0, 7.0, 90.0]
# of an element: textbook log p from the raw features, and where to compare
TEXTBOOK = {
    "Bernoulli": (lambda f: stats.bernoulli(sigmoid(f[0])).logpmf, [0, 1]),
    "ContinuousBernoulli": (lambda f: lambda x: x * f[0] + np.log(f[0] / np.expm1(f[0])), [0.0, 0.3, 1.0]),
    "Beta": (lambda f: stats.beta(0.5 + softplus(f[0]), 0.5 + softplus(f[1])).logpdf, [0.01, 0.5, 0.99]),
    "Normal": (lambda f: stats.norm(f[0], 1e-3 + softplus(f[1])).logpdf, [-3.0, 0.0, 4.0]),
    "Laplace": (lambda f: stats.laplace(f[0], 1e-3 + softplus(f[1])).logpdf, [-3.0, 0.0, 4.0]),
    "StudentT": (lambda f: stats.t(5, f[0], 1e-3 + softplus(f[1])).logpdf, [-30.0, 0.0, 4.0]),
    "Poisson": (lambda f: stats.poisson(1e-6 + softplus(f[0])).logpmf, [0, 1, 9]),
    "Poisson exp": (lambda f: stats.poisson(1e-6 + np.exp(f[0])).logpmf, [0, 1, 9]),
    "NegativeBinomial": (lambda f: negative_binomial(f).logpmf, [0, 1, 9]),
    "ZeroInflatedPoisson": (lambda f: zero_inflated(stats.poisson(1e-6 + softplus(f[0])), f[1]), [0, 1, 9]),
    "ZeroInflatedNegativeBinomial": (lambda f: zero_inflated(negative_binomial(f), f[2]), [0, 1, 9]),
    "Gamma": (lambda f: stats.gamma(np.exp(f[1]), scale=np.exp(f[0] - f[1])).logpdf, ABOVE),
    "Gamma shared": (lambda f: stats.gamma(2.5, scale=np.exp(f[0]) / 2.5).logpdf, ABOVE),
    "LogNormal": (lambda f: stats.lognorm(np.exp(f[1]), scale=np.exp(f[0])).logpdf, ABOVE),
    "LogNormal fixed": (lambda f: stats.lognorm(0.4, scale=np.exp(f[0])).logpdf, ABOVE),
    "Weibull": (lambda f: weibull(f).logpdf, ABOVE),
    "VonMises": (lambda f: stats.vonmises(math.hypot(*f), math.atan2(f[1], f[0])).logpdf, [-3.1, 0.0, 2.0]),
    "Ordinal": (ordinal, [0, 1, 128, 254, 255]),
}


@pytest.mark.parametrize("case", TEXTBOOK)
def test_an_element_scores_as_textbooks_say(case):
    likelihood = sized(*CASES[case])
    expected, where = TEXTBOOK[case]
    for seed in range(5):
        f = features(likelihood, 1.0, seed=seed)
        x = torch.tensor(where, dtype=torch.float64)
        score = likelihood(f).expand((len(x),)).log_prob(x[:, None]).detach()
        # VonMises keeps 1/√κ above a floor that no textbook has
        np.testing.assert_allclose(score.numpy(), expected(f.numpy())(np.array(where)), rtol=2e-5, atol=1e-9)


@pytest.mark.parametrize("spec", [MultivariateNormal(), LowRankMultivariateNormal(rank=3)], ids=repr)
def test_covariances_are_those_of_the_regression_and_of_the_factors(spec):
    d = 4
    likelihood = sized(spec, (d,))
    f = features(likelihood, 0.8, 6)
    p = likelihood(f)
    loc, scale = f[:, :d], 1e-3 + nn.functional.softplus(f[:, d : 2 * d])
    if isinstance(spec, MultivariateNormal):
        rows, columns = np.tril_indices(d, -1)
        inverse = torch.eye(d, dtype=torch.float64).repeat(6, 1, 1)
        inverse[:, rows, columns] -= f[:, 2 * d :]
        root = torch.linalg.inv(inverse) * scale[:, None]
        covariance = root @ root.mT
    else:
        loadings = scale[:, :, None] * f[:, 2 * d :].reshape(6, d, 3)
        covariance = torch.diag_embed(scale.square()) + loadings @ loadings.mT
    assert torch.allclose(p.covariance_matrix, covariance)
    x = loc + torch.randn(6, d).double()
    exact = [
        stats.multivariate_normal(m.numpy(), c.numpy()).logpdf(v.numpy())
        for m, c, v in zip(loc, covariance, x, strict=True)
    ]
    assert torch.allclose(p.log_prob(x), torch.tensor(exact))
    draws = p.rsample((50_000,))
    error = torch.cov(draws[:, 0].T) - covariance[0]
    assert (error.abs() < 0.05 * covariance[0].diagonal().max()).all()


def test_a_mixture_is_the_sum_of_its_components():
    likelihood = sized(MixtureDensity(3, "LowRankMultivariateNormal"), (4,))
    f, x = features(likelihood, 0.7, 5), torch.randn(5, 4).double()
    component = sized("LowRankMultivariateNormal", (4,))
    each = torch.stack([component(part).log_prob(x) for part in f[:, 3:].chunk(3, -1)], -1)
    assert torch.allclose(likelihood(f).log_prob(x), (f[:, :3].log_softmax(-1) + each).logsumexp(-1))
    one = sized(MixtureDensity(1, "Normal"), (4,))
    f = features(one, 0.7, 5)
    assert torch.allclose(one(f).log_prob(x), sized("Normal", (4,))(f[:, 1:]).log_prob(x))


# ------------------------------------------------------------------------------------------------- what float32 bears

EDGES = {
    "binary": [0.0, 1.0],
    "unit": [LEAST, 0.5, GREATEST],
    "levels": [0.0, 1.0, 254.0, 255.0],
    "real": [-100.0, 0.0, 100.0],
    "counts": [0.0, 1.0, 4.0, 10_000.0, 2.0**24],
    "positive": [1e-30, 1.0, 1e30],
    "angle": [-math.pi, 0.0, math.pi],
    "tokens": [-1.0, 0.0, 2.0],
}
SIZES = {1: (5,), 2: (2, 3), 3: (1, 2, 2)}
WIDE = {c: (spec, SIZES[len(shape)]) for c, (spec, shape) in CASES.items()}


@pytest.mark.parametrize("extreme", [0.0, -15.0, 15.0, -80.0, 80.0, "mixed"])
@pytest.mark.parametrize("case", WIDE)
def test_gradients_are_finite_at_the_edges(case, extreme):
    likelihood = sized(*WIDE[case], dtype=torch.float32)
    f = features(likelihood, 1.0, dtype=torch.float32)
    f = 80 * f.sign() if extreme == "mixed" else torch.full_like(f, extreme)
    f.requires_grad_()
    values = [v for v in EDGES[likelihood.kinds[0]] if bool(likelihood.support.check(torch.tensor(v)))]
    assert len(values) > 1
    for value in values:
        score = likelihood(f).log_prob(torch.full(WIDE[case][1], value))
        moved = [f, *likelihood.parameters()]
        gradients = torch.autograd.grad(score, moved, allow_unused=True)
        assert score.dtype == torch.float32
        assert torch.isfinite(score), value
        assert all(torch.isfinite(g).all() for g in gradients if g is not None), value


@pytest.mark.parametrize("case", WIDE)
def test_draws_of_extreme_features_are_data(case):
    likelihood = sized(*WIDE[case], dtype=torch.float32)
    for sign in (-80.0, 0.0, 80.0):
        x = likelihood(torch.full_like(features(likelihood, 1.0, dtype=torch.float32), sign)).sample((200,))
        assert x.dtype == torch.float32
        assert torch.isfinite(x).all()
        assert likelihood.support.check(x).all()
        likelihood.check(x)


@pytest.mark.parametrize("name", ["Poisson", "NegativeBinomial", "ZeroInflatedPoisson", "ZeroInflatedNegativeBinomial"])
def test_a_mean_that_has_run_away_finds_back(name):
    likelihood = sized({"name": name, "positive": "exp"}, (1,), torch.float32)
    for value in (20.0, 200.0):
        f = torch.full((likelihood.per_element,), 0.0)
        f[0] = value
        f.requires_grad_()
        score = likelihood(f).log_prob(torch.tensor([3.0]))
        (gradient,) = torch.autograd.grad(score, f)
        assert gradient[0] < 0
        assert float(likelihood(f.detach()).mean) <= 2**24


def test_counts_of_thousands_keep_their_digits():
    x, rate = torch.tensor([50_123.0]), torch.tensor([50_000.0])
    exact = stats.poisson(50_000 + 1e-6).logpmf(50_123)
    assert float(sized("Poisson", (1,), torch.float32)(rate).log_prob(x)) == pytest.approx(exact, abs=1e-5)
    assert abs(float(dist.Poisson(rate).log_prob(x)) - exact) > 1e-3  # the control: torch's in float32


def test_strong_factors_keep_their_digits():
    likelihood, precise = (sized(LowRankMultivariateNormal(2), (20,), t) for t in (torch.float32, torch.float64))
    f = features(likelihood, 1.0)
    f[40:] *= 300  # loadings in units of the noise
    x = precise(f).rsample((20,))
    exact = dist.MultivariateNormal(f[:20], precise(f).covariance_matrix).log_prob(x)
    assert torch.allclose(precise(f).log_prob(x), exact, rtol=1e-6)
    # what float32 data and features themselves round away, not more
    assert torch.allclose(likelihood(f.float()).log_prob(x.float()).double(), exact, rtol=1e-2)


POSITIVE = {"Gamma": Gamma, "LogNormal": LogNormal, "Weibull": Weibull}


def law_of(name, location, log_shape):
    """Of scipy, from log μ, or of the log-normal from m, and the log of the shape."""
    form = math.exp(log_shape)
    if name == "LogNormal":
        return stats.lognorm(form, scale=math.exp(location))
    if name == "Gamma":
        return stats.gamma(form, scale=math.exp(location - log_shape))
    return stats.weibull_min(form, scale=math.exp(location) / special.gamma(1 + 1 / form))


@pytest.mark.parametrize("location", [-math.log(1e30), -8.0, 0.0, math.log(1e30)])
@pytest.mark.parametrize("name", POSITIVE)
def test_positive_numbers_of_any_size_are_scored_as_textbooks_say(name, location):
    likelihood, forms = sized(name, (1,)), (-0.5, 0.0, 0.6)
    for form in forms:
        raw = torch.tensor([location, likelihood.raw(math.exp(form))], dtype=torch.float64)
        p, exact = likelihood(raw), law_of(name, location, form)
        x = torch.tensor([1e-30, 1e-3, 1.0, 1e3, 1e30], dtype=torch.float64)
        found, expected = p.expand((5,)).log_prob(x[:, None]).numpy(), exact.logpdf(x.numpy())
        near = expected > -1e32  # beyond, they only have to stay numbers of float32
        np.testing.assert_allclose(found[near], expected[near], rtol=1e-9, atol=1e-12)
        assert ((found < -1e31) & (found > -1e36))[~near].all()
        assert float(p.mean) == pytest.approx(exact.mean(), rel=1e-9)
        assert float(p.variance) == pytest.approx(exact.var(), rel=1e-9)
        scores = likelihood.float()(raw.float()).expand((5,)).log_prob(x[:, None].float())
        np.testing.assert_allclose(scores.numpy()[near], expected[near], rtol=1e-5, atol=1e-4)
        likelihood.double()


@pytest.mark.parametrize(
    "spec", [{"name": name, "shape": s} for name in POSITIVE for s in ("predicted", "shared")], ids=str
)
def test_gradients_of_positive_numbers_are_those_of_differences(spec):
    likelihood = sized(spec, (3,))
    f = (0.5 * features(likelihood, 1.0, 4)).requires_grad_()
    x = features(sized("Normal", (3,)), 1.0, 4)[:, :3].exp().requires_grad_()
    assert torch.autograd.gradcheck(lambda f, x: likelihood(f).log_prob(x), (f, x))
    assert torch.autograd.gradcheck(lambda f: likelihood(f).mean, (f,))

    def drawn(f):
        torch.manual_seed(0)
        return likelihood(f).rsample()

    if spec["name"] != "Gamma":  # torch draws by rejection
        assert torch.autograd.gradcheck(drawn, (f,))


def test_a_draw_of_a_gamma_moves_with_its_mean_and_its_shape():
    likelihood = sized("Gamma", (1,))
    f = torch.tensor([0.7, 0.4], dtype=torch.float64, requires_grad=True)
    x = likelihood(f).rsample((200_000,))
    (of_mean,) = torch.autograd.grad(x.mean(), f, retain_graph=True)
    # of E x = μ and of Var x = μ²/k, by log μ and log k
    assert of_mean.tolist() == pytest.approx([math.exp(0.7), 0.0], abs=0.03)
    (of_square,) = torch.autograd.grad(x.square().mean(), f)
    squared = math.exp(1.4)
    assert of_square.tolist() == pytest.approx(
        [2 * squared * (1 + math.exp(-0.4)), -squared * math.exp(-0.4)], abs=0.25
    )


@pytest.mark.parametrize(("name", "form"), [("Gamma", 3.0), ("LogNormal", 0.3), ("Weibull", 2.0)])
def test_a_shared_shape_starts_at_that_of_the_data(name, form):
    x = torch.from_numpy(law_of(name, 1.0, math.log(form)).ppf((np.arange(20_000) + 0.5) / 20_000))
    likelihood = sized({"name": name, "shape": "shared"}, (4,), torch.float32)
    likelihood.before_training(x.reshape(-1, 4).float())
    assert float(likelihood.link(likelihood.raw_shape.detach())) == pytest.approx(form, rel=0.015)
    with torch.no_grad():
        likelihood.raw_shape.fill_(0.5)
    likelihood.before_training(x.reshape(-1, 4).float())
    assert float(likelihood.raw_shape.detach()) == 0.5  # what has moved stays
    given = sized({"name": name, "shape": "shared", "value": form}, (4,), torch.float32)
    assert not given.needs_training_data


@pytest.mark.parametrize("name", POSITIVE)
def test_a_shape_has_limits_that_its_floor_decides(name):
    low, high = POSITIVE[name](floor=0.01).range
    likelihood = sized({"name": name, "floor": 0.01}, (1,))
    for raw, limit in ((-1e9, low), (1e9, high)):
        p = likelihood(torch.tensor([0.0, raw], dtype=torch.float64))
        assert float(p.base_dist.form) == pytest.approx(limit, rel=1e-5)
    for value in (1.1 * low, 0.9 * high):
        made = sized({"name": name, "floor": 0.01, "shape": "fixed", "value": value}, (1,))
        assert float(made(torch.zeros(1).double()).base_dist.form) == pytest.approx(value, rel=1e-5)


def test_zeros_are_refused_with_what_takes_them(pair):
    x = torch.tensor([[0.0, 1.5, 2.0]])
    for spec in ("Gamma", "LogNormal", "Weibull", {"name": "MixtureDensity", "component": "Gamma"}):
        m = pair(likelihood=spec, x_shape=(3,))
        with pytest.raises(ValueError, match=r"has no density at 0, and 1 of 3 values are 0; .*'Masked'.*kind='real'"):
            m.check(x)
        with pytest.raises(ValueError, match=r"scores positive data \(numbers above 0\), and these are real data"):
            m.check(x - 1)
        m.check(x + 1e-30)
    assert torch.isfinite(sized("Gamma", (3,), torch.float32).rescale(x)).all()


# -------------------------------------------------------------------------------------------- shapes, and the product


@pytest.mark.parametrize("case", WIDE)
def test_any_leading_dimensions(case):
    likelihood = sized(*WIDE[case])
    f = features(likelihood, 0.5, 7, 3)
    p = likelihood(f)
    shape = WIDE[case][1]
    assert (p.batch_shape, p.event_shape) == ((7, 3), shape)
    x = p.sample()[0].detach()
    scores = p.log_prob(x)  # x of a batch of 3 under 7 particles
    assert scores.shape == (7, 3)
    assert torch.allclose(scores[4, 2], likelihood(f[4, 2]).log_prob(x[2]))
    assert p.mean.shape == (7, 3, *shape)
    assert torch.allclose(p.mean[4, 2], likelihood(f[4, 2]).mean)
    wide = p.expand((2, 7, 3))
    assert wide.sample((4,)).shape == (4, 2, 7, 3, *shape)
    assert torch.allclose(wide.log_prob(x), scores.expand(2, 7, 3))
    assert wide.mean.shape == (2, 7, 3, *shape)


def some(likelihood, draws, n, *shape):
    """Data that a likelihood takes, with a hole or two where it takes them."""
    x = draws(likelihood.kinds[0], n, *shape)
    if isinstance(likelihood, Ordinal) and likelihood.levels != 256:
        x = x % likelihood.levels
    if likelihood.missing:
        x = x.clone()
        x[0, 0] = math.nan
        x[1] = math.nan
    return x


@pytest.mark.usefixtures("empty_store")
@pytest.mark.parametrize("case", CASES)
def test_a_vae_of_vectors_trains_samples_and_is_scored(case, pair, draws, tmp_path):
    shape = {**SIZES, 1: (3,)}[len(CASES[case][1])]
    m = pair(likelihood=CASES[case][0], x_shape=shape)
    x = some(m.likelihood, draws, 6, *shape)
    before = {k: v.detach().clone() for k, v in m.named_parameters()}
    svi = SVI(m.model, m.guide, pyro.optim.Adam({"lr": 1e-2}), Trace_ELBO())
    assert all(math.isfinite(svi.step(x)) for _ in range(4))
    assert [k for k, v in m.named_parameters() if torch.equal(v, before[k])] == []
    sampled = m.sample(5)
    assert sampled.shape == (5, *shape)
    m.check(sampled)
    assert torch.isfinite(m.reconstruct(x)).all()
    evidence = log_evidence(m, x, IWAE(30))
    assert np.isfinite(evidence["log_evidence"].values).all()
    assert np.isfinite(evidence["mc_se"].values).all()
    m.save(tmp_path)
    again = pyrogen.load(tmp_path)
    assert registry.describe(again.likelihood) == registry.describe(m.likelihood)
    z = torch.randn(4, 2)
    assert torch.equal(again.decode(z).mean, m.decode(z).mean)


VECTORS = ["MultivariateNormal", "LowRankMultivariateNormal", "MixtureDensity"]


@pytest.mark.parametrize("name", VECTORS)
def test_images_are_refused_where_parameters_belong_to_vectors(pair, name):
    with pytest.raises(ValueError, match=rf"{name} .*x_shape=\(1, 4, 4\); flatten .* \(16,\).*likelihood='Normal'"):
        pair(likelihood=name)
    pair(likelihood=name, x_shape=(16,))
    pair(likelihood="Normal")


@pytest.mark.parametrize("name", [*VECTORS, "Masked", "Ordinal"])
def test_made_refuses_elements_that_are_coupled(name):
    def build():
        return pyrogen.create("made", x_shape=(3,), hidden=(8,), likelihood=name)

    if name not in VECTORS:
        assert torch.isfinite(build().log_prob(torch.zeros(1, 3))).all()
        return
    with pytest.raises(ValueError, match=f"{name} couples"):
        build()


# --------------------------------------------------------------------------------------------------- what is missing

HOLES = ["Normal", "Bernoulli", "Beta", "ZeroInflatedPoisson", "LogNormal", "VonMises", "Categorical", "Ordinal"]


@pytest.mark.parametrize("name", HOLES)
def test_what_is_missing_is_left_out(name, draws):
    shape = (3, 2, 2)
    masked, whole = sized(Masked(name), shape), sized(name, shape)
    f = features(masked, 0.7, 4)
    x = draws(masked.kinds[0], 4, *shape).double()
    assert torch.allclose(masked(f).log_prob(x), whole(f).log_prob(x))
    assert torch.allclose(masked(f).mean, whole(f).mean)
    one = sized(name, (1, 1, 1))
    seen = torch.rand(4, *shape) > 0.4
    expected = torch.zeros(4, dtype=torch.float64)
    each = f.unflatten(1, (-1, 3))
    for b, c, i, j in itertools.product(range(4), range(3), range(2), range(2)):
        if seen[b, c, i, j]:
            expected[b] += one(each[b, :, c, i, j].reshape(-1, 1, 1)).log_prob(x[b, c, i, j].reshape(1, 1, 1))
    holed = x.masked_fill(~seen, math.nan)
    f.requires_grad_()
    score = masked(f).log_prob(holed)
    assert torch.allclose(score, expected)
    (gradient,) = torch.autograd.grad(score.sum(), f)
    assert torch.isfinite(gradient).all()
    unseen = ~seen[:, None].expand_as(gradient.unflatten(1, (-1, 3)))
    assert not gradient.unflatten(1, (-1, 3))[unseen].any()
    masked.check(holed)
    assert torch.equal(torch.isfinite(masked.rescale(holed)), torch.ones_like(seen))
    nothing = torch.full_like(x, math.nan)
    assert torch.equal(masked(f).log_prob(nothing), torch.zeros(4, dtype=torch.float64))


def test_the_evidence_of_what_was_seen_is_exact(pair):
    m = pair(likelihood=Masked(Normal(scale="fixed", value=0.7)), x_shape=(4,), hidden=())
    layer = next(part for part in m.decoder.modules() if isinstance(part, nn.Linear))
    x = m.sample(6)
    x[:, 0] = math.nan
    x[2:4, 2] = math.nan
    evidence = log_evidence(m, x, IWAE(4000))
    with torch.no_grad():
        covariance = layer.weight @ layer.weight.T + 0.49 * torch.eye(4)
    seen = ~torch.isnan(x)
    exact = np.array(
        [
            stats.multivariate_normal(layer.bias.detach()[s].numpy(), covariance[s][:, s].numpy()).logpdf(
                row[s].numpy()
            )
            for row, s in zip(x, seen, strict=True)
        ]
    )
    error = evidence["mc_se"].values
    assert (np.abs(evidence["log_evidence"].values - exact) < 5 * error + 1e-3).all()
    assert error.max() < 0.05
    guessed = log_evidence(m, x.nan_to_num(0.0), IWAE(4000))["log_evidence"].values
    assert (np.abs(guessed - exact) > 0.1).all()  # the control: zeros in the holes are scored


def test_holes_are_refused_by_who_knows_nothing_of_them(pair):
    x = torch.rand(4, 3)
    x[1, 1] = math.nan
    pair(likelihood="Masked", x_shape=(3,)).check(x)
    for likelihood in ("Normal", "MixtureDensity"):
        with pytest.raises(ValueError, match="1 of 4 data hold NaN"):
            pair(likelihood=likelihood, x_shape=(3,)).check(x)
    with pytest.raises(ValueError, match="1 of 4 data hold NaN or inf"):
        pair(likelihood="Masked", x_shape=(3,)).check(torch.where(torch.isnan(x), math.inf, x))
    with pytest.raises(ValueError, match="1 of 4 data hold NaN"):
        pyrogen.create("made", x_shape=(3,), hidden=(8,), likelihood="Masked").check(x)
    for likelihood in ("MultivariateNormal", {"name": "MixtureDensity", "component": "Normal"}):
        with pytest.raises(ValueError, match=r"Masked .*couples .*x_shape=\(3,\); use Masked"):
            pair(likelihood={"name": "Masked", "likelihood": likelihood}, x_shape=(3,))


def test_data_with_holes_can_be_fitted(pair, tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 3))
    np.savez(tmp_path / "own.npz", x_train=x)
    data = load(tmp_path / "own.npz", standardize=False)
    holed = {s: getattr(data, s).x.clone() for s in ("train", "valid", "test")}
    for part in holed.values():
        part[::2, 1] = math.nan
    data = dataclasses.replace(data, **{s: Split(v, name=s, view=data.train.view) for s, v in holed.items()})
    m = pair(likelihood="Masked", x_shape=(3,))
    run = fit(m, data, epochs=2, batch_size=16, device="cpu", progress=False)
    assert all(math.isfinite(row["valid/loss"]) for row in run.records)
    assert torch.isfinite(m.reconstruct(holed["test"])).all()
    with pytest.raises(ValueError, match="NaN"):
        fit(pair(likelihood="Normal", x_shape=(3,)), data, epochs=1, device="cpu", progress=False)


# ---------------------------------------------------------------------------------------------------- what is looked at


def eye():
    return nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.ReLU())


@pytest.mark.parametrize("family", ["Normal", "Laplace"])
def test_perceptual_is_the_density_of_features(family, draws):
    net = eye()
    likelihood = sized(Perceptual(net, family, scale=0.5), (1, 4, 4), torch.float32)
    m, x = torch.rand(3, 5, 1, 4, 4, requires_grad=True), draws("unit", 5, 1, 4, 4)
    p = likelihood(m)
    net.eval()
    seen = (
        getattr(dist, family)(net(m.reshape(15, 1, 4, 4)).reshape(3, 5, -1), 0.5)
        .log_prob(net(x).reshape(5, -1))
        .sum(-1)
    )
    assert torch.allclose(p.log_prob(x), seen)
    assert torch.equal(p.mean, m)
    assert torch.equal(p.sample((2,)), m.expand(2, 3, 5, 1, 4, 4))
    assert torch.autograd.grad(p.log_prob(x).sum(), m)[0].any()
    # of several layers, all count; of the data themselves, it is their likelihood
    several = sized(Perceptual(nn.Identity(), family), (1, 4, 4), torch.float32)
    pixels = getattr(dist, family)(m, 1.0).to_event(3).log_prob(x)
    assert torch.allclose(several(m).log_prob(x), pixels)

    class Twice(nn.Module):
        def forward(self, x):
            return x, x

    both = sized(Perceptual(Twice(), family), (1, 4, 4), torch.float32)
    assert torch.allclose(both(m).log_prob(x), 2 * pixels)


def test_perceptual_trains_and_is_no_density(pair, draws, tmp_path):
    net = eye()
    m = pair(likelihood=Perceptual(net))
    x = draws("unit", 6, 1, 4, 4)
    assert not [k for k in (*dict(m.named_parameters()), *m.state_dict()) if k.startswith("likelihood")]
    svi = SVI(m.model, m.guide, pyro.optim.Adam({"lr": 1e-2}), Trace_ELBO())
    assert all(math.isfinite(svi.step(x)) for _ in range(4))
    assert all(p.requires_grad for p in net.parameters())  # the maker's network stays as it was
    assert net.training
    assert m.sample(3).shape == (3, 1, 4, 4)
    for estimator in (IWAE(30), Reconstruction(30)):
        with pytest.raises(ValueError, match=r"density of what a network sees .*log p\(x\) does not exist"):
            log_evidence(m, x, estimator)
    m.save(tmp_path)
    with pytest.raises(ValueError, match=r"load\(folder, model=...\)"):
        pyrogen.load(tmp_path)
    assert torch.equal(pyrogen.load(tmp_path, pair(likelihood=Perceptual(net))).encode(x).mean, m.encode(x).mean)


# ---------------------------------------------------------------------------------------------------------- refusals

REFUSED = {
    "no network": (lambda pair: pair(likelihood="Perceptual"), r"Perceptual .*was given none; use .*Normal"),
    "no module": (lambda _: Perceptual(network=print), r"takes a torch.nn.Module"),
    "a family": (lambda _: Perceptual(family="Cauchy"), r"family='Cauchy'.*Laplace"),
    "no scale": (lambda _: Perceptual(scale=0.0), r"scale=0.0"),
    "a mean": (lambda _: StudentT(df=1.0), r"df=1.0.*Normal"),
    "a normal": (lambda _: StudentT(df=1e6), r"df=1000000.0.*Normal"),
    "a link": (lambda _: Poisson(positive="relu"), r"Poisson\(positive='relu'\).*exp"),
    "a floor": (lambda _: Poisson(floor=0.0), r"Poisson\(floor=0.0\)"),
    "a floor of Beta": (lambda _: Beta(floor=0.0), r"Beta\(floor=0.0\)"),
    "a floor of angles": (lambda _: VonMises(floor=0.0), r"VonMises\(floor=0.0\)"),
    "a floor of covariances": (lambda _: MultivariateNormal(floor=-1.0), r"MultivariateNormal\(floor=-1.0\)"),
    "a shape": (lambda _: Gamma(shape="predict"), r"Gamma\(shape='predict'\).*'shared'"),
    "a floor of shapes": (lambda _: Weibull(floor=0.5), r"Weibull\(floor=0.5\)"),
    "a shape beyond its floor": (
        lambda _: LogNormal(shape="fixed", value=1e-4),
        r"value=0.0001.*needs 0.001 < value < 5",
    ),
    "no factor": (lambda _: LowRankMultivariateNormal(rank=0), r"rank=0"),
    "one level": (lambda _: Ordinal(levels=1), r"levels=1"),
    "a scale": (lambda _: Ordinal(scale="shared"), r"scale='shared'.*fixed"),
    "gaps": (lambda _: Ordinal(floor=0.1), r"floor=0.1"),
    "no component": (lambda _: MixtureDensity(components=0), r"components=0"),
    "a mixture of mixtures": (lambda _: MixtureDensity(component="MixtureDensity"), r"one mixture of more"),
    "a mixture of views": (lambda _: MixtureDensity(component="Perceptual"), r"densities of x, and Perceptual"),
    "a mixture of nothing": (lambda _: MixtureDensity(component="Nornal"), r"called 'Nornal'; did you mean 'Normal'"),
    "holes in views": (lambda _: Masked("Perceptual"), r"Perceptual scores something else"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_means_nothing_is_refused(call, message, pair):
    with pytest.raises(ValueError, match=message) as caught:
        call(pair)
    assert "\n" not in str(caught.value)


WRONG_DATA = {
    "half a count": ("Poisson", torch.tensor([[0.5, 1.0]]), r"Poisson scores counts .*unit data"),
    "below zero": ("NegativeBinomial", torch.tensor([[-1.0, 1.0]]), r"NegativeBinomial scores counts"),
    "degrees": ("VonMises", torch.tensor([[90.0, 359.0]]), r"VonMises scores angle .*counts data"),
    "an edge": ("Beta", torch.tensor([[0.0, 0.5]]), r"Beta has no density .*1 of 2 .*ContinuousBernoulli"),
    "outside": ("Beta", torch.tensor([[0.0, 1.5]]), r"Beta scores unit .*real data"),
    "too high": ({"name": "Ordinal", "levels": 5}, torch.tensor([[7.0, 1.0]]), r"from 0 to 4.*levels=8"),
    "no level": ("Ordinal", torch.tensor([[0.5, 1.0]]), r"Ordinal scores levels"),
    "in a mixture": ({"name": "MixtureDensity", "component": "Beta"}, torch.tensor([[2.0, 0.5]]), r"Beta scores unit"),
    "beside a hole": ({"name": "Masked", "likelihood": "Poisson"}, torch.tensor([[math.nan, 0.5]]), r"Poisson scores"),
}


@pytest.mark.parametrize(("spec", "x", "message"), WRONG_DATA.values(), ids=WRONG_DATA)
def test_data_outside_the_support_are_refused(pair, spec, x, message):
    m = pair(likelihood=spec, x_shape=(2,))
    with pytest.raises(ValueError, match=message) as caught:
        m.check(x)
    assert "\n" not in str(caught.value)
    assert "Perceptual" not in str(caught.value)


# -------------------------------------------------------------------------------------------------- counts and angles


def test_counts_and_angles_are_loaded_as_they_are(tmp_path):
    generator = np.random.default_rng(0)
    counts, angles = generator.poisson(300, (60, 3)), generator.uniform(0, 2 * math.pi, (60, 2))
    np.savez(tmp_path / "counts.npz", x_train=counts, x_test=counts)
    np.savez(tmp_path / "angles.npz", x_train=angles, x_test=angles)
    np.savetxt(tmp_path / "counts.csv", counts, delimiter=",", fmt="%d")
    np.savetxt(tmp_path / "angles.csv", angles, delimiter=",")
    data = load(tmp_path / "counts.npz")
    assert data.kind == "counts"
    assert torch.equal(data.test.x, torch.from_numpy(counts).float())
    assert kind_of(data.test.x) == "counts"
    few = np.minimum(counts, 255)
    np.savez(tmp_path / "few.npz", x_train=few, x_test=few)
    assert torch.equal(load(tmp_path / "few.npz", kind="counts").test.x, torch.from_numpy(few).float())
    turned = load(tmp_path / "angles.npz", kind="angle").test.x
    assert VonMises().support.check(turned).all()
    assert torch.allclose(turned.cos(), torch.from_numpy(angles).cos().float(), atol=1e-6)
    assert torch.allclose(turned.sin(), torch.from_numpy(angles).sin().float(), atol=1e-6)
    for name in ("counts", "angles"):
        assert load(tmp_path / f"{name}.csv").kind == "real"
    assert load(tmp_path / "counts.csv", kind=("angle", "counts")).kind == "counts"
    assert not load(tmp_path / "angles.csv", kind="angle").standardize
    np.savetxt(tmp_path / "degrees.csv", np.degrees(angles), delimiter=",")
    with pytest.raises(ValueError, match="offers kind 'real' or 'positive', not 'angle' or 'counts'"):
        load(tmp_path / "degrees.csv", kind=("angle", "counts"))
