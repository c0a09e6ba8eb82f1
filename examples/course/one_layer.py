"""The oldest networks are one layer with a distribution as its head: OLS, logistic regression, softmax regression.

A Normal head of a fixed scale makes maximum likelihood least squares: the gradients are proportional, by 1/σ². A scale
that may be chosen has a price, log σ, and is best where σ² is the mean squared error. A Bernoulli head is logistic
regression, a categorical one softmax regression, and both say how sure they are.
"""

import argparse

import numpy as np
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression

import pyrogen
from pyrogen.figures.figure_style import BLUE, FAINT, single
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.likelihoods import Normal

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
torch.manual_seed(options.seed)


def fitted(x: torch.Tensor, y: torch.Tensor, likelihood: object, kind: str):
    """One layer, all data in every step."""
    splits = {f"{name}_{split}": rows for split in ("train", "valid", "test") for name, rows in (("x", x), ("y", y))}
    data = pyrogen.data.from_arrays(**splits, kind=kind, standardize=False if kind == "real" else None)
    model = pyrogen.create("regression", x_shape=x.shape[1:], y_shape=y.shape[1:], hidden=(), likelihood=likelihood)
    quick = {"lr": 0.1, "batch_size": len(x), "lr_milestones": [150], "validate": False, "progress": False}
    fit(model, data, epochs=200, seed=options.seed, **quick)
    return model


y = torch.randn(400, 3)
slopes = torch.tensor([[1.0], [-2.0], [0.5]])
x = y @ slopes + 3 + 0.5 * torch.randn(400, 1)
corners = torch.cat([torch.zeros(1, 3), torch.eye(3)])  # a linear function is known by what it says here
said = fitted(x, y, Normal("fixed", value=1.0), "real").predict(corners).mean.detach()
exact = LinearRegression().fit(y.numpy(), x.numpy()).predict(corners.numpy())
print(f"1. under N(·, 1): {said[:, 0].numpy().round(4)}, the normal equations: {exact[:, 0].round(4)}")
assert np.abs(said.numpy() - exact).max() < 1e-3, "ml-one-layer"

SIGMA = 0.3
guess = torch.randn(400, 1, requires_grad=True)
head = Normal("fixed", value=SIGMA)
head.size(torch.Size([1]))
(of_nats,) = torch.autograd.grad(-head(guess).log_prob(x).sum(), guess)
(of_squares,) = torch.autograd.grad((x - guess).square().sum(), guess)
print(
    f"2. gradient of -log N(x; m, {SIGMA}²) over that of (x - m)²: {float((of_nats / of_squares).median()):.4f}, ½ / σ²"
)
assert torch.allclose(of_nats, of_squares / (2 * SIGMA**2), rtol=1e-3), "ml-least-squares"

error = (x - y @ slopes - 3).square().mean()
sigma = torch.linspace(0.2, 1.5, 1301)
nats = sigma.log() + error / (2 * sigma**2)
print(f"3. the best σ is {sigma[nats.argmin()]:.3f}, the root of the mean squared error {error.sqrt():.3f}")
assert abs(sigma[nats.argmin()] - error.sqrt()) < 2e-3, "ml-variance-larger"

truth = torch.sigmoid(y @ slopes)
labels = torch.bernoulli(truth)
p = fitted(labels, y, "Bernoulli", "binary").predict(y).mean.detach()
rival = LogisticRegression(C=np.inf, max_iter=1000).fit(y.numpy(), labels[:, 0].numpy()).predict_proba(y.numpy())[:, 1]
print(
    f"4. Bernoulli head against logistic regression: probabilities differ by "
    f"{np.abs(p[:, 0].numpy() - rival).max():.4f}"
)
assert np.abs(p[:, 0].numpy() - rival).max() < 5e-3, "ml-one-layer"
called = [float((p.mean() - labels.mean()).abs())]  # at the maximum the mean probability is the share of ones, exactly
assert called[0] < 2e-3, "ml-bernoulli-head"

data = pyrogen.data.load("digits", kind="unit", dequantization=False)
network = pyrogen.create("classifier", x_shape=data.x_shape, classes=10, hidden=())
fit(network, data, epochs=40, lr=3e-2, batch_size=128, seed=options.seed, progress=False)
with torch.no_grad():
    sure, named = network.classify(data.test.x).probs.max(1)
right = (named == data.test.y).float()
gap, error = float(sure.mean() - right.mean()), float((sure - right).std() / len(right) ** 0.5)
print(
    f"5. softmax of one layer: {right.mean():.3f} of test digits right, {sure.mean():.3f} claimed "
    f"(difference {gap:+.3f} ± {error:.3f})"
)
assert right.mean() > 0.92, "ml-softmax"
assert abs(gap) < 4 * error + 0.01, "ml-softmax"

figure, axes = single(2.8, "logistic regression knows how sure to be", "what it says", "share of ones among these")
edges = torch.linspace(0, 1, 11)
bins = torch.bucketize(p[:, 0], edges[1:-1])
points = torch.stack([torch.stack([p[bins == k, 0].mean(), labels[bins == k, 0].mean()]) for k in range(10)])
axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--")
axes.plot(points[:, 0], points[:, 1], "o-", color=BLUE)
assert (points[:, 0] - points[:, 1]).abs().nanmean() < 0.1, "ml-bernoulli-head"
print("the picture:", *save_figures(options.folder, {"one_layer": figure}))
