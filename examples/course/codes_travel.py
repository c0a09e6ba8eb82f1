"""Codes learned on some digits, used for others: transfer, and features from pairs of views, by a probe of few labels.

Encoders see the digits 0 to 4 only, and no label. A linear probe then learns 0 to 4, or 5 to 9, from ten labels each. Beside
them: pixels, and an untrained encoder, which is what says whether anything was learned. The contrastive one is told which two
pictures are views of one datum, turned, stretched and moved a little, and pulls their codes together (Chen et al. 2020,
arXiv:2002.05709). It knows the digits that it saw best; the autoencoder's codes travel better. On pictures this small, pixels
are good features: look at their row before you praise another.
"""

import argparse

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, normalize

import pyrogen
from pyrogen.figures import walk_plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.nets import mlp

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
LABELS, REPEATS, STEPS, SIZE, BATCH, TEMPERATURE = 10, 12, 600, 16, 128, 0.2

data = pyrogen.data.load("digits", kind="unit", dequantization=False)
x, y = data.train.x, data.train.y
seen = x[y < 5]

normal = {"name": "Normal", "scale": "fixed", "value": 0.1}
encoders = {"pixels": nn.Flatten()}
for name, epochs in {"untrained": 0, "autoencoder": 40}.items():
    torch.manual_seed(options.seed)
    model = pyrogen.create("autoencoder", x_shape=data.x_shape, latent_size=SIZE, hidden=(128,), likelihood=normal)
    rows = pyrogen.data.from_arrays(x_train=seen, kind="unit")
    fit(model, rows, epochs=epochs, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
    encoders[name] = model.code


def viewed(x: Tensor) -> Tensor:
    """Another view of each picture: turned by up to 14 degrees, stretched by up to 15 %, moved by up to a pixel."""
    turn, stretch = 0.5 * (torch.rand(len(x)) - 0.5), 1 + 0.3 * (torch.rand(len(x)) - 0.5)
    rows = torch.stack([turn.cos() * stretch, -turn.sin(), turn.sin(), turn.cos() / stretch], 1).unflatten(1, (2, 2))
    moved = torch.cat([rows, 0.3 * (torch.rand(len(x), 2, 1) - 0.5)], 2)
    return grid_sample(x, affine_grid(moved, list(x.shape), align_corners=False), align_corners=False)


torch.manual_seed(options.seed)
view = encoders["contrastive"] = mlp(data.x_shape, (128,), (SIZE,))
optimizer = torch.optim.Adam(view.parameters(), 3e-3)
for _ in range(STEPS):
    batch = seen[torch.randint(len(seen), (BATCH,))]
    one, other = (normalize(view(viewed(batch) + 0.05 * torch.randn_like(batch)), dim=1) for _ in range(2))
    loss = cross_entropy(one @ other.T / TEMPERATURE, torch.arange(BATCH))  # which of all is the other view of it
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def probed(encoder: object, digits: range) -> Tensor:
    """The share of a linear probe's right answers, for each draw of its labels."""
    torch.manual_seed(options.seed)
    rows = (y >= digits.start) & (y < digits.stop)
    with torch.no_grad():
        z = encoder(x[rows])
    z, labels, right = ((z - z.mean(0)) / z.std(0).clamp_min(1e-6)).numpy(), y[rows], []
    for _ in range(REPEATS):
        told = torch.cat(
            [(labels == k).nonzero()[torch.randperm(int((labels == k).sum())), 0][:LABELS] for k in digits]
        )
        others = torch.ones(len(labels), dtype=torch.bool)
        others[told] = False
        probe = LogisticRegression(max_iter=500).fit(z[told], labels[told].numpy())
        right.append(probe.score(z[others], labels[others].numpy()))
    return torch.tensor(right)


def told(values: Tensor) -> tuple[float, float]:
    """Mean and standard error."""
    return float(values.mean()), float(values.std() / REPEATS**0.5)


found = {name: [probed(encoder, digits) for digits in (range(5), range(5, 10))] for name, encoder in encoders.items()}
print(f"by a linear probe of {LABELS} labels   digits 0 to 4, seen   digits 5 to 9, not seen")
for name, both in found.items():
    print(f"{name:30} " + "      ".join("{:.3f} ± {:.3f}".format(*told(values)) for values in both))
travels = told(found["autoencoder"][1] - found["untrained"][1])  # paired: the same labels were drawn for both
learned = told(found["contrastive"][0] - found["untrained"][0])
print("over the untrained encoder: autoencoder on new digits {:+.3f} ± {:.3f}".format(*travels), end=", ")
print("contrastive on its own {:+.3f} ± {:.3f}".format(*learned))
assert travels[0] > 2 * travels[1], "rl-transfer"
assert learned[0] > 2 * learned[1], "rl-contrastive"
shown = walk_plots.shares({name: told(both[1]) for name, both in found.items()}, "digits 5 to 9 named right")
print("the picture:", *save_figures(options.folder, {"codes_travel": shown}))
