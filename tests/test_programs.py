"""Plain Pyro programs: which sites count, and where values or data have no density."""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import autoguide

import pyrogen
from pyrogen.inference import (
    AIS,
    BDMC,
    ELBO,
    IWAE,
    SMC,
    Enumerate,
    Exact,
    Reconstruction,
    log_evidence,
    observe,
    summarize,
)
from pyrogen.inference.programs.supports import moves, unwrap
from pyrogen.memory import NotEnoughMemory

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


@pytest.mark.parametrize(
    ("seen", "exact"),
    # ∫₁^∞ exp(−z) / z dz, and ∫₀¹ z exp(−z) dz
    [
        (lambda z: dist.Uniform(torch.zeros_like(z), z), 0.219384),
        (lambda z: dist.Pareto(z, torch.ones_like(z)), 1 - 2 / math.e),
    ],
    ids=["Uniform", "Pareto"],
)
def test_data_that_a_latent_cannot_have_made_have_density_0(seen, exact):
    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Exponential(torch.ones_like(x)))
            pyro.sample("x", seen(z), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.LogNormal(torch.zeros_like(x), 1.0))

    found = log_evidence((model, guide), torch.ones(2), IWAE(20_000))
    assert found["log_evidence"].values == pytest.approx([math.log(exact)] * 2, abs=0.04)
    assert (
        log_evidence((model, guide), torch.ones(2), Reconstruction())["log_evidence"].values.tolist() == [-math.inf] * 2
    )


def test_what_is_transformed_stays_what_it_is():
    for kind, arguments in ((dist.LogNormal, (0.0, 1.0)), (dist.Pareto, (1.0, 2.0)), (dist.Normal, (0.0, 1.0))):
        wrapped = kind(*(torch.full((3,), a) for a in arguments)).expand([2, 3]).to_event(1).mask(True)
        assert isinstance(unwrap(wrapped), kind)
        assert moves(wrapped) == (kind is dist.Pareto)


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


# -- programs as people write them -----------------------------------------------------------------------------------

EXACT = dist.Normal(0.0, 1.25**0.5).log_prob(X).double().numpy()


def _amortized(x):
    with pyro.plate("datum", len(x)):
        pyro.sample("z", dist.Normal(0.8 * x.nan_to_num(), 0.6))


def _empty(x):
    pass


def _shared(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("datum", len(x)):
        z = pyro.sample("z", dist.Normal(mean, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def _components(x):
    with pyro.plate("datum", len(x)):
        k = pyro.sample("k", dist.Categorical(torch.tensor([0.3, 0.7])))
        pyro.sample("x", dist.Normal(2.0 * k, 0.5), obs=x)


def _close(evidence, exact):
    """Within 4.5 of its errors, each of which is of a use."""
    off = evidence["log_evidence"].values - exact
    assert (abs(off) <= 4.5 * evidence["mc_se"].values + 1e-5).all(), off
    assert evidence["mc_se"].max() < 0.5


@pytest.mark.parametrize("estimator", [IWAE(500), AIS(temperatures=30, leapfrogs=4, doubling=False)])
@pytest.mark.parametrize("sized", [(False, False), (False, True), (True, False)])
def test_plates_without_a_size_are_as_wide_as_what_is_in_them(sized, estimator):
    def model(x):
        with pyro.plate("datum", len(x) if sized[0] else None):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0))
            pyro.sample("x", dist.Normal(z, 0.5), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x) if sized[1] else None):
            pyro.sample("z", dist.Normal(0.8 * x, 0.6))

    _close(log_evidence((model, guide), X, estimator), EXACT)


def test_one_draw_for_an_unsized_plate_is_refused():
    def model(x):
        with pyro.plate("datum"):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 0.5), obs=x)

    with pytest.raises(ValueError, match="plate around 'z' has no size, so that one draw serves all data"):
        log_evidence((model, _empty), X, AIS(temperatures=4))


GUIDES = ["AutoNormal", "AutoDiagonalNormal", "AutoMultivariateNormal", "AutoLowRankMultivariateNormal", "AutoDelta"]


@pytest.mark.parametrize("name", [*GUIDES, "AutoLaplaceApproximation", "AutoIAFNormal", "AutoStructured"])
def test_autoguides_are_refused_for_what_they_are(name):
    guide = getattr(autoguide, name)(_conjugate)
    with pytest.raises(ValueError, match=f"Pyro's {name}: its parameters are those of the data .*AIS"):
        log_evidence((_conjugate, guide), X, IWAE(10))
    with pytest.raises(ValueError, match=r"'mean' is one for all data.*given a value"):
        log_evidence((_shared, getattr(autoguide, name)(_shared)), X, IWAE(10))


@pytest.mark.parametrize("guide", [_empty, autoguide.AutoNormal(_conjugate)], ids=["empty", "auto"])
def test_chains_from_the_prior_need_no_guide(guide):
    _close(log_evidence((_conjugate, guide), X, AIS(temperatures=60, leapfrogs=4, doubling=False)), EXACT)
    bracket = log_evidence((_conjugate, guide), X, BDMC(temperatures=60, leapfrogs=4))
    assert float(bracket["gap"].mean()) < 1
    with pytest.raises(ValueError, match="AIS"):
        log_evidence((_conjugate, guide), X, IWAE(10))


def test_a_latent_of_all_data_is_refused_and_conditioned_on():
    """log p(x) of a datum does not exist; given the mean it does, as the sentence says to ask for it."""
    for guide in (_empty, _amortized):
        with pytest.raises(ValueError, match=r"'mean' is one for all data.*hide=\['mean'\]") as refused:
            log_evidence((_shared, guide), X, IWAE(10))
        assert "plate(" not in str(refused.value)
    given = poutine.block(poutine.condition(_shared, data={"mean": torch.tensor(0.3)}), hide=["mean"])
    exact = dist.Normal(0.3, 1.25**0.5).log_prob(X).double().numpy()
    _close(log_evidence((given, _amortized), X, IWAE(2000)), exact)


def test_parameters_for_each_datum_are_refused():
    def guide(x):
        center = pyro.param("center", torch.zeros(len(x)))
        with pyro.plate("datum", len(x)):
            pyro.sample("z", dist.Normal(center, 1.0))

    with pytest.raises(
        ValueError, match=r"run on 5 data and not on the same twice .*compute a guide's parameters from x"
    ):
        log_evidence((_conjugate, guide), X, IWAE(10))
    pyro.clear_param_store()


def test_a_plate_of_another_name_is_named():
    def guide(x):
        with pyro.plate("people", len(x)):
            pyro.sample("z", dist.Normal(0.8 * x, 0.5))

    with pytest.raises(ValueError, match=r"'z' outside the plate 'datum'"):
        log_evidence((_conjugate, guide), X, IWAE(10))


def test_what_only_helps_the_guide_needs_a_density_in_the_model():
    """p(x, z) r(a|z) / q(a) q(z|a) is the right weight; without r there is none."""

    def guide(x):
        with pyro.plate("datum", len(x)):
            a = pyro.sample("a", dist.Normal(0.0, 0.3), infer={"is_auxiliary": True})
            pyro.sample("z", dist.Normal(0.8 * x + a, 0.5))

    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 0.5), obs=x)
            pyro.sample("a", dist.Normal(0.2 * (z - 0.8 * x), 0.4))

    with pytest.raises(ValueError, match=r"the guide draws 'a'.*r\(a\|x, z\)"):
        log_evidence((_conjugate, guide), X, IWAE(10))
    _close(log_evidence((model, guide), X, IWAE(4000)), EXACT)


def test_states_without_a_guide_are_summed():
    with pytest.raises(ValueError, match=r"model draws 'k'.*Enumerate\(\) sums over all states"):
        log_evidence((_components, _empty), X, IWAE(10))
    parts = torch.stack(
        [dist.Normal(0.0, 0.5).log_prob(X) + math.log(0.3), dist.Normal(2.0, 0.5).log_prob(X) + math.log(0.7)]
    )
    _close(log_evidence((_components, _empty), X, Enumerate()), parts.logsumexp(0).double().numpy())


@pytest.mark.parametrize("estimator", [IWAE(10), ELBO(), AIS(10), BDMC(10), Exact(), Enumerate(), Reconstruction()])
def test_a_gan_is_told_what_can_score_it(estimator):
    gan = pyrogen.create("gan-nonsaturating")
    with pytest.raises(ValueError, match=r"no density.*observe\(model, x_valid\)"):
        log_evidence(gan, torch.zeros(3, 2), estimator)
    assert observe.__name__ == "observe"  # as the sentence calls it


MASKS = ["poutine.mask", ".mask", "obs_mask", "obs_mask, drawn by the guide"]


def _missing(kind):
    def model(x):
        known = ~x.isnan()
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            if kind == "poutine.mask":
                with poutine.mask(mask=known):
                    pyro.sample("x", dist.Normal(z, 0.5), obs=x)
            elif kind == ".mask":
                pyro.sample("x", dist.Normal(z, 0.5).mask(known), obs=x)
            elif kind == "no mask":
                pyro.sample("x", dist.Normal(z, 0.5), obs=x)
            else:
                pyro.sample("x", dist.Normal(z, 0.5), obs=x, obs_mask=known)

    def guide(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.8 * x.nan_to_num(), 0.7))
            if "guide" in kind:
                with poutine.mask(mask=x.isnan()):
                    pyro.sample("x_unobserved", dist.Normal(z, 0.6))

    return model, guide


ANNEALED = [AIS(temperatures=30, leapfrogs=4, doubling=False, init=init) for init in ("prior", "guide")]


@pytest.mark.rotating
@pytest.mark.parametrize("estimator", [IWAE(2000), *ANNEALED], ids=["iwae", "prior", "guide"])
@pytest.mark.parametrize("kind", MASKS)
def test_missing_values_that_the_program_masks_count_nothing(kind, estimator):
    x, exact = X.clone(), EXACT.copy()
    x[3], exact[3] = math.nan, 0
    before = torch.get_rng_state()
    found = log_evidence(_missing(kind), x, estimator)
    assert torch.equal(torch.get_rng_state(), before)
    _close(found, exact)
    assert found["mc_se"][3] < 0.2
    with pytest.raises(ValueError, match=r"hold NaN .*mask them in the program"):
        log_evidence(_missing("no mask"), x, estimator)


def test_what_is_observed_and_masked_keeps_its_value_for_the_rest_of_the_program():
    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            with poutine.mask(mask=x > 0):
                seen = pyro.sample("x", dist.Normal(z, 0.5), obs=x)
            twice = pyro.deterministic("twice", 2 * seen)
            pyro.sample("more", dist.Normal(twice, 1.0), obs=torch.zeros(len(x)))

    exact = (EXACT * (X > 0).numpy()) + dist.Normal(2 * X, 1.0).log_prob(torch.tensor(0.0)).double().numpy()
    _close(log_evidence((model, _amortized), X, IWAE(2000)), exact)


def test_a_draw_for_what_is_missing_that_others_depend_on_is_refused():
    def model(x):
        with pyro.plate("datum", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            whole = pyro.sample("x", dist.Normal(z, 0.5), obs=x, obs_mask=~x.isnan())
            pyro.sample("more", dist.Normal(whole, 0.1), obs=torch.zeros(len(x)))

    x = X.clone()
    x[3] = math.nan
    with pytest.raises(ValueError, match=r"'more' is another at every run.*obs_mask"):
        log_evidence((model, _amortized), x, IWAE(10))


ROOMS = {
    "IWAE": (IWAE(2000), "lower chunk_size"),
    "ELBO": (ELBO(), "lower chunk_size"),
    "Enumerate": (Enumerate(), "lower chunk_size"),
    "Reconstruction": (Reconstruction(), "take a smaller model"),
    "AIS": (AIS(10), "lower the number of chains"),
    "BDMC": (BDMC(10), "lower the number of chains"),
    "SMC": (SMC(10), "lower the number of chains"),
}


@pytest.mark.parametrize("error", [MemoryError("8 GiB"), torch.OutOfMemoryError("CUDA out of memory")])
@pytest.mark.parametrize("estimator", ROOMS)
def test_lack_of_memory_is_one_sentence_that_says_what_to_lower(estimator, error):
    discrete = estimator == "Enumerate"

    def latent(x):
        return pyro.sample("z", dist.Bernoulli(0.5 + 0 * x) if discrete else dist.Normal(0 * x, 1.0))

    def model(x):
        if len(x) > 20:  # more than a trial run
            raise error
        with pyro.plate("datum", len(x)):
            pyro.sample("x", dist.Normal(latent(x), 0.5), obs=x)

    def guide(x):
        with pyro.plate("datum", len(x)):
            latent(x)

    judge, advice = ROOMS[estimator]
    with pytest.raises(NotEnoughMemory, match=rf"not enough memory \(.*\); {advice}.*, or score fewer data\."):
        log_evidence((model, guide), torch.zeros(25), judge)
