"""Beliefs about data as ellipses: what the variances of an encoder look like, and that together they are the prior.

A thousand draws of one datum's z are a cloud of the mean and the variances that the encoder named. Their decodings
differ by as much as the encoder is unsure; what is given as *the* reconstruction is that of the mean, and always the
same.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures import latent_plots, plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit, reconstruct_by_chance

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the pictures go")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

data = pyrogen.data.load("digits")
torch.manual_seed(options.seed)
model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(128,))
fit(model, data, epochs=20, lr=3e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
with torch.no_grad():
    q = model.encode(data.test.x)
    mean, variance = q.mean, q.variance

together = (variance + mean.square()).mean(0) - mean.mean(0).square()  # of the mixture of all beliefs
print(
    f"variance of all beliefs together {together.numpy().round(2)}, of the means alone {mean.var(0).numpy().round(2)}"
)
assert ((together > 0.5) & (together < 2.0)).all(), "rl-posterior-ellipses"  # about the 1 of the prior
assert (variance < 1).float().mean() > 0.95, "rl-posterior-ellipses"  # each far narrower than the prior

sds = torch.stack([variance[data.test.y == k].sqrt().mean() for k in range(10)])
print("mean σ of each digit:", {k: round(float(s), 2) for k, s in enumerate(sds)})
assert sds.max() / sds.min() > 1.1, "pr-variances"  # classes are not equally sure

torch.manual_seed(0)
draws = q.sample((1000,))[:, 0]
off = (draws.mean(0) - mean[0]) / (variance[0] / 1000).sqrt()
print(
    f"1,000 draws of one datum: mean off by {off.numpy().round(1)} standard errors, variance "
    f"{(draws.var(0) / variance[0]).numpy().round(2)}"
)
assert off.abs().max() < 4, "pr-thousand-draws"
assert (draws.var(0) / variance[0] - 1).abs().max() < 0.2, "pr-thousand-draws"

again = [model.reconstruct(data.test.x[:8]).detach() for _ in range(2)]
assert torch.equal(*again), "pr-mean-at-test"
assert torch.equal(again[0], model.generate(mean[:8]).detach()), "pr-mean-at-test"

chance = reconstruct_by_chance(model, data.test.x[:200], 20, seed=0).detach()
spread = chance.std(1).flatten(1).mean(1)
unsure = variance[:200].sqrt().mean(1)
order = unsure.argsort()
print(
    f"reconstructions by chance vary by {spread[order[:50]].mean():.3f} where σ is least, "
    f"{spread[order[-50:]].mean():.3f} where it is largest"
)
assert spread.min() > 0, "gm-sample-a-reconstruction"
assert spread[order[-50:]].mean() > 1.1 * spread[order[:50]].mean(), "gm-sample-a-reconstruction"

rows = torch.cat([data.test.x[:8].unsqueeze(0), again[0].unsqueeze(0), chance[:8, :4].transpose(0, 1)])
shown = {
    "posterior_ellipses": latent_plots.ellipses(mean[:150], torch.diag_embed(variance[:150]), data.test.y[:150]),
    "by_chance": plots.strips(rows, "unit", ["data", "of the mean", *["a draw"] * 4]),
}
print("the pictures:", *save_figures(options.folder, shown))
