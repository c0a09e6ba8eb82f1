"""Each prior, posterior and likelihood on its own, judged by quadrature, sums and Monte Carlo; then all of them together."""

import copy
import itertools
import math

import numpy as np
import pyro
import pytest
import torch
from scipy import stats
from torch.func import jacrev

import pyrogen
from pyrogen.base import Batch
from pyrogen.inference import ELBO, IWAE, log_evidence
from pyrogen.likelihoods import Categorical, ContinuousBernoulli, DiscretizedLogisticMixture, Laplace, Normal
from pyrogen.likelihoods.levels import MixtureOfDiscretizedLogistics
from pyrogen.priors import FlowPrior

PRIORS = {
    "StandardNormal": "StandardNormal",
    "Laplace": {"name": "Laplace", "scale": 0.7},
    "StudentT": {"name": "StudentT", "df": 3.0},
    "MixtureOfGaussians": {"name": "MixtureOfGaussians", "components": 3},
    "VampPrior": {"name": "VampPrior", "components": 3},
    "affine flow": {"name": "FlowPrior", "layers": 2, "hidden": 8},
    "spline flow": {"name": "FlowPrior", "transform": "spline_coupling", "layers": 2, "hidden": 8},
}
LEARNED = ["MixtureOfGaussians", "VampPrior", "affine flow", "spline flow"]
FLOWS = ["affine flow", "spline flow"]


# what each posterior can be joined with, where that is not the standard normal
COMPANIONS = {"Ladder": "Hierarchical", "Bernoulli": "Bernoulli", "Categorical": "Categorical"}
POSTERIORS = ["DiagonalNormal", "FullRankNormal", "Ladder", "PointMass", "Bernoulli", "Categorical"]


@pytest.fixture
def prior(pair):
    """A model in float64 with a prior whose parameters have left where they started."""

    def build(name, **choices):
        m = pair(prior=PRIORS[name], **choices).double()
        with torch.no_grad():
            for p in m.parameters():
                # splines start with spikes between which no grid can see
                p.mul_(0.5 if name == "spline flow" else 1).add_(0.2 * torch.randn_like(p))
        return m

    return build


def sinh_grid(reach=12.0, points=1201):
    """Nodes dense around zero that reach to ±80,000, and trapezoid weights: heavy tails included."""
    t = torch.linspace(-reach, reach, points, dtype=torch.float64)
    return t.sinh(), t.cosh() * (t[1] - t[0])


def on_plane(p, **grid):
    """The density of a two-dimensional distribution on a grid, with the weights of each node."""
    nodes, weights = sinh_grid(**grid)
    plane = torch.cartesian_prod(nodes, nodes)
    with torch.no_grad(), pyro.validation_enabled(False):
        density = torch.cat([p.log_prob(part) for part in plane.split(100_000)]).exp()
    return nodes, density.reshape(len(nodes), -1) * weights[:, None] * weights


def p_values(x, nodes, mass):
    """Kolmogorov-Smirnov of each coordinate of samples against the marginals of a density on a grid."""
    found = []
    for i in (0, 1):
        marginal = mass.sum(1 - i)
        cdf = (marginal.cumsum(0) - marginal / 2).numpy()
        found.append(ks(x[:, i], nodes.numpy(), cdf))
    return found


def ks(x, nodes, cdf):
    """The p-value of samples against a distribution function on nodes."""
    return stats.kstest(x.detach().numpy(), lambda v: np.interp(v, nodes, cdf)).pvalue


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_integrates_to_one(prior, name):
    _, mass = on_plane(prior(name).prior())
    assert float(mass.sum()) == pytest.approx(1, abs=3e-3)


@pytest.mark.parametrize("name", ["StandardNormal", "Laplace", "StudentT", "MixtureOfGaussians", "VampPrior"])
def test_a_prior_of_one_latent_integrates_to_one(prior, name):
    nodes, weights = sinh_grid(points=4001)
    density = prior(name, latent_size=1).prior().log_prob(nodes[:, None]).detach().exp()
    assert float((density * weights).sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.rotating
@pytest.mark.parametrize("name", PRIORS)
def test_the_sampled_prior_is_the_scored_prior(prior, name):
    m = prior(name)
    grid = on_plane(m.prior())
    z = m.prior.generator().sample((4000,))
    assert z.shape == (4000, 2)
    assert min(p_values(z, *grid)) > 1e-3
    assert max(p_values(z + 0.3, *grid)) < 1e-3  # the control: the same draws from elsewhere
    # coordinates together: their product has the mean that the density says
    product = (z[:, 0].clamp(-3, 3) * z[:, 1].clamp(-3, 3)).numpy()
    nodes, mass = grid
    exact = float((mass * nodes.clamp(-3, 3)[:, None] * nodes.clamp(-3, 3)).sum())
    assert abs(product.mean() - exact) < 4 * product.std() / len(product) ** 0.5 + 5e-3


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_keeps_its_dtype_and_can_be_copied_after_use(prior, name):
    m = prior(name)
    z = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert m.prior().sample().dtype == torch.float64
    before = m.prior().log_prob(z)
    assert before.dtype == torch.float64
    before.sum().backward()
    twin = copy.deepcopy(m)  # at once: a flow still holds what it scored
    assert torch.equal(twin.prior().log_prob(z), before)
    with torch.no_grad():
        for p in twin.parameters():
            p.add_(0.1)
    assert torch.equal(m.prior().log_prob(z), before)
    assert torch.equal(twin.prior().log_prob(z), before) is (name not in LEARNED)


@pytest.mark.parametrize("name", LEARNED)
def test_no_score_outlives_its_parameters(prior, name):
    m = prior(name)
    z = m.prior().rsample((6,)).detach() if name in FLOWS else m.prior().sample((6,))
    before = m.prior().log_prob(z)
    with torch.no_grad():
        for p in m.parameters():
            p.add_(0.2)
    after = m.prior().log_prob(z)
    assert not torch.allclose(before, after)
    assert torch.equal(after, m.prior().log_prob(z.clone()))


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_scores_by_its_jacobian(prior, name):
    m = prior(name)
    p = m.prior()
    base = torch.randn(4, 2, dtype=torch.float64)

    def push(e):
        for transform in p.transforms:
            e = transform(e)
        return e

    for e in base:
        determinant = torch.linalg.det(jacrev(push)(e)).abs().log().detach()
        expected = p.base_dist.log_prob(e) - determinant
        # a fresh distribution on a copy of z: nothing can come from a cache
        assert torch.allclose(m.prior().log_prob(push(e).clone()), expected, atol=1e-5)


def test_every_coordinate_of_a_flow_moves(prior):
    m = prior("affine flow", latent_size=3)
    e = torch.randn(3, dtype=torch.float64)

    def push(e):
        for transform in m.prior().transforms:
            e = transform(e)
        return e

    plain = torch.stack([row[row != 0].abs().max() for row in jacrev(push)(e)])
    assert not torch.isclose(plain, torch.ones_like(plain)).any()


def test_vamp_prior_is_the_mixture_of_its_posteriors(prior):
    m = prior("VampPrior")
    assert not [name for name, _ in m.prior.named_parameters() if name != "pseudo"]
    z = torch.randn(5, 2, dtype=torch.float64)
    u = m.prior.pseudo_data()
    assert ((u > 0) & (u < 1)).all()
    parts = torch.stack([m.posterior(m.encoder(u_k)).log_prob(z) for u_k in u])
    assert torch.allclose(m.prior().log_prob(z), parts.logsumexp(0) - math.log(3))


def test_a_copied_vamp_prior_listens_to_its_own_encoder(pair):
    m = pair(prior=PRIORS["VampPrior"])
    twin, z = copy.deepcopy(m), torch.randn(4, 2)
    before = m.prior().log_prob(z)
    with torch.no_grad():
        for p in twin.encoder.parameters():
            p.add_(0.5)
    assert torch.equal(m.prior().log_prob(z), before)
    assert not torch.allclose(twin.prior().log_prob(z), before)


def test_flat_samples_from_what_was_fitted_to_the_codes(pair, draws):
    m = pair(prior="Flat", posterior="PointMass", likelihood="ContinuousBernoulli")
    x = draws("unit", 20, 1, 4, 4)
    with pytest.raises(ValueError, match=r"Flat prior cannot be sampled .*after_training"):
        m.sample(2)
    m.after_training(x)
    codes = m.encode(x).mean
    q = m.prior.generator()
    assert torch.allclose(q.mean, codes.mean(0), atol=1e-5)
    assert torch.allclose(q.covariance_matrix, torch.cov(codes.T), atol=1e-5)
    assert m.sample(5).shape == (5, 1, 4, 4)
    with pytest.raises(ValueError, match="at least 2 codes"):
        m.after_training(x[:1])


def test_flat_bears_codes_that_never_move(pair):
    m = pair(prior="Flat", posterior="PointMass")
    m.after_training(torch.zeros(5, 1, 4, 4))
    assert torch.isfinite(m.prior.generator().sample((5,))).all()


# ---------------------------------------------------------------------------------------------------- posteriors


@pytest.mark.parametrize("name", ["DiagonalNormal", "FullRankNormal"])
def test_a_posterior_integrates_to_one_and_samples_what_it_scores(pair, name):
    m = pair(posterior=name).double()
    features = 0.7 * torch.randn(m.posterior.width(2), dtype=torch.float64)
    q = m.posterior(features)
    nodes, mass = on_plane(q)
    assert float(mass.sum()) == pytest.approx(1, abs=1e-3)
    z = q.rsample((4000,))
    assert min(p_values(z, nodes, mass)) > 1e-3
    assert max(p_values(z + 0.3, nodes, mass)) < 1e-3
    correlation = float(torch.corrcoef(z.T)[0, 1])
    assert (abs(correlation) > 0.1) is (name == "FullRankNormal")


@pytest.mark.parametrize(
    ("name", "size"),
    [(name, size) for name in POSTERIORS for size in (1, 3) if (name, size) not in (("Categorical", 1), ("Ladder", 1))],
)
def test_a_posterior_takes_any_leading_dimensions(pair, name, size):
    m = pair(posterior=name, prior=COMPANIONS.get(name, "StandardNormal"), latent_size=size)
    features = torch.randn(4, 3, m.posterior.width(size))
    q = m.posterior(features)
    assert (q.batch_shape, q.event_shape) == ((4, 3), (size,))
    z = q.sample()
    one = m.posterior(features[1, 2])
    assert torch.allclose(q.log_prob(z)[1, 2], one.log_prob(z[1, 2]))


def test_posteriors_read_their_features_as_documented(pair):
    q = pair(posterior="DiagonalNormal").posterior(torch.tensor([1.0, -1.0, math.log(4), math.log(0.25)]))
    assert torch.allclose(q.mean, torch.tensor([1.0, -1.0]))
    assert torch.allclose(q.variance, torch.tensor([4.0, 0.25]))
    raw = math.log(math.expm1(2.0))  # softplus of it is 2
    q = pair(posterior="FullRankNormal").posterior(torch.tensor([1.0, -1.0, raw, raw, 3.0]))
    assert torch.allclose(q.mean, torch.tensor([1.0, -1.0]))
    assert torch.allclose(q.covariance_matrix, torch.tensor([[4.0, 6.0], [6.0, 13.0]]), atol=1e-3)


def test_a_point_mass_is_a_point(pair):
    m = pair(posterior="PointMass", prior="Laplace")
    features = torch.randn(3, 2)
    q = m.posterior(features)
    assert torch.equal(q.rsample(), features)
    assert torch.equal(q.mean, features)


@pytest.mark.parametrize("posterior", ["DiagonalNormal", "FullRankNormal"])
@pytest.mark.parametrize("name", ["StandardNormal", "Laplace", "StudentT", "MixtureOfGaussians"])
def test_the_kl_of_the_objective_agrees_with_monte_carlo(prior, draws, name, posterior):
    m = prior(name, posterior=posterior)
    x = draws("binary", 3, 1, 4, 4).double()
    with torch.no_grad():
        q, p = m.encode(x), m.prior()
        z = q.sample((20_000,))
        ratio = (q.log_prob(z) - p.log_prob(z)).mean(1)  # over the batch
        error = ratio.std() / len(ratio) ** 0.5
        kl = [float(ELBO(num_samples=n).terms(m, Batch(x))["kl"]) for n in (1, 4000)]
    # in closed form both are exact; by draws, the second has the error of 4,000
    assert abs(kl[1] - float(ratio.mean())) < 4 * float(error) * 6**0.5
    if kl[0] == pytest.approx(kl[1], rel=1e-9):
        assert abs(kl[0] - float(ratio.mean())) < 4 * float(error)


# --------------------------------------------------------------------------------------------------- likelihoods


def built(likelihood, x_shape):
    likelihood.size(torch.Size(x_shape))
    return likelihood


CONTINUOUS = {
    "normal predicted": (Normal(), [(0.3, -1.0), (-2.0, 2.0)]),
    "normal exp": (Normal(positive="exp"), [(0.3, -1.0), (-2.0, 2.0)]),
    "normal fixed": (Normal(scale="fixed", value=0.5), [(0.3,)]),
    "normal shared": (Normal(scale="shared", value=0.5), [(0.3,)]),
    "normal shared exp": (Normal(scale="shared", value=0.5, positive="exp"), [(0.3,)]),
    "laplace predicted": (Laplace(), [(0.3, -1.0), (-2.0, 2.0)]),
    "laplace fixed": (Laplace(scale="fixed", value=0.5), [(0.3,)]),
    "continuous bernoulli": (ContinuousBernoulli(), [(v,) for v in (-8.0, -1.0, -1e-3, 0.0, 1e-3, 0.02, 1.0, 8.0)]),
    "continuous bernoulli, certain": (ContinuousBernoulli(), [(-40.0,), (-20.0,), (20.0,), (40.0,)]),
}


def cdf_by_quadrature(p, low, high):
    nodes = torch.linspace(low, high, 40_001)
    density = p.expand((len(nodes),)).log_prob(nodes.reshape(-1, 1)).detach().exp().double()
    mass = torch.cumulative_trapezoid(density, nodes.double())
    return nodes[1:].numpy(), mass.numpy()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_continuous_element_integrates_to_one_and_samples_what_it_scores(name):
    likelihood, table = CONTINUOUS[name]
    likelihood = built(copy.deepcopy(likelihood), (1,))
    low, high = (0.0, 1.0) if "bernoulli" in name else (-80.0, 80.0)
    for numbers in table:
        p = likelihood(torch.tensor(numbers))
        nodes, cdf = cdf_by_quadrature(p, low, high)
        assert cdf[-1] == pytest.approx(1, abs=2e-3), numbers
        x = p.sample((3000,))[:, 0].detach()
        assert x.shape == (3000,)
        assert likelihood.support.check(x).all()
        assert ks(x, nodes, cdf) > 1e-3, numbers
        assert ks(0.8 * x, nodes, cdf) < 1e-3, numbers  # the control


@pytest.mark.parametrize("logit", [0.0, 1e-3, 4e-3, 0.019, 0.021, 0.1, 0.49, 0.51, 5.0, 16.0, 100.0])
def test_what_is_said_of_a_continuous_bernoulli_is_that_of_its_density(logit):
    for sign in (1, -1):
        p = built(ContinuousBernoulli(), (1,))(torch.tensor([sign * logit])).base_dist
        x = torch.linspace(0, 1, 200_001, dtype=torch.float64)
        density = torch.exp(sign * logit * (x - max(sign, 0)))
        below = torch.cat([torch.zeros(1).double(), torch.cumulative_trapezoid(density, x)])
        density, below = density / below[-1], below / below[-1]
        mean = torch.trapezoid(x * density, x)
        variance = torch.trapezoid((x - mean).square() * density, x)
        assert float(p.variance) == pytest.approx(float(variance), rel=1e-4)
        assert float(p.stddev) == pytest.approx(float(variance.sqrt()), rel=1e-4)
        assert float(p.entropy()) == pytest.approx(-float(torch.trapezoid(torch.xlogy(density, density), x)), abs=1e-4)
        assert torch.allclose(p.cdf(x[::1000].float()).double(), below[::1000], atol=1e-6)
        assert p.cdf(torch.tensor([-1.0, 2.0])).tolist() == [0, 1]
    f = torch.tensor([-200.0, -0.4, 0.0, 0.4, 200.0], requires_grad=True)
    q = ContinuousBernoulli()
    q.size(torch.Size((5,)))
    for made in (q(f).mean.sum(), q(f).variance.sum(), q(f).entropy(), q(f).base_dist.cdf(torch.tensor(0.3)).sum()):
        assert torch.isfinite(torch.autograd.grad(made, f)[0]).all()


def test_a_fixed_or_shared_scale_starts_at_its_value():
    for scale, positive in itertools.product(("fixed", "shared"), ("softplus", "exp")):
        p = built(Normal(scale=scale, value=0.25, positive=positive), (2,))(torch.zeros(2))
        assert torch.allclose(p.stddev, torch.tensor(0.25))


LEVELS = torch.arange(256.0)


def level_features(likelihood, x_shape, scale):
    generator = torch.Generator().manual_seed(3)
    return scale * torch.randn(likelihood.channels(torch.Size(x_shape)), *x_shape[1:], generator=generator)


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0, 30.0])
@pytest.mark.parametrize("cls", [Categorical, DiscretizedLogisticMixture])
def test_levels_sum_to_one_and_are_sampled_as_scored(cls, scale):
    likelihood = built(cls(), (1, 1))
    p = likelihood(level_features(likelihood, (1, 1), scale))
    probability = p.expand((256,)).log_prob(LEVELS.reshape(256, 1, 1)).double().exp()
    assert float(probability.sum()) == pytest.approx(1, abs=1e-4)
    x = p.sample((20_000,))
    assert x.shape == (20_000, 1, 1)
    assert likelihood.support.check(x).all()
    assert chi_square(x.flatten(), probability) > 1e-3
    assert chi_square((x.flatten() + 20) % 256, probability) < 1e-3 or probability.max() < 0.005  # the control


def chi_square(x, probability):
    """Of frequencies against probabilities, cells with fewer than 5 expected joined."""
    expected = probability * len(x)
    counts = torch.bincount(x.long(), minlength=256).double()
    rare = expected < 5
    observed = torch.cat([counts[~rare], counts[rare].sum()[None]])
    predicted = torch.cat([expected[~rare], expected[rare].sum()[None]])
    if predicted[-1] < 1e-3:
        assert observed[-1] <= 2
        observed, predicted = observed[:-1], predicted[:-1]
    if len(predicted) == 1:
        return 1.0 if observed[0] > 0.99 * predicted[0] else 0.0
    return stats.chisquare(observed.numpy(), (predicted / predicted.sum() * observed.sum()).numpy()).pvalue


def one_pixel(channels, components=2):
    """A mixture for one pixel of three channels with everything coupled, cut to its first channels."""
    g = torch.Generator().manual_seed(1)
    logits = torch.randn(components, 1, generator=g).double()
    loc = 0.5 * torch.randn(components, 3, 1, generator=g).double()
    log_scale = (torch.randn(components, 3, 1, generator=g) - 1.5).double()
    coupling = torch.randn(components, 3, 1, generator=g).tanh().double()
    c = channels
    return MixtureOfDiscretizedLogistics(logits, loc[:, :c], log_scale[:, :c], coupling[:, : c * (c - 1) // 2], 1)


def score(p, levels):
    """log p of levels ``(..., C)`` of the one pixel."""
    return p.expand(levels.shape[:-1]).log_prob(levels[..., None])


def test_coupled_channels_sum_to_one():
    levels = LEVELS.double()
    two = torch.cartesian_prod(levels, levels)
    assert float(score(one_pixel(2), two).exp().sum()) == pytest.approx(1, abs=1e-9)
    # summed over the third channel, three channels are the first two: so three sum to one as well
    edges = torch.tensor([0.0, 1.0, 127.0, 254.0, 255.0]).double()
    some = torch.cat([torch.cartesian_prod(edges, edges), torch.randint(256, (40, 2)).double()])
    three = torch.cat([some[:, None].expand(-1, 256, 2), levels[None, :, None].expand(len(some), 256, 1)], -1)
    marginal = score(one_pixel(3), three).exp().sum(1)
    assert torch.allclose(marginal, score(one_pixel(2), some).exp(), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("channel", [1, 2, 3])
def test_coupled_channels_are_sampled_as_scored(channel):
    p = one_pixel(channel)
    x = p.sample((1500,))[..., 0]
    grid = torch.cat([x[:, None, :-1].expand(-1, 256, -1), LEVELS.double()[None, :, None].expand(1500, 256, 1)], -1)
    given = torch.softmax(score(p, grid), 1)  # p(last channel | those before)
    below = torch.cat([torch.zeros(1500, 1).double(), given.cumsum(1)], 1)

    def uniform(level):
        at = level.long()[:, None]
        low, high = below.gather(1, at), below.gather(1, at + 1)
        return (low + torch.rand(1500, 1) * (high - low)).flatten().numpy()

    assert stats.kstest(uniform(x[:, -1]), "uniform").pvalue > 1e-3
    assert stats.kstest(uniform(x[:, -1].roll(1) if channel > 1 else (x[:, -1] + 20) % 256), "uniform").pvalue < 1e-3


EVERY = {
    "Bernoulli": "Bernoulli",
    "ContinuousBernoulli": "ContinuousBernoulli",
    "Normal": "Normal",
    "Laplace": {"name": "Laplace", "scale": "shared"},
    "Categorical": "Categorical",
    "DiscretizedLogisticMixture": {"name": "DiscretizedLogisticMixture", "components": 2},
}


@pytest.mark.parametrize("x_shape", [(1, 2, 3), (3, 2, 2)], ids=str)
@pytest.mark.parametrize("name", EVERY)
def test_a_picture_scores_as_its_pixels(pair, draws, name, x_shape):
    whole = pair(likelihood=EVERY[name], x_shape=x_shape).likelihood
    single = pair(likelihood=EVERY[name], x_shape=(x_shape[0], 1, 1)).likelihood
    features = torch.randn(5, whole.channels(torch.Size(x_shape)), *x_shape[1:])
    x = draws(whole.kinds[0], 5, *x_shape)
    p = whole(features)
    assert (p.batch_shape, p.event_shape) == ((5,), x_shape)
    assert p.mean.shape == p.sample().shape == x.shape
    cells = itertools.product(range(x_shape[1]), range(x_shape[2]))
    at = [(..., slice(i, i + 1), slice(j, j + 1)) for i, j in cells]
    pixels = sum(single(features[place]).log_prob(x[place]) for place in at)
    assert torch.allclose(p.log_prob(x), pixels, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("x_shape", [(1, 2, 3), (3, 2, 2)], ids=str)
@pytest.mark.parametrize("name", EVERY)
def test_many_draws_are_scored_at_once(pair, name, x_shape):
    likelihood = pair(likelihood=EVERY[name], x_shape=x_shape).likelihood
    p = likelihood(torch.randn(5, likelihood.channels(torch.Size(x_shape)), *x_shape[1:]))
    x = p.sample((7,))
    assert x.shape == (7, 5, *x_shape)
    assert torch.allclose(p.log_prob(x), torch.stack([p.log_prob(one) for one in x]), rtol=1e-5)
    assert torch.allclose(p.expand((2, 5)).log_prob(x[0]), p.log_prob(x[0]).expand(2, 5), rtol=1e-5)


@pytest.mark.parametrize("name", [n for n in EVERY if n != "DiscretizedLogisticMixture"])
def test_the_mean_is_that_of_samples(pair, name):
    likelihood = pair(likelihood=EVERY[name], x_shape=(3, 1, 1)).likelihood
    p = likelihood(torch.randn(likelihood.channels(torch.Size((3, 1, 1))), 1, 1))
    x = p.sample((20_000,))
    assert ((x.mean(0) - p.mean).abs() < 5 * x.std(0) / 20_000**0.5).all()


EDGES = {
    "Bernoulli": [0.0, 1.0],
    "ContinuousBernoulli": [0.0, 0.5, 1.0],
    "Normal": [-100.0, 0.0, 100.0],
    "Laplace": [-100.0, 0.0, 100.0],
    "Categorical": [0.0, 255.0],
    "DiscretizedLogisticMixture": [0.0, 1.0, 254.0, 255.0],
}


@pytest.mark.parametrize("extreme", [0.0, -15.0, 15.0, -80.0, 80.0])
@pytest.mark.parametrize("name", EDGES)
def test_gradients_are_finite_at_the_edges(pair, name, extreme):
    likelihood = pair(likelihood=EVERY[name], x_shape=(1, 2, 2)).likelihood
    features = torch.full((likelihood.channels(torch.Size((1, 2, 2))), 2, 2), extreme, requires_grad=True)
    for value in EDGES[name]:
        score = likelihood(features).log_prob(torch.full((1, 2, 2), value))
        (gradient,) = torch.autograd.grad(score, features)
        assert torch.isfinite(score), value
        assert torch.isfinite(gradient).all(), value


@pytest.mark.parametrize("loc", [-300.0, -3.0, 3.0, 300.0])
@pytest.mark.parametrize("log_scale", [-7.0, 0.0, 4.0, 12.0])
def test_logistics_far_outside_the_levels_sum_to_one(loc, log_scale):
    zero = torch.zeros(1, 1)
    p = MixtureOfDiscretizedLogistics(zero, zero[None] + loc, zero[None] + log_scale, torch.zeros(1, 0, 1), 1)
    score = p.expand((256,)).log_prob(LEVELS.reshape(256, 1, 1))
    assert torch.isfinite(score).all()
    assert float(score.double().exp().sum()) == pytest.approx(1, abs=1e-3)


WRONG = {
    "Bernoulli": ("unit", r"Bernoulli .*binary.*ContinuousBernoulli"),
    "ContinuousBernoulli": ("levels", r"ContinuousBernoulli .*Categorical"),
    "Categorical": ("unit", r"Categorical .*levels.*ContinuousBernoulli"),
    "DiscretizedLogisticMixture": ("real", r"DiscretizedLogisticMixture .*levels.*Normal"),
}


@pytest.mark.parametrize("name", WRONG)
def test_data_of_another_kind_are_refused(pair, draws, name):
    kind, message = WRONG[name]
    m = pair(likelihood=EVERY[name])
    x = draws(kind, 3, 1, 4, 4)
    for use in (m.check, m.encode, lambda x: log_evidence(m, x, IWAE(30))):
        with pytest.raises(ValueError, match=message):
            use(x)


BAD_ARGUMENTS = {
    "no component": (lambda: pyrogen.priors.VampPrior(components=0), r"VampPrior\(components=0\)"),
    "no gaussian": (lambda: pyrogen.priors.MixtureOfGaussians(components=-1), r"MixtureOfGaussians\(components=-1\)"),
    "no scale": (lambda: pyrogen.priors.Laplace(scale=0.0), r"Laplace\(scale=0.0\)"),
    "no freedom": (lambda: pyrogen.priors.StudentT(df=0.0), r"StudentT\(df=0.0\)"),
    "a transform": (lambda: FlowPrior(transform="planar"), r"transform='planar'.*affine_coupling"),
    "one layer": (lambda: FlowPrior(layers=1), r"layers=1"),
    "a scale": (lambda: Normal(scale="free"), r"Normal\(scale='free'\).*shared"),
    "a link": (lambda: Laplace(positive="relu"), r"Laplace\(positive='relu'\).*softplus"),
    "a floor": (lambda: Normal(value=1e-4), r"Normal\(value=0.0001, floor=0.001\)"),
    "no logistic": (lambda: DiscretizedLogisticMixture(components=0), r"components=0"),
}


@pytest.mark.parametrize(("call", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_arguments_that_mean_nothing_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
