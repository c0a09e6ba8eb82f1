"""Metrics of games with exact answers: what a model's loss and penalty make of critics on the line and of Dirac's game."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.adversarial.penalties import GradientPenalty
from pyrogen.inference.theory.dirac import DiracGame
from pyrogen.inference.theory.games import Contest, Normals
from pyrogen.registry import choice

# data of two modes, of which what is made has one between them
CONTEST = Contest(p=Normals((-2.0, 1.5), (0.5, 0.7), (0.4, 0.6)), q=Normals((0.0,), (1.2,)))

STRONG = 1000.0  # a weight of a penalty


@choice("metric", "critic-error")
def critic_error(model: Model, data: Data, seed: int, steps: int = 600) -> float:
    """How far D = σ(score) of a critic trained by the model's loss is from D* = p/(p+q): E |D − D*| over ½ (p + q).

    p and q are fixed mixtures on the line, and E is by quadrature.
    Reference: Goodfellow et al. 2014, arXiv:1406.2661, proposition 1.
    """
    return CONTEST.error(_learned(model, seed, steps))


@choice("metric", "game-value-error")
def game_value_error(model: Model, data: Data, seed: int, steps: int = 600) -> float:
    """|V − (2 JSD − 2 ln 2)| in nats of a critic trained by the model's loss on mixtures on the line, by quadrature.

    Reference: Goodfellow et al. 2014, arXiv:1406.2661, theorem 1.
    """
    return abs(CONTEST.value(_learned(model, seed, steps)) - 2 * CONTEST.divergence() + 2 * math.log(2))


@choice("metric", "penalized-gain-error")
def penalized_gain_error(
    model: Model, data: Data, seed: int, weight: float = 10.0, distance: bool = False, steps: int = 1000
) -> float:
    """|gain / best − 1| of a critic trained by the model's loss and penalty, E_p score − E_q score by quadrature.

    ``best`` is that of the optimum of the penalized problem, W₁ + ∫ (G − F)²/2λr dx; with ``distance`` it is W₁ itself, to
    which it tends as λ = ``weight`` grows. Of a model without a penalty ``weight`` is only that of the optimum.
    Reference: Gulrajani et al. 2017, arXiv:1704.00028.
    """
    best = CONTEST.wasserstein() if distance else CONTEST.penalized(weight).gain
    scores = _learned(model, seed, steps, weight)
    return abs(CONTEST.gain(scores) / best - 1)


@choice("metric", "distance-told")
def distance_told(model: Model, data: Data, seed: int, over_slope: bool = True, steps: int = 600) -> float:
    """What share of W₁ a critic trained by the model's loss and penalty tells: its gain over its largest slope, over W₁.

    Never above 1, whatever the critic; without ``over_slope`` it is the gain itself, which a bound on weights decides.
    Reference: Arjovsky et al. 2017, Wasserstein GAN, arXiv:1701.07875.
    """
    scores = _learned(model, seed, steps)
    told = CONTEST.gain(scores) / (CONTEST.steepest(scores) if over_slope else 1.0)
    return told / CONTEST.wasserstein()


@choice("metric", "dirac-radius")
def dirac_radius(model: Model, data: Data, seed: int, alternating: bool = True, rate: float = 0.1) -> float:
    """The largest |eigenvalue| of a round of Dirac's game by the model's loss and penalty: below 1 it converges.

    Reference: Mescheder et al. 2018, arXiv:1801.04406.
    """
    game = _game(model)
    radius = np.abs(DiracGame(game.loss, game.penalty, rate, alternating).eigenvalues()).max()
    return float(radius)


def _learned(model: Model, seed: int, steps: int, weight: float | None = None) -> np.ndarray:
    """The scores over the grid of a critic that was trained by the model's loss and penalty, of this weight if it has one."""
    game = _game(model)
    penalty = game.penalty
    if weight is not None and isinstance(penalty, GradientPenalty):
        penalty = replace(penalty, weight=weight)
    # what is strong from the start keeps slopes of the wrong sign
    start = 1e-4 if weight is not None and weight >= STRONG else 0.01
    return CONTEST.learn(game.loss, penalty, steps=steps, seed=seed, start=start)


def _game(model: Model) -> Adversarial:
    if not isinstance(model.objective, Adversarial):
        raise ValueError(
            f"this metric is of a game's loss and penalty, and {type(model).__name__} is trained by "
            f"{type(model.objective).__name__}; take objective=Adversarial()."
        )
    return model.objective
