"""Metrics of samples against data without an oracle: whether a generator has collapsed."""

from __future__ import annotations

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.adversarial import collapse
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice


@choice("metric", "sample-rank")
def sample_rank(model: Model, data: Data, seed: int) -> float:
    """The effective rank of samples over that of as many training data, see :mod:`pyrogen.inference.adversarial.collapse`."""
    return _measured(model, data, seed, "sample_rank")


@choice("metric", "sample-coverage")
def sample_coverage(model: Model, data: Data, seed: int) -> float:
    """How many test data have a sample near, over how many have one of as many training data: 1 of real data."""
    return _measured(model, data, seed, "sample_coverage")


def _measured(model: Model, data: Data, seed: int, name: str) -> float:
    with evaluating(model), seeded(seed, model.device):
        test, train = (split.to(model.device) for split in (data.test, data.train))
        found = collapse.Yardstick(test, train).spread(model)
    if name not in found:
        raise ValueError(
            f"the metric compares samples of a generator with {collapse.FEWEST} whole test data or more; "
            f"{type(model).__name__} on {data.name!r} offers no such comparison."
        )
    return found[name]
