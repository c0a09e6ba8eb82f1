"""Ask whether an estimate can be believed, follow the advice, and compare two models by what can.

The guide is far too narrow for a few of the data. Importance weights say so themselves, and the diagnosis names the data;
the model is conjugate, so the exact answer stands beside every estimate.

    python examples/judge_an_estimate.py
"""

import math

import pyro
import pyro.distributions as dist
import torch

from pyrogen.inference import AIS, IWAE, compare_evidence, diagnose, log_evidence, summarize


def model(x: torch.Tensor) -> None:
    with pyro.plate("people", x.shape[0]):
        ability = pyro.sample("ability", dist.Normal(0.0, 1.0))
        pyro.sample("score", dist.Normal(ability, 0.5), obs=x)


def guide(x: torch.Tensor) -> None:
    narrow = torch.where(x.abs() > 1.9, 0.05, 0.6)
    with pyro.plate("people", x.shape[0]):
        pyro.sample("ability", dist.Normal(0.8 * x, narrow))


def other_model(x: torch.Tensor) -> None:
    with pyro.plate("people", x.shape[0]):
        ability = pyro.sample("ability", dist.Normal(0.0, 1.0))
        pyro.sample("score", dist.Normal(ability, 0.7), obs=x)


scores = torch.linspace(-2, 2, 21)
exact = torch.distributions.Normal(0.0, math.sqrt(1.25)).log_prob(scores)

weighted = log_evidence((model, guide), scores, IWAE(20_000))
print(f"{summarize(weighted)}\n")

flagged = diagnose(weighted).flagged
annealed = log_evidence((model, guide), scores[flagged], AIS(temperatures=200, init="guide"))
print(summarize(annealed))
for datum, estimate, truth in zip(flagged, annealed["log_evidence"].values, exact[flagged].tolist(), strict=True):
    print(f"datum {datum}: IWAE {float(weighted['log_evidence'][datum]):.3f}, AIS {estimate:.3f}, exact {truth:.3f}")

other = log_evidence((other_model, guide), scores, IWAE(20_000))
table = compare_evidence({"sd 0.5": weighted, "sd 0.7": other})
print(table[["nats", "difference", "difference_mc_se", "difference_data_se", "bias"]].to_pandas().round(3))
