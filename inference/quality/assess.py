"""Samples of anything that samples, measured against data, beside what data give against other data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data, Split
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.latents.judging import TrainedJudge, as_decoded
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import verb
from pyrogen.inference.quality.measure import BLOCKS, Measure, parts, standard_error
from pyrogen.inference.quality.modes import oracle_of, placed, raw_values
from pyrogen.inference.quality.quality import COLUMNS, Quality
from pyrogen.inference.quality.spaces import FeatureSpace, space_of
from pyrogen.kinds import is_picture, kind_named
from pyrogen.registry import choices, describe, make, unknown
from pyrogen.seeds import check_seed, derived, numpy_generator

FEWEST, USUAL, TRAINED = 40, 1000, 50_000
DRAWN = 100  # samples that are drawn from one seed, whatever their number
Draws = Literal["auto", "samples", "means"]
DRAWS = get_args(Draws)


class Compared(NamedTuple):
    """What is compared.

    Attributes:
        made: samples, ``(N, *x_shape)``; where the model is conditional each is given the y of its row of ``other``.
        real: data, as many.
        other: further data, as many, which stand in for samples at the floor.
        train: training data.
        data: where all of them are from.
        draws: what samples are, "samples" or "means".
    """

    made: Tensor
    real: Tensor
    other: Tensor
    train: Tensor
    data: Data
    draws: str


@verb
def assess(
    model_or_samples: Model | Tensor,
    data: Data,
    measures: Sequence[str | Measure | Mapping[str, Any]] | None = None,
    features: str | FeatureSpace | TrainedJudge = "auto",
    num: int = USUAL,
    seed: int = 0,
    split: str = "test",
    draws: Draws = "auto",
) -> Quality:
    """Measure samples against held-out data, and these against as many others, which is the floor.

    The split is cut at random into two halves: samples are compared with the one, and so is the other one, whose y a
    conditional model is given: if it answers with the truth, the floor is what it has. The errors of both numbers, and of
    their difference, are from parts of all that is compared, see
    :func:`pyrogen.inference.quality.measure.standard_error`; what a model learned, a judge for one, stands still in them. Of
    samples of the data's own distribution the difference is 0 on average, exactly, for every measure and any number of data.

    Args:
        model_or_samples: what samples, or samples ``(N, *x_shape)`` as the model reads data.
        data: what it was trained on.
        measures: which, names on the axis "measure" or objects with settings of their own; by default all that apply.
        features: the space of those that read features, see :func:`pyrogen.inference.quality.spaces.space_of`.
        num: of samples; less where samples, or half of the split, are fewer.
        seed: of all random draws.
        split: "test", "valid" or "train".
        draws: "samples" of the model against data as it was trained on them; or "means", ``sample_mean``, against data as
            means look, which are grey where bits were drawn from them; by default means of pictures whose p(x|z) only adds
            noise to them, and samples of all else.

    Raises:
        ValueError: no such measure, space or split, a measure that was named does not apply, or there are too few data or
            samples, or some that are not finite.
    """
    check_seed(seed)
    if draws not in DRAWS:
        raise unknown("kind of draws", draws, DRAWS)
    chosen = _chosen(measures, data, split)
    num = _enough(model_or_samples, data, num, split)
    compared = compare(model_or_samples, data, num, seed, split, draws)
    space = space_of(compared.data, features) if any(m.reads == "features" for m in chosen.values()) else None
    own = compared[:4]
    seen: dict[str, tuple[Tensor, Tensor, Tensor, Tensor | None]] = {"x": own, "pictures": own}
    if space is not None:
        # no measure asks for the features of training data, of which there may be many
        seen["features"] = space(own[0]), space(own[1]), space(own[2]), None
    if any(m.reads == "modes" for m in chosen.values()):
        oracle, known = oracle_of(compared.data), compared.data
        made, real, other = (placed(oracle, raw_values(x, known)) for x in own[:3])
        seen["modes"] = made, real, other, None
    rows = {}
    with track(2 * len(chosen), "measures") as advance:
        for name, measure in chosen.items():
            made, real, other, train = seen[measure.reads]
            masks, sides = parts(measure.halved), []
            for points in (made, other):
                value, repeated = measure.value(points, real, train), measure.repeated(points, real, train, masks)
                sides.append((float(value), repeated, measure.least_error(float(value), points, real, train)))
                advance(1)
            rows[name] = with_errors(sides[0], sides[1], measure.halved)
    found = {column: ("measure", [row[i] for row in rows.values()]) for i, column in enumerate(COLUMNS)}
    attributes = {
        **compared.data.split(split).attributes(),
        "draws": compared.draws,
        "num": len(compared.made),
        "trained": len(compared.train),
        "seed": seed,
        "blocks": BLOCKS,
        "features": "none" if space is None else space.name,
        "features_sha256": "" if space is None else space.digest,
        "features_say": "" if space is None else space.says,
    }
    settings = {name: describe(measure) for name, measure in chosen.items()}
    results = xr.Dataset(found, coords={"measure": list(rows)}, attrs=attributes)
    return Quality(results, settings)


def compare(
    model_or_samples: Model | Tensor, data: Data, num: int, seed: int, split: str = "test", draws: Draws = "auto"
) -> Compared:
    """What :func:`assess` compares: the first samples and data are the same however many are asked for.

    Raises:
        ValueError: as there.
    """
    if isinstance(model_or_samples, Model) and draws == "auto":
        draws = usual_draws(model_or_samples, data, seed)
    seen = as_decoded(data) if draws == "means" else data
    known, own = data.split(split), seen.split(split)
    first, second = halves(own, num, seed)
    if isinstance(model_or_samples, Tensor):
        made = model_or_samples[:num].detach().cpu()
    else:
        # y as the model was told it, which may hide labels that the data as decoded have; of those that stand in for
        # samples, since what is made of the y of the data themselves may be nearer to them than other data ever are
        y = None if known.y is None else known.y[second.to(known.y.device)]
        made = draw(model_or_samples, num, y, seed, draws)
    if made.shape[1:] != data.x_shape:
        raise ValueError(
            f"samples are of shape {tuple(made.shape[1:])} each, and the data {data.name!r} of {tuple(data.x_shape)}; pass "
            "such as these."
        )
    chosen = torch.from_numpy(numpy_generator(seed, 1).permutation(len(seen.train))[:TRAINED])
    real, other, train = (_rows(part, rows) for part, rows in ((own, first), (own, second), (seen.train, chosen)))
    for who, rows in (("samples", made), ("data", real), ("data", other), ("training data", train)):
        if bad := int((~rows.flatten(1).isfinite()).any(1).sum()):
            raise ValueError(
                f"{bad} of {len(rows)} {who} hold NaN or infinite values, which are near to nothing; measure whole ones, or "
                "impute them first."
            )
    return Compared(made, real, other, train, seen, "samples" if draws == "auto" else draws)


def draw(model: Model, num: int, y: Tensor | None, seed: int, draws: str) -> Tensor:
    """``num`` samples or means, on the CPU: the first of them are the same however many are asked for.

    Args:
        model: what samples.
        num: how many.
        y: what they are given where the model is conditional, ``(N, ...)``, over and over.
        seed: of the draws.
        draws: "samples" or "means".
    """
    drawer = model.sample_mean if draws == "means" else model.sample
    parts = []
    with track(num, "samples") as advance:
        for block in range(-(-num // DRAWN)):
            rows = torch.arange(block * DRAWN, (block + 1) * DRAWN)
            given = model.condition_for(None if y is None else y[rows % len(y)].to(model.device))
            with evaluating(model), seeded(derived(seed, block)[0], model.device):
                parts.append(drawer(DRAWN, given).detach().cpu())
            advance(DRAWN)
    return torch.cat(parts)[:num]


def _rows(part: Split, rows: Tensor) -> Tensor:
    return part[rows.to(part.device)][0].cpu()


def halves(split: Split, num: int, seed: int) -> tuple[Tensor, Tensor]:
    """The rows of two disjoint parts of a split, ``num`` of each, at random; the first are the same for every number."""
    order = torch.from_numpy(numpy_generator(seed).permutation(len(split)))
    return order[:num], order.flip(0)[:num]


def _chosen(measures: Sequence[str | Measure | Mapping[str, Any]] | None, data: Data, split: str) -> dict[str, Measure]:
    """The measures by name; of all those that apply."""
    if measures is not None and not measures:
        raise ValueError(f"measures={measures!r}: expected a list of names, such as ['frechet', 'coverage'].")
    made: list[Measure] = [make("measure", one) for one in (choices("measure") if measures is None else measures)]
    if measures is None:
        known = [m for m in made if not _objection(m, data, split) and (data.oracle or m.reads != "modes")]
        made = sorted(known, key=lambda m: m.order)
    named = {describe(m)["name"]: m for m in made}
    for name, measure in named.items():
        if why := _objection(measure, data, split):
            raise ValueError(f"{name} {why}; leave it out.")
    return named


def _objection(measure: Measure, data: Data, split: str) -> str:
    """Why a measure does not apply, to be read after its name; "" where it does."""
    if measure.reads == "pictures" and not is_picture(data.x_shape):
        return (
            f"is a measure of pictures, x_shape=(1 or 3, H, W) of 4 pixels a side or more, and {data.name!r} has "
            f"x_shape={tuple(data.x_shape)}"
        )
    if measure.reads == "x" and not kind_named(data.kind).vectors:
        return f"compares vectors of numbers, and {data.name!r} is of kind {data.kind!r}"
    if measure.held_out and split == "train":
        return "asks whether data of the training are nearer than such that were held out, and split='train' is the training"
    return ""


def usual_draws(model: Model, data: Data, seed: int = 0) -> Draws:
    """ "means" of pictures to which p(x|z) only adds noise, and "samples" of all else."""
    if not is_picture(data.x_shape):
        return "samples"
    y = None if data.test.y is None else data.test.y[:DRAWN]
    first, second = (draw(model, DRAWN, y, seed, draws) for draws in ("samples", "means"))
    return "samples" if torch.equal(first, second) else "means"


def _enough(model_or_samples: Model | Tensor, data: Data, num: int, split: str) -> int:
    """How many samples can be compared."""
    held = len(data.split(split))
    least = min(num, held // 2, len(model_or_samples) if isinstance(model_or_samples, Tensor) else num)
    if least < FEWEST:
        raise ValueError(
            f"samples are told from data by {FEWEST} or more of them and twice as many data, and with num={num} and {held} "
            f"{split} data there are {least}; take more of them."
        )
    return least


def with_errors(
    made: tuple[float, Tensor, float], other: tuple[float, Tensor, float], halved: bool
) -> tuple[float, ...]:
    """Value, floor and their difference, each followed by its error, from numbers, those of parts, and least errors."""
    (value, repeated, least), (floor, floor_repeated, floor_least) = made, other
    error = _larger(least, standard_error(repeated, halved))
    floor_error = _larger(floor_least, standard_error(floor_repeated, halved))
    apart = _larger(math.hypot(least, floor_least), standard_error(repeated - floor_repeated, halved))
    return value, error, floor, floor_error, value - floor, apart


def _larger(least: float, error: float) -> float:
    """The larger of two errors; NaN where parts tell none."""
    return math.nan if math.isnan(error) else max(least, error)
