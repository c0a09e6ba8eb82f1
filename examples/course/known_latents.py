"""If one knew which latent made which datum, a generator would be plain regression: right pairs, random, learned.

Data are made by a network of two latents that nobody knows. Given the right pairs its like learns them; given pairs
dealt out at random the same network, by the same loss, gives the mean of all data whatever it is told. The way out that
needs no encoder is to learn the latents with the weights, each datum its own (Bojanowski et al. 2018,
arXiv:1707.05776).
"""

import argparse

import torch

import pyrogen
from pyrogen.figures import plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.likelihoods import Normal

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

torch.manual_seed(options.seed)
truth = pyrogen.create("generator-random", x_shape=(8,), depth=2)
z = torch.randn(1200, 2)
x = truth.generate(z).detach()
train, test = slice(0, 1000), slice(1000, 1200)
likelihood = Normal("fixed", value=0.1)
explained = {}
for name, told in {"right pairs": z[train], "random pairs": z[torch.randperm(1000)]}.items():
    torch.manual_seed(options.seed)
    model = pyrogen.create("regression", x_shape=(8,), y_shape=(2,), hidden=(64, 64), likelihood=likelihood)
    rows = pyrogen.data.from_arrays(x_train=x[train], y_train=told, standardize=False)
    fit(
        model,
        rows,
        epochs=40,
        lr=5e-3,
        batch_size=100,
        lr_milestones=[30],
        seed=options.seed,
        validate=False,
        progress=False,
    )
    with torch.no_grad():
        made = model.predict(z[test]).mean
    explained[name] = 1 - float((made - x[test]).square().mean() / x[test].var(0).mean())
    print(
        f"{name:14} explain {explained[name]:+.3f} of the variance of new data, their outputs vary "
        f"by {made.var(0).mean() / x.var(0).mean():.3f}"
    )
assert explained["right pairs"] > 0.9, "ml-known-latents"
assert explained["random pairs"] < 0.1, "ml-known-latents"
assert made.var(0).mean() < 0.2 * x.var(0).mean(), "ml-known-latents"

own = torch.nn.Parameter(0.1 * torch.randn(1000, 2))
net = pyrogen.create("generator-paired", x_shape=(8,), latent_size=2, hidden=(64, 64), likelihood=likelihood)
optimizer = torch.optim.Adam([own, *net.parameters()], 1e-2)
for _ in range(500):
    optimizer.zero_grad()
    loss = (net.generate(own) - x[train]).square().mean()
    loss.backward()
    optimizer.step()
explained["learned latents"] = 1 - float(loss.detach() / x[train].var(0).mean())
print(
    f"latents learned with the weights explain {explained['learned latents']:+.3f} of the data that "
    f"they were learned for"
)
assert explained["learned latents"] > 0.9, "ml-known-latents"
shown = plots.points(own.detach(), z[train], label="learned latents")
print("the picture:", *save_figures(options.folder, {"known_latents": shown}))
