"""Objectives of models that name classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pyrogen.base import Batch, HasClassifier, Objective, Pair, Player
from pyrogen.inference.objectives.enumerated import EnumeratedELBO
from pyrogen.inference.objectives.weighted import PairObjective
from pyrogen.registry import choice


def cross_entropy(model: HasClassifier, batch: Batch) -> Tensor:
    """−1/M Σ log q(yₙ|xₙ) over the M data of a batch whose label is known, in nats; 0 where there are none.

    Raises:
        ValueError: there are no labels at all.
    """
    if batch.y is None:
        raise ValueError("a classifier learns from labels, and these data have none.")
    known = batch.y >= 0
    log_q = model.classify(batch.x).log_prob(batch.y.clamp(min=0))
    return -(log_q * known).sum() / known.sum().clamp(min=1)


@choice("objective")
@dataclass(frozen=True)
class Classification(Objective):
    """The cross-entropy of known labels, −E log q(y|x), of a model's classifier alone.

    Reference: the supervised baseline of Kingma et al. 2014, arXiv:1406.5298.
    """

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole model."""
        classifier = _classifier(model, type(self).__name__)

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            return {"loss": cross_entropy(classifier, batch)}

        return [Player("classification", loss, [model])]


@choice("objective")
@dataclass(frozen=True)
class SemiSupervised(PairObjective):
    """The bound of :class:`EnumeratedELBO`, and the classifier's own loss on known labels: −ELBO − α E log q(y|x).

    Without the second term a known label would never reach the classifier, whose answer it replaces.

    Reference: Kingma et al. 2014, arXiv:1406.5298, equation 9.

    Args:
        weight: α.
        num_samples: draws of the continuous latents for each class.
    """

    weight: float = 10.0
    num_samples: int = 1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.weight < 0:
            raise ValueError(f"SemiSupervised(weight={self.weight}): the weight must not be below 0.")

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole pair."""
        _classifier(model, type(self).__name__)
        return super().players(model)

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss in nats per datum, and its parts: those of the bound, and ``classification``.

        Raises:
            ValueError: no labels at all, or what :class:`EnumeratedELBO` refuses.
        """
        bound = EnumeratedELBO(self.num_samples).terms(pair, batch)
        entropy = cross_entropy(_classifier(pair, type(self).__name__), batch)
        return {**bound, "loss": bound["loss"] + self.weight * entropy, "classification": entropy.detach()}


def _classifier(model: Any, name: str) -> HasClassifier:
    if not isinstance(model, HasClassifier):
        raise ValueError(f"{type(model).__name__} names no classes, which {name} needs; leave objective=None.")
    return model
