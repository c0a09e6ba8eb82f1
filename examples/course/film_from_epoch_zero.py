"""A film of training that begins before it: reconstructions, samples and codes at epoch 0, 1, 5 and 10 and later.

Before the first step a decoder says about ½ of every pixel: 784 ln 2 = 543.4 nats on MNIST, 64 ln 2 = 44.4 on digits of
8 × 8, whatever the data. A notebook that shows 514 at its start has moved away from ½. A map by t-SNE looks like
something even at epoch 0, for untrained codes already have neighbours; how many are of the same digit is the number to
read.
"""

import argparse
import math

import torch
from sklearn.manifold import TSNE

import pyrogen
from pyrogen.figures import latent_plots, plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import ELBO, assess, fit, judge_of, log_evidence

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the pictures go")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

bits = torch.bernoulli(torch.full((100, 1, 28, 28), 0.13))
torch.manual_seed(options.seed)
blank = pyrogen.create("vae", x_shape=(1, 28, 28), latent_size=20, hidden=(400,))
with torch.no_grad():
    start = -blank.decode(torch.zeros(100, 20)).log_prob(bits).mean()
print(f"28 × 28 pixels, before training: {start:.1f} nats of log-loss; 784 ln 2 = {784 * math.log(2):.1f}")
assert abs(start / (784 * math.log(2)) - 1) < 0.01, "pr-epoch-zero"
numbers = sum(p.numel() for p in blank.parameters())
assert numbers == (784 * 400 + 400) + (400 * 40 + 40) + (20 * 400 + 400) + (400 * 784 + 784), "pr-exact-net"

data = pyrogen.data.load("digits")
judge, x, y = judge_of(data), data.test.x[:300], data.test.y[:300]
torch.manual_seed(options.seed)
model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(128,))
noise = torch.randn(500, 8)
rows, films, losses, near, far = [data.test.x[:10]], {}, {}, {}, {}
print("epoch   -ELBO of test data   codes whose neighbour is of their digit   Fréchet distance of samples")
for epoch, more in ((0, 0), (1, 1), (5, 4), (10, 5), (30, 20)):
    if more:
        fit(model, data, epochs=more, lr=2e-3, batch_size=64, seed=options.seed + epoch, validate=False, progress=False)
    with torch.no_grad():
        q = model.encode(x)
        z = q.mean
        nearest = torch.cdist(z, z).fill_diagonal_(torch.inf).argmin(1)
        made = model.generate(noise)
    if epoch == 0:
        kl = 0.5 * float((z.square() + q.variance - q.variance.log() - 1).sum(1).mean().detach())
    losses[epoch] = -float(log_evidence(model, x, ELBO(20))["log_evidence"].mean())
    near[epoch] = float((y[nearest] == y).float().mean())
    far[epoch] = assess(made, data, ("frechet",), features=judge, draws="means").measured("frechet").value
    print(f"{epoch:5} {losses[epoch]:14.2f} {near[epoch]:32.2f} {far[epoch]:32.2f}")
    rows += [model.reconstruct(data.test.x[:10]).detach(), made[:10]]
    if epoch in (0, 5, 10):
        plane = TSNE(init="pca", max_iter=600, random_state=0).fit_transform(z.numpy())
        films[f"epoch {epoch}"] = torch.from_numpy(plane)
assert abs(losses[0] - 64 * math.log(2)) < 2.0, "pr-epoch-zero"
assert 0 < kl < 1, "av-initialize"  # random weights believe nearly the prior of every datum
assert losses[0] > losses[1] > losses[5] > losses[10], "pr-reconstructions-by-epoch"
assert losses[1] < losses[0] - 10, "av-backpropagation"
assert losses[10] > losses[30], "ml-strips-over-epochs"
assert near[0] > 0.17, "pr-t-sne"  # the point of the figure: chance would be 0.1
assert near[0] < near[10], "pr-t-sne"
assert far[0] > far[1] > far[30], "pr-regions-not-filled"
assert far[30] < 0.6 * far[1], "pr-regions-not-filled"
names = ["data", *(f"{what}, epoch {e}" for e in losses for what in ("reconstructed", "drawn"))]
shown = {"film": plots.strips(torch.stack(rows), "unit", names), "film_of_codes": latent_plots.latent_film(films, y)}
print("the pictures:", *save_figures(options.folder, shown))
