"""Metrics in nats: evidence, and its distance from baselines and from closed forms."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyrogen.axes import Distribution
from pyrogen.base import Model, Pair
from pyrogen.data import Data
from pyrogen.distributions.levels import Levels
from pyrogen.distributions.shaped import vectors_of
from pyrogen.inference.evidence.comparison import listed, shared_variance
from pyrogen.inference.evidence.estimator import log_evidence
from pyrogen.inference.latents.measured import mean, ratio
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.objectives.elbo import divergences
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.record import Site, latents, log_prob, particles, record
from pyrogen.inference.programs.supports import unwrap
from pyrogen.registry import choice


class Nats(float):
    """A mean over data, in nats per datum, with its standard error √(sd² / N + s).

    Data without a finite value are in the mean, which then is not finite either, and has no error.

    Args:
        each: one value for each datum, ``(N,)``; a difference of two models on the same data is so a paired one.
        shared: s, the covariance of the errors of any two, as the variance of a log Z: the spread does not show it.
    """

    error: float
    failed: tuple[int, ...]
    """The places of the data without a finite value."""

    def __new__(cls, each: np.ndarray, shared: float = 0.0) -> Nats:
        """The mean of the values."""
        found = super().__new__(cls, float(each.mean()))
        found.failed = tuple(np.flatnonzero(~np.isfinite(each)).tolist())
        told = len(each) > 1 and not found.failed
        found.error = math.sqrt(max(float(each.var(ddof=1)) / len(each) + shared, 0.0)) if told else math.nan
        return found


class Scores(NamedTuple):
    """What an estimator says of data.

    Attributes:
        each: log p(x) of each datum in nats, ``(N,)``.
        shared: the covariance of the errors of any two, on average.
    """

    each: np.ndarray
    shared: float


@choice("metric", "evidence")
def evidence(
    model: Model, data: Data, seed: int, estimator: Mapping[str, Any] | str | None = None, split: str = "test"
) -> Nats:
    """Mean log p(x) of a split in nats per datum, by an estimator: exact where the model has a log_prob, else IWAE.

    1/N Σₙ log p(xₙ). Reference: Burda et al. 2016, arXiv:1509.00519.
    """
    return Nats(*scores(model, data, seed, estimator, split))


def scores(
    model: Model, data: Data, seed: int, estimator: Mapping[str, Any] | str | None, split: str = "test"
) -> Scores:
    """log p(x) of the data of a split by an estimator, with a warning of those that have no finite one."""
    scored = log_evidence(model, data.split(split), estimator, seed=seed)
    found: np.ndarray = scored["log_evidence"].values
    if len(lost := scored["datum"].values[~np.isfinite(found)]):
        warnings.warn(
            f"{len(lost)} of {len(found)} data of {data.name!r} {split} have no finite estimate of log p(x), and so their "
            f"mean has none: {listed(lost)}.",
            stacklevel=3,
        )
    return Scores(found, shared_variance(scored))


@choice("metric", "gain-over-marginals")
def gain_over_marginals(model: Model, data: Data, seed: int, estimator: Mapping[str, Any] | str | None = None) -> Nats:
    """Nats per datum by which a model of binary data beats independent pixels, on the test split.

    1/N Σₙ [log p(xₙ) − Σ_d log Bernoulli(x_nd; π_d)], π_d = (Σ x_d + ½) / (N + 1) on the training split.
    Reference: the smoothing is that of Krichevsky & Trofimov 1981.
    """
    if data.kind != "binary":
        raise ValueError(f"gain-over-marginals compares models of binary data; {data.name!r} is {data.kind} here.")
    train, test = data.train.x.flatten(1).double(), data.test.x.flatten(1).double()
    on = (train.sum(0) + 0.5) / (len(train) + 1)
    independent = (test * on.log() + (1 - test) * (1 - on).log()).sum(1)
    found = scores(model, data, seed, estimator)
    return Nats(found.each - independent.cpu().numpy(), found.shared)


@choice("metric", "gain")
def gain(model: Model, data: Data, seed: int, against: Model, estimator: Mapping[str, Any] | str | None = None) -> Nats:
    """Nats per datum by which one model beats another on the same test data, both by the same estimator.

    1/N Σₙ [log p(xₙ) − log p′(xₙ)]: paired, so that the spread of the data cancels, in the error too; that of a log Z stays.
    Reference: Tomczak & Welling 2018, arXiv:1705.07120, table 1 compares priors so.
    """
    own, other = (scores(m, data, seed, estimator) for m in (model, against))
    return Nats(own.each - other.each, own.shared + other.shared)


@choice("metric", "law-gap")
def law_gap(model: Model, data: Data, seed: int, estimator: Mapping[str, Any] | str | None = None) -> Nats:
    """Nats per test datum by which a model stays below the law that the data come from: an estimate of E KL(p* ‖ p).

    1/N Σₙ [log p*(xₙ) − log p(xₙ)], both given yₙ where the model is told it.
    """
    if data.law is None or data.standardize:
        why = "these are standardized: load them with standardize=False" if data.law else "nobody knows it here"
        raise ValueError(f"law-gap compares with the law that {data.name!r} come from as they are, and {why}.")
    truth = data.law.log_prob(data.test.x, model.condition_for(data.test.y)).cpu().numpy()
    found = scores(model, data, seed, estimator)
    return Nats(truth - found.each, found.shared)


@choice("metric", "rate")
def rate(model: Model, data: Data, seed: int, num_samples: int = 20) -> WithError:
    """Nats that the codes of the test data cost, E KL(q(z|x) ‖ p(z)).

    R of the rate–distortion plane. Reference: Alemi et al. 2018, arXiv:1711.00464.
    """
    return WithError.of(mean(_rates(model, data, seed, num_samples)))


@choice("metric", "rate-ratio")
def rate_ratio(model: Model, data: Data, seed: int, against: Model, num_samples: int = 20) -> WithError:
    """The rate of one model over that of another, E KL(q ‖ p) / E KL(q′ ‖ p′), on the test data.

    Reference: Alemi et al. 2018, arXiv:1711.00464.
    """
    return WithError.of(ratio(*(_rates(m, data, seed, num_samples) for m in (model, against))))


def _rates(model: Model, data: Data, seed: int, num_samples: int) -> Tensor:
    """KL(q(z|x) ‖ p(z)) of each test datum, ``(N,)``."""
    if not isinstance(model, Pair):
        raise ValueError(f"{type(model).__name__} is no (model, guide) pair, so it has no codes whose rate to measure.")
    test = data.test.to(model.device)
    with evaluating(model), seeded(seed, model.device), particles(num_samples):
        drawn = record(model.guide, test.x, test.y)
        found = divergences(drawn, record(model.model, test.x, test.y, latents(drawn)))
    return _of_each(sum(found.values(), test.x.new_zeros(len(test))), len(test))


def _of_each(values: Tensor, count: int) -> Tensor:
    """Means over draws, ``(..., N)`` to ``(N,)``."""
    return values.double().reshape(-1, count).mean(0)


@choice("metric", "least-level-rate")
def least_level_rate(model: Model, data: Data, seed: int, num_samples: int = 20) -> WithError:
    """Nats that the least used level of latents costs, min_l E log q(z_l|z_{<l}, x) / p(z_l|z_{<l}), on the test data.

    A level that is idle costs 0: its posterior is its prior. Levels are sites of their own, or the levels of one joint
    distribution. Reference: Sønderby et al. 2016, arXiv:1602.02282, figure 4.
    """
    levels: list[Tensor] = []
    if isinstance(model, Pair):
        test = data.test.to(model.device)
        with evaluating(model), seeded(seed, model.device), particles(num_samples):
            drawn = record(model.guide, test.x, test.y)
            scored = record(model.model, test.x, test.y, latents(drawn))
            levels = [rate for name in latents(drawn) for rate in _by_level(drawn[name], scored[name])]
    if len(levels) < 2:
        raise ValueError(
            f"least-level-rate needs latents in levels, as of prior='Hierarchical'; {type(model).__name__} has none here."
        )
    return WithError.of(min(mean(_of_each(rate, len(data.test))) for rate in levels))


def _by_level(drawn: Site, scored: Site) -> list[Tensor]:
    """log q − log p at the draw, of each level of a site apart."""
    p, q = vectors_of(scored["fn"]), vectors_of(drawn["fn"])
    if not isinstance(p, Levels):
        return [log_prob(drawn) - log_prob(scored)]
    z = drawn["value"].flatten(-drawn["fn"].event_dim)
    # coordinates that are independent are levels too
    parts = q.log_probs(z) if isinstance(q, Levels) else _split(q, z, p.sizes)
    return [a - b for a, b in zip(parts, p.log_probs(z), strict=True)]


def _split(q: Distribution, z: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    each: Tensor = unwrap(q).log_prob(z)
    if each.shape != z.shape:
        raise ValueError(
            f"least-level-rate needs log q(z|x) by level, and {type(unwrap(q)).__name__} ties all coordinates together; use "
            "posterior='Ladder' or 'DiagonalNormal'."
        )
    return [part.sum(-1) for part in each.split(list(sizes), -1)]


@choice("metric", "gap-to-ppca")
def gap_to_ppca(
    model: Model, data: Data, seed: int, components: int, estimator: Mapping[str, Any] | str = "ELBO"
) -> Nats:
    """Nats per datum by which a model stays below the best probabilistic PCA, on the training data.

    max log p = −½ [D log 2π + Σ_{i≤L} log λᵢ + (D − L) log σ² + D] with the eigenvalues λ of the covariance and
    σ² = Σ_{i>L} λᵢ / (D − L), less the model's score. A linear VAE's ELBO has the same maximum, because its axes can turn
    until the exact posterior is diagonal.
    Reference: Tipping & Bishop 1999; Lucas et al. 2019, arXiv:1911.02469.
    """
    if data.train.fresh:
        raise ValueError("gap-to-ppca needs data that stand still; load them with dequantization=False.")
    x = data.train.x.flatten(1).double()
    if x.isnan().any():
        raise ValueError(
            f"gap-to-ppca needs the covariance of whole rows, and some of {data.name!r} have missing cells."
        )
    dimensions = x.shape[1]
    if not 0 < components < dimensions:
        raise ValueError(f"components={components} must lie between 0 and the {dimensions} dimensions of the data.")
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    noise = values[components:].mean()
    logs = values[:components].log().sum() + (dimensions - components) * noise.log()
    best = -0.5 * (dimensions * math.log(2 * math.pi) + logs + dimensions)
    found = scores(model, data, seed, estimator, "train")
    # standardized data are scored in raw units
    return Nats(float(best) + data.train.log_jacobian - found.each, found.shared)
