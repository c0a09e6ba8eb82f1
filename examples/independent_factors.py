"""Which VAE finds the factors of data whose covariance says nothing of them? Four factors of equal weight, four objectives.

A VAE is free to turn its latents; one that pays for their total correlation is not. Scores are above chance, and stand beside
those of encoders that have learned nothing.

python examples/independent_factors.py [--data lpc-sprites] [--epochs 40] [--seeds 1] [--out factors.png]

The sprites are characters in colour, every combination of five factors; they lie in the folder that PYROGEN_DATA names. On
them three seeds take a quarter of an hour of one core.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures.outlier_plots import shares
from pyrogen.inference import disentanglement, fit
from pyrogen.inference.representations.disentanglement import known_factors, random_codes
from pyrogen.inference.representations.factor_scores import mutual_informations

SCORES = ("mig", "sap", "beta_vae", "factor_vae", "disentangled")
SETTINGS = {  # how data are loaded, what models are made of, and how they are trained
    "independent-factors": (
        {},
        {"latent_size": 6, "hidden": (64,), "likelihood": {"name": "Normal", "scale": "shared"}},
        {"lr": 3e-3, "batch_size": 128},
    ),
    # with a scale that is learned, pixels outweigh what is paid for the latents, and all ten are used at once
    "lpc-sprites": (
        {"kind": "unit", "dequantization": False, "size": 32},
        {"latent_size": 10, "hidden": (256,), "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.3}},
        {"lr": 1e-3, "batch_size": 64},
    ),
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", default="independent-factors", choices=SETTINGS)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--seeds", type=int, default=1)
parser.add_argument("--out", default="factors.png")
options = parser.parse_args()

loaded, built, trained = SETTINGS[options.data]
try:
    data = pyrogen.data.load(options.data, **loaded)
except ValueError as absent:
    raise SystemExit(str(absent)) from None

for seed in range(options.seeds):
    codes = {"random encoder": random_codes(data.test.x, built["latent_size"], seed)}
    for name in ("vae", "beta-vae", "beta-tc-vae", "factor-vae"):
        torch.manual_seed(seed)
        model = pyrogen.create(name, x_shape=data.x_shape, **built)
        fit(model, data, epochs=options.epochs, seed=seed, **trained)
        with torch.no_grad():
            codes[name] = model.code(data.test.x)

    print(f"{f'seed {seed}':16}", *(f"{score:>16}" for score in SCORES))
    for name, z in codes.items():
        found = disentanglement(z, data.test.y, SCORES)
        mean, spread = found.mean("repeat"), found.std("repeat", ddof=1)
        print(f"{name:16}", *(f"{float(mean[s]):8.3f} ± {float(spread[s]):.3f}" for s in SCORES))

known = mutual_informations(codes["beta-tc-vae"].double().numpy(), data.test.y.numpy())
shares(known, known_factors(data)).savefig(options.out, dpi=150)
print(f"what each latent of beta-tc-vae knows of each factor is in {options.out}")
