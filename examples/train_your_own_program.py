"""Train a Pyro program that knows nothing of pyrogen: two plain functions in, a run out, resumed and scored like any other.

The model is probabilistic PCA, so the best there is stands beside what was learnt.

    python examples/train_your_own_program.py [--epochs 300]
"""

import argparse

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import nn

from pyrogen.inference import DReG, fit, log_evidence, summarize

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=300)
options = parser.parse_args()

torch.manual_seed(0)
decoder, encoder = nn.Linear(2, 5), nn.Linear(5, 4)


def model(x: torch.Tensor) -> None:
    noise = pyro.param("noise", torch.tensor(1.0), constraint=constraints.positive)
    with pyro.plate("rows", x.shape[0]):
        z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(decoder(z), noise).to_event(1), obs=x)


def guide(x: torch.Tensor) -> None:
    mean, log_sd = encoder(x).chunk(2, -1)
    with pyro.plate("rows", x.shape[0]):
        pyro.sample("z", dist.Normal(mean, log_sd.exp()).to_event(1))


x = torch.randn(1000, 2) @ torch.randn(2, 5) + 0.3 * torch.randn(1000, 5)
folder = "runs/own-program"
run = fit((model, guide), x, epochs=options.epochs // 2, lr=0.01, folder=folder, overwrite=True)
# the file has weights and no functions: the same tuple goes on from it, in another process too
run = fit((model, guide), x, epochs=options.epochs, lr=0.01, folder=folder, resume=True)
print(f"learnt: {', '.join(name for name, _ in run.model.named_parameters())}")

# Tipping & Bishop 1999: the maximum of the likelihood, from the eigenvalues of the covariance
train, test = run.data.train.x, run.data.test.x
values, vectors = torch.linalg.eigh(torch.cov(train.T, correction=0))
noise = values[:3].mean()
loadings = vectors[:, 3:] * (values[3:] - noise).sqrt()
best = dist.MultivariateNormal(train.mean(0), loadings @ loadings.T + noise * torch.eye(5)).log_prob(test).mean()
print(summarize(run.evaluate("IWAE")))
print(f"by closed form the best of the training data: {best:.3f} nats")
print(f"its noise {noise.sqrt():.3f}, learnt {pyro.param('noise'):.3f}")

# another objective for the same functions, which go on from where they are; they are judged as they stand, too
fit((model, guide), x, DReG(k=8), epochs=1)
print(summarize(log_evidence((model, guide), test)))
