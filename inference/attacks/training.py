"""Training against attacks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from pyrogen.base import Batch, Objective, Player
from pyrogen.inference.attacks.attack import Bounds, ProjectedGradient, logits_of
from pyrogen.inference.objectives.classification import Classification, cross_entropy
from pyrogen.inference.programs.contexts import standing_still
from pyrogen.kinds import kind_named
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class AdversarialTraining(Objective):
    """The cross-entropy of known labels where an attack finds it large, min E max_{‖δ‖ ≤ ε} −log q(y|x + δ).

    The attack sees the classifier as it is in the step, and stays in the range of the data where their kind has one. Terms
    may stand beside it: ``Classification() + AdversarialTraining(0.1)`` learns from clean data, too.

    Should not be confused with Adversarial, the game of a generator and a critic.

    Reference: Madry et al. 2018, Towards deep learning models resistant to adversarial attacks, arXiv:1706.06083, (2.1).

    Args:
        epsilon: how far data are moved; 0: not at all, as by Classification.
        steps: of the attack, projected gradients from a random point near each datum.
        norm: what ε is of: "inf", the greatest change of an element, or "2", the Euclidean distance.
    """

    epsilon: float = 0.1
    steps: int = 7
    norm: str = "inf"

    def __post_init__(self) -> None:
        """Refuse distances and attacks that there are not."""
        if not 0 <= self.epsilon < math.inf:
            raise ValueError(f"AdversarialTraining(epsilon={self.epsilon}): a distance is a finite number from 0.")
        ProjectedGradient(self.norm, self.steps)

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole model, of which all but the classifier rests.

        Raises:
            ValueError: the model names no classes.
        """
        (player,) = Classification().players(model)
        attack = ProjectedGradient(self.norm, self.steps)
        bounds, modules = range_of(model.kinds), list(model.modules())

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            return {"loss": cross_entropy(model, replace(batch, x=attacked(batch)))}

        def attacked(batch: Batch) -> Tensor:
            if batch.y is None or not self.epsilon:
                return batch.x
            with standing_still((), modules):
                moves = attack.start(batch.x, self.epsilon)
                y = batch.y.clamp(min=0)  # of unknown labels the loss knows nothing either
                return attack.search(logits_of(model), batch.x, y, self.epsilon, moves, bounds=bounds)

        return [replace(player, name="adversarial training", loss=loss)]


def range_of(kinds: Sequence[str]) -> Bounds | None:
    """The least and the greatest value of data of these kinds; None where they have none, or not the same."""
    limits = {kind_named(kind).limits for kind in kinds}
    return limits.pop() if len(limits) == 1 else None
