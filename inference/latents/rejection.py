"""Decisions that may be refused: what is gained by deciding on the surest data only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyrogen.inference.latents.measured import share_error


@dataclass(frozen=True)
class Rejection:
    """What is gained by deciding on the surest data only, from the surest on.

    Data of equal signal are let in together, so that there are at most as many steps as data.

    Attributes:
        decided: how many data, at each step.
        errors: how many of them are wrong.
    """

    decided: np.ndarray
    errors: np.ndarray

    @property
    def coverage(self) -> np.ndarray:
        """The fraction of data that are decided, at each step."""
        return self.decided / self.decided[-1]

    @property
    def risk(self) -> np.ndarray:
        """The fraction of errors among them."""
        return self.errors / self.decided

    @property
    def error(self) -> np.ndarray:
        """The error of the risk, at each step, by :func:`~pyrogen.inference.latents.measured.share_error`."""
        return np.array([share_error(k, n) for k, n in zip(self.errors.tolist(), self.decided.tolist(), strict=True)])

    @property
    def area(self) -> float:
        """The area under the risk–coverage curve: the mean over data of the risk at which each is let in."""
        return float(np.diff(self.decided, prepend=0) @ self.risk / self.decided[-1])

    def at(self, coverage: float) -> tuple[float, float, float]:
        """The first step of at least that coverage: its coverage, its risk r, and the error of r, which is none of 0."""
        place = int(np.flatnonzero(self.coverage >= coverage - 1e-12)[0])
        return float(self.coverage[place]), float(self.risk[place]), float(self.error[place])


def rejection(right: np.ndarray, sureness: np.ndarray) -> Rejection:
    """The risk–coverage curve of decisions and of the signal by which some are refused.

    Reference: El-Yaniv & Wiener 2010, On the foundations of noise-free selective classification.

    Args:
        right: whether each decision is right, ``(N,)``.
        sureness: larger where it is surer, ``(N,)``.

    Raises:
        ValueError: there are none, or not as many of both, or a NaN.
    """
    right, sureness = np.asarray(right, bool), np.asarray(sureness, np.float64)
    if right.ndim != 1 or right.shape != sureness.shape or not len(right) or np.isnan(sureness).any():
        raise ValueError(
            f"a risk–coverage curve needs a number for each of at least one decision; got {right.shape} decisions and "
            f"{sureness.shape} numbers, {np.isnan(sureness).sum()} NaN."
        )
    _, step, counts = np.unique(-sureness, return_inverse=True, return_counts=True)
    wrong = np.bincount(step, ~right, len(counts)).astype(int)
    return Rejection(counts.cumsum(), wrong.cumsum())
