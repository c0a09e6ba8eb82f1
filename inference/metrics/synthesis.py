"""Metrics of pictures that are made at once: whether distant parts agree, and what truncation trades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pyrogen.base import Model
from pyrogen.capabilities import HasTruncation
from pyrogen.data import Data, Split
from pyrogen.data.sprites_reading import SpriteReader
from pyrogen.inference.latents.judging import Judge, TrainedJudge, judge_of
from pyrogen.inference.latents.measured import mean, paired, share_error
from pyrogen.inference.metrics.generators import given
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.quality.measure import parts, standard_error
from pyrogen.inference.quality.modes import raw_values
from pyrogen.inference.quality.neighbours import Coverage, Density
from pyrogen.inference.quality.spaces import FeatureSpace, space_of
from pyrogen.registry import choice
from pyrogen.seeds import derived


@choice("metric", "distant-agreement")
def distant_agreement(
    model: Model,
    data: Data,
    seed: int,
    against: Model | None = None,
    apart: int = 8,
    n: int = 500,
    judge: Judge | Mapping[str, Any] | str | None = None,
) -> WithError:
    """How wrongly parts of one object that lie far apart agree, by a frozen judge; or by how much less than another model's.

    A picture's agreement a(x) is the mean of cos(φ_p − φ̄, φ_q − φ̄) over positions p and q of the shape of the nearest
    sprite s, at least ``apart`` cells from one another; φ are what a classifier of real sprites sees at a position, φ̄ their
    mean over real ones. The metric is the mean of |a(x) − a(s)|, 0 of sprites: parts of two objects agree less than those of
    one, and parts of a blurred one more. With ``against`` it is the other model's less this one's, picture by picture,
    divided by its standard error.

    Raises:
        ValueError: the data have no objects that an oracle finds, or fewer than two pictures have one that is so large.
    """
    if not isinstance(data.oracle, SpriteReader):
        raise ValueError(
            f"objects are found in sprites, and {data.name!r} has no oracle that finds any; take sprites with y='label'."
        )
    eyes = judge_of(data, judge)
    own = _disagreement(model, data, data.oracle, eyes, seed, apart, n)
    other = own if against is None else _disagreement(against, data, data.oracle, eyes, seed, apart, n)
    both = own.isfinite() & other.isfinite()
    if both.sum() < 2:
        raise ValueError(
            f"of {n} pictures {int(both.sum())} have an object with parts {apart} cells apart; take a smaller apart=, more "
            "pictures, or a model that was trained for longer."
        )
    if against is None:
        return WithError.of(mean(own[both]))
    gain = paired(other[both], own[both])
    return WithError(gain.value / gain.error)


@choice("metric", "truncation-trade")
def truncation_trade(
    model: Model,
    data: Data,
    seed: int,
    truncations: Sequence[float] = (),
    features: str = "pixels",
    draws: int = 20,
) -> WithError:
    """In which share of steps from loose to tight truncation density rises and coverage falls: 1 if in all of them.

    The first step is from no truncation to the first level, by default of the model's own. Both are means over ``draws`` of
    as many samples as test data, and a draw's random numbers are the same at each level: from one draw of 360 what a step
    costs in coverage has a standard deviation of 0.01, as much as a loose one costs. The error is from halves of all samples
    and data, and no less than that of a share of so many steps.
    """
    if draws < 1:
        raise ValueError(f"draws={draws}: density and coverage are means over 1 draw or more.")
    if not isinstance(model, HasTruncation) or not (levels := [*(truncations or model.truncations)]):
        raise ValueError(
            f"the latents of this {type(model).__name__} are not truncated, so that nothing is traded; take a "
            "GAN with a StandardNormal prior."
        )
    measures, masks = (Density(), Coverage()), parts(Density.halved)
    space, found = space_of(data, features), []
    for draw in derived(seed, count=draws):
        rows = [
            torch.stack([torch.cat([m.value(*of).reshape(1), m.repeated(*of, None, masks)]) for m in measures])
            for of in _truncated(model, data.test, [None, *levels], draw, space)
        ]
        found.append(torch.stack(rows))
    dense, covered = torch.stack(found).mean(0).diff(dim=0).unbind(1)
    traded = (dense > 0) & (covered < 0)
    value, *halves = traded.double().mean(0).tolist()
    error = standard_error(torch.tensor(halves), Density.halved)
    return WithError(value, max(error, share_error(value * len(levels), len(levels))))


def truncation_curve(
    model: HasTruncation, part: Split, levels: Sequence[float | None], seed: int, space: FeatureSpace
) -> list[tuple[float, float]]:
    """Density and coverage of as many samples as data of a split at each level, None being the whole law."""
    return [
        (float(Density().value(made, real)), float(Coverage().value(made, real)))
        for made, real in _truncated(model, part, levels, seed, space)
    ]


def _truncated(
    model: HasTruncation, part: Split, levels: Sequence[float | None], seed: int, space: FeatureSpace
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features of as many samples as data at each level, and of the data."""
    assert isinstance(model, Model)
    n, real, y = len(part), space(part.x), model.condition_for(part.to(model.device).y)
    for level in levels:
        with evaluating(model), seeded(seed, model.device):
            made = space(model.sample(n, y, truncation=model.untruncated if level is None else level))
        yield made, real


def _disagreement(
    model: Model, data: Data, reader: SpriteReader, judge: TrainedJudge, seed: int, apart: int, n: int
) -> Tensor:
    """|a(x) − a(s)| of each of n pictures, ``(n,)``; nan where no two positions lie so far apart."""
    y = given(model, data, n)
    with evaluating(model), seeded(seed, model.device):
        x = model.sample_mean(n, y).cpu()
    drawn, factors = reader.sprites, reader.read(raw_values(x, data)).factors
    inside = drawn.silhouettes[drawn.silhouette_of(factors)] > 0.5
    places = torch.cartesian_prod(*(torch.arange(side) for side in drawn.x_shape[1:])).float()
    far = torch.cdist(places, places) >= apart
    usual = judge.maps(data.test.x[:n]).mean((0, 2, 3))
    made, true = (
        _agreement((judge.maps(shown) - usual[:, None, None]).flatten(2), inside, far)
        for shown in (x, data.like(drawn.pictures(factors)).x.cpu())
    )
    return (made - true).abs()


def _agreement(seen: Tensor, inside: Tensor, far: Tensor) -> Tensor:
    """The mean cosine of ``(N, C, P)`` over two of the positions ``(N, P)`` that lie ``(P, P)`` far apart, ``(N,)``."""
    found = []
    for phi, mine in zip(normalize(seen, dim=1), inside, strict=True):
        here = mine.nonzero()[:, 0]  # few of all positions
        cosines, apart = phi[:, here].T @ phi[:, here], far[here][:, here]
        found.append((cosines * apart).sum().double() / apart.sum())
    return torch.stack(found)
