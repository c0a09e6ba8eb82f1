"""What each term of a VAE's objective does alone, where the bound touches the evidence, and how EM and SVI climb: computed.

One latent, five data, everything by quadrature; three pictures are written to the folder that is named, or to a new one.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from pyrogen.figures import theory_plots
from pyrogen.figures.report import save_figures
from pyrogen.inference.theory.bound import BentLatent
from pyrogen.inference.theory.gradients import exact_variances, path_gradient, score_gradient
from pyrogen.inference.theory.mixture import TwoNormals
from pyrogen.inference.theory.one_latent import OneLatent, mutual_information, overlap

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())

world, beliefs = OneLatent(), {}
print("terms                 step   largest |mean|   sd       overlap   nats that a code tells")
for name, weights in {"reconstruction only": (1, 0), "KL only": (0, 1), "both": (1, 1)}.items():
    for found in world.learn(*weights, steps=2048)[-3::2]:
        told = f"{overlap(found.mean, found.sd):<9.3f} {mutual_information(found.mean, found.sd):.3f}"
        print(f"{name:20}  {found.step:<6} {np.abs(found.mean).max():<16.3f} {found.sd.mean():<8.4f} {told}")
    beliefs[name] = (found.mean, found.sd)

curves = BentLatent().curves(np.linspace(0.1, 1.6, 76), touches=1.0)
evidence, family = curves.best
print(f"\nlog p(x; theta) is greatest at theta = {evidence:.2f}, the best bound of a normal q at {family:.2f}")

rng = np.random.default_rng(0)
x = np.where(rng.random(500) < 0.5, -1.5, 1.5) + rng.standard_normal(500)
em, svi = (climb((-0.2, 0.3)) for climb in (TwoNormals(x).em, TwoNormals(x).svi))
print(f"EM: means {em.means[-1].round(3)}, within 0.001 nat after {em.iterations(1e-3)} passes over all data")
print(f"SVI: means {svi.means[-1].round(3)}, within 0.001 nat after {svi.iterations(1e-3)} batches of 32")

path, score = (estimate(1.0, 0.5, 100_000) for estimate in (path_gradient, score_gradient))
exact = exact_variances(1.0, 0.5)
print(f"\nd/dmu E z^2 = 2: path {path.mean:.3f} +- {path.mean_se:.3f}, score {score.mean:.3f} +- {score.mean_se:.3f}")
print(f"variance of one draw, score over path: {score.variance / path.variance:.1f}, exactly {exact[1] / exact[0]:.2f}")

shown = {
    "terms": theory_plots.bells(beliefs),
    "bound": theory_plots.bound(curves.theta, curves.evidence, curves.tangent, curves.touches, curves.family),
    "em": theory_plots.zigzag(em.log_likelihood[:6], em.bound[:5]),
    "climbs": theory_plots.climbs({"EM": em.log_likelihood, "SVI": svi.log_likelihood}, em.log_likelihood.max()),
}
print(f"pictures: {', '.join(path.name for path in save_figures(folder, shown))} in {folder}")
