"""Metrics of what an encoder believes: whether it is calibrated, and what keeps its bound below the evidence."""

from __future__ import annotations

from typing import Literal

from pyrogen.base import Model, Pair
from pyrogen.data import Data
from pyrogen.inference.latents.calibration import calibrate
from pyrogen.inference.latents.gaps import gaps
from pyrogen.inference.metrics.evidence import Nats
from pyrogen.registry import choice


@choice("metric", "smallest-p")
def smallest_p(model: Model, data: Data, seed: int, simulations: int = 1000, num_draws: int = 99) -> float:
    """The least p-value of an encoder's calibration times the number of quantities, under the model's own joint.

    Reference: Talts et al. 2018, arXiv:1804.06788.
    """
    split = data.test.take(min(simulations, len(data.test)))
    found = calibrate(
        _pair(model, "smallest-p"), split.x, split.y, simulations=simulations, num_draws=num_draws, seed=seed
    )
    return float(found.attrs["smallest_p"])


@choice("metric", "inference-gap")
def inference_gap(
    model: Model,
    data: Data,
    seed: int,
    part: Literal["amortization", "approximation"] = "approximation",
    num_data: int = 64,
    steps: int = 300,
) -> Nats:
    """Nats a test datum that the ELBO loses for want of a better network (amortization), or of a better family.

    Reference: Cremer et al. 2018, arXiv:1801.03558.
    """
    split = data.test.take(min(num_data, len(data.test)))
    found = gaps(_pair(model, "inference-gap"), split.x, split.y, steps=steps, check=False, seed=seed)
    return Nats(found[part].values)


def _pair(model: Model, name: str) -> Pair:
    if not isinstance(model, Pair):
        raise ValueError(f"{name} judges the guide of a (model, guide) pair; {type(model).__name__} has none.")
    return model
