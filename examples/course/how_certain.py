"""A network with two outputs, a mean and a variance: how certain it says it is, and where it must not be believed.

An image has two such outputs a pixel: a picture of means, and one of standard deviations. On data like those of the
training the intervals hold; off their support a network says something, and is wrong about it: the intervals hold far
less.
"""

import argparse

import torch

import pyrogen
from pyrogen.data.regression import Heteroscedastic
from pyrogen.figures import plots
from pyrogen.figures.figure_style import BLUE, FAINT, PALETTE, legend, single
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.likelihoods import Normal

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the pictures go")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
SIGMAS = 1.645  # of an interval that a normal value falls into nine times of ten

print("1. Pixels of digits, N(mean, sd²) each, of a VAE with a head of both")
torch.manual_seed(options.seed)
data = pyrogen.data.load("digits", kind="unit", dequantization=False)
model = pyrogen.create(
    "vae", x_shape=data.x_shape, latent_size=8, hidden=(128,), likelihood=Normal("predicted", floor=0.05)
)
fit(model, data, epochs=25, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
with torch.no_grad():
    p = model.decode(model.encode(data.test.x).mean)
mean, sd = p.mean, p.variance.sqrt()
far = (data.test.x - mean).abs()
inside = (far < SIGMAS * sd).float()
varied = data.train.x.std(0) > 0.1  # pixels at the rim are always black
held, spread = inside[:, varied].mean(), inside[:, varied].mean(1).std() / len(far) ** 0.5
print(f"   90 % intervals hold {held:.3f} ± {spread:.3f} of the pixels of test digits that vary")
assert 0.84 < held < 0.96, "ml-mean-and-variance-image"
unsure = sd > sd.median()
print(f"   errors where sd is below its median {far[~unsure].mean():.3f}, above {far[unsure].mean():.3f}")
assert far[unsure].mean() > 2 * far[~unsure].mean(), "ml-mean-and-variance-image"
one = far.square().mean().sqrt()  # the best single scale for all pixels
nats = (
    float(p.log_prob(data.test.x).mean()),
    float(torch.distributions.Normal(mean, one).log_prob(data.test.x).sum((1, 2, 3)).mean()),
)
print(f"   log p(x|z) with a variance for each pixel {nats[0]:.1f} nats, with the best single one {nats[1]:.1f}")
assert nats[0] > nats[1] + 10, "gm-gaussian-decoder"

print("2. Regression on the part of the line where data are, and off it")
law = Heteroscedastic()
generator = torch.Generator().manual_seed(options.seed)
x, y = law.sample(1500, generator)
inner, edge = y.quantile(0.2), y.quantile(0.8)
known = ((y > inner) & (y < edge))[:, 0]
head = pyrogen.create("regression", x_shape=(1,), y_shape=(1,), hidden=(64, 64))
rows = pyrogen.data.from_arrays(x_train=x[known], y_train=y[known], standardize=False)
fit(
    head,
    rows,
    epochs=60,
    lr=3e-3,
    batch_size=128,
    lr_milestones=[40],
    seed=options.seed,
    validate=False,
    progress=False,
)
x, y = law.sample(4000, generator)
with torch.no_grad():
    p = head.predict(y)
inside = ((x - p.mean).abs() < SIGMAS * p.variance.sqrt()).float()[:, 0]
among = ((y > inner) & (y < edge))[:, 0]
on, off = inside[among].mean(), inside[~among].mean()
print(f"   90 % intervals hold {on:.3f} of new data on the support, {off:.3f} off it")
assert 0.85 < on < 0.95, "ml-over-confident"
assert off < on - 0.1, "ml-over-confident"

order = y[:, 0].argsort()
figure, axes = single(2.8, "trained between the dotted lines", "y", "x, with intervals of 90 %")
axes.plot(y, x, ".", color=FAINT, markersize=1)
at, middle, width = y[order, 0], p.mean[order, 0], SIGMAS * p.variance.sqrt()[order, 0]
axes.fill_between(at, middle - width, middle + width, color=BLUE, alpha=0.3, linewidth=0)
axes.plot(at, middle, color=BLUE, label="the network's mean")
for side in (inner, edge):
    axes.axvline(float(side), color=PALETTE[1], linestyle=":")
legend(axes)
strips = plots.strips(torch.stack([data.test.x, mean, 2 * sd, far])[:, :8], "unit", ["data", "mean", "2 sd", "error"])
print("the pictures:", *save_figures(options.folder, {"certain_pixels": strips, "off_support": figure}))
