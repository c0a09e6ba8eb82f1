"""The objective of models that name several labels of each datum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Batch, Objective, Player
from pyrogen.capabilities import HasTasks
from pyrogen.inference.objectives.classification import cross_entropy
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class Tasks(Objective):
    """The cross-entropy of the known labels of all tasks, and how far the tasks' trunks are from their mean.

    −1/M Σ log q(y_a|x) + λ Σ_a ‖w_a − w̄‖², w_a the weights of trunk a of A: soft sharing. At λ = 0, tasks that have trunks of
    their own are learned apart; as λ grows they come to share one. Of a shared trunk the second term is 0.

    References: Caruana 1997, Multitask learning; Evgeniou & Pontil 2004, Regularized multi-task learning; of networks: Duong
    et al. 2015, Low resource dependency parsing: cross-lingual parameter sharing in a neural network parser.

    Args:
        tie: λ.
    """

    tie: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if not 0 <= self.tie < math.inf:
            raise ValueError(f"Tasks(tie={self.tie}): the weight of what trunks differ by is finite and not below 0.")

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole model.

        Raises:
            ValueError: the model names no several labels.
        """
        tasks = _tasks(model)

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            nats = cross_entropy(tasks, batch)
            apart = _spread(tasks)
            return {"loss": nats + self.tie * apart, "cross_entropy": nats.detach(), "apart": apart.detach()}

        return [Player("tasks", loss, [model])]


def _tasks(model: Any) -> HasTasks:
    if not isinstance(model, HasTasks):
        raise ValueError(f"{type(model).__name__} names no several labels, which Tasks needs; leave objective=None.")
    return model


def _spread(model: HasTasks) -> Tensor:
    """Σ_a ‖w_a − w̄‖² over the weights of all trunks, a scalar."""
    alike = zip(*(trunk.parameters() for trunk in model.trunks), strict=True)
    stacked = [torch.stack(own) for own in alike]
    return sum(((w - w.mean(0)).square().sum() for w in stacked), stacked[0].new_zeros(()))
