"""Metrics of forecasts of people's paths: how far from the truth, and how often people touch, as a fraction of a rival's."""

from __future__ import annotations

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.latents.measured import ratio
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.quality import forecasts as by
from pyrogen.registry import choice


@choice("metric", "displacement")
def displacement(model: Model, data: Data, seed: int, draws: int = by.DRAWS, final: bool = False) -> WithError:
    """The mean distance of test people from where they are forecast to be, of the draw that is best for their whole scene.

    In the unit of the data, metres mostly; ADE of the literature, and FDE where ``final`` counts the last step alone.
    Reference: Gupta et al. 2018, arXiv:1803.10892, section 4.
    """
    by.refuse_others(model, data)
    part = data.test
    made, x = by.drawn(model, part, draws, seed), part.x
    return WithError.of(by.displacement(made[..., -1:, :], x[..., -1:, :]) if final else by.displacement(made, x))


@choice("metric", "displacement-ratio")
def displacement_ratio(
    model: Model, data: Data, seed: int, against: Model | None = None, draws: int = by.DRAWS
) -> WithError:
    """The displacement as a fraction of that of another model, or else of going straight on with noise: 1 of no use.

    The noise is an angle that validation fitted to the same number of draws, see
    :func:`pyrogen.inference.quality.forecasts.rivals`. Both are of the same scenes, and so is the error.
    """
    by.refuse_others(model, data)
    part = data.test
    rival = by.rivals(data, part, draws, seed)[1] if against is None else by.drawn(against, part, draws, seed)
    return WithError.of(ratio(by.best(by.drawn(model, part, draws, seed), part.x), by.best(rival, part.x)))


@choice("metric", "collisions")
def collisions(model: Model, data: Data, seed: int, draws: int = by.DRAWS, touching: float = by.TOUCHING) -> WithError:
    """Pairs of people of a test scene who come nearer than ``touching`` on the ways that are drawn for them together."""
    by.refuse_others(model, data)
    return WithError.of(by.collisions(by.drawn(model, data.test, draws, seed), data.test, touching))


@choice("metric", "collisions-ratio")
def collisions_ratio(
    model: Model,
    data: Data,
    seed: int,
    against: Model | None = None,
    draws: int = by.DRAWS,
    touching: float = by.TOUCHING,
) -> WithError:
    """The collisions as a fraction of those of another model, or else of going straight on with noise.

    Raises:
        ValueError: nobody touches anybody in the rival's scenes.
    """
    by.refuse_others(model, data)
    part = data.test
    rival = by.rivals(data, part, draws, seed)[1] if against is None else by.drawn(against, part, draws, seed)
    assert part.y is not None
    own, others = (by.collided(made, part.y, touching).mean(0) for made in (by.drawn(model, part, draws, seed), rival))
    if not others.any():
        raise ValueError(f"collisions-ratio divides by a rival's, of whom nobody comes nearer than {touching:g}.")
    return WithError.of(ratio(own, others))
