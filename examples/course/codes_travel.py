"""Codes learned on some digits, used for others: transfer, and features from pairs of views, by a probe of few labels.

Encoders see the digits 0 to 4 only, and no label. A linear probe then learns 5 to 9 from ten labels each. Beside them:
pixels, and an untrained encoder, which is what says whether anything was learned. The contrastive one is told which two
pictures are views of one datum, shifted by a pixel, and pulls their codes together (Chen et al. 2020,
arXiv:2002.05709).
"""

import argparse

import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

import pyrogen
from pyrogen.figures import walk_plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.nets import mlp

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
LABELS, REPEATS, STEPS, SIZE = 10, 20, 400, 16

data = pyrogen.data.load("digits", kind="unit", dequantization=False)
source = data.train.x[data.train.y < 5]
target, y = data.train.x[data.train.y >= 5], data.train.y[data.train.y >= 5]

normal = {"name": "Normal", "scale": "fixed", "value": 0.1}
encoders = {"pixels": nn.Flatten()}
for name, epochs in {"untrained": 0, "autoencoder": 40}.items():
    torch.manual_seed(options.seed)
    model = pyrogen.create("autoencoder", x_shape=data.x_shape, latent_size=SIZE, hidden=(128,), likelihood=normal)
    rows = pyrogen.data.from_arrays(x_train=source, kind="unit")
    fit(model, rows, epochs=epochs, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
    encoders[name] = model.code

torch.manual_seed(options.seed)
view = mlp(data.x_shape, (128,), (SIZE,))
optimizer = torch.optim.Adam(view.parameters(), 2e-3)
for _ in range(STEPS):
    x = source[torch.randint(len(source), (128,))]
    codes = []
    for _ in range(2):
        shift = torch.randint(-1, 2, (2,)).tolist()
        moved = x.roll(shift, (2, 3)) + 0.1 * torch.randn_like(x)
        codes.append(nn.functional.normalize(view(moved), dim=1))
    loss = nn.functional.cross_entropy(codes[0] @ codes[1].T / 0.2, torch.arange(128))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
encoders["contrastive"] = view

torch.manual_seed(options.seed)
draws = [
    torch.cat([(y == k).nonzero()[torch.randperm(int((y == k).sum())), 0][:LABELS] for k in range(5, 10)])
    for _ in range(REPEATS)
]
accuracy = {}
print(f"digits 5 to 9 from {LABELS} labels each, by a linear probe")
for name, encode in encoders.items():
    with torch.no_grad():
        z = encode(target)
    z = ((z - z.mean(0)) / z.std(0).clamp_min(1e-6)).numpy()
    right = []
    for labelled in draws:
        others = torch.ones(len(y), dtype=torch.bool)
        others[labelled] = False
        told = LogisticRegression(max_iter=500).fit(z[labelled], y[labelled].numpy())
        right.append(told.score(z[others], y[others].numpy()))
    accuracy[name] = torch.tensor(right)
    print(f"{name:12} {accuracy[name].mean():.3f} ± {accuracy[name].std() / REPEATS**0.5:.3f}")


def gain(name: str) -> tuple[float, float]:
    """Over the untrained encoder, paired by the labels that were drawn, and its error."""
    each = accuracy[name] - accuracy["untrained"]
    return float(each.mean()), float(each.std() / REPEATS**0.5)


for name in ("autoencoder", "contrastive"):
    print(f"{name} over the untrained one: {gain(name)[0]:+.3f} ± {gain(name)[1]:.3f}, paired")
assert gain("autoencoder")[0] > 2 * gain("autoencoder")[1], "rl-transfer"
assert gain("contrastive")[0] > 2 * gain("contrastive")[1], "rl-contrastive"
shown = walk_plots.shares(
    {n: (float(a.mean()), float(a.std() / REPEATS**0.5)) for n, a in accuracy.items()}, "share named right"
)
print("the picture:", *save_figures(options.folder, {"codes_travel": shown}))
