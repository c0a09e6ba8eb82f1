"""Swap the prior, hold everything else still, and read the difference in nats with its error.

python examples/swap_the_prior.py [--data digits] [--epochs 100]
"""

import argparse

import numpy as np
import torch

import pyrogen
from pyrogen.inference import IWAE, fit, log_evidence, summarize
from pyrogen.priors import MixtureOfGaussians, StandardNormal, VampPrior

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", default="digits")
parser.add_argument("--epochs", type=int, default=100)
options = parser.parse_args()

data = pyrogen.data.load(options.data)
scores = {}
for prior in (StandardNormal(), MixtureOfGaussians(components=10), VampPrior(components=50)):
    torch.manual_seed(0)
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(256,), prior=prior)
    fit(model, data, epochs=options.epochs, batch_size=64)
    scores[type(prior).__name__] = evidence = log_evidence(model, data.test, IWAE(1000))
    print(f"\n{prior}\n{summarize(evidence)}")

print("\nnats gained over StandardNormal, paired by datum:")
for name, evidence in scores.items():
    gain = (evidence["log_evidence"] - scores["StandardNormal"]["log_evidence"]).values
    print(f"  {name:20} {gain.mean():+.3f} ± {gain.std(ddof=1) / np.sqrt(len(gain)):.3f}")
