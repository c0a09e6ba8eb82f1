"""Representations side by side: how many labels each takes to tell classes, with errors, paired on the same test data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from threadpoolctl import threadpool_limits
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.latents.measured import Measured, crossed
from pyrogen.inference.programs.door import verb
from pyrogen.inference.representations.labelled import Labelled, labelled
from pyrogen.inference.representations.probed import COLUMNS, Probed
from pyrogen.inference.representations.readers import Reader
from pyrogen.inference.representations.representation import Codes, Representation, scaled
from pyrogen.inference.representations.sparsity import MEASURES, sparsity
from pyrogen.registry import make, spelled
from pyrogen.seeds import numpy_generator

RIVALS = ("Untrained", "Pixels", "PrincipalComponents", "RandomFeatures")
READERS = ("Linear", "Neighbours")
SHUFFLED = "labels dealt out at random"


@verb
def compare_representations(
    models: Model | Mapping[str, Model],
    data: Data,
    rivals: Sequence[str | Representation] = RIVALS,
    readers: Sequence[str | Reader] = READERS,
    labels: Sequence[int] | None = None,
    draws: int = 5,
    limit: int = 5000,
    factor: str | None = None,
    judged_on: Data | None = None,
    seed: int = 0,
) -> Probed:
    """How well probes of few labels tell classes from what models make of data, beside rivals and beside shuffled labels.

    Of each number of labels a class, ``draws`` sets are drawn from the training data, the same for every row; each reader is
    fitted to them and judged on the same test data, so that differences are paired. Rows are centred and divided by one
    number, their own root mean square over the data to learn from, which keeps their shape and no label knows of. The
    models need not have seen these data: of others it is their transfer that is measured.

    Should not be confused with :func:`~pyrogen.inference.probe`, of one set of codes by cross-validation, real numbers too.
    References: Alain & Bengio 2016, arXiv:1610.01644; the control: Hewitt & Liang 2019, arXiv:1909.03368.

    Args:
        models: what encodes; several of them by their names, the first of which the others are compared with.
        data: with labels, in the shape that the models read.
        rivals: names or objects on the axis "representation".
        readers: the same on the axis "reader".
        labels: numbers of labelled data a class; None: 1, 3, 10, 30 and 100, as far as every class has them.
        draws: of labelled data, for each number.
        limit: data to learn from, and to be judged by, that are looked at.
        factor: of several labels a datum, the name of the one that is asked for.
        judged_on: other data of the same classes, whose test data judge instead: a shift of the domain.
        seed: of all that is drawn.

    Raises:
        ValueError: a model that describes no data, or none of this shape; data without labels; too many labels.
    """
    named = dict(models) if isinstance(models, Mapping) else {"codes": models}
    if not named or draws < 1 or limit < 1 or not readers:
        raise ValueError(
            f"{len(named)} models, {len(readers)} readers, draws={draws}, limit={limit}: needs at least 1 of each."
        )
    for name, model in named.items():
        _same_shape(name, model, data, judged_on)
    asked = labelled(data, limit, factor, judged_on, seed)
    numbers = asked.numbers(labels)
    made: list[Reader] = [make("reader", reader) for reader in readers]
    judges = {spelled(reader).removesuffix("()"): reader for reader in made}
    rows, raw = _represented(named, data, [make("representation", r) for r in rivals], asked, seed)
    names = [*rows, SHUFFLED]
    shape = len(names), len(judges), len(numbers)
    found = {column: np.full(shape, np.nan) for column in COLUMNS}
    # of problems so small a second thread only waits, and on busy cores costs ten times as much
    with threadpool_limits(1), track(draws * len(numbers) * len(judges) * len(names), "probing") as advance:
        for place, number in enumerate(numbers):
            for r, judge in enumerate(judges.values()):
                hits = _hits(rows, judge, asked, number, draws, seed)
                advance(draws * len(names))
                for i, name in enumerate(names):
                    measured = crossed(hits[name]).of_share()
                    # of itself it is nothing, surely
                    gained = crossed(hits[names[0]] - hits[name]).of_gain() if i else Measured(0.0, 0.0, measured.n)
                    numbers_of = (measured.value, measured.error, gained.value, gained.error)
                    for column, value in zip(COLUMNS, numbers_of, strict=True):
                        found[column][i, r, place] = value
    columns = {column: (("representation", "reader", "labels"), values) for column, values in found.items()}
    return Probed(
        xr.Dataset(
            {**columns, **_sparse(raw, asked)},
            coords={"representation": names, "reader": [*judges], "labels": numbers, "read": [*rows]},
            attrs={
                "data": data.name,
                "judged_on": (judged_on or data).name,
                "said": asked.said,
                "classes": len(np.unique(asked.y)),
                "judged": len(asked.truth),
                "draws": draws,
                "factor": factor or "",
                "seed": seed,
            },
        )
    )


def _represented(
    models: Mapping[str, Model], data: Data, rivals: Sequence[Representation], asked: Labelled, seed: int
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, np.ndarray]]:
    """Rows of the pool and of those that judge, by name, models first and then their rivals; the latter also as they were."""
    encoders = {name: Codes().of(model, data, seed) for name, model in models.items()}
    raw = {name: encoder(asked.judged) for name, encoder in encoders.items()}
    # what depends on the size alone stands there once for each size, and what a recipe began from once, if all share it
    unlike = len({repr(model.origin) for model in models.values()}) > 1
    for rival in rivals:
        for name, model in models.items():
            title = rival.title(raw[name].shape[1], data)
            own = f"{title}, {name}" if rival.owned and unlike else title
            if own not in raw:
                encoders[own] = rival.of(model, data, seed)
                raw[own] = encoders[own](asked.judged)
    return {name: scaled(encoder(asked.pool), raw[name]) for name, encoder in encoders.items()}, raw


def _sparse(raw: Mapping[str, np.ndarray], asked: Labelled) -> dict[str, Any]:
    """How sparse the numbers are of data that judge, with errors; NaN of single numbers, which are neither."""
    found = [sparsity(rows, asked.truth) if rows.shape[1] > 1 else {} for rows in raw.values()]
    nothing = Measured(math.nan, math.nan, 0)
    return {
        f"{measure}{end}": ("read", [getattr(each.get(measure, nothing), part) for each in found])
        for measure in MEASURES
        for end, part in (("", "value"), ("_error", "error"))
    }


def _hits(
    rows: Mapping[str, tuple[np.ndarray, np.ndarray]],
    judge: Reader,
    asked: Labelled,
    number: int,
    draws: int,
    seed: int,
) -> dict[str, Tensor]:
    """Whether each datum's class was named, ``(draws, M)``, by each representation, and by the first on shuffled labels."""
    first = next(iter(rows))
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*rows, SHUFFLED)}
    for draw in range(draws):
        # draws of its own, whatever else is asked
        rng = numpy_generator(seed, number, draw)
        kept = asked.drawn(number, rng)
        y = asked.y[kept]
        for name, (pool, judged) in rows.items():
            found[name].append(judge.named(pool[kept], y, judged, number) == asked.truth)
        pool, judged = rows[first]
        found[SHUFFLED].append(judge.named(pool[kept], rng.permutation(y), judged, number) == asked.truth)
    return {name: torch.from_numpy(np.stack(hits)).double() for name, hits in found.items()}


def _same_shape(name: str, model: Any, data: Data, judged_on: Data | None) -> None:
    for one in (data, judged_on):
        if one is not None and one.x_shape != model.x_shape:
            raise ValueError(
                f"{name} reads x of shape {tuple(model.x_shape)}, and {one.name!r} has {tuple(one.x_shape)}; load it with "
                f"size={model.x_shape[-1]}, or take data of that shape."
            )
        if one is not None and one.kind not in model.kinds:
            raise ValueError(model.refusal(one.kind))
