"""Replications beside data, halves told from halves, and elements left out: calibrated where the model is right."""

from types import SimpleNamespace

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr
from scipy import stats

import pyrogen
from pyrogen.data import from_arrays, load
from pyrogen.inference import AIS, complete, loo_pit, predictive_check
from pyrogen.inference.latents import predictive
from pyrogen.inference.latents.completion import with_holes
from pyrogen.inference.latents.predictive import STATISTICS, SUSPECT, Predictive

HALF = torch.tensor([True, True, True, False, False, False])
QUICK = AIS(temperatures=60, chains=64, leapfrogs=2, doubling=False)


def test_p_values_are_uniform_where_the_model_is_right(linear):
    model = linear.vae("DiagonalNormal")
    p = [
        predictive_check(model, linear.draw(20, seed), statistics=["mean", "sd-of-means"], replications=39, seed=seed)[
            "p"
        ]
        for seed in range(40)
    ]
    for column in np.array(p).T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3


def test_the_mean_of_replications_is_that_of_the_model(linear):
    """Of n data the mean of elements is normal around the mean of μ: the replications' moments and p are known."""
    x = linear.draw(50) + 0.1
    found = predictive_check(linear.vae("DiagonalNormal"), x, statistics=["mean"], replications=999)
    ones = torch.ones(6, dtype=torch.float64) / 6
    centre, sd = float(ones @ linear.mu), float((ones @ linear.covariance @ ones / 50).sqrt())
    assert float(found["mean"][0]) == pytest.approx(centre, abs=4 * sd / 999**0.5)
    assert float(found["sd"][0]) == pytest.approx(sd, rel=0.1)
    exact = 2 * stats.norm.sf(abs(float(x.double().mean()) - centre) / sd)
    assert float(found["p"][0]) == pytest.approx(exact, abs=4 * (exact / 999) ** 0.5 + 0.002)


def test_what_the_model_does_not_make_is_seen(linear):
    x = linear.draw(100)
    x = torch.where(torch.rand(100, 1) < 0.1, 3 * x, x)
    found = predictive_check(linear.vae("DiagonalNormal"), x, statistics=["mean-of-sds", "largest"])
    assert found["p"].min() == pytest.approx(2 / 200)
    mine = predictive_check(linear.vae("DiagonalNormal"), x, statistics={"fourth": lambda x: x.pow(4).mean()})
    assert float(mine["p"].sel(statistic="fourth")) == pytest.approx(2 / 200)


def test_replications_with_their_datas_latents_stay_nearer(linear):
    x = linear.draw(50)
    free, tied = (
        predictive_check(linear.vae("FullRankNormal"), x, statistics=["mean"], latents=side)
        for side in ("prior", "posterior")
    )
    assert float(tied["sd"][0]) < 0.5 * float(free["sd"][0])


def test_plain_programs_are_replicated():
    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Gamma(2.0, 0.5))
            pyro.sample("x", dist.Poisson(z), obs=x)

    found = predictive_check((model, lambda x: None), torch.full((200,), 4.0), statistics=["mean", "sd"])
    assert float(found["p"].sel(statistic="sd")) == pytest.approx(2 / 200)
    assert float(found["mean"].sel(statistic="mean")) == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_hidden_half_is_told_as_the_normal_conditional(linear, seed):
    x = linear.draw(64, seed)
    mean, covariance = linear.conditional(x, HALF)
    exact = torch.distributions.MultivariateNormal(mean, covariance).log_prob(x.double()[:, ~HALF]).numpy()
    found = complete(linear.vae("DiagonalNormal"), x, HALF, estimator=QUICK, seed=seed)
    z = ((found["log_predictive"] - exact) / found["mc_se"]).values
    assert z.std() > 0.5  # the error is no larger than it has to be
    assert abs(z.mean()) < 0.6
    assert np.abs(z).max() < 5
    covered = ((found["coverage"] - found["level"]) / found["coverage_se"]).values
    assert np.abs(covered).max() < 3.5
    draws = torch.from_numpy(found["draw"].values)
    torch.testing.assert_close(draws[:, :, HALF], x[:, HALF].expand(99, -1, -1))
    error = (draws[:, :, ~HALF].double().mean(0) - mean) / (2 * covariance.diagonal() / 40).sqrt()
    assert error.abs().max() < 5


def test_half_of_a_wrong_model_is_told_with_too_narrow_intervals(linear):
    """The control: data of twice the noise fall out of the intervals."""
    x = linear.draw(64)
    x = x + 3 * linear.sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    found = complete(linear.vae("DiagonalNormal"), x, HALF, estimator=QUICK)
    assert float(found["coverage"].sel(level=0.9)) < 0.75


def test_an_element_left_out_has_the_transform_of_its_conditional(linear):
    x = linear.draw(40)
    found = loo_pit(linear.vae("FullRankNormal", 1.6), x, num_samples=2000)
    exact = np.empty((40, 6))
    for j in range(6):
        mean, covariance = linear.conditional(x, torch.arange(6) != j)
        exact[:, j] = stats.norm.cdf(x[:, j].numpy(), mean[:, 0].numpy(), float(covariance.sqrt()))
    assert (found["pareto_k"] < 0.7).mean() > 0.95
    assert np.abs(found["pit"] - exact).mean() < 0.02
    assert np.abs(found["pit"] - exact).max() < 0.15


def test_leaving_out_whole_data_is_refused(linear):
    with pytest.raises(ValueError, match="the harmonic mean's weight"):
        loo_pit(linear.vae("FullRankNormal"), linear.draw(4), leave_out="datum")


def test_binary_pixels_are_completed_and_models_left_as_they_were(pair):
    model, x = pair().train(), torch.rand(6, 1, 4, 4).round()
    likelihood, state = model.likelihood, torch.get_rng_state()
    seen = torch.zeros(1, 4, 4, dtype=torch.bool)
    seen[:, :2] = True
    first, again = (complete(model, x, seen, estimator=QUICK, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first["draw"], again["draw"])
    assert model.likelihood is likelihood
    assert model.training
    assert not model.missing
    assert torch.equal(state, torch.get_rng_state())
    assert set(np.unique(first["draw"])) <= {0.0, 1.0}
    assert ((first["rank"] > 0) & (first["rank"] < 1)).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_holes_in_data_are_hidden_too_and_judge_nothing(linear, seed):
    """Each datum's conditional is of what is known of it alone, seen or hidden."""
    x, hole = linear.draw(64, seed), torch.rand(64, 6, generator=torch.Generator().manual_seed(seed)) < 0.3
    with with_holes(linear.vae("DiagonalNormal")) as holed:
        found = complete(holed, x.masked_fill(hole, torch.nan), HALF, estimator=QUICK, seed=seed)
    mu, c = linear.mu, linear.covariance
    z = []
    for n in range(64):
        known, told = HALF & ~hole[n], ~HALF & ~hole[n]
        logs = [
            float(torch.distributions.MultivariateNormal(mu[m], c[m][:, m]).log_prob(x[n, m].double()))
            if m.any()
            else 0.0
            for m in (known | told, known)
        ]
        assert np.isnan(found["rank"][n]).values.tolist() == hole[n, ~HALF].tolist()
        if told.any():
            z.append(float((found["log_predictive"][n] - (logs[0] - logs[1])) / found["mc_se"][n]))
        else:
            assert float(found["log_predictive"][n]) == 0
    assert np.std(z) > 0.5
    assert abs(np.mean(z)) < 0.6
    assert np.abs(z).max() < 5
    covered = ((found["coverage"] - found["level"]) / found["coverage_se"]).values
    assert np.abs(covered).max() < 3.5
    assert np.isfinite(found["draw"]).all()


def test_elements_that_are_missing_are_not_left_out_again(linear):
    model, x = linear.vae("FullRankNormal", 1.6), linear.draw(40)
    hole = torch.rand(40, 6, generator=torch.Generator().manual_seed(0)) < 0.3
    with with_holes(model) as holed:
        pit = loo_pit(holed, x.masked_fill(hole, torch.nan), num_samples=2000)
    np.testing.assert_array_equal(np.isnan(pit["pit"]), hole)
    np.testing.assert_array_equal(np.isnan(pit["pareto_k"]), hole)
    exact = np.full((40, 6), np.nan)
    for n, j in np.argwhere(~hole.numpy()):
        others = ~hole[n] & (torch.arange(6) != j)
        m, s = linear.mu, linear.covariance
        weights = s[j][others] @ torch.linalg.inv(s[others][:, others])
        mean = m[j] + weights @ (x[n, others].double() - m[others])
        exact[n, j] = stats.norm.cdf(float(x[n, j]), float(mean), float(s[j, j] - weights @ s[others, j]) ** 0.5)
    good = pit["pareto_k"].values < 0.7
    # the encoder is that of whole data, and far off where it reads 0 in a hole: k̂ says for which
    assert good.sum() > 0.5 * (~hole).sum()
    assert np.abs(pit["pit"].values - exact)[good].mean() < 0.03


def test_replications_have_the_holes_of_the_data(linear):
    """Statistics of whole data are refused; functions that know holes see as many of them on both sides."""
    model, x = linear.vae("DiagonalNormal"), linear.draw(20)
    hole = torch.rand(20, 6, generator=torch.Generator().manual_seed(0)) < 0.3
    holed = x.masked_fill(hole, torch.nan)
    with with_holes(model) as masked:
        with pytest.raises(ValueError, match="mean is no number since elements are missing; pass functions"):
            predictive_check(masked, holed, statistics=["mean"])
        count, mean = (lambda x: x.isfinite().sum()), (lambda x: x.nanmean())
        found = predictive_check(masked, holed, statistics={"count": count, "mean": mean}, replications=999)
    assert found["replicated"].sel(statistic="count").values.tolist() == [float((~hole).sum())] * 999
    seen = (~hole).double() / (~hole).sum()
    centre, variance = float((seen @ linear.mu).sum()), float(torch.einsum("ni,ij,nj->", seen, linear.covariance, seen))
    replicated = found.sel(statistic="mean")
    assert float(replicated["mean"]) == pytest.approx(centre, abs=4 * (variance / 999) ** 0.5)
    assert float(replicated["sd"]) == pytest.approx(variance**0.5, rel=0.1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_data_of_one_number_are_replicated_by_name(seed):
    """x ~ N(0, 2) of a plate of numbers: no rows of elements, and p of their mean by the normal's tail."""

    def model(x):
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x):
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(x / 2, 0.5**0.5))

    x = 2**0.5 * torch.randn(50, generator=torch.Generator().manual_seed(seed)) + 0.2
    found = predictive_check((model, guide), x, replications=999, seed=seed)
    exact = 2 * stats.norm.sf(abs(float(x.mean())) / (2 / 50) ** 0.5)
    assert float(found["p"].sel(statistic="mean")) == pytest.approx(exact, abs=4 * (exact / 999) ** 0.5 + 0.002)
    assert float(found["p"].sel(statistic="neighbours")) == 1


def test_one_datum_has_no_spread_to_be_compared(linear):
    with pytest.raises(ValueError, match="this is one datum; give more, or functions"):
        predictive_check(linear.vae("DiagonalNormal"), linear.draw(1))
    mine = predictive_check(linear.vae("DiagonalNormal"), linear.draw(1), statistics={"sum": lambda x: x.sum()})
    assert 0 < float(mine["p"][0]) <= 1


def test_what_cannot_be_asked_is_refused(pair, linear):
    x = torch.zeros(3, 1, 4, 4)
    with pytest.raises(ValueError, match="no statistic called 'median'; there are mean"):
        predictive_check(pair(), x, statistics=["median"])
    with pytest.raises(ValueError, match="needs 19 at least"):
        predictive_check(pair(), x, replications=3)
    with pytest.raises(ValueError, match="some and not all"):
        complete(pair(), x, torch.ones(1, 4, 4))
    with pytest.raises(ValueError, match="prior of 'z' is improper"):
        predictive_check(pair(posterior="PointMass", prior="Flat"), x)
    with pytest.raises(ValueError, match="not one likelihood axis"):
        complete(pyrogen.create("rbm", x_shape=(4,)), torch.zeros(3, 4), torch.tensor([1, 1, 0, 0]))
    assert len(STATISTICS) == 8


def test_the_analysis():
    data = load("digits")
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,))
    asked = Predictive(num_data=40, replications=19, completed=4)
    assert asked.refusal(model, data) == ""
    assert "improper" in asked.refusal(pyrogen.create("autoencoder", x_shape=data.x_shape), data)
    found = asked.run(model, data)
    odd = sum(p <= SUSPECT for p in found.numbers["p"].values())
    # the least p of 19 replications is 0.1, and an untrained model is unlike the data
    assert (odd, found.verdict) == (0, "open")
    assert Predictive(num_data=40, completed=4).run(model, data).verdict == "beware"
    assert f"{odd} {'is' if odd == 1 else 'are'} unlike 19 replications" in found.says
    assert [p.name for p in found.pictures] == ["replications", "completions"]
    assert 0.5 < found.numbers["completion"]["coverage"] <= 1


@pytest.mark.parametrize("shape", [(6,), (5, 2), (1, 6, 6), (2, 6, 4), (3, 2, 2), (4, 3, 6, 6)])
def test_the_half_that_is_seen_is_the_upper_one(shape, monkeypatch):
    asked = []

    def refuse(model, x, seen, y, seed):
        asked.append(seen)
        raise ValueError("seen")

    monkeypatch.setattr(predictive, "complete", refuse)
    data = from_arrays(np.random.default_rng(0).normal(size=(40, *shape)))
    assert predictive._completion(SimpleNamespace(x_shape=torch.Size(shape)), data, 4, 0) is None
    axis = -2 if len(shape) > 1 else -1
    upper = torch.arange(shape[axis]) < shape[axis] // 2
    assert (asked[0] == (upper[:, None] if len(shape) > 1 else upper)).all()


@pytest.mark.parametrize(("shape", "drawn"), [((1, 6, 6), 1), ((2, 6, 6), 0), ((1, 6, 2), 0), ((2, 1, 6, 6), 0)])
def test_halves_are_drawn_of_pictures_alone(shape, drawn, monkeypatch):
    levels = [0.5, predictive.LEVELS[-1]]
    found = xr.Dataset(
        {
            "log_predictive": ("datum", np.zeros(4)),
            "mc_se": ("datum", np.zeros(4)),
            "coverage": ("level", [0.5, 0.9]),
            "coverage_se": ("level", [0.1, 0.1]),
            "draw": (("chain", "draws", "datum", *"abcd"[: len(shape)]), np.zeros((1, 5, 4, *shape))),
        },
        coords={"level": levels},
    )
    monkeypatch.setattr(predictive, "complete", lambda *_, **__: found)
    data = from_arrays(np.random.default_rng(0).normal(size=(40, *shape)))
    _, pictures = predictive._completion(SimpleNamespace(x_shape=torch.Size(shape)), data, 4, 0)
    assert len(pictures) == drawn
