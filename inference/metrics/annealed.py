"""Metrics of the annealed estimators against exact answers."""

from __future__ import annotations

import math
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from pyrogen.base import HasGenerator, Model
from pyrogen.data import Data
from pyrogen.distributions.shaped import in_shape
from pyrogen.inference.evidence.ais import AIS
from pyrogen.inference.evidence.estimator import log_evidence
from pyrogen.inference.evidence.noise import Observed, observe
from pyrogen.inference.latents.measured import mean
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import choice

ROWS = 100
_answers: WeakKeyDictionary[Model, dict[tuple[Any, ...], tuple[Observed, Tensor]]] = WeakKeyDictionary()


@choice("metric", "annealed-error")
def annealed_error(
    model: Model,
    data: Data,
    seed: int,
    temperatures: int = 1000,
    chains: int = 64,
    num_data: int = 32,
    cells: int = 4000,
) -> WithError:
    """Mean distance in nats of AIS from quadrature, for a generator of two latents with noise fitted on validation data.

    1/N Σₙ |AIS(xₙ) − log ∫ p(z) N(xₙ; g(z), σ²I) dz| over N test data, the integral on a grid.
    Reference: Wu et al. 2017, arXiv:1611.04273.
    """
    if not isinstance(model, HasGenerator) or model.latent_size != 2:
        raise ValueError("annealed-error integrates over two latents; give it a generator with latent_size=2.")
    x = data.test.x[:num_data].to(model.device)
    pair, exact = _answer(model, data, x, seed, cells)
    estimator = AIS(temperatures, chains, schedule="geometric", doubling=False)
    annealed = log_evidence(pair, x, estimator, seed=seed)["log_evidence"].values
    return WithError.of(mean(abs(torch.from_numpy(annealed) - exact)))


def _answer(model: Model, data: Data, x: Tensor, seed: int, cells: int) -> tuple[Observed, Tensor]:
    """The generator with its noise and the exact answers: minutes of work that a claim and its control have in common."""
    # training moves weights in place, and their versions tell
    key = (repr(data.describe()), len(x), seed, cells, tuple(p._version for p in model.parameters()))
    known = _answers.setdefault(model, {})
    if key not in known:
        pair = observe(model, data.valid, temperatures=300, num_data=64, seed=seed)
        known[key] = pair, settled(pair, x, cells).cpu()
    return known[key]


def settled(pair: Observed, x: Tensor, cells: int = 4000, tolerance: float = 5e-3) -> Tensor:
    """:func:`quadrature` on the first of ever finer grids that changes the mean answer by no more than a tolerance.

    Args:
        pair: a generator with noise.
        x: data, ``(B, *x_shape)``.
        cells: of a side of the finest grid.
        tolerance: mean absolute change in nats from half as many cells.

    Raises:
        ValueError: the finest grid still changes it by more.
    """
    side = max(cells // 16, 1)
    answer = quadrature(pair, x, side)
    while 2 * side <= cells:
        side, coarser = 2 * side, answer
        answer = quadrature(pair, x, side)
        change = float((answer - coarser).abs().mean())
        if change <= tolerance:
            return answer
    raise ValueError(
        f"the integral over z still changes by {change:.2g} nats from {side // 2} to {side} cells a side; ask for more cells."
    )


def quadrature(pair: Observed, x: Tensor, cells: int = 4000, reach: float = 7.0) -> Tensor:
    """log ∫ p(z) N(x; g(z), σ²I) dz over two latents by the midpoint rule, ``(B,)`` in float64.

    Args:
        pair: a generator with noise.
        x: data, ``(B, *x_shape)``.
        cells: of a side; twice as many must not change the answer, as :func:`settled` sees to.
        reach: the square goes from −reach to reach.
    """
    width = 2 * reach / cells
    side = torch.linspace(-reach + width / 2, reach - width / 2, cells, device=x.device)
    total = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    generator, sigma = pair.generator, float(pair.sigma)
    with evaluating(pair):
        for some in side.split(ROWS):
            z = in_shape(torch.cartesian_prod(some, side), generator.latent_shape)
            log_prior = generator.latent_prior().log_prob(z)
            made = generator.generate(z).flatten(1)
            for n, datum in enumerate(x.flatten(1)):
                part = log_prior - (made - datum).square().sum(1) / (2 * sigma**2)
                total[n] = torch.logaddexp(total[n], part.double().logsumexp(0))
    return total + 2 * math.log(width) - x[0].numel() * math.log(sigma * math.sqrt(2 * math.pi))
