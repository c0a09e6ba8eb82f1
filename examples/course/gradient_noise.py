"""How noisy an ELBO of one draw is, what more draws do, and why its gradient takes the path and not the score.

d/dμ E z², z ~ N(μ, σ²), is 2μ. Along the path z = μ + σε one draw says 2z, of variance 4σ²; by the score it says z² (z
− μ)/σ², of variance (μ⁴ + 18 μ²σ² + 15 σ⁴)/σ² − 4μ². Both are right on average. Where z is discrete there is no path,
and the score is what is left, or an exact sum, or a relaxation.
"""

import argparse

import numpy as np
import torch

import pyrogen
from pyrogen.figures.figure_style import PALETTE, legend, single
from pyrogen.figures.report import save_figures
from pyrogen.inference import log_weights
from pyrogen.inference.theory.gradients import exact_variances, path_gradient, score_gradient

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
folder = parser.parse_args().folder

MEAN, SD, DRAWS = 1.0, 0.5, 200_000
path, score = (of(MEAN, SD, DRAWS) for of in (path_gradient, score_gradient))
exact = exact_variances(MEAN, SD)
print(f"path: {path.mean:.3f} ± {path.mean_se:.3f}; score: {score.mean:.3f} ± {score.mean_se:.3f}; exactly {2 * MEAN}")
for found in (path, score):
    assert abs(found.mean - 2 * MEAN) < 4 * found.mean_se, "ml-reparameterization"
print(f"variance of one draw: {path.variance:.3f} and {score.variance:.2f}; exactly {exact[0]:.3f} and {exact[1]:.2f}")
assert abs(path.variance / exact[0] - 1) < 0.05, "ml-reparameterization"
assert abs(score.variance / exact[1] - 1) < 0.05, "ml-reparameterization"
assert exact[1] / exact[0] > 20, "ml-reparameterization"

p = 0.3  # of a coin z, and f(z) = (z - 0.45)²: d/dp E f = f(1) - f(0), by enumeration exact, by the score in the mean
f = [0.45**2, 0.55**2]
z = (np.random.default_rng(0).random(DRAWS) < p).astype(float)
drawn = np.where(z == 1, f[1], f[0]) * (z / p - (1 - z) / (1 - p))
print(
    f"a coin has no path: {drawn.mean():.4f} ± {drawn.std() / DRAWS**0.5:.4f} by the score, "
    f"{f[1] - f[0]:.4f} by the sum over both"
)
assert abs(drawn.mean() - (f[1] - f[0])) < 4 * drawn.std() / DRAWS**0.5, "gm-stochastic-graphs"

data = pyrogen.data.load("digits")
torch.manual_seed(0)
model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(64,))
weights = log_weights(model, data.test.x[:40], num_samples=6400, seed=0).values
ks, variances = [1, 4, 16, 64], []
for k in ks:
    means = weights.reshape(-1, k, weights.shape[1]).mean(1)
    variances.append(float(means.var(0, ddof=1).mean()))
    print(f"an ELBO of {k:2} draws has a variance of {variances[-1]:.4f}, times k {k * variances[-1]:.3f}")
    assert abs(k * variances[-1] / variances[0] - 1) < 0.15, "ml-single-sample"

figure, axes = single(2.8, "the variance of an ELBO falls as one over its draws", "draws", "variance, nats²")
axes.loglog(ks, variances, "o", color=PALETTE[0], label="measured")
axes.loglog(ks, [variances[0] / k for k in ks], color=PALETTE[1], linewidth=1, label="of one draw, over k")
legend(axes)
print("the picture:", *save_figures(folder, {"gradient_noise": figure}))
