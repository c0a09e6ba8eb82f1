"""What a critic knows at best, what its penalties measure, which games converge: computed, and what was trained beside it.

Data and what is made are mixtures on the line, everything exact by quadrature; pictures are written to the folder that is
named, or to a new one.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.special import expit

from pyrogen.figures import game_plots
from pyrogen.figures.report import save_figures
from pyrogen.inference.adversarial.penalties import R1, Clipping, GradientPenalty
from pyrogen.inference.theory.dirac import DiracGame
from pyrogen.inference.theory.games import Contest, Normals, generator_gradients

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())

contest = Contest(p=Normals((-2.0, 1.5), (0.5, 0.7), (0.4, 0.6)), q=Normals((0.0,), (1.2,)))
scores = contest.learn("NonSaturating")
exact = 2 * contest.divergence() - 2 * np.log(2)
print(f"V(D*) = 2 JSD - 2 ln 2 = {exact:.4f}; a trained critic gets {contest.value(scores):.4f}")
print(f"and is {contest.error(scores):.4f} from D* on average")

distance, best = contest.wasserstein(), contest.penalized(10.0)
print(f"\nexact W1 {distance:.4f}; under a gradient penalty of 10 the best critic's gain is {best.gain:.4f}")
penalized = contest.learn("Wasserstein", GradientPenalty(10.0))
print(f"a trained one gains {contest.gain(penalized):.4f}, of which {contest.paid(penalized, 10.0):.4f} is paid")
clipped = contest.learn("Wasserstein", Clipping(0.1))
bound = contest.gain(clipped) / contest.steepest(clipped)
print(f"a clipped one gains {contest.gain(clipped):.4f}; over its largest slope {bound:.4f}, which is never above W1")

print("\none round of Dirac's game   largest |eigenvalue|")
games = {
    "simultaneous": DiracGame("Minimax"),
    "alternating": DiracGame("Minimax", alternating=True),
    "with R1": DiracGame("Minimax", R1(0.3)),
}
for name, game in games.items():
    print(f"{name:28}{np.abs(game.eigenvalues()).max():.6f}")

x = contest.grid
witness = np.cumsum(best.slope) * contest.step
level = [curve - (curve * contest.q.density(x)).sum() * contest.step for curve in (witness, penalized)]
odds = np.linspace(-6, 6, 121)
sides = contest.p.density(x), contest.q.density(x)
shown = {
    "critic": game_plots.critics(x, *sides, {"$D^* = p/(p+q)$": contest.optimal(), "trained": expit(scores)}, "$D(x)$"),
    "penalized": game_plots.critics(
        x, *sides, {"best under the penalty": level[0], "trained": level[1]}, "score, mean 0 under $q$"
    ),
    "generators": game_plots.pulls_on_a_fake(
        expit(odds), dict(zip(("minimax", "non-saturating"), generator_gradients(odds), strict=True))
    ),
    "orbits": game_plots.orbits({name: game.path(rounds=400) for name, game in games.items()}),
}
print(f"\npictures: {', '.join(path.name for path in save_figures(folder, shown))} in {folder}")
