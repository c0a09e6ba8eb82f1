"""Metrics of what codes and hidden units are good for."""

from __future__ import annotations

from typing import Any

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.data.dataset import alike
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.representations import augmenting, debiasing, zero_shot
from pyrogen.inference.representations.comparison import compare_representations
from pyrogen.inference.representations.labelled import labelled
from pyrogen.inference.representations.representation import Codes
from pyrogen.inference.representations.shares import Shares
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
    read = alike(of_data, vars(data), data.train.view.scale) if of_data else data
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


@choice("metric", "zero-shot")
def zero_shot_right(
    model: Model,
    data: Data,
    seed: int,
    way: str = "",
    over: str = "",
    column: str = zero_shot.UNSEEN,
    reader: Any = "Linear",
    judge: Any = "SupportVectors",
    made: int = 100,
) -> WithError:
    """The share of data of classes that training lacks which are named right, see :func:`~pyrogen.inference.zero_shot`.

    Args:
        model: with codes, or conditional on the factors.
        data: of which test has pairs of values that train lacks.
        seed: of what is drawn.
        way: of naming; "": the model's own.
        over: another way, whose share is taken off, paired; "": none.
        column: "unseen classes", or "unseen classes among all".
        reader: what reads codes.
        judge: what learns from pictures.
        made: pictures of each unseen class.

    Raises:
        ValueError: as there, or there is no such way or column.
    """
    return _of(zero_shot.zero_shot(model, data, None, reader, judge, made, seed=seed), way, over, column)


@choice("metric", "debiasing")
def debiased(
    model: Model,
    data: Data,
    seed: int,
    factor: str,
    bias: str,
    way: str = "",
    over: str = debiasing.PLAIN,
    column: str = debiasing.MINORITY,
    smoothing: float = 0.1,
    representation: Any = "Pixels",
    draws: int = 5,
) -> WithError:
    """How many more exceptions a classifier of resampled data names right, paired, see :func:`~pyrogen.inference.debias`.

    Args:
        model: with codes.
        data: with several labels a datum.
        seed: of the draws.
        factor: what is learned.
        bias: what goes with it in training.
        way: of drawing the training data; "": by the codes.
        over: another way, whose share is taken off; "": none.
        column: "exceptions", or "other test data".
        smoothing: of the weights.
        representation: what the classifier reads.
        draws: of training data.

    Raises:
        ValueError: as there, or there is no such way or column.
    """
    found = debiasing.debias(model, data, factor, bias, smoothing, representation, draws=draws, seed=seed)
    return _of(found, way, over, column)


@choice("metric", "augmentation")
def augmented(
    model: Model,
    data: Data,
    seed: int,
    way: str = "",
    over: str = augmenting.PLAIN,
    made: int = 100,
    augmentation: Any = None,
    judge: Any = "SupportVectors",
    draws: int = 5,
) -> WithError:
    """How many more test data a classifier names right that saw samples too, paired, see :func:`~pyrogen.inference.augment`.

    Args:
        model: conditional on one label a datum.
        data: with labels, of which some may be hidden.
        seed: of the draws.
        way: what the classifier sees; "": data and samples.
        over: another way, whose share is taken off; "": none.
        made: samples of each class.
        augmentation: the views of data that samples are compared with.
        judge: the classifier.
        draws: of samples and views.

    Raises:
        ValueError: as there, or there is no such way.
    """
    return _of(augmenting.augment(model, data, made, augmentation, judge, draws, seed=seed), way, over)


def _of(found: Shares, way: str, over: str, column: str | None = None) -> WithError:
    """A way's share, or what it has more of than another."""
    return WithError.of(found.gain(over, column, way or None) if over else found.accuracy(way or None, column))
