"""Score a Pyro program that knows nothing of pyrogen: two plain functions in, per-datum evidence with error bars out.

The model is conjugate, so the exact answer stands beside the estimate.

    python examples/score_your_own_program.py
"""

import math

import pyro
import pyro.distributions as dist
import torch

from pyrogen.inference import IWAE, log_evidence, summarize


def model(x: torch.Tensor) -> None:
    with pyro.plate("people", x.shape[0]):
        ability = pyro.sample("ability", dist.Normal(0.0, 1.0))
        pyro.sample("score", dist.Normal(ability, 0.5), obs=x)


def guide(x: torch.Tensor) -> None:
    with pyro.plate("people", x.shape[0]):
        pyro.sample("ability", dist.Normal(0.7 * x, 0.6))


scores = torch.linspace(-2, 2, 9)
evidence = log_evidence((model, guide), scores, IWAE(5000))
exact = torch.distributions.Normal(0.0, math.sqrt(1.25)).log_prob(scores)

for datum, truth in enumerate(exact.tolist()):
    estimate, error, k_hat = (float(evidence[name][datum]) for name in ("log_evidence", "mc_se", "pareto_k"))
    print(f"log p = {estimate:.4f} ± {error:.4f}   exact {truth:.4f}   k-hat {k_hat:.2f}")
print(summarize(evidence))
