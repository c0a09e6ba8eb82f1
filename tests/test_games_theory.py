"""Games by exact answers: optimal critics and distances on the line, and the linearized game of two numbers."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import wasserstein_distance

from pyrogen.figures import game_plots
from pyrogen.inference.adversarial.penalties import R1, R2, Clipping, GradientPenalty
from pyrogen.inference.theory.dirac import DiracGame, exact_eigenvalues
from pyrogen.inference.theory.games import Contest, Normals, generator_gradients

SEEDS = range(3)


@pytest.fixture(scope="module")
def contest():
    return Contest(Normals((-2.0, 1.5), (0.5, 0.7), (0.4, 0.6)), Normals((0.0,), (1.2,)))


def best(contest):
    """The score of D*: log p − log q."""
    optimal = np.clip(contest.optimal(), 1e-300, 1 - 1e-16)
    return np.log(optimal) - np.log1p(-optimal)


def density(side, x):
    return float(side.density(np.array(x)))


# -------------------------------------------------------------------------------------------------------------- integrals


def test_densities_and_their_sums_are_those_of_the_mixture(contest):
    for side in (contest.p, contest.q):
        assert contest.integral(side.density(contest.grid)) == pytest.approx(1, abs=1e-12)
        steps = np.cumsum(side.density(contest.grid)) * contest.step
        assert np.abs(steps - side.cdf(contest.grid)).max() < 2e-3


def test_draws_are_of_the_mixture(contest):
    import torch

    torch.manual_seed(0)
    x = contest.p.draw(40_000).flatten().double().numpy()
    for t in (-2, 0, 1.5):
        exact = float(contest.p.cdf(np.array(t)))
        assert (x < t).mean() == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / len(x)))


def test_the_divergence_is_the_integral(contest):
    def part(x):
        p, q = density(contest.p, x), density(contest.q, x)
        return 0.5 * (p * math.log(2 * p / (p + q)) + q * math.log(2 * q / (p + q)))

    assert contest.divergence() == pytest.approx(quad(part, -10, 11, limit=200, points=[-2, 0, 1.5])[0], abs=1e-7)


def test_the_optimal_critic_is_worth_twice_the_divergence_less_two_ln_2(contest):
    optimal, scores = contest.optimal(), best(contest)
    exact = 2 * contest.divergence() - 2 * math.log(2)
    assert contest.value(scores) == pytest.approx(exact, abs=1e-9)
    assert contest.error(scores) == pytest.approx(0, abs=1e-12)
    for bend in (np.sin(contest.grid), np.ones_like(contest.grid)):
        assert contest.value(scores + 0.1 * bend) < exact - 1e-4
    assert optimal[np.abs(contest.grid + 2).argmin()] == pytest.approx(
        density(contest.p, -2) / (density(contest.p, -2) + density(contest.q, -2)), abs=1e-3
    )
    assert contest.error(np.zeros_like(scores)) > 0.1


def test_the_distance_is_that_of_large_samples_and_of_what_is_known():
    shifted = Contest(Normals((0.0, 3.0), (1.0, 0.5)), Normals((0.7, 3.7), (1.0, 0.5)))
    assert shifted.wasserstein() == pytest.approx(0.7, abs=1e-9)
    wider = Contest(Normals((0.0,), (1.0,)), Normals((0.0,), (3.0,)))  # |σ − τ| E|Z|
    assert wider.wasserstein() == pytest.approx(2 * math.sqrt(2 / math.pi), abs=1e-5)
    sampled = wasserstein_distance(wider.grid, wider.grid, *[s.density(wider.grid) for s in (wider.p, wider.q)])
    assert wider.wasserstein() == pytest.approx(sampled, abs=1e-5)


def test_a_gradient_penalty_is_charged_where_straight_lines_pass(contest):
    import torch

    r = contest.between()
    assert contest.integral(r) == pytest.approx(1, abs=1e-9)
    torch.manual_seed(0)
    n = 40_000
    s = torch.rand(n, 1)
    x = (s * contest.p.draw(n) + (1 - s) * contest.q.draw(n)).flatten().numpy()
    for t in (-1.5, -0.5, 0.5, 1.5):
        exact = contest.integral(r * (contest.grid < t))
        assert (x < t).mean() == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / n) + 1e-3)


@pytest.mark.parametrize("weight", [0.3, 10.0, 1000.0])
def test_the_best_slope_under_a_penalty_is_the_best_of_all_at_each_point(contest, weight):
    found, r = contest.penalized(weight), contest.between()
    lead = contest.q.cdf(contest.grid) - contest.p.cdf(contest.grid)
    for at in (-2.5, -1.0, 0.0, 1.0, 2.5):
        i = int(np.abs(contest.grid - at).argmin())
        slopes = np.linspace(-8, 8, 320_001)
        worth = slopes * lead[i] - weight * r[i] * (np.abs(slopes) - 1) ** 2
        assert found.slope[i] == pytest.approx(slopes[worth.argmax()], abs=1e-4)
    # the function of these slopes has the gain and the value that are said
    f = np.concatenate([[0], np.cumsum((found.slope[1:] + found.slope[:-1]) / 2) * contest.step])
    assert contest.gain(f) == pytest.approx(found.gain, rel=1e-4)
    worth = contest.integral(found.slope * lead - weight * r * (np.abs(found.slope) - 1) ** 2)
    assert worth == pytest.approx(found.value, rel=1e-9)
    if weight == 10:
        assert contest.gain(f) - contest.paid(f, weight) == pytest.approx(found.value, rel=0.01)


def test_a_strong_penalty_measures_the_distance_and_a_weak_one_more(contest):
    distance = contest.wasserstein()
    assert contest.penalized(1e6).gain == pytest.approx(distance, rel=1e-5)
    gains = [contest.penalized(weight).gain for weight in (0.1, 1, 10, 100)]
    assert sorted(gains, reverse=True) == gains
    assert gains[0] > 3 * distance


def test_no_function_tells_more_than_its_slope_times_the_distance(contest):
    x, distance = contest.grid, contest.wasserstein()
    for f in (np.sin(3 * x), np.abs(x), best(contest).clip(-20, 20)):
        assert contest.gain(f) <= contest.steepest(f) * distance
    witness = np.cumsum(np.sign(contest.q.cdf(x) - contest.p.cdf(x))) * contest.step
    assert contest.gain(witness) / contest.steepest(witness) == pytest.approx(distance, rel=1e-3)


# -------------------------------------------------------------------------------------------------------- trained critics


def test_a_trained_critic_is_the_optimal_one(contest):
    scores = contest.learn("NonSaturating")
    assert contest.error(scores) < 0.03
    exact = 2 * contest.divergence() - 2 * math.log(2)
    assert exact - 0.01 < contest.value(scores) < exact
    # a rival that fits something else: least squares' scores are D itself, no log odds
    rival = contest.learn("LeastSquares")
    assert contest.error(rival) > 0.1
    assert contest.error(np.log(rival.clip(1e-3, 0.999)) - np.log1p(-rival.clip(1e-3, 0.999))) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_critic_under_a_gradient_penalty_is_the_best_of_those(contest, seed):
    found = contest.penalized(10.0)
    scores = contest.learn("Wasserstein", GradientPenalty(10.0), steps=1000, seed=seed)
    assert contest.gain(scores) == pytest.approx(found.gain, rel=0.05)
    assert contest.gain(scores) - contest.paid(scores, 10.0) == pytest.approx(found.value, rel=0.05)
    strong = contest.learn("Wasserstein", GradientPenalty(1000.0), start=1e-4, seed=seed)
    assert contest.gain(strong) == pytest.approx(contest.wasserstein(), rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_strong_penalty_from_the_start_keeps_slopes_on_the_wrong_side(contest, seed):
    stuck = contest.learn("Wasserstein", GradientPenalty(1000.0), start=1.0, seed=seed)
    assert contest.gain(stuck) < 0.8 * contest.wasserstein()


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_clipped_critic_measures_the_distance_only_over_its_largest_slope(contest, seed):
    scores = contest.learn("Wasserstein", Clipping(0.1), seed=seed)
    bound = contest.gain(scores) / contest.steepest(scores)
    assert 0.4 * contest.wasserstein() < bound <= contest.wasserstein()
    # what the clipped critic says itself is another number, which its bound decides
    wide = contest.learn("Wasserstein", Clipping(0.2), seed=seed)
    assert contest.gain(wide) > 2 * contest.gain(scores)


# -------------------------------------------------------------------------------------------------------------- gradients


def test_minimax_over_non_saturating_gradients_is_the_odds_of_each_datum():
    scores = np.linspace(-12, 12, 25)
    minimax, other = generator_gradients(scores)
    d = expit(scores)
    assert minimax == pytest.approx(-d, abs=1e-12)
    assert other == pytest.approx(d - 1, abs=1e-12)
    assert minimax / other == pytest.approx(d / (1 - d), rel=1e-9)
    # of a batch the ratio of sums is not that of the mean D
    two, mean = np.array([-4.0, 1.0]), expit(np.array([-4.0, 1.0])).mean()
    sums = [g.sum() for g in generator_gradients(two)]
    assert abs(sums[0] / sums[1] - mean / (1 - mean)) < 1e-9  # equal weights: here it is
    weights = np.array([3.0, 1.0])  # how a parameter moves each of them
    sums = [(weights * g).sum() for g in generator_gradients(two)]
    assert abs(sums[0] / sums[1] - mean / (1 - mean)) > 0.1


# ------------------------------------------------------------------------------------------------------------- Dirac's game

# the critic's gradient by the slope and the generator's, at scores of 0
RATES = {
    "Minimax": (0.5, 0.5),
    "NonSaturating": (0.5, 0.5),
    "LeastSquares": (0.0, 1.0),
    "Wasserstein": (1.0, 1.0),
    "RelativisticAverage": (1.0, 1.0),
    "RelativisticLeastSquares": (4.0, 4.0),
    "RelativisticHinge": (2.0, 2.0),
    "Hinge": (1.0, 1.0),
}


def ordered(values):
    return sorted(values, key=lambda v: (round(v.real, 6), v.imag))


@pytest.mark.parametrize("rate", [0.05, 0.3])
@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize("charge", [0.0, 0.4, 2.0])
@pytest.mark.parametrize("loss", RATES)
def test_eigenvalues_of_the_linearized_game_are_the_closed_form(loss, charge, alternating, rate):
    game = DiracGame(loss, R1(charge) if charge else None, rate, alternating)
    exact = exact_eigenvalues(*RATES[loss], rate, alternating, charge)
    assert ordered(game.eigenvalues()) == pytest.approx(ordered(exact), abs=1e-6)


def test_simultaneous_steps_spiral_out_alternating_ones_circle_and_r1_contracts():
    h = 0.1
    sizes = {
        name: np.abs(DiracGame(rate=h, **settings).eigenvalues())
        for name, settings in {
            "simultaneous": {},
            "alternating": {"alternating": True},
            "R1": {"penalty": R1(1.0)},
            "R1, alternating": {"penalty": R1(1.0), "alternating": True},
            "R2": {"penalty": R2(1.0)},
        }.items()
    }
    assert sizes["simultaneous"] == pytest.approx(math.sqrt(1 + h**2 / 4), abs=1e-9)
    assert sizes["alternating"] == pytest.approx(1, abs=1e-9)
    for name in ("R1", "R1, alternating", "R2"):
        assert sizes[name].max() < 0.99
    assert sizes["R1"] == pytest.approx(1 - h / 2, abs=1e-6)
    # a penalty that pulls slopes to 1 leaves nothing to converge to
    wgan = DiracGame("Wasserstein", GradientPenalty(1.0), h).path((0.5, 0.5), 400)
    assert np.abs(wgan[-50:]).max() > 0.1


def test_paths_do_what_their_eigenvalues_say():
    games = {
        "out": DiracGame("Minimax"),
        "round": DiracGame("Minimax", alternating=True),
        "in": DiracGame("Minimax", R1(1.0)),
    }
    far = {name: np.linalg.norm(game.path((0.3, 0.0), 400), axis=1) for name, game in games.items()}
    assert far["out"][-1] > 1.2 * far["out"][0]
    assert far["round"][-130:].max() == pytest.approx(0.3, rel=0.05)  # 2π / 0.05 rounds are one turn
    assert far["in"][-1] < 1e-6
    growth = (far["out"][-1] / far["out"][0]) ** (1 / 400)
    assert growth == pytest.approx(np.abs(games["out"].eigenvalues()).max(), abs=1e-3)


def test_beyond_the_linear_terms_the_non_saturating_game_shrinks_a_little():
    # d/dt ½ (θ² + ψ²) = θψ (σ(−θψ) − σ(θψ)) ≤ 0, and 0 of minimax
    ends = [
        np.linalg.norm(DiracGame(loss, rate=0.02, alternating=True).path((1.0, 0.0), 800)[-1])
        for loss in ("NonSaturating", "Minimax")
    ]
    assert ends[0] < 0.8
    assert ends[1] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("steps", [2, 5])
def test_more_moves_of_the_critic_do_not_make_it_converge(steps):
    sizes = np.abs(DiracGame(alternating=True, critic_steps=steps).eigenvalues())
    assert sizes.max() == pytest.approx(1, abs=1e-9)


# ---------------------------------------------------------------------------------------------------------------- figures


def test_figures_show_what_was_computed(contest):
    x, p, q = contest.grid, contest.p.density(contest.grid), contest.q.density(contest.grid)
    drawn = game_plots.critics(x, p, q, {"$D^*$": contest.optimal()}, "D(x)")
    line, curve = drawn.axes[1].lines[0].get_data()
    assert -5 < line[0] < -3 < 3 < line[-1] < 5
    assert curve == pytest.approx(np.interp(line, x, contest.optimal()))
    paths = {"a": DiracGame().path(rounds=5), "b": DiracGame(alternating=True).path(rounds=5)}
    shown = game_plots.orbits(paths)
    for axes, path in itertools.zip_longest(shown.axes, paths.values()):
        assert np.column_stack(axes.lines[0].get_data()) == pytest.approx(path)
    scores = np.linspace(-5, 5, 11)
    pulls = game_plots.pulls_on_a_fake(expit(scores), dict(zip("ab", generator_gradients(scores), strict=True)))
    assert len(pulls.axes[0].lines) == 2
