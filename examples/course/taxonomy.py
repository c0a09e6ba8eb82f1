"""The families of generative models by what they know of log p(x): exactly, by a bound, by sampling, or not at all.

Each is asked for log p(x) of the same data in the same words, and what comes back says by itself what kind of number it
is.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures.figure_style import FAINT, PALETTE, single
from pyrogen.figures.report import save_figures
from pyrogen.inference import ELBO, IWAE, Exact, log_evidence

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
folder = parser.parse_args().folder

data = pyrogen.data.load("digits", binarization="static")
x, shape = data.test.x[:20], data.x_shape
asked = [
    ("explicit, tractable", "made", {"hidden": (32,)}, Exact(), "exact"),
    ("explicit, tractable", "pixelcnn", {"width": 4, "layers": 2}, Exact(), "exact"),
    ("approximate, a bound", "vae", {"latent_size": 4, "hidden": (32,)}, ELBO(20), "lower"),
    ("approximate, a bound", "vae", {"latent_size": 4, "hidden": (32,)}, IWAE(20), "lower"),
    ("approximate, a constant", "rbm", {"hidden": 16}, Exact(), "exact"),
    ("none without an encoder", "autoencoder", {"latent_size": 4, "hidden": (32,)}, ELBO(20), None),
    ("implicit", "dcgan", {"latent_size": 4, "generator": "Perceptron", "critic": "Perceptron"}, Exact(), None),
]
print(f"{'family':24} {'entry':12} {'asked by':8} what came back")
kinds = []
for family, entry, arguments, estimator, expected in asked:
    torch.manual_seed(0)
    model = pyrogen.create(entry, x_shape=shape, **arguments)
    try:
        found = log_evidence(model, x, estimator, seed=0)
        bound, nats = found.attrs["bound"], float(found["log_evidence"].mean())
        said = f"{nats:7.2f} nats, bound: {bound}"
    except ValueError as refusal:
        bound, said = None, f"refused: {str(refusal)[:70]}…"
    print(f"{family:24} {entry:12} {type(estimator).__name__:8} {said}")
    assert bound == expected, "gm-taxonomy"
    kinds.append((f"{entry} by {type(estimator).__name__}", bound))

figure, axes = single(2.6, "what is known of log p(x)", "", "")
axes.barh(
    [k for k, _ in kinds],
    [1] * len(kinds),
    color=[{"exact": PALETTE[2], "lower": PALETTE[0], None: FAINT}[b] for _, b in kinds],
)
for i, (_, bound) in enumerate(kinds):
    axes.text(
        0.02,
        i,
        {"exact": "exact", "lower": "a lower bound", None: "refused"}[bound],
        va="center",
        fontsize=8,
        color="white",
    )
axes.set(xticks=[])
print("the picture:", *save_figures(folder, {"taxonomy": figure}))
