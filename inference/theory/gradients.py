"""The two ways to a gradient of an expectation, and how noisy each is: by drawing, and in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimates:
    """A gradient as both estimators see it: means, their errors, and variances of one draw."""

    mean: float
    mean_se: float
    variance: float


def path_gradient(mean: float, sd: float, draws: int, seed: int = 0) -> Estimates:
    """d/dμ E_{N(μ, σ²)} z² by the path z = μ + σε: one draw is 2z, of variance 4σ².

    Reference: Kingma & Welling 2014, arXiv:1312.6114.
    """
    z = mean + sd * np.random.default_rng(seed).standard_normal(draws)
    return _estimates(2 * z)


def score_gradient(mean: float, sd: float, draws: int, seed: int = 0) -> Estimates:
    """The same by the score: one draw is z² (z − μ)/σ².

    Reference: Williams 1992, Simple statistical gradient-following algorithms.
    """
    z = mean + sd * np.random.default_rng(seed).standard_normal(draws)
    return _estimates(z**2 * (z - mean) / sd**2)


def exact_variances(mean: float, sd: float) -> tuple[float, float]:
    """The variances of one draw of the path gradient, and of the score gradient.

    With z = μ + σε and E ε² = 1, E ε⁴ = 3, E ε⁶ = 15: 4σ², and (μ⁴ + 18 μ²σ² + 15 σ⁴)/σ² − 4μ².
    """
    second_moment = (mean**4 + 18 * mean**2 * sd**2 + 15 * sd**4) / sd**2
    return 4 * sd**2, second_moment - 4 * mean**2


def _estimates(values: np.ndarray) -> Estimates:
    return Estimates(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), float(values.var(ddof=1)))
