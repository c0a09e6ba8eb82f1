"""Importance weights as they come: all that an estimate asks of them, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import numpy as np

from pyrogen.inference.evidence.tail import FEWEST, smooth, tail_length

KEPT = 1000  # of the largest weights, at least: the others are each less than a thousandth of the sum
POWERS = 3  # of the others, whose sums are kept
FEWEST_OF_ERROR = 4  # weights: a Student t of fewer than 3 degrees of freedom has no standard deviation
LEAST_SHARE = float(np.finfo(float).eps)  # of a sum, that float64 can tell


def log_mean_exp(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """log of the mean of exp(values) over an axis; −inf where all values are."""
    peak = values.max(axis, keepdims=True)
    peak = np.where(np.isneginf(peak), 0.0, peak)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(values - peak).mean(axis)) + peak.squeeze(axis)


def jackknife_error(squares: np.ndarray, k: int) -> np.ndarray:
    """The error of what K weights tell, from Σ (L_i − L̄)² of what leaving out each of them changes; nan below 4 weights.

    se² = (K − 1)/K Σ (L_i − L̄)² · c. c = (K − 1)/(K − 3) is the variance of a Student t of K − 1 degrees of freedom, which
    the error follows in units of one that is told from K weights; of fewer than 4 it has none.

    Reference: Efron & Stein 1981, The jackknife estimate of variance.
    """
    if k < FEWEST_OF_ERROR:
        return np.full_like(squares, np.nan)
    return np.sqrt(np.maximum(squares, 0) * (k - 1) ** 2 / (k * (k - FEWEST_OF_ERROR + 1)))


class Moments:
    """Mean of numbers that come in parts, per datum, with its error.

    Reference: Chan, Golub & LeVeque 1983, Algorithms for computing the sample variance.
    """

    def __init__(self, data: int) -> None:
        self.count, self.mean, self.squares = 0, np.zeros(data), np.zeros(data)

    def add(self, values: np.ndarray) -> None:
        """Take values ``(n, data)``."""
        if not len(values):
            return
        before, self.count = self.count, self.count + len(values)
        center = values.mean(0)
        # a weight of 0 has no finite logarithm, and such logarithms no spread; the square of a huge one is infinite
        with np.errstate(invalid="ignore", over="ignore"):
            between = (center - self.mean) ** 2 * (before * len(values) / self.count) if before else 0.0
            self.squares = self.squares + ((values - center) ** 2).sum(0) + between
        self.mean = self.mean * (before / self.count) + center * (len(values) / self.count)

    def error(self) -> np.ndarray:
        """Standard error of the mean, nan below two values."""
        if self.count < 2:
            return np.full_like(self.mean, np.nan)
        return np.sqrt(self.squares / (self.count - 1) / self.count)


class Level:
    """The bound for one k: log-mean-exps over groups of k weights, made of the groups of the level below."""

    def __init__(self, k: int, ratio: int, data: int) -> None:
        self.k, self.ratio, self.moments = k, ratio, Moments(data)
        self.waiting = np.empty((0, data))

    def add(self, below: np.ndarray) -> np.ndarray:
        """Take what the level below has finished, and return what this one has."""
        pool = np.concatenate([self.waiting, below])
        whole = len(pool) // self.ratio * self.ratio
        # a copy, or the whole pool would stay in memory with it
        self.waiting = pool[whole:].copy()
        groups = log_mean_exp(pool[:whole].reshape(-1, self.ratio, pool.shape[1]), axis=1) if self.ratio > 1 else pool
        self.moments.add(groups)
        return groups


class WeightStream:
    """Statistics of log weights log w that come in parts, per datum, all in nats.

    The largest weights are kept, of the others only sums of their powers; every answer is that of all weights at once, but
    for rounding.

    Args:
        total: how many weights a datum will come.
        data: how many data.
    """

    def __init__(self, total: int, data: int) -> None:
        self.total, self.data = total, data
        self.size = min(total, max(KEPT, tail_length(total) + 1))
        self.kept = np.empty((data, 0))
        self.lowest = np.full(data, np.inf)
        self.scale = np.zeros(data)  # log of the unit of the sums of powers
        self.rest = np.zeros((POWERS, data))
        self._fitted: tuple[np.ndarray, np.ndarray] | None = None
        self.levels = [Level(k, ratio, data) for k, ratio in _ladder(total)]

    @classmethod
    def of(cls, log_weights: np.ndarray) -> WeightStream:
        """All of some log weights ``(sample, datum)`` at once."""
        stream = cls(*log_weights.shape)
        stream.add(log_weights)
        return stream

    def add(self, log_weights: np.ndarray) -> None:
        """Take the next log weights, ``(n, data)`` in float64."""
        self._fitted = None
        self.lowest = np.minimum(self.lowest, log_weights.min(0))
        pool = np.concatenate([self.kept, log_weights.T], 1)
        surplus = pool.shape[1] - self.size
        if surplus > 0:
            pool.partition(surplus, axis=1)
            self._drop(pool[:, :surplus], pool[:, surplus:].max(1))
        self.kept = pool[:, max(surplus, 0) :].copy()
        for level in self.levels:
            log_weights = level.add(log_weights)

    def mean(self) -> tuple[np.ndarray, np.ndarray]:
        """The mean of log w, and its error."""
        moments = self.levels[0].moments
        return moments.mean, moments.error()

    def log_mean(self) -> np.ndarray:
        """log 1/K Σ w."""
        scale, kept, rest = self._scaled()
        with np.errstate(divide="ignore"):
            return scale + np.log((rest[0] + kept.sum(1)) / self.total)

    def effective_sample_size(self) -> np.ndarray:
        """(Σ w)² / Σ w²: between 1 and K."""
        _, kept, rest = self._scaled()
        with np.errstate(invalid="ignore"):
            return (rest[0] + kept.sum(1)) ** 2 / (rest[1] + (kept**2).sum(1))

    def standard_error(self) -> np.ndarray:
        """Monte-Carlo error of the log of the mean weight, by the jackknife, widened for few weights.

        L_i = log(1 − p_i), p_i = w_i / Σ w, is what leaving out one weight changes: see :func:`jackknife_error`.
        (estimate − truth)/se spreads by 0.98 to 1.07 for lognormal weights of spread up to 0.5 at any K; of heavier ones the
        error is too small, and more so the fewer they are.
        """
        k = self.total
        _, kept, rest = self._scaled()
        total, others = self._without(kept, rest)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(np.maximum(others / total[:, None], LEAST_SHARE))
            shares = [rest[j] / total ** (j + 1) for j in range(POWERS)]
            # log(1 − p) = −p − p²/2 …, and its square p² + p³ …
            mean = (logs.sum(1) - shares[0] - shares[1] / 2 - shares[2] / 3) / k
            squares = ((logs - mean[:, None]) ** 2).sum(1)
            dropped = k - logs.shape[1]
            squares += shares[1] + shares[2] + 2 * mean * (shares[0] + shares[1] / 2) + dropped * mean**2
        return jackknife_error(squares, k)

    def k_curve(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The bound for k = 1, 5, 50 … K from the same K weights: means of log-mean-exps over groups of k.

        Returns:
            The values of k, the bounds ``(k, datum)`` and their errors, nan where there is one group.
        """
        below = [level for level in self.levels if level.k < self.total]
        curve = [*(level.moments.mean for level in below), self.log_mean()]
        errors = [*(level.moments.error() for level in below), np.full(self.data, np.nan)]
        return np.array([*(level.k for level in below), self.total]), np.stack(curve), np.stack(errors)

    def jackknife(self) -> np.ndarray:
        """JVI-1, which has no bias of order 1/K and is no bound: K L_K − (K − 1) mean of L_{K−1} without one weight each.

        In p_i = w_i / Σ w it is L_K + (K − 1) log(1 − 1/K) − (K − 1)/K Σ log(1 − p_i). The logarithms of the kept weights
        are exact; those of the others, each below 1/1000, are their first three powers. nan where K = 1.

        Reference: Nowozin 2018, Debiasing evidence approximations.
        """
        k = self.total
        if k < 2:
            return np.full(self.data, np.nan)
        _, kept, rest = self._scaled()
        total, others = self._without(kept, rest)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(others / total[:, None]).sum(1)
            logs -= sum(rest[j] / total ** (j + 1) / (j + 1) for j in range(POWERS))
            return self.log_mean() + (k - 1) * np.log1p(-1 / k) - (k - 1) / k * logs

    def pareto(self) -> tuple[np.ndarray, np.ndarray]:
        """Shape k̂ of the generalized Pareto fitted to the largest weights, and log 1/K Σ w with these smoothed by it.

        Above 0.7 no error bar can be believed. k̂ is −inf where all weights are equal (an exact guide) and nan below 25
        draws; without a fit nothing is smoothed. Smoothing trades variance for bias: the second is no bound.

        Reference: Vehtari et al. 2024, arXiv:1507.02646.
        """
        if self._fitted is None:
            self._fitted = self._fit()
        return self._fitted

    def _fit(self) -> tuple[np.ndarray, np.ndarray]:
        shapes, estimate = np.full(self.data, np.nan), self.log_mean()
        scale, _, rest = self._scaled()
        length = tail_length(self.total)
        for i, log_weights in enumerate(np.sort(self.kept, 1)):
            peak = log_weights[-1]
            if self.total < FEWEST or not np.isfinite(peak):
                continue
            # equal but for the rounding of float32 densities
            if peak - self.lowest[i] <= 1e-5 * max(10.0, abs(peak)):
                shapes[i] = -np.inf
                continue
            shapes[i], tail = smooth(log_weights[-length - 1 :])
            weights = np.exp(np.concatenate([log_weights[:-length], tail]) - scale[i])
            estimate[i] = scale[i] + np.log((rest[0, i] + weights.sum()) / self.total)
        return shapes, estimate

    def _without(self, kept: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Σ w, and for each kept weight, in ascending order, Σ w without it."""
        kept = np.sort(kept, 1)
        total = rest[0] + kept.sum(1)
        others = total[:, None] - kept
        others[:, -1] = rest[0] + kept[:, :-1].sum(1)  # where one weight is nearly all, what is left of the others
        return total, others

    def _drop(self, log_weights: np.ndarray, peak: np.ndarray) -> None:
        self._rescale(peak)
        weights = np.exp(log_weights - self.scale[:, None])
        self.rest += np.stack([(weights**j).sum(1) for j in range(1, POWERS + 1)])

    def _scaled(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The log of a unit, and the kept weights and the sums of powers of the others in it."""
        self._rescale(self.kept.max(1))
        return self.scale, np.exp(self.kept - self.scale[:, None]), self.rest

    def _rescale(self, peak: np.ndarray) -> None:
        scale = np.where(np.isneginf(peak), 0.0, peak)
        down = np.where(self.rest[0] > 0, self.scale - scale, 0.0)
        self.rest = self.rest * np.exp(np.arange(1, POWERS + 1)[:, None] * down)
        self.scale = scale


def _ladder(total: int) -> Iterator[tuple[int, int]]:
    """k = 1, 5, 50, 500 … below ``total``, each with how many groups of the one before it takes; k = 1 always."""
    k = 1
    yield 1, 1
    for ratio in chain([5], repeat(10)):
        k *= ratio
        if k >= total:
            return
        yield k, ratio
