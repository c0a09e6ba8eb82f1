"""How sparse numbers are that describe data, and how far each of them answers to one class alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from pyrogen.inference.latents.measured import Measured, mean


def hoyer(rows: np.ndarray) -> np.ndarray:
    """(√n − ‖z‖₁ / ‖z‖₂) / (√n − 1) of each row of ``(N, n)``, ``(N,)``: 1 where one number is not 0, 0 where all are alike.

    NaN of rows of zeros, which are neither. Reference: Hoyer 2004, Non-negative matrix factorization with sparseness
    constraints, section 3.1.
    """
    root = np.sqrt(rows.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = (root - np.abs(rows).sum(1) / np.linalg.norm(rows, axis=1)) / (root - 1)
    return found


def treves_rolls(rows: np.ndarray) -> np.ndarray:
    """(1 − a) / (1 − 1/n), a = (Σᵢ |zᵢ| / n)² / (Σᵢ zᵢ² / n), of each row of ``(N, n)``: 1 where one answers, 0 where all do.

    Of a datum's units it is population sparseness, of a unit's data, the transpose, lifetime sparseness; NaN of silent ones.
    Reference: Treves & Rolls 1991; as 1 − a: Vinje & Gallant 2000, Sparse coding and decorrelation in primary visual cortex.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        activity = np.abs(rows).mean(1) ** 2 / (rows**2).mean(1)
    found: np.ndarray = (1 - activity) / (1 - 1 / rows.shape[1])
    return found


def selectivity(rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(μ₁ − μ₂) / (μ₁ + μ₂) of each unit, ``(n,)``: its mean size |z| on the class of its largest, and on all other classes.

    1 where it answers to one class alone, 0 where to all alike; NaN of silent units.
    Reference: Morcos et al. 2018, On the importance of single directions for generalization, arXiv:1803.06959, section 3.4.
    """
    means = np.stack([np.abs(rows[y == k]).mean(0) for k in np.unique(y)])
    most = means.max(0)
    others = (means.sum(0) - most) / (len(means) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = (most - others) / (most + others)
    return found


MEASURES: Mapping[str, tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "hoyer": ("Hoyer", lambda rows, y: hoyer(rows)),
    "population": ("population", lambda rows, y: treves_rolls(rows)),
    "lifetime": ("lifetime", lambda rows, y: treves_rolls(rows.T)),
    "selectivity": ("selectivity", selectivity),
}


def sparsity(rows: np.ndarray, y: np.ndarray) -> dict[str, Measured]:
    """All four of ``(N, n)`` numbers, n of 2 or more, and labels ``(N,)``: means over data, or over units, with their errors.

    Data, and units, that are silent are left out; where all are, the mean is NaN.
    """
    found = {}
    for name, (_, rule) in MEASURES.items():
        values = torch.from_numpy(rule(rows, y))
        heard = values[~values.isnan()]
        found[name] = mean(heard) if len(heard) > 1 else Measured(float("nan"), float("nan"), len(heard))
    return found
