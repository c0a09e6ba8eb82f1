"""What a probe reads: a model's own numbers for each datum, or those of an obvious rival."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pyrogen.base import HasFeatures, Model
from pyrogen.data import Data, Split
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice, create
from pyrogen.seeds import derived
from pyrogen.storage import own_networks

MOST = 10_000  # training data that a rival learns from
CHUNK = 1000

Encoder = Callable[[Split], np.ndarray]
"""A split of N data to rows ``(N, n)`` in float64."""


class Representation(ABC):
    """Numbers that stand for each datum.

    A class under ``@choice("representation")`` is all that a new one needs.

    Attributes:
        owned: whether it is one model's, and of a model that was built otherwise another one.
    """

    axes: ClassVar[tuple[str, ...]] = ("representation",)
    owned: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()  # most have no settings, and say so

    @abstractmethod
    def of(self, model: Model, data: Data, seed: int = 0) -> Encoder:
        """What makes rows of data; whatever it learns, it learns from x of the training data alone.

        Raises:
            ValueError: there is none of this model, or of these data.
        """

    def title(self, size: int, data: Data) -> str:
        """What it is called in a table, beside a model that has so many numbers a datum."""
        return f"{type(self).__name__}({size})"


@choice("representation")
class Codes(Representation):
    """The model's own numbers: codes, means of q(z|x), or topmost hidden units."""

    owned = True

    def of(self, model: Model, data: Data, seed: int = 0) -> Encoder:
        """By the model as it is.

        Raises:
            ValueError: it describes no data, or is told y, which a probe would then read back.
        """
        if not isinstance(model, HasFeatures):
            raise ValueError(
                f"{type(model).__name__} has neither codes nor hidden units that describe data, which a probe reads; take "
                "one that encodes, or `classifier`, `rbm`."
            )
        if model.is_told:
            raise ValueError(
                f"{type(model).__name__} is told y beside x, and a probe would only read it back; take a model without a "
                "condition."
            )

        def rows(split: Split) -> np.ndarray:
            with evaluating(model):
                return _joined(model.features(model.read(x.to(model.device))).cpu() for x in split.chunks(CHUNK))

        return rows


@choice("representation")
class Untrained(Representation):
    """The same model as it was before any training, from other random weights: what its architecture does alone."""

    owned = True

    def of(self, model: Model, data: Data, seed: int = 0) -> Encoder:
        """By the entry that made the model, asked again.

        Raises:
            ValueError: the model was made with networks of one's own, or by no entry.
        """
        origin = model.origin or {}
        arguments = origin.get("arguments", {})
        if "entry" not in origin or own_networks(arguments):
            raise ValueError(
                "a model with networks of its maker's own cannot be made anew, untrained; leave 'Untrained' out, or pass "
                "an untrained one as a further model."
            )
        with seeded(derived(seed, 1)[0]):
            fresh: Model = create(origin["entry"], **arguments)
            part = data.train.spread(MOST)
            if fresh.needs_training_data:
                fresh.before_training(part.x, part.y)
        return Codes().of(fresh.to(model.device), data, seed)

    def title(self, size: int, data: Data) -> str:
        """Of whatever size the model is."""
        return "untrained"


@choice("representation")
class Pixels(Representation):
    """x itself, element by element."""

    def of(self, model: Model, data: Data, seed: int = 0) -> Encoder:
        """As they are."""
        return _flat

    def title(self, size: int, data: Data) -> str:
        """Whatever the model is."""
        return "pixels"


@choice("representation")
class PrincipalComponents(Representation):
    """The leading principal components of the training data, as many as the model has numbers.

    Reference: Pearson 1901; Hotelling 1933.

    Args:
        size: how many; None: as many as the model has; at most as many as x has elements, or as there are data.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def of(self, model: Model, data: Data, seed: int = 0) -> Encoder:
        """Of the training data."""
        from sklearn.decomposition import PCA

        x = _flat(data.train.spread(MOST))
        fitted = PCA(min(_size(self.size, model, data), *x.shape), random_state=derived(seed)[0]).fit(x)
        return lambda split: np.asarray(fitted.transform(_flat(split)))

    def title(self, size: int, data: Data) -> str:
        """As they are known, with their number."""
        return f"PCA({min(self.size or size, data.x_shape.numel(), len(data.train), MOST)})"


@choice("representation")
class RandomFeatures(Representation):
    """Random Fourier features, √(2/n) cos(w·x + b), w ~ N(0, 2 I / D Var x): what chance gives, as many as the model has.

    Reference: Rahimi & Recht 2007, Random features for large-scale kernel machines.

    Args:
        size: how many; None: as many as the model has.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def of(self, model: Model, data: Data, seed: int = 0) -> Encoder:
        """With a width of the kernel as wide as the training data are spread."""
        from sklearn.kernel_approximation import RBFSampler

        x = _flat(data.train.spread(MOST))
        gamma = 1 / (x.shape[1] * max(float(x.var()), np.finfo(float).tiny))
        drawn = RBFSampler(gamma=gamma, n_components=_size(self.size, model, data), random_state=derived(seed, 2)[0])
        drawn.fit(x)
        return lambda split: np.asarray(drawn.transform(_flat(split)))

    def title(self, size: int, data: Data) -> str:
        """With their number."""
        return f"random({self.size or size})"


def scaled(pool: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and to be judged by, centred and divided by one number, the root mean square of the former.

    Raises:
        ValueError: some are not finite.
    """
    if not (np.isfinite(pool).all() and np.isfinite(judged).all()):
        raise ValueError("a probe reads finite numbers, and some of these are not; look at the model's training.")
    centre = pool.mean(0)
    scale = max(math.sqrt(float(((pool - centre) ** 2).mean())), np.finfo(float).tiny)
    return (pool - centre) / scale, (judged - centre) / scale


def _size(size: int | None, model: Model, data: Data) -> int:
    if size is not None and size < 1:
        raise ValueError(f"size={size}: a representation has 1 number or more.")
    return size or Codes().of(model, data)(data.test.take(1)).shape[1]


def _flat(split: Split) -> np.ndarray:
    return _joined(x.cpu() for x in split.chunks(CHUNK))


def _joined(parts: Iterable[Tensor]) -> np.ndarray:
    rows: np.ndarray = torch.cat([part.detach().flatten(1).double() for part in parts]).numpy()
    return rows
