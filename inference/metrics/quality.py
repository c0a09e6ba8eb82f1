"""The measures of samples as metrics of claims."""

from __future__ import annotations

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.quality.assess import USUAL, Draws, assess
from pyrogen.registry import choice, unknown

STATISTICS = ("value", "over_floor", "in_floors", "errors")


@choice("metric", "quality")
def quality(
    model: Model,
    data: Data,
    seed: int,
    measure: str = "frechet",
    statistic: str = "value",
    features: str = "auto",
    num: int = USUAL,
    draws: Draws = "auto",
) -> float:
    """What a measure says of samples, see :func:`pyrogen.inference.quality.assess.assess`.

    Its "value"; by how much it is above its floor, "over_floor"; how many times the floor it is, "in_floors"; or by how many
    standard errors it is above it, "errors".
    """
    if statistic not in STATISTICS:
        raise unknown("statistic of quality", statistic, STATISTICS)
    found = assess(model, data, [measure], features, num, seed, draws=draws)
    (name,) = found.names
    value, floor = found.measured(name).value, found.floor(name).value
    if statistic == "in_floors":
        return value / floor
    return {"value": value, "over_floor": value - floor, "errors": found.errors_from_floor(name)}[statistic]


@choice("metric", "quality-ratio")
def quality_ratio(
    model: Model,
    data: Data,
    seed: int,
    against: Model,
    measure: str = "frechet",
    features: str = "auto",
    num: int = USUAL,
) -> float:
    """What a measure says of samples, as a multiple of what it says of another model's."""
    own, other = (assess(m, data, [measure], features, num, seed) for m in (model, against))
    return own.measured(*own.names).value / other.measured(*other.names).value
