"""Mixtures of Gaussians against torch's, quadrature and closed forms, and what their oracle says of samples."""

import math

import pytest
import torch
from torch import distributions

from pyrogen.data import load
from pyrogen.data.mixtures import ON_THE_LINE, Mixture, grid_mixture, line_mixture, ring_mixture

PLANAR = {"ring": (ring_mixture(), 8, 0.01), "grid": (grid_mixture(), 25, 0.05)}
planar = pytest.mark.parametrize("name", PLANAR)
line = pytest.mark.parametrize("of", ON_THE_LINE)


def as_torch(law):
    each = distributions.Normal(law.modes.double(), law.scales.unsqueeze(1))
    return distributions.MixtureSameFamily(
        distributions.Categorical(law.weights), distributions.Independent(each, 1, validate_args=False)
    )


@planar
def test_the_planar_sets(name):
    data, (law, count, sigma) = load(name), PLANAR[name]
    assert [len(s) for s in (data.train, data.valid, data.test)] == [10_000, 1_000, 2_500]
    assert (data.kind, tuple(data.x_shape), data.levels, data.classes) == ("real", (2,), None, count)
    assert torch.equal(data.oracle.modes, law.modes)
    assert law.scales.unique().tolist() == [sigma]
    assert torch.equal(data.oracle.nearest(data.test.x)[0], data.test.y)


def test_where_the_modes_are():
    assert sorted(map(tuple, grid_mixture().modes.tolist())) == [
        (x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)
    ]
    torch.testing.assert_close(ring_mixture().modes.norm(dim=1), torch.ones(8))
    gaps = (ring_mixture().modes - ring_mixture().modes.roll(1, 0)).norm(dim=1)
    torch.testing.assert_close(gaps, torch.full((8,), 2 * math.sin(math.pi / 8)))


@pytest.mark.parametrize("law", [ring_mixture(), grid_mixture(), *map(line_mixture, ON_THE_LINE)])
def test_the_density_is_torchs(law):
    x = law.sample(500, torch.Generator().manual_seed(3))[0].double()
    torch.testing.assert_close(law.log_prob(x), as_torch(law).log_prob(x), rtol=1e-10, atol=1e-10)
    assert law.log_prob(x.view(5, 100, -1)).shape == (5, 100)


@planar
def test_the_planar_density_has_mass_one(name):
    law, count, sigma = PLANAR[name]
    step = torch.linspace(-8, 8, 161, dtype=torch.float64) * sigma
    around = torch.cartesian_prod(step, step) + law.modes.double().unsqueeze(1)
    mass = law.log_prob(around).exp().sum(-1) * (step[1] - step[0]) ** 2
    assert mass.tolist() == pytest.approx([1 / count] * count, abs=1e-6)


@planar
def test_exact_samples_cover_all(name):
    law, count, _ = PLANAR[name]
    n = 20_000
    found = law.coverage(law.sample(n, torch.Generator().manual_seed(1))[0])
    assert (found["modes"], found["samples"]) == (count, n)
    # within four standard errors; 2n KL is a χ² of K − 1
    share = 1 - math.exp(-4.5)
    assert found["high_quality"] == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n))
    assert 2 * n * found["kl"] < count - 1 + 4 * math.sqrt(2 * (count - 1))


@planar
def test_dropping_and_averaging_are_told_apart(name):
    law, count, sigma = PLANAR[name]
    x, mode = law.sample(10_000, torch.Generator().manual_seed(1))
    dropped = law.coverage(x[mode < 2])
    assert dropped["modes"] == 2
    assert dropped["high_quality"] > 0.98
    assert dropped["kl"] == pytest.approx(math.log(count / 2), abs=0.01)
    blurred = law.coverage(x + 20 * sigma * torch.tensor([1.0, 0.0]))
    assert blurred["modes"] == 0
    assert blurred["high_quality"] < 0.01


def test_a_mode_needs_twenty_good_samples():
    law = grid_mixture()
    assert law.coverage(law.modes[:1].expand(19, 2))["modes"] == 0
    assert law.coverage(law.modes[:1].expand(20, 2))["modes"] == 1
    for far, good in ((2.99, 1.0), (3.01, 0.0)):
        assert law.coverage(law.modes + far * 0.05 * torch.tensor([0.6, 0.8]))["high_quality"] == good


def test_unequal_shares_are_those_of_the_law():
    data = load("mixture-1d(of='unequal')")
    share = float((data.train.y == 0).double().mean())
    assert share == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / 10_000))
    # 1.6 % of the wide normal is nearer to the other's mean
    assert data.oracle.coverage(data.test.x)["kl"] < 0.01
    alike = Mixture(data.oracle.modes, data.oracle.scales.tolist())
    assert alike.coverage(data.test.x)["kl"] > 0.05


@line
def test_the_line_by_quadrature(of):
    law = line_mixture(of)
    x, w = law.quadrature()
    p = law.log_prob(x).exp()
    assert float(w @ p) == pytest.approx(1, abs=1e-12)
    mean = float(law.weights @ law.modes[:, 0].double())
    assert float(w @ (p * x[:, 0])) == pytest.approx(mean, abs=1e-12)
    second = float(law.weights @ (law.modes[:, 0].double() ** 2 + law.scales**2))
    assert float(w @ (p * x[:, 0] ** 2)) == pytest.approx(second, abs=1e-11)
    x = law.quadrature(40_001)[0]
    below = torch.cumulative_trapezoid(law.log_prob(x).exp(), x[:, 0])
    torch.testing.assert_close(law.cdf(x[1:, 0]), below, atol=1e-7, rtol=0)


@line
def test_quantiles_invert_the_distribution_function(of):
    law = line_mixture(of)
    u = torch.tensor([1e-6, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-6], dtype=torch.float64)
    torch.testing.assert_close(law.cdf(law.quantile(u)), u, atol=1e-13, rtol=0)
    assert law.quantile(u.view(1, 7)).shape == (1, 7)


def test_the_wasserstein_distance():
    two = line_mixture("two")
    # a shift costs its length, whatever the law
    moved = Mixture(two.modes + 0.37, two.scales.tolist())
    assert two.wasserstein(moved) == pytest.approx(0.37, abs=1e-6)
    # of normals with one mean it is |σ − τ| √(2/π)
    narrow, wide = (Mixture(torch.zeros(1, 1), s) for s in (0.5, 2.0))
    assert narrow.wasserstein(wide) == pytest.approx(1.5 * math.sqrt(2 / math.pi), abs=1e-6)
    three = line_mixture("three")
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    by_quantiles = float((two.quantile(u) - three.quantile(u)).abs().mean())
    assert two.wasserstein(three) == pytest.approx(by_quantiles, abs=1e-4)
    assert three.wasserstein(two) == two.wasserstein(three)
    assert two.wasserstein(two) == 0


def test_the_line_is_data():
    data = load("mixture-1d(of='three')")
    assert tuple(data.x_shape) == (1,)
    assert data.classes == 3
    assert data.oracle.coverage(data.test.x)["modes"] == 3
    assert load("mixture-1d").oracle.modes.flatten().tolist() == [-2, 2]
    assert not set(data.sha256.values()) & set(load("mixture-1d").sha256.values())


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda: load("mixture-1d(of='tow')"), "no mixture of one dimension called 'tow'; did you mean 'two'"),
        (lambda: ring_mixture().cdf(torch.zeros(1)), "of one dimension, and this mixture has 2"),
        (lambda: Mixture(torch.zeros(2, 1), 1.0, (0.5, 0.6)), "the sum 1"),
        (lambda: Mixture(torch.zeros(2, 1), (1.0, 0.0)), "scales are positive"),
        (
            lambda: Mixture(torch.zeros(2, 1), 1.0, (0.5, 0.25, 0.25)),
            r"K weights are expected; got \(2, 1\) and \(3,\)",
        ),
        (lambda: load("ring(sigma=1)"), "the data 'ring' take no arguments, and got sigma"),
        (lambda: load("mixture-1d(off='two')"), "no argument of the data 'mixture-1d' called 'off'; did you mean 'of'"),
        (lambda: load("mixture-1d('two')"), "no name with arguments by name"),
        (lambda: load("mixture-1d(of=open(x))"), "no name with arguments by name"),
        (lambda: load("mixture-1d(of=3)"), "of=3.*a string"),
        (lambda: load("mixtur-1d(of='two')"), "no data called 'mixtur-1d'; did you mean 'mixture-1d'"),
    ],
)
def test_refusals(wrong, match):
    with pytest.raises(ValueError, match=match):
        wrong()
