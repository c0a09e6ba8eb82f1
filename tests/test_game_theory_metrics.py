"""Metrics of games on the line: each is the number of its theory, and refuses what plays no game."""

import math

import numpy as np
import pytest

import pyrogen
from pyrogen.inference.metrics import game_theory
from pyrogen.inference.theory.dirac import DiracGame


@pytest.fixture
def perfect(monkeypatch):
    """Critics that are the optimum of the loss, without training: log p − log q, plus what a test adds."""
    contest = game_theory.CONTEST
    optimal = np.clip(contest.optimal(), 1e-300, 1 - 1e-16)
    scores = np.log(optimal) - np.log1p(-optimal)
    added = {"by": 0.0, "asked": [], "scores": scores}

    def learn(self, loss, penalty, **settings):
        added["asked"].append((type(loss).__name__, penalty, settings))
        return scores + added["by"]

    monkeypatch.setattr(type(contest), "learn", learn)
    return added


def test_the_best_critic_has_no_error_and_another_has_that_of_its_shift(perfect):
    gan = pyrogen.create("gan-minimax")
    assert game_theory.critic_error(gan, None, 0) == pytest.approx(0, abs=1e-9)
    assert game_theory.game_value_error(gan, None, 0) == pytest.approx(0, abs=1e-6)
    perfect["by"] = 0.5
    assert 0.02 < game_theory.critic_error(gan, None, 0) < 0.125  # the logistic's slope is at most a quarter
    contest, shifted = game_theory.CONTEST, perfect["scores"] + 0.5
    lost = 2 * contest.divergence() - 2 * math.log(2) - contest.value(shifted)
    assert lost > 0.01
    assert game_theory.game_value_error(gan, None, 0) == pytest.approx(lost)
    assert perfect["asked"][0][0] == "Minimax"


def test_no_critic_tells_more_than_the_distance(perfect):
    contest, scores = game_theory.CONTEST, perfect["scores"]
    share = contest.gain(scores) / contest.wasserstein()
    told = game_theory.distance_told(pyrogen.create("wgan"), None, 0)
    assert told == pytest.approx(share / contest.steepest(scores))
    assert 0 < told < 1
    assert game_theory.distance_told(pyrogen.create("wgan"), None, 0, over_slope=False) == pytest.approx(share)
    assert abs(share - told) > 0.1


def test_the_penalty_takes_the_weight_that_is_asked_for(perfect):
    contest, gain = game_theory.CONTEST, game_theory.CONTEST.gain(perfect["scores"])
    found = game_theory.penalized_gain_error(pyrogen.create("wgan-gp"), None, 0, weight=1000.0, distance=True)
    assert found == pytest.approx(abs(gain / contest.wasserstein() - 1))
    found = game_theory.penalized_gain_error(pyrogen.create("wgan"), None, 0, weight=10.0)
    assert found == pytest.approx(abs(gain / contest.penalized(10.0).gain - 1))
    (_, strong, settings), (_, clipping, others) = perfect["asked"]
    assert (strong.weight, settings["start"]) == (1000.0, 1e-4)
    assert (type(clipping).__name__, others["start"]) == ("Clipping", 0.01)


def test_the_radius_is_that_of_the_linearized_game():
    gan = pyrogen.create("gan-minimax")
    assert game_theory.dirac_radius(gan, None, 0, rate=0.5) == pytest.approx(1, abs=1e-6)
    simultaneous = game_theory.dirac_radius(gan, None, 0, alternating=False, rate=0.5)
    assert simultaneous == pytest.approx(np.abs(DiracGame("Minimax", rate=0.5).eigenvalues()).max())
    assert simultaneous == pytest.approx((1 + 0.25**2) ** 0.5, abs=1e-6)


def test_what_plays_no_game_is_refused():
    with pytest.raises(ValueError, match="VAE is trained by ELBO; take objective=Adversarial"):
        game_theory.critic_error(pyrogen.create("vae", x_shape=(2,)), None, 0)
