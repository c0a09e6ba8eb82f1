"""Metrics of inversion: how near a generator comes to test data, by one way of looking for latents or another."""

from __future__ import annotations

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.latents.inversion import Method, invert
from pyrogen.inference.latents.measured import ratio
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.registry import choice


@choice("metric", "inversion-ratio")
def inversion_ratio(
    model: Model,
    data: Data,
    seed: int,
    method: Method = "optimize",
    over: Method = "encoder",
    steps: int = 300,
    restarts: int = 4,
    limit: int = 100,
) -> WithError:
    """The error of one way to invert a generator over that of another, Σ ‖x − g(z)‖² / Σ ‖x − g(z′)‖², on test data.

    Below 1 where ``method`` finds nearer data than ``over``; both have the same draws to start from. The error is of the
    data, and not of the draws. Reference: Zhu et al.
    2016, arXiv:1609.03552.
    """
    part = data.test.take(limit).to(model.device)
    mine, other = (invert(model, part, None, way, steps, restarts, seed=seed).error for way in (method, over))
    return WithError.of(ratio(mine, other))
