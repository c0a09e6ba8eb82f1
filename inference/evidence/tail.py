"""The largest importance weights: their generalized Pareto tail, and the tail smoothed."""

from __future__ import annotations

import math
import warnings

import numpy as np

FEWEST = 25  # weights, of which five are a tail
FEW = 10  # values are few where each is drawn so often
# nats below the largest weight, where float64 can no longer tell a weight from 0
SPAN = 800.0


def tail_length(total: int) -> int:
    """How many of ``total`` weights are their tail: 3 √total, or a fifth of few."""
    return int(min(total / 5, 3 * math.sqrt(total)))


def smooth(log_weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Fit a generalized Pareto distribution to a tail, and replace the tail by the quantiles of the fit.

    Args:
        log_weights: the largest weight below the tail, then the tail, ascending: ``(1 + tail_length,)``, in nats.

    Returns:
        The shape k̂, and the log weights of the tail smoothed; −inf and the tail as it was where it has few values, as with
        an exact guide, or with the few states of discrete latents, whose weights are bounded; nan and the tail as it was
        where there is no fit, as where most of the tail is nothing beside the largest weight.

    Reference: Vehtari, Simpson, Gelman, Yao & Gabry 2024, arXiv:1507.02646.
    """
    # 1.7 s of import that only scores pay for
    from arviz_stats.base import array_stats

    tail, peak = log_weights[1:], log_weights[-1]
    if _has_few_values(log_weights[0], tail):
        return -np.inf, tail
    # finite, so that it can be subtracted
    bounded = np.maximum(log_weights, peak - SPAN)
    if (bounded[1:] <= peak - SPAN).sum() > len(tail) / 2:
        return np.nan, tail
    # psislw takes the largest fifth of few draws for their tail, and reads of the others only the largest
    padded = np.concatenate([np.full(4 * len(tail), bounded[0]), bounded[1:]])
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # its advice is ours to give
            normalized, shape = array_stats.psislw(-padded, r_eff=1 / len(padded))  # ArviZ takes negative log weights
    except (
        ValueError,
        ArithmeticError,
    ):  # one datum's tail that cannot be fitted is no reason to lose the others' scores
        return np.nan, tail
    ordered = np.sort(normalized)
    smoothed = ordered[-len(tail) :] - ordered[0] + bounded[0]
    if not (np.isfinite(shape) and np.isfinite(smoothed).all()):
        return float(shape) if np.isfinite(shape) else np.nan, tail
    return float(shape), smoothed


def _has_few_values(threshold: float, tail: np.ndarray) -> bool:
    """Whether a tail's lowest quarter equals the threshold below, or all of it is few values, the largest drawn twice."""
    quartile = tail[len(tail) // 4]
    if not math.isfinite(quartile):
        return False
    apart = max(1e-6 * abs(quartile), 1e-5)  # but for rounding of float32
    if quartile - threshold <= apart:
        return True
    # a larger one may be unseen where the largest was drawn once
    return bool(tail[-1] - tail[-2] <= apart) and _count(tail, apart, len(tail) // FEW) <= len(tail) // FEW


def _count(ascending: np.ndarray, apart: float, enough: int) -> int:
    """How many values that lie apart there are, counted until there are more than enough."""
    count, start = 0, 0
    while start < len(ascending) and count <= enough:
        count, start = count + 1, int(np.searchsorted(ascending, ascending[start] + apart, "right"))
    return count
