"""Bring your own networks: any modules of the right widths become a VAE with every axis still free.

python examples/own_networks.py [--epochs 30]
"""

import argparse

import torch
from torch import nn

import pyrogen
from pyrogen.inference import IWAE, fit, log_evidence, summarize
from pyrogen.likelihoods import Normal
from pyrogen.posteriors import FullRankNormal

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=30)
options = parser.parse_args()

data = pyrogen.data.load("digits", kind="unit")
latent_size, posterior, likelihood = 4, FullRankNormal(), Normal(scale="predicted")
width = posterior.width(latent_size)  # how many numbers the encoder must give for each datum
channels = likelihood.channels(data.x_shape)  # and the decoder at each pixel: means, then raw scales, never squashed

torch.manual_seed(0)
encoder = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.SiLU(), nn.Flatten(), nn.LayerNorm(256), nn.Linear(256, width)
)
decoder = nn.Sequential(
    nn.Linear(latent_size, 128), nn.SiLU(), nn.Linear(128, channels * 64), nn.Unflatten(1, (channels, 8, 8))
)

model = pyrogen.vae(
    encoder=encoder,
    decoder=decoder,
    x_shape=data.x_shape,
    latent_size=latent_size,
    prior="FlowPrior",
    posterior=posterior,
    likelihood=likelihood,
)
fit(model, data, epochs=options.epochs)
print(summarize(log_evidence(model, data.test, IWAE(500))))
