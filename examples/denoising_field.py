"""A denoising autoencoder learns the score: what it adds to noisy data is σ² ∇ log p(x), here of a known spiral.

python examples/denoising_field.py [--epochs 75] [--noise 0.1] [--figure denoising_field.png]
"""

import argparse

import torch

import pyrogen
from pyrogen.data.procedural import Spiral
from pyrogen.inference import fit
from pyrogen.inference.pages.fields import arrows, grid
from pyrogen.likelihoods import Normal
from pyrogen.registry import find

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=75)
parser.add_argument("--noise", type=float, default=0.1)
parser.add_argument("--figure", default="denoising_field.png")
options = parser.parse_args()

data = pyrogen.data.load("spiral")
cosine = find("metric", "score-cosine").load()
models = {}
for name, noise in (("denoising", options.noise), ("plain", 0.0)):
    torch.manual_seed(0)
    models[name] = pyrogen.create(
        "autoencoder-denoising",
        x_shape=data.x_shape,
        latent_size=16,
        hidden=(128, 128),
        noise=noise,
        likelihood=Normal("fixed", value=0.1),
    )
    fit(
        models[name],
        data,
        epochs=options.epochs,
        lr_milestones=[1 + 2 * options.epochs // 3] if options.epochs > 2 else (),
    )
    with torch.no_grad():
        agreement = cosine(models[name], data, 0, noise=options.noise)
    print(f"{name:9} autoencoder: cosine with the exact score {agreement:.3f}")

at = grid(data.test.x, 24)
fields = {
    "r(x) − x": models["denoising"].reconstruct(at) - at,
    "σ² times the score": options.noise**2 * Spiral().score(at, options.noise),
}
arrows(at, fields, data.test.x).savefig(options.figure, dpi=150)
print(f"wrote {options.figure}")
