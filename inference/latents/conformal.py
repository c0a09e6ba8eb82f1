"""Whether a score is that of an outlier: p-values that hold for any score, and how well scores tell two sets apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from pyrogen.seeds import numpy_generator

EDGE = 1e-9


def conformal_bounds(calibration: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Between which p-values a datum lies, given how many calibration data are as strange as it or stranger.

    lower = #{cᵢ > s} / (n + 1),  upper = (#{cᵢ ≥ s} + 1) / (n + 1); the upper one is a p-value without randomization, and
    valid: P(upper ≤ α) ≤ α. Larger scores are stranger.

    Args:
        calibration: scores ``(n,)`` of data that took no part in training.
        scores: of the data to judge, ``(N,)``.

    Raises:
        ValueError: there is nothing to calibrate by, or a score is NaN.
    """
    known, asked = np.sort(np.asarray(calibration, np.float64)), np.asarray(scores, np.float64)
    if known.ndim != 1 or not len(known) or np.isnan(known).any() or np.isnan(asked).any():
        raise ValueError(
            f"p-values need at least one calibration score and no NaN; got {known.shape} with {np.isnan(known).sum()} NaN, "
            f"and {np.isnan(asked).sum()} NaN among those to judge."
        )
    above = len(known) - np.searchsorted(known, asked, side="right")
    as_large = len(known) - np.searchsorted(known, asked, side="left")
    return above / (len(known) + 1), (as_large + 1) / (len(known) + 1)


def conformal_p_values(calibration: np.ndarray, scores: np.ndarray, seed: int = 0) -> np.ndarray:
    """p-values that are exactly uniform on [0, 1] for a datum exchangeable with the calibration data, whatever the score.

    p = (#{cᵢ > s} + U (#{cᵢ = s} + 1)) / (n + 1), U uniform: ranks with randomized ties. So P(p ≤ α) = α over the draw of
    calibration data and datum together; given one calibration set, the rate of false alarms varies by √(α (1 − α) / n).

    Reference: Vovk, Gammerman & Shafer 2005, Algorithmic learning in a random world, section 2.2 (smoothed p-values); Bates
    et al. 2023, Testing for outliers with conformal p-values, arXiv:2104.08279.

    Args:
        calibration: scores ``(n,)``, larger ones stranger, of data that took no part in training.
        scores: of the data to judge, ``(N,)``.
        seed: of the ties.

    Raises:
        ValueError: there is nothing to calibrate by, or a score is NaN.
    """
    lower, upper = conformal_bounds(calibration, scores)
    return lower + numpy_generator(seed).random(lower.shape) * (upper - lower)


@dataclass(frozen=True)
class Separation:
    """How well a score tells outliers from data: the area under the ROC curve, P(s_out > s_in) + ½ P(s_out = s_in).

    Attributes:
        auc: 1 where all outliers score higher, ½ where the score does not know them, below where it prefers them.
        error: its standard error (DeLong et al. 1988), 0 where the two sets do not overlap.
        outliers: how many.
        inliers: how many.
    """

    auc: float
    error: float
    outliers: int
    inliers: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The areas that the data do not contradict, a range even where the sets do not overlap.

        Those θ with (θ̂ − θ)² ≤ z² V(θ), V the variance of θ̂ if scores were exponential: method 5 of Newcombe 2006,
        Confidence intervals for an effect size measure based on the Mann–Whitney statistic, part 2.
        """
        z, m, n = float(ndtri(0.5 + level / 2)), self.outliers, self.inliers
        pairs = (m + n) / 2 - 1

        def excess(theta: float) -> float:
            spread = 1 + pairs * ((1 - theta) / (2 - theta) + theta / (1 + theta))
            return (self.auc - theta) ** 2 - z**2 * theta * (1 - theta) * spread / (m * n)

        inside = min(max(self.auc, EDGE), 1 - EDGE)  # where the excess is negative: at 0 and 1 themselves it vanishes
        low = float(brentq(excess, 0.0, inside)) if self.auc > 0 else 0.0
        high = float(brentq(excess, inside, 1.0)) if self.auc < 1 else 1.0
        return low, high

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.auc:.3f} [{low:.3f}, {high:.3f}]"


def separation(outliers: np.ndarray, inliers: np.ndarray) -> Separation:
    """The area under the ROC curve of a score that is to be larger for outliers, with the error that both samples give it.

    θ̂ = mean of the placements V_i = #{s_in < s_i} / n of outliers (ties count half), and likewise W_j of inliers;
    Var θ̂ = Var V / m + Var W / n. Reference: DeLong, DeLong & Clarke-Pearson 1988; by ranks: Sun & Xu 2014.

    Raises:
        ValueError: fewer than two of either, or a NaN.
    """
    from scipy.stats import rankdata  # half a second that only those pay for who ask

    a, b = (np.asarray(s, np.float64).reshape(-1) for s in (outliers, inliers))
    m, n = len(a), len(b)
    if min(m, n) < 2 or np.isnan(a).any() or np.isnan(b).any():
        raise ValueError(
            f"an ROC curve needs at least two scores of outliers and two of inliers, and no NaN; got {m} and {n}, "
            f"{np.isnan(a).sum() + np.isnan(b).sum()} NaN."
        )
    ranks = rankdata(np.concatenate([a, b]))
    over = (ranks[:m] - rankdata(a)) / n
    under = 1 - (ranks[m:] - rankdata(b)) / m
    error = float(np.sqrt(over.var(ddof=1) / m + under.var(ddof=1) / n))
    return Separation(float(over.mean()), error, m, n)
