"""Objectives of models that name classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pyrogen.base import Batch, HasClassifier, Objective, Player
from pyrogen.capabilities import HasTasks
from pyrogen.registry import choice


def cross_entropy(model: HasClassifier | HasTasks, batch: Batch) -> Tensor:
    """−1/M Σ log q(yₙ|xₙ) over the M data of a batch whose label is known, in nats; 0 where there are none.

    Of several labels a datum it is over the M that are known.

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
    """The cross-entropy of known labels, −E log q(y|x), of a model's classifier.

    Alone it is supervised learning. ``EnumeratedELBO() + α * Classification()`` is semi-supervised: without the second term a
    known label would never reach the classifier, whose answer it replaces.

    Reference: Kingma et al. 2014, arXiv:1406.5298, equation 9 and its supervised baseline.
    """

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole model, of which all but the classifier rests."""
        classifier = _classifier(model, type(self).__name__)

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            return {"loss": cross_entropy(classifier, batch)}

        busy = {id(p) for module in classifier.classifier_modules() for p in module.parameters()}
        return [Player("classification", loss, [model], idle=[p for p in model.parameters() if id(p) not in busy])]


def _classifier(model: Any, name: str) -> HasClassifier:
    if not isinstance(model, HasClassifier):
        raise ValueError(f"{type(model).__name__} names no classes, which {name} needs; leave objective=None.")
    return model
