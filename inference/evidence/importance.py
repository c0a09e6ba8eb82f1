"""Estimates and diagnostics from importance log weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp
from torch import Tensor

from pyrogen.base import HasLogProb, Model, Pair
from pyrogen.inference.evidence.estimator import Estimates
from pyrogen.inference.evidence.weights import blocks_of_weights

CURVE = (1, 5, 50, 500, 5000, 50_000)


def log_mean_exp(log_weights: np.ndarray) -> np.ndarray:
    """log 1/K Σ w over the first axis."""
    return logsumexp(log_weights, axis=0) - math.log(len(log_weights))


def effective_sample_size(log_weights: np.ndarray) -> np.ndarray:
    """(Σ w)² / Σ w² over the first axis: between 1 and K."""
    return np.exp(2 * logsumexp(log_weights, axis=0) - logsumexp(2 * log_weights, axis=0))


def standard_error(log_weights: np.ndarray) -> np.ndarray:
    """Monte-Carlo error of the log of the mean weight, √(1/ESS − 1/K) by the delta method."""
    return np.sqrt(np.maximum(1 / effective_sample_size(log_weights) - 1 / len(log_weights), 0))


def k_curve(log_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bound for k = 1, 5, 50 … K from the same K weights: means of log-mean-exps over groups of k.

    Returns:
        The values of k, and the bounds ``(k, datum)``.
    """
    total = len(log_weights)
    ks = sorted({k for k in CURVE if k < total} | {total})
    rows = []
    for k in ks:
        groups = log_weights[: total // k * k].reshape(total // k, k, -1)
        rows.append((logsumexp(groups, axis=1) - math.log(k)).mean(0))
    return np.array(ks), np.stack(rows)


def pareto_k(log_weights: np.ndarray) -> np.ndarray:
    """Shape k̂ of the generalized Pareto fitted to each datum's largest weights: above 0.7 no error bar can be believed.

    −inf where all weights are equal (an exact guide), nan below 25 draws.

    Reference: Vehtari et al. 2024, arXiv:1507.02646.
    """
    # 1.7 s of import that only scores pay for
    from arviz_stats.base import array_stats

    shapes = np.full(log_weights.shape[1], np.nan)
    if len(log_weights) < 25:
        return shapes
    for i, column in enumerate(log_weights.T):
        # equal but for the rounding of float32 densities
        if np.ptp(column) <= 1e-5 * max(10.0, abs(column[0])):
            shapes[i] = -np.inf
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its advice is ours to give
            shapes[i] = array_stats.psislw(-column)[1]  # ArviZ takes negative log weights
    return shapes


def diagnostics(log_weights: np.ndarray) -> Estimates:
    """What every estimate from weights carries: ess, pareto_k, and the k-curve."""
    ks, curve = k_curve(log_weights)
    return {
        "ess": (("datum",), effective_sample_size(log_weights)),
        "pareto_k": (("datum",), pareto_k(log_weights)),
        "k_curve": (("k", "datum"), curve),
        "k": (("k",), ks),
    }


def estimate_from_weights(
    pair: Model,
    x: Tensor,
    y: Tensor | None,
    num_samples: int,
    reduce: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    *,
    chunk_size: int,
    seed: int,
) -> Estimates:
    """Reduce each block of log weights to an estimate and its error, and add the diagnostics.

    Only one block of data has its weights in memory at a time.

    Args:
        pair: a latent-variable model.
        x: data.
        y: conditions.
        num_samples: draws a datum.
        reduce: log weights ``(sample, datum)`` to estimate and error, each ``(datum,)``.
        chunk_size: as in :func:`~pyrogen.inference.log_evidence`.
        seed: of the draws.
    """
    if not isinstance(pair, Pair):
        raise ValueError(
            f"{type(pair).__name__} has no guide to draw latents from, so importance weights cannot score it; "
            + ("use estimator=Exact()." if isinstance(pair, HasLogProb) else "it has no log_prob either.")
        )
    parts: list[Estimates] = []
    for block in blocks_of_weights(pair, x, y, num_samples, chunk_size, seed):
        weights = block.cpu().numpy()
        value, error = reduce(weights)
        parts.append({"log_evidence": (("datum",), value), "mc_se": (("datum",), error), **diagnostics(weights)})
    joined = {name: (dims, np.concatenate([p[name][1] for p in parts], -1)) for name, (dims, _) in parts[0].items()}
    return {**joined, "k": parts[0]["k"]}
