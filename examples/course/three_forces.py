"""Three forces on the codes of a VAE, and what is left when one is removed: scatter plots of digits, and numbers.

Reconstruction pushes codes of unlike data apart; the KL pulls all to N(0, I); noise makes each code a region, so that
neighbours must decode alike. Without the KL codes are islands far from the prior, and its draws decode to nothing. With
the KL alone all codes are one cloud. Without noise it is an autoencoder, which has holes. Exactly, on one latent and
five data: the same.
"""

import argparse

import numpy as np
import torch

import pyrogen
from pyrogen.figures.figure_style import PALETTE, blank, scatter, style
from pyrogen.figures.report import save_figures
from pyrogen.inference import ELBO, assess, fit, judge_of
from pyrogen.inference.latents.anatomy import overlap
from pyrogen.inference.theory import one_latent

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

world = one_latent.OneLatent()
print("five data, one latent    largest |mean|   sd      overlap")
for name, weights in {"reconstruction only": (1, 0), "KL only": (0, 1), "both": (1, 1)}.items():
    last = world.learn(*weights, steps=1024)[-1]
    far, width = np.abs(last.mean).max(), float(last.sd.mean())
    mixed = one_latent.overlap(last.mean, last.sd)
    print(f"{name:22} {far:15.3f} {width:9.4f} {mixed:8.3f}")
    if name == "reconstruction only":
        assert width < 0.05, "pr-anatomy-of-the-loss"  # the variance is killed, and nothing overlaps
        assert mixed < 0.01, "pr-anatomy-of-the-loss"
    elif name == "KL only":
        assert (far < 1e-3, abs(width - 1) < 1e-3, mixed > 0.99) == (True,) * 3, "pr-anatomy-of-the-loss"
    else:
        exact = world.optimum(last.slope)  # the exact posterior: between the two
        assert np.abs(last.mean - exact[0]).max() < 1e-2, "pr-anatomy-of-the-loss"
        assert abs(width - exact[1]) < 1e-2, "pr-anatomy-of-the-loss"

data = pyrogen.data.load("digits")
judge = judge_of(data)
found, figure = {}, blank(8.0, 2.3)
panels = {"reconstruction only": 0.0, "KL only": 100.0, "both": 1.0, "no noise": None}
print("digits, two latents      spread of codes   neighbours' digit   overlap   Fréchet distance of draws of N(0, I)")
for axes, (name, beta) in zip(figure.subplots(1, 4), panels.items(), strict=True):
    torch.manual_seed(options.seed)
    entry, objective = ("autoencoder", None) if beta is None else ("vae", ELBO(beta=beta))
    model = pyrogen.create(entry, x_shape=data.x_shape, latent_size=2, hidden=(128,))
    fit(model, data, objective, epochs=18, lr=3e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
    with torch.no_grad():
        codes = model.code(data.test.x)
        made = model.generate(torch.randn(500, 2))
        near = torch.cdist(codes, codes).fill_diagonal_(torch.inf).argmin(1)
    drawn = assess(made, data, ("frechet",), features=judge, draws="means").measured("frechet").value
    mixed = overlap(model, data.test.x, seed=0)[0] if beta is not None else 0.0
    found[name] = (
        float(codes.std(0).mean()),
        float((data.test.y[near] == data.test.y).float().mean()),
        mixed,
        float(drawn),
    )
    print(f"{name:22} {found[name][0]:17.2f} {found[name][1]:17.2f} {found[name][2]:12.3f} {found[name][3]:17.2f}")
    style(axes, name)
    scatter(axes, codes.numpy(), s=5, c=[PALETTE[k] for k in data.test.y.tolist()], linewidths=0)
free, pulled, both, points = (found[name] for name in panels)
assert free[0] > 1.5 * both[0], "ml-three-forces"  # means spread where nothing pulls them in
assert pulled[0] < 0.1, "ml-three-forces"
assert pulled[2] > 0.95, "rl-islands"
assert free[2] < 0.3 * both[2], "rl-islands"
assert pulled[1] < 0.25, "rl-islands"  # one cloud: the nearest code says nothing
assert both[1] > 0.3, "ml-three-forces"
assert points[1] > 0.3, "ml-two-nodes"
assert both[3] < 0.7 * min(free[3], pulled[3]), "ml-three-forces"
print("the picture:", *save_figures(options.folder, {"three_forces": figure}))
