"""The measures of samples as metrics of claims."""

from __future__ import annotations

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.metrics.with_error import WithError
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
) -> WithError:
    """What a measure says of samples, see :func:`pyrogen.inference.quality.assess.assess`.

    Its "value"; by how much it is above its floor, "over_floor"; how many times the floor it is, "in_floors"; or by how many
    standard errors it is above it, "errors".
    """
    if statistic not in STATISTICS:
        raise unknown("statistic of quality", statistic, STATISTICS)
    found = assess(model, data, [measure], features, num, seed, draws=draws)
    (name,) = found.names
    value, excess = found.measured(name), found.excess(name)
    if statistic == "in_floors":
        floor = found.floor(name)
        # both are against the same data: Var(value − floor) tells their covariance
        return WithError.of(value.over(floor, (value.error**2 + floor.error**2 - excess.error**2) / 2))
    if statistic == "errors":
        return WithError(found.errors_from_floor(name))
    return WithError.of(value if statistic == "value" else excess)


@choice("metric", "quality-ratio")
def quality_ratio(
    model: Model,
    data: Data,
    seed: int,
    against: Model,
    measure: str = "frechet",
    statistic: str = "value",
    features: str = "auto",
    num: int = USUAL,
) -> WithError:
    """What a measure says of samples, as a multiple of what it says of another model's; the error as if of other data.

    Its "value"; or by how much it is above its floor, "over_floor": of two models that are near to data the floor is most of
    the value.
    """
    if statistic not in STATISTICS[:2]:
        raise unknown("statistic of quality-ratio", statistic, STATISTICS[:2])
    own, other = (assess(m, data, [measure], features, num, seed) for m in (model, against))
    above, below = (q.excess(*q.names) if statistic == "over_floor" else q.measured(*q.names) for q in (own, other))
    return WithError.of(above.over(below))
