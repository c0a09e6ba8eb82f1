"""Which VAE finds the factors of data whose covariance says nothing of them? Four factors of equal weight, four objectives.

A VAE is free to turn its latents; one that pays for their total correlation is not. Scores are above chance, and stand beside
those of encoders that have learned nothing.

python examples/independent_factors.py [--epochs 40] [--out factors.png]
"""

import argparse

import torch

import pyrogen
from pyrogen.figures.outlier_plots import shares
from pyrogen.inference import disentanglement, fit
from pyrogen.inference.latents.disentanglement import known_factors, random_codes
from pyrogen.inference.latents.factor_scores import mutual_informations

SCORES = ("mig", "sap", "factor_vae", "disentangled")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--out", default="factors.png")
options = parser.parse_args()

data = pyrogen.data.load("independent-factors")
small = {"latent_size": 6, "hidden": (64,), "likelihood": {"name": "Normal", "scale": "shared"}}
codes = {"random encoder": random_codes(data.test.x, 6, seed=0)}
for name in ("vae", "beta-vae", "beta-tc-vae", "factor-vae"):
    torch.manual_seed(0)
    model = pyrogen.create(name, x_shape=data.x_shape, **small)
    fit(model, data, epochs=options.epochs, lr=3e-3, batch_size=128)
    with torch.no_grad():
        codes[name] = model.code(data.test.x)

print(f"{'encoder':16}", *(f"{score:>16}" for score in SCORES))
for name, z in codes.items():
    found = disentanglement(z, data.test.y, SCORES)
    mean, spread = found.mean("repeat"), found.std("repeat", ddof=1)
    print(f"{name:16}", *(f"{float(mean[s]):8.3f} ± {float(spread[s]):.3f}" for s in SCORES))

known = mutual_informations(codes["factor-vae"].double().numpy(), data.test.y.numpy())
shares(known, known_factors(data)).savefig(options.out, dpi=150)
print(f"what each latent of factor-vae knows of each factor is in {options.out}")
