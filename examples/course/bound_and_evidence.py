"""The bound under the evidence, as one parameter moves: where they touch, and why their maxima differ. And EM beside SVI.

log p(x; θ) = ELBO(θ; q) + KL(q ‖ p(z|x; θ)): a bound with the exact q of one θ touches the evidence there, with its
slope, and lies below it everywhere else. A q that is exact at no θ never touches, and moves the best θ. Expectation-
maximization takes the exact q in turn with the best θ; stochastic gradients of the same bound come to the same means.
"""

import argparse

import numpy as np

from pyrogen.figures import theory_plots
from pyrogen.figures.report import save_figures
from pyrogen.inference.theory.bound import BentLatent
from pyrogen.inference.theory.mixture import TwoNormals

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the pictures go")
folder = parser.parse_args().folder

theta = np.linspace(0.1, 1.6, 61)
curves = BentLatent().curves(theta, touches=1.0)
below, best = curves.evidence - curves.tangent, curves.best
at = int(np.abs(theta - 1.0).argmin())
print(f"the bound of the exact q at θ = 1 is {below[at]:.1e} nats below log p there, {below[0]:.1f} at θ = {theta[0]}")
assert abs(below[at]) < 1e-6, "ml-bound-under-evidence"
assert (np.delete(below, at) > 1e-3).all(), "ml-bound-under-evidence"
slopes = [np.gradient(curve, theta)[at] for curve in (curves.evidence, curves.tangent)]
print(f"and has its slope there: {slopes[1]:.3f} and {slopes[0]:.3f}")
assert abs(slopes[0] - slopes[1]) < 0.05 * abs(slopes[0]) + 0.1, "ml-bound-under-evidence"
assert (curves.evidence > curves.family).all(), "ml-bound-under-evidence"
print(f"log p is greatest at θ = {best[0]:.3f}, the best bound of a normal q at θ = {best[1]:.3f}")
assert abs(best[0] - best[1]) > 0.05, "ml-bound-under-evidence"

rng = np.random.default_rng(0)
x = np.where(rng.random(500) < 0.5, -1.5, 1.5) + rng.standard_normal(500)
em, svi = TwoNormals(x).em((-0.2, 0.3), iterations=60), TwoNormals(x).svi((-0.2, 0.3), iterations=1500)
print(f"EM comes to means {em.means[-1].round(3)}, gradients of the bound to {svi.means[-1].round(3)}")
assert np.abs(em.means[-1] - svi.means[-1]).max() < 0.05, "ml-em"
assert (np.diff(em.log_likelihood) > -1e-12).all(), "ml-em"  # no step of EM goes down
assert (em.log_likelihood[1:] >= em.bound - 1e-12).all(), "ml-em"
passes = em.iterations(1e-3), svi.iterations(1e-3) * 32 / 500
print(f"within 0.001 nat after {passes[0]} passes over the data by EM, {passes[1]:.0f} by gradients of 32 data each")

shown = {
    "bound_and_evidence": theory_plots.bound(theta, curves.evidence, curves.tangent, curves.touches, curves.family),
    "em_zigzag": theory_plots.zigzag(em.log_likelihood[:6], em.bound[:5]),
}
print("the pictures:", *save_figures(folder, shown))
