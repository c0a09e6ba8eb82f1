"""Metrics of the annealed estimators against exact answers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyrogen.base import HasGenerator, Model
from pyrogen.data import Data
from pyrogen.inference.evidence.ais import AIS
from pyrogen.inference.evidence.estimator import log_evidence
from pyrogen.inference.evidence.noise import Observed, observe
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import choice

ROWS = 100


@choice("metric", "annealed-error")
def annealed_error(
    model: Model,
    data: Data,
    seed: int,
    temperatures: int = 1000,
    chains: int = 64,
    num_data: int = 32,
    cells: int = 4000,
) -> float:
    """Mean distance in nats of AIS from quadrature, for a generator of two latents with noise fitted on validation data.

    1/N Σₙ |AIS(xₙ) − log ∫ p(z) N(xₙ; g(z), σ²I) dz| over N test data, the integral on a grid.
    Reference: Wu et al. 2017, arXiv:1611.04273.
    """
    if not isinstance(model, HasGenerator) or model.latent_size != 2:
        raise ValueError("annealed-error integrates over two latents; give it a generator with latent_size=2.")
    x = data.test.x[:num_data].to(model.device)
    pair = observe(model, data.valid, temperatures=300, num_data=64, seed=seed)
    estimator = AIS(temperatures, chains, schedule="geometric", doubling=False)
    annealed = log_evidence(pair, x, estimator, seed=seed)["log_evidence"].values
    return float(abs(torch.from_numpy(annealed) - quadrature(pair, x, cells).cpu()).mean())


def quadrature(pair: Observed, x: Tensor, cells: int = 4000, reach: float = 7.0) -> Tensor:
    """log ∫ p(z) N(x; g(z), σ²I) dz over two latents by the midpoint rule, ``(B,)`` in float64.

    Args:
        pair: a generator with noise.
        x: data, ``(B, *x_shape)``.
        cells: of a side; twice as many must not change the answer.
        reach: the square goes from −reach to reach.
    """
    width = 2 * reach / cells
    side = torch.linspace(-reach + width / 2, reach - width / 2, cells, device=x.device)
    total = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    generator, sigma = pair.generator, float(pair.sigma)
    with evaluating(pair):
        for some in side.split(ROWS):
            z = torch.cartesian_prod(some, side)
            log_prior = generator.latent_prior().log_prob(z)
            made = generator.generate(z).flatten(1)
            for n, datum in enumerate(x.flatten(1)):
                part = log_prior - (made - datum).square().sum(1) / (2 * sigma**2)
                total[n] = torch.logaddexp(total[n], part.double().logsumexp(0))
    return total + 2 * math.log(width) - x[0].numel() * math.log(sigma * math.sqrt(2 * math.pi))
