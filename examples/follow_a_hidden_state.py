"""Follow a hidden state: a particle filter of a learned state space model beside Kalman's, which knows the law of the data.

    python examples/follow_a_hidden_state.py --epochs 20

After Krishnan, Shalit & Sontag 2017, arXiv:1609.09869, and Gordon, Salmond & Smith 1993.
"""

import argparse

import torch

import pyrogen
from pyrogen.inference import ELBO, ParticleFilter, fit, forecast, log_evidence

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--epochs", type=int, default=20)
options = parser.parse_args()

torch.manual_seed(0)
data = pyrogen.data.load("linear-gaussian")
held = data.test.take(100)
known = 16
kalman = data.law.log_prob(held.x)

for posterior in ("Smoother", "DiagonalNormal"):
    model = pyrogen.create(
        "vae-sequential",
        x_shape=data.x_shape,
        latent_size=2,
        transition="Linear",
        hidden=(),
        emission={"name": "Normal", "scale": "shared"},
        posterior=posterior,
    )
    fit(model, data, epochs=options.epochs, lr=5e-3, batch_size=64, progress=False)
    # two bounds: of the guide alone, and of particles that the transition moves and each step sifts
    bounds = [log_evidence(model, held, by)["log_evidence"].values for by in (ELBO(), ParticleFilter())]
    guide, particles = (float((kalman.numpy() - bound).mean()) for bound in bounds)
    print(f"{posterior}: {guide:.2f} nats below Kalman by its guide, {particles:.2f} by a particle filter")
    # what is to come, and how often nine of ten intervals hold it
    ahead = forecast(model, held.x, known)["quantile"].values
    came = held.x[..., known:].numpy()
    inside = ((came >= ahead[0]) & (came <= ahead[-1])).mean()
    print(f"    of the {came.shape[-1]} steps after the first {known}, nine-of-ten intervals hold {inside:.0%}")
