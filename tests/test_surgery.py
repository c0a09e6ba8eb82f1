"""The KL taken apart: closed forms of linear encoders, whole worlds of few data by quadrature, and tests of two samples."""

import itertools
import math
import re
from types import SimpleNamespace

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats

import pyrogen
from pyrogen import registry
from pyrogen.data import Split, load
from pyrogen.inference import surgery
from pyrogen.inference.latents.surgery import Surgery, _between
from pyrogen.inference.latents.two_sample import energy_test

PARTS = ("mutual_information", "marginal_kl", "total_correlation", "dimension_wise")


def closed_forms(linear, covariance):
    """The parts for q(z|x) = N(Ax + b, C) under the model's own data, whose codes altogether are N(0, AΣAᵀ + C)."""
    whole = linear.to_mean @ linear.covariance @ linear.to_mean.T + covariance
    log_det, each = torch.logdet(whole), whole.diagonal()
    return {
        "mutual_information": float(0.5 * (log_det - torch.logdet(covariance))),
        "marginal_kl": float(0.5 * (each.sum() - len(each) - log_det)),
        "total_correlation": float(0.5 * (each.log().sum() - log_det)),
        "dimension_wise": float(0.5 * (each - 1 - each.log()).sum()),
    }


@pytest.mark.rotating
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("posterior", "spread"), [("FullRankNormal", 1.0), ("DiagonalNormal", 1.0), ("FullRankNormal", 2.0)]
)
def test_brackets_hold_the_closed_forms(linear, posterior, spread, seed):
    covariance = linear.posterior_covariance
    if posterior == "DiagonalNormal":
        covariance = torch.diag(1 / linear.precision.diagonal())
    exact = closed_forms(linear, covariance * spread**2)
    found = surgery(linear.vae(posterior, spread), linear.draw(600, seed), draws=2, permutations=19, seed=seed)
    assert abs(float(found["kl"]) - exact["mutual_information"] - exact["marginal_kl"]) < 4 * float(found["kl_se"])
    for part in PARTS:
        (low, high), (below, above) = found[part].values, found[f"{part}_se"].values
        assert low - 3.5 * below - 1e-9 <= exact[part] <= high + 3.5 * above + 1e-9, part
        assert high - low < 0.15


def test_the_parts_add_up(linear):
    found = surgery(linear.vae("FullRankNormal", 1.3), linear.draw(100), permutations=19)
    low, high = found["mutual_information"].values
    assert low + found["marginal_kl"].values[1] == pytest.approx(float(found["kl"]))
    assert high + found["marginal_kl"].values[0] == pytest.approx(float(found["kl"]))
    assert low <= found.attrs["log_n"]


@pytest.mark.parametrize("posterior", ["FullRankNormal", "DiagonalNormal"])
def test_rates_are_of_each_coordinate_alone(linear, posterior):
    """Their sum is the KL less ½ (Σ log Cⱼⱼ − log det C), of two coordinates the gap of the best q without ties."""
    found = surgery(linear.vae(posterior, 1.3), linear.draw(100), draws=20, permutations=19)
    tied = linear.mean_field_gap() if posterior == "FullRankNormal" else 0.0
    assert tied > 0.1 or posterior == "DiagonalNormal"
    correlation = math.sqrt(-math.expm1(-2 * tied))
    error = correlation / math.sqrt(20 * 100)  # the standard deviation of log q(z) − Σ log q(zⱼ) is the correlation
    assert float(found["kl"] - found["rate"].sum()) == pytest.approx(tied, abs=4 * error + 1e-6)


def test_the_ratio_of_two_rates_is_that_of_the_closed_forms(linear):
    x = linear.draw(200)
    means = linear.posterior_mean(x)

    def exact(spread):
        variance = spread**2 / linear.precision.diagonal()
        return float(0.5 * (variance + means.square() - 1 - variance.log()).sum(1).mean())

    sharp, wide = (linear.vae("DiagonalNormal", spread) for spread in (0.5, 2.0))
    ratio = registry.find("metric", "rate-ratio").load()
    found = ratio(sharp, SimpleNamespace(test=Split(x)), 0, against=wide, num_samples=500)
    assert found == pytest.approx(exact(0.5) / exact(2.0), rel=0.02)
    assert found > 1.2


def few(centres, scale):
    """A world of so many data, each encoded into a normal of its own around a point of the line."""

    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(x, scale))

    return (model, guide), torch.tensor(centres)


@pytest.mark.parametrize("scale", [0.2, 1.0])
def test_a_world_of_few_data_is_known_by_quadrature(scale):
    """Of all the data there are, the low end of the information is the information itself."""
    pair, x = few([-1.5, -0.3, 0.2, 1.0, 2.5], scale)
    nodes = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    each = dist.Normal(x.double(), scale).log_prob(nodes.unsqueeze(1))
    mixture = each.logsumexp(1) - math.log(len(x))
    prior = dist.Normal(0.0, 1.0).log_prob(nodes)
    information = torch.trapezoid((each.exp() * (each - mixture.unsqueeze(1))).mean(1), nodes)
    marginal = torch.trapezoid(mixture.exp() * (mixture - prior), nodes)
    found = surgery(pair, x, draws=1500, permutations=19)
    assert found["mutual_information"].values[0] == pytest.approx(float(information), abs=0.03)
    assert found["marginal_kl"].values[1] == pytest.approx(float(marginal), abs=0.05)
    # one latent: what is told of the mixture of all is told of its one coordinate
    assert found["dimension_wise"].values[1] == pytest.approx(found["marginal_kl"].values[1])


def test_discrete_codes_are_taken_apart_too():
    """Two data, each with one code of its own out of two: the information is ln 2, all there can be."""

    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Bernoulli(logits=20 * x))

    x = torch.tensor([-1.0, 1.0]).repeat(50)
    found = surgery((model, guide), x, permutations=19)
    assert found["mutual_information"].values[0] == pytest.approx(math.log(2), abs=1e-5)
    assert float(found["kl"]) == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.rotating
def test_the_energy_of_two_samples_is_judged_rightly():
    generator = torch.Generator().manual_seed(0)
    p = [energy_test(*torch.randn(2, 40, 3, generator=generator), 99, seed)[1] for seed in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    a, b = torch.randn(2, 200, 3, generator=generator)
    assert energy_test(1.4 * a, b)[1] == 1 / 1000
    assert energy_test(a + 0.3, b)[1] < 0.01
    # by the double sum that it is made of
    value = energy_test(a, b, 1)[0]
    pooled = torch.cat([a, b]).double().std(0).numpy()
    scaled_a, scaled_b = (t.double().numpy() / pooled for t in (a, b))
    apart, within_a, within_b = (
        np.linalg.norm(s[:, None] - t[None], axis=-1).mean()
        for s, t in ((scaled_a, scaled_b), (scaled_a, scaled_a), (scaled_b, scaled_b))
    )
    assert value == pytest.approx(2 * apart - within_a - within_b)
    # which of the two is the first does not matter, nor in what unit they are: no permutation is another statistic
    assert energy_test(b, 1.4 * a, 99)[0] == pytest.approx(energy_test(1.4 * a, b, 99)[0], rel=1e-12)
    assert energy_test(3 * a, 3 * b, 99) == pytest.approx(energy_test(a, b, 99))
    with pytest.raises(ValueError, match="samples of one size"):
        energy_test(a, b[:10])


def test_coordinates_that_do_not_vary_leave_the_others_their_power():
    a, b = torch.randn(2, 100, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 1.0])[:, None, None]
    still = torch.tensor([1.0, 0.1, 0.0]).expand(100, 3)
    found = energy_test(torch.cat([a, still], 1), torch.cat([b, still], 1), 199)
    assert found == pytest.approx(energy_test(a, b, 199))
    assert found[1] == 1 / 200
    assert energy_test(still, still, 19) == (0, 1)


@pytest.mark.rotating
def test_the_p_value_is_that_of_all_ways_to_part_the_data():
    """Each of the 20 parts of six data anew, by its own call: a permutation is a statistic of the same pool."""
    pool = torch.randn(6, 3, generator=torch.Generator().manual_seed(3)) * torch.tensor([1.0, 10.0, 0.1])
    parts = [list(c) for c in itertools.combinations(range(6), 3)]
    energies = [energy_test(pool[c], pool[[i for i in range(6) if i not in c]], 1)[0] for c in parts]
    for c, energy in list(zip(parts, energies, strict=True))[:10]:
        p = np.mean([other >= energy - 1e-12 for other in energies])
        found = energy_test(pool[c], pool[[i for i in range(6) if i not in c]], 4000)
        assert found[1] == pytest.approx(p, abs=4 * math.sqrt(0.25 / 4000))


def test_no_part_ends_below_nothing_or_below_where_it_begins():
    """Codes that say next to nothing leave noise alone, and no KL is negative."""

    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(0.02 * x, 1.0).to_event(1))

    for seed in range(10):
        x = torch.randn(30, 3, generator=torch.Generator().manual_seed(seed))
        found = surgery((model, guide), x, permutations=19, seed=seed)
        for part in PARTS:
            low, high = found[part].values
            assert low <= high + 1e-12, (seed, part)
            assert part == "mutual_information" or low >= 0, (seed, part)
        ends = found["mutual_information"].values + found["marginal_kl"].values[::-1]
        np.testing.assert_allclose(ends[0], float(found["kl"]))


def test_encoders_and_models_are_told_apart(linear):
    """Under the model's data only the encoder can be at fault; under others' the model can."""
    exact = linear.vae("FullRankNormal")
    own = surgery(exact, linear.draw(400), draws=1)
    assert own["p"].min() > 0.01
    foreign = surgery(exact, linear.draw(400) + 1.5, draws=1)
    assert float(foreign["p"].sel(under="model")) > 0.01
    assert float(foreign["p"].sel(under="data")) < 0.01
    wide = surgery(linear.vae("FullRankNormal", 4.0), linear.draw(400), draws=1)
    assert float(wide["p"].sel(under="model")) < 0.01


def test_seeds_decide_and_the_caller_is_left_alone(pair):
    model, x = pair().train(), torch.rand(12, 1, 4, 4).round()
    state = torch.get_rng_state()
    first, again = (surgery(model, x, permutations=19, seed=2) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert first.equals(again)


@pytest.mark.parametrize("posterior", ["FlowPosterior", "MixtureOfGaussians", "VonMisesFisher"])
def test_without_coordinates_two_parts_are_left(pair, posterior):
    prior = {"VonMisesFisher": "HypersphericalUniform"}.get(posterior, "StandardNormal")
    found = surgery(pair(posterior=posterior, prior=prior), torch.rand(12, 1, 4, 4).round(), permutations=19)
    assert "total_correlation" not in found
    low, high = found["mutual_information"].values
    assert low <= high + 1e-9


def test_what_cannot_be_taken_apart_is_refused(pair):
    x = torch.zeros(4, 1, 4, 4)
    with pytest.raises(ValueError, match="'z' is a point mass"):
        surgery(pair(posterior="PointMass"), x)
    with pytest.raises(ValueError, match="needs at least 1 draw and 3 data"):
        surgery(pair(), x[:1])
    with pytest.raises(ValueError, match="one split is judged at a time"):
        surgery(pair(), load("digits"))
    with pytest.raises(ValueError, match="expected data, got NoneType"):
        surgery(pair(), None)
    model = pyrogen.create(
        "vae-conditional", x_shape=(4,), latent_size=2, hidden=(4,), classes=3, prior="ConditionalNormal"
    )
    with torch.no_grad():
        for p in model.prior.parameters():
            p.add_(torch.randn_like(p))
    with pytest.raises(ValueError, match="prior depends on the condition"):
        surgery(model, torch.rand(6, 4).round(), torch.tensor([0, 1, 2, 0, 1, 2]))


def test_the_analysis():
    data = load("digits")
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,))
    asked = Surgery(num_data=60, draws=1)
    assert asked.refusal(model, data) == ""
    assert "point mass" in asked.refusal(pyrogen.create("vae", x_shape=data.x_shape, posterior="PointMass"), data)
    found = asked.run(model, data)
    assert found.verdict in ("well", "beware")
    assert [p.name for p in found.pictures] == ["surgery", "rates"]
    assert len(found.table) == 5
    assert set(found.numbers["mutual_information"]) == {"low", "high", "low_se", "high_se"}


def test_latents_of_which_none_is_active_are_not_well():
    data = load("digits")
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,))
    with torch.no_grad():
        for p in (*model.encoder.parameters(), *model.posterior.parameters()):
            p.zero_()  # q(z|x) is one for all x
    found = Surgery(num_data=60, draws=1).run(model, data)
    assert found.numbers["active"] == 0
    assert found.verdict == "beware"
    assert "no latent is active" in found.advice


def test_what_noise_puts_below_nothing_is_not_told_without_words():
    """Codes that say nothing at all, of few data: some estimates of the information are negative, and say why."""
    data = load("digits")
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,)).eval()
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.mul_(0.3)
    negative = 0
    for seed in range(6):
        found = Surgery(num_data=12, draws=1).run(model, data, seed)
        told = re.search(
            r"mutual information (-?\d\.\d\d) ± (\d\.\d\d) to (-?\d\.\d\d) ± (\d\.\d\d)( \(below 0 by the noise[^)]*\))?",
            found.says,
        )
        assert told, found.says
        below = any(float(told[i]) < 0 for i in (1, 3))
        assert below == bool(told[5])
        assert "-0.00 " not in found.says
        negative += below
    assert 0 < negative < 6  # so that both have been seen


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((-0.02, 0.01), "-0.02 ± 0.03 to 0.01 ± 0.04 (below 0 by the noise of few data or draws)"),
        ((-0.001, 0.01), "0.00 ± 0.03 to 0.01 ± 0.04"),
        ((0.5, 0.75), "0.50 ± 0.03 to 0.75 ± 0.04"),
    ],
)
def test_ends_are_told_with_their_errors(ends, words):
    assert _between(ends, (0.03, 0.04)) == words
