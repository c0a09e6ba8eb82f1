"""Why the generator's loss was changed, and why curves of a game say little: exactly, on the smallest games.

log(1 − D) is flat where the critic wins, −log D is steep there: the gradients with respect to a fake's score are −D and
−(1 − D), in the ratio D/(1 − D). In Dirac's game both players circle: the loss goes up and down while the distance of
the fake from the data goes its own way. A Wasserstein critic that is trained to its best tells the distance itself.
"""

import argparse

import numpy as np
from scipy.special import expit

from pyrogen.figures import game_plots
from pyrogen.figures.figure_style import PALETTE, legend, single
from pyrogen.figures.report import save_figures
from pyrogen.inference.theory.dirac import DiracGame
from pyrogen.inference.theory.games import Contest, Normals, generator_gradients

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the pictures go")
folder = parser.parse_args().folder

scores = np.linspace(-6, 6, 121)
d = expit(scores)
minimax, other = generator_gradients(scores)
print(
    f"where the critic gives a fake D = {d[0]:.4f}: minimax pulls by {-minimax[0]:.4f}, the other "
    f"loss by {-other[0]:.4f}"
)
assert np.allclose(minimax, -d, atol=1e-6), "gm-flat-gradient"
assert np.allclose(minimax / other, d / (1 - d), rtol=1e-4), "gm-flat-gradient"

game = DiracGame("Minimax", alternating=True)
path = game.path(rounds=1200)
theta, psi = path.T
loss = -np.logaddexp(0, -psi * 0) - np.logaddexp(0, psi * theta)  # V = log D(0) + log(1 − D(θ)), score(x) = ψ x
correlation = float(np.corrcoef(loss, np.abs(theta))[0, 1])
print(f"Dirac's game: the value's correlation with the fake's distance over 1,200 rounds is {correlation:+.3f}")
assert abs(correlation) < 0.15, "gm-losses-say-little"
assert np.ptp(loss) > 0.1, "gm-losses-say-little"  # they move, and tell nothing

print("fakes N(m, 1) against data N(0, 1): the exact gain of a critic of slope 1")
gaps = np.array([0.25, 0.5, 1.0, 2.0, 3.0])
told = np.array([Contest(Normals((0.0,), (1.0,)), Normals((m,), (1.0,))).wasserstein() for m in gaps])
value = np.array(
    [2 * Contest(Normals((0.0,), (1.0,)), Normals((m,), (1.0,))).divergence() - 2 * np.log(2) for m in gaps]
)
for m, w, v in zip(gaps, told, value, strict=True):
    print(f"  m = {m:<5} W = {w:.3f}   V(D*) = {v:+.3f}")
assert np.corrcoef(told, gaps)[0, 1] > 0.999, "gm-losses-say-little"
assert np.allclose(told, gaps, atol=1e-3), "gm-losses-say-little"

figure, axes = single(2.8, "Dirac's game", "round", "")
axes.plot(np.abs(theta)[:400], color=PALETTE[0], label="|θ|, distance")
axes.plot(loss[:400] + 2 * np.log(2), color=PALETTE[1], label="value + 2 ln 2")
legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0))
pulls = game_plots.pulls_on_a_fake(d, {"minimax": minimax, "non-saturating": other})
print("the pictures:", *save_figures(folder, {"flat_gradient": pulls, "losses_say_little": figure}))
