"""What theory says, computed: terms of an objective, bounds, EM and SVI, gradients, each against its closed form."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from pyrogen.figures import theory_plots
from pyrogen.inference.theory.bound import BentLatent
from pyrogen.inference.theory.gradients import exact_variances, path_gradient, score_gradient
from pyrogen.inference.theory.mixture import TwoNormals
from pyrogen.inference.theory.one_latent import FLOOR, OneLatent, mutual_information, overlap


def normal(x, mean, sd):
    return math.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))


# ------------------------------------------------------------------------------------------------ terms of the objective


def test_reconstruction_alone_pulls_beliefs_apart_for_ever():
    found = {b.step: b for b in OneLatent().learn(1, 0, 4096)}
    for n in (64, 256, 1024):
        assert np.abs(found[4 * n].mean).max() > np.abs(found[n].mean).max()
        assert found[4 * n].sd.max() < found[n].sd.max()
    assert mutual_information(found[4096].mean, found[4096].sd) == pytest.approx(math.log(5), abs=1e-9)


def test_with_a_fixed_decoder_beliefs_go_to_its_inverse():
    found = OneLatent(slope=2.0).learn(1, 0, 5000)
    assert found[-1].mean == pytest.approx(OneLatent().x / 2, abs=1e-9)
    widths = np.array([beliefs.sd.max() for beliefs in found])
    assert (np.diff(widths) < 0).all()
    assert FLOOR <= widths[-1] < 0.01
    assert found[-1].slope == 2.0


def test_the_kl_alone_makes_all_beliefs_the_prior():
    last = OneLatent().learn(0, 1, 2048)[-1]
    assert last.mean == pytest.approx(0, abs=1e-9)
    assert last.sd == pytest.approx(1, abs=1e-9)
    assert mutual_information(last.mean, last.sd) == pytest.approx(0, abs=1e-12)
    assert overlap(last.mean, last.sd) == pytest.approx(1, abs=1e-9)


def test_a_decoder_that_reads_nothing_leaves_the_prior():
    last = OneLatent(slope=0.0).learn(1, 1, 1024)[-1]
    assert last.slope == 0
    assert last.mean == pytest.approx(0, abs=1e-9)
    assert last.sd == pytest.approx(1, abs=1e-9)


@pytest.mark.rotating
@pytest.mark.parametrize("noise", [0.3, 0.5, 0.9])
def test_both_are_the_posterior_and_the_decoder_of_greatest_likelihood(noise):
    world = OneLatent(noise=noise)
    last = world.learn(1, 1, 6000)[-1]
    # log p(x) = N(0, w² + s²) is greatest where w² + s² is the mean square of x
    assert last.slope == pytest.approx(math.sqrt((world.x**2).mean() - noise**2), abs=1e-5)
    mean, sd = world.optimum(last.slope)
    assert last.mean == pytest.approx(mean, abs=1e-5)
    assert last.sd == pytest.approx(sd, abs=1e-5)
    assert 0 < overlap(last.mean, last.sd) < 1
    assert 0 < mutual_information(last.mean, last.sd) < math.log(5)


def test_terms_are_the_integrals_that_they_name():
    import torch

    world, mean, sd, slope = OneLatent(), 0.7, 0.4, 1.3
    belief = torch.full((5,), mean, dtype=torch.float64), torch.full((5,), sd, dtype=torch.float64)
    fit, rate = world.terms(*belief, torch.tensor(slope, dtype=torch.float64))
    for n, x in enumerate(world.x):
        exact = quad(lambda z, x=x: normal(z, mean, sd) * math.log(normal(x, slope * z, 0.5)), -4, 5)[0]
        assert float(fit[n]) == pytest.approx(exact, abs=1e-8)
    exact = quad(lambda z: normal(z, mean, sd) * math.log(normal(z, mean, sd) / normal(z, 0, 1)), -4, 5)[0]
    assert float(rate[0]) == pytest.approx(exact, abs=1e-8)


def test_information_and_overlap_of_two_beliefs_by_integration():
    mean, sd = np.array([-0.6, 0.9]), np.array([0.5, 0.8])

    def both(z):
        return (normal(z, *pair) for pair in zip(mean, sd, strict=True))

    def information(z):
        a, b = both(z)
        return 0.5 * (a * math.log(2 * a / (a + b)) + b * math.log(2 * b / (a + b)))

    def right(z):
        a, b = both(z)
        return 0.5 * (a**2 + b**2) / (a + b)

    assert mutual_information(mean, sd) == pytest.approx(quad(information, -8, 8)[0], abs=1e-4)
    assert overlap(mean, sd) == pytest.approx((1 - quad(right, -8, 8)[0]) / 0.5, abs=1e-4)


@pytest.mark.parametrize("wish", [{"steps": 0}, {"reconstruction": -1}, {"reconstruction": 0, "kl": 0}])
def test_weights_that_mean_nothing(wish):
    with pytest.raises(ValueError, match="needs a step and a weight above 0"):
        OneLatent().learn(**{"reconstruction": 1, "kl": 1, "steps": 10, **wish})


# ------------------------------------------------------------------------------------------------------------ the bound


@pytest.fixture(scope="module")
def curves():
    return BentLatent().curves(np.linspace(0.1, 1.6, 76), touches=1.0)


def test_the_evidence_is_the_integral():
    world = BentLatent()
    exact = [
        math.log(quad(lambda z, x=x: normal(z, 0, 1) * normal(x, z + 0.7 * z**2, 0.2), -6, 6, points=[-2, 0, 1])[0])
        for x in world.x
    ]
    assert world.evidence(0.7) == pytest.approx(sum(exact), abs=1e-6)


def test_bounds_stay_below_and_the_tangent_touches_where_it_was_made(curves):
    gap = curves.evidence - curves.tangent
    assert gap.min() == pytest.approx(0, abs=1e-9)
    assert curves.theta[gap.argmin()] == pytest.approx(1.0)
    assert (curves.evidence - curves.family >= -1e-9).all()
    i = int(gap.argmin())
    slopes = [np.gradient(curve, curves.theta)[i] for curve in (curves.evidence, curves.tangent)]
    assert slopes[0] == pytest.approx(slopes[1], abs=0.02)


def test_the_bound_of_a_family_is_greatest_elsewhere(curves):
    evidence, family = curves.best
    assert evidence - family > 0.1
    # where the model is linear the posterior is normal, and nothing is displaced
    linear = BentLatent().curves(np.array([0.0]), touches=0.0)
    assert linear.family == pytest.approx(linear.evidence, abs=1e-6)


# ------------------------------------------------------------------------------------------------------ EM against SVI


@pytest.mark.parametrize("seed", range(3))
def test_em_and_svi_reach_the_same_maximum(seed):
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(500) < 0.5, -1.5, 1.5) + rng.standard_normal(500)
    em, svi = TwoNormals(x).em((-0.2, 0.3)), TwoNormals(x).svi((-0.2, 0.3), seed=seed)
    assert (np.diff(em.log_likelihood) >= -1e-12).all()
    assert (em.log_likelihood[1:] >= em.bound - 1e-12).all()
    assert (em.bound >= em.log_likelihood[:-1] - 1e-12).all()
    assert svi.log_likelihood[-1] == pytest.approx(em.log_likelihood[-1], abs=1e-3)
    assert 0 < em.iterations(1e-3) < svi.iterations(1e-3)
    # a fixed point of EM is a stationary point of the likelihood
    grid = [TwoNormals(x).em(em.means[-1] + step, 0).log_likelihood[0] for step in ((1e-4, 0), (-1e-4, 0))]
    assert grid[0] == pytest.approx(grid[1], abs=1e-7)


# ------------------------------------------------------------------------------------------------------------ gradients


@pytest.mark.parametrize(("mean", "sd"), [(1.0, 0.5), (-2.0, 1.0), (0.0, 0.3)])
def test_score_and_path_gradients_have_one_mean_and_the_variances_that_are_said(mean, sd):
    path, score = (estimate(mean, sd, 400_000, seed=1) for estimate in (path_gradient, score_gradient))
    for found, variance in zip((path, score), exact_variances(mean, sd), strict=True):
        assert abs(found.mean - 2 * mean) < 5 * found.mean_se
        assert found.variance == pytest.approx(variance, rel=0.05)


# -------------------------------------------------------------------------------------------------------------- figures


def test_figures_show_what_was_computed(curves):
    beliefs = {"a": (np.array([-1.0, 1.0]), np.array([0.1, 0.5])), "b": (np.zeros(2), np.ones(2))}
    assert len(theory_plots.bells(beliefs).axes) == 2
    drawn = theory_plots.bound(curves.theta, curves.evidence, curves.tangent, 1.0, curves.family).axes[0]
    assert drawn.lines[0].get_ydata() == pytest.approx(curves.evidence)
    climb = TwoNormals(np.array([-1.0, 1.0, 1.5])).em((-0.2, 0.3), 5)
    path = theory_plots.zigzag(climb.log_likelihood, climb.bound).axes[0].lines[0].get_ydata()
    assert (np.diff(path) >= -1e-12).all()
    assert theory_plots.climbs({"EM": climb.log_likelihood}, climb.log_likelihood[-1]).axes
