"""Metrics of what codes and hidden units are good for."""

from __future__ import annotations

from typing import Any

from pyrogen.base import Model
from pyrogen.data import Data, load
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.representations.comparison import compare_representations
from pyrogen.inference.representations.labelled import labelled
from pyrogen.inference.representations.representation import Codes
from pyrogen.inference.representations.sparsity import MEASURES, sparsity
from pyrogen.registry import choice, make, unknown


@choice("metric", "probe-gain")
def probe_gain(
    model: Model,
    data: Data,
    seed: int,
    against: Model | None = None,
    over: Any = "Pixels",
    labels: int | None = None,
    reader: Any = "Linear",
    draws: int = 5,
    limit: int = 5000,
    of_data: str = "",
    in_errors: bool = False,
) -> WithError:
    """How much more often a probe of a model's own numbers names the class of test data than one of a rival's, paired.

    Both learn from the same ``labels`` of each class, drawn anew ``draws`` times, see
    :func:`~pyrogen.inference.compare_representations`. Reference: Alain & Bengio 2016, arXiv:1610.01644.

    Args:
        model: with codes, or hidden units that describe data.
        data: with labels.
        seed: of the draws.
        against: another model, which takes the place of ``over``.
        over: the rival, on the axis "representation".
        labels: of each class; None: as many as every class has, of 1, 3, 10, 30, 100.
        reader: what reads, on the axis "reader".
        draws: of labelled data.
        limit: of training and of test data that are looked at.
        of_data: other data that the probes read, by name, of the same kind: whether what was learned is of use there.
        in_errors: in standard errors of the difference.

    Raises:
        ValueError: the model describes no data, or these have no labels.
    """
    read = load(of_data, data.kind, data.binarization) if of_data else data
    models = {"codes": model} if against is None else {"codes": model, "other": against}
    rivals = [make("representation", over)] if against is None else []
    found = compare_representations(
        models, read, rivals, [make("reader", reader)], None if labels is None else [labels], draws, limit, seed=seed
    )
    _, rival, *_ = found.representations
    name = found.readers[0]
    gained = found.gain(rival, name)
    return WithError(gained.value / gained.error) if in_errors else WithError.of(gained)


@choice("metric", "sparsity")
def sparsity_of(model: Model, data: Data, seed: int, measure: str = "hoyer") -> WithError:
    """How sparse a model's numbers of test data are, 1 where one alone is not 0: see the four of ``sparsity``.

    Args:
        model: with codes, or hidden units that describe data.
        data: with labels, for selectivity.
        seed: of nothing here.
        measure: "hoyer", "population", "lifetime" or "selectivity".

    Raises:
        ValueError: the model describes no data, the data have no labels, or there is no such measure.
    """
    if measure not in MEASURES:
        raise unknown("measure of sparseness", measure, MEASURES)
    asked = labelled(data, seed=seed)
    return WithError.of(sparsity(Codes().of(model, data)(asked.judged), asked.truth)[measure])
