"""Metrics of samples against data without an oracle: whether a generator has collapsed."""

from __future__ import annotations

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.adversarial import collapse
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice


@choice("metric", "sample-rank")
def sample_rank(model: Model, data: Data, seed: int) -> float:
    """The effective rank of samples over that of test data: :func:`pyrogen.inference.adversarial.collapse.relative_rank`."""
    return _measured(model, data, seed, "sample_rank")


@choice("metric", "sample-coverage")
def sample_coverage(model: Model, data: Data, seed: int) -> float:
    """The fraction of test data with a sample near, see :func:`pyrogen.inference.quality.neighbours.coverage`."""
    return _measured(model, data, seed, "sample_coverage")


def _measured(model: Model, data: Data, seed: int, name: str) -> float:
    with evaluating(model), seeded(seed, model.device):
        found = collapse.spread(model, data.test.to(model.device))
    if name not in found:
        raise ValueError(
            f"the metric compares samples of a generator with {collapse.FEWEST} whole test data or more; "
            f"{type(model).__name__} on {data.name!r} offers no such comparison."
        )
    return found[name]
