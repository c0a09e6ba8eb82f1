"""Classifiers whose hidden layers begin as those of a deep belief network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from pyrogen.base import Objective, Stage
from pyrogen.conditions import Condition
from pyrogen.inference.objectives.contrastive import ContrastiveDivergence
from pyrogen.models.energy.greedy import greedy_stage, machine_of
from pyrogen.models.energy.visible import Bernoulli
from pyrogen.models.heads.classifier import Classifier
from pyrogen.registry import entry


class PretrainedClassifier(Classifier):
    """A classifier of sigmoid layers, each of which learns what those below make of x before any label is looked at.

    Stage l trains the layer h_l = σ(W_l h_{l−1} + c_l) as the hidden units of an RBM by CD-1; its visible biases are thrown
    away. The last stage is the classifier's own.

    Reference: Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks; Erhan et al. 2010, Why
    does unsupervised pre-training help deep learning?

    Args:
        x_shape: shape of one datum.
        classes: how many there are.
        hidden: widths of the hidden layers.
        kind: of the data, "unit" or "binary".
        pretraining: whether the layers are trained first.
        objective: of the last stage.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        classes: int | None,
        hidden: Sequence[int],
        kind: str = "unit",
        pretraining: bool = True,
        objective: Objective | str | None = None,
    ) -> None:
        widths = [torch.Size(x_shape).numel(), *hidden]
        if len(hidden) < 1 or min(hidden) < 1 or kind == "real":
            raise ValueError(
                f"hidden={tuple(hidden)}, kind={kind!r}: pre-training takes 1 hidden layer or more, and data between 0 "
                "and 1, kind='unit' or kind='binary'."
            )
        linears = [nn.Linear(a, b) for a, b in pairwise(widths)]
        inner = [part for linear in linears for part in (linear, nn.Sigmoid())]
        outputs = Condition((), classes).size
        super().__init__(
            nn.Sequential(nn.Flatten(), *inner, nn.Linear(hidden[-1], outputs)), x_shape, classes, kind, objective
        )
        self.linears, self.pretraining = tuple(linears), pretraining

    def stages(self) -> Sequence[Stage]:
        """One for each hidden layer, from the data upwards, and that of the labels."""
        found = []
        for number, linear in enumerate(self.linears if self.pretraining else (), start=1):
            visible = Bernoulli().to(self.device)
            visible.size(linear.in_features)
            machine = machine_of(linear.weight, linear.bias, visible, torch.Size([linear.in_features]))
            found.append(greedy_stage(machine, self._below(number - 1), ContrastiveDivergence(), number))
        return [*found, Stage(self.objective.players(self), "labels")]

    def _below(self, count: int) -> Callable[[Tensor], Tensor]:
        def below(x: Tensor) -> Tensor:
            h = x.flatten(1)
            for linear in self.linears[:count]:
                h = torch.sigmoid(linear(h))
            return h

        return below


@entry(
    "classifier-pretrained",
    reference="Erhan et al. 2010, Why does unsupervised pre-training help deep learning?",
    data="digits",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 64},
)
def classifier_pretrained(
    x_shape: Sequence[int],
    classes: int | None = None,
    hidden: Sequence[int] = (256, 256),
    kind: str = "unit",
    pretraining: bool = True,
    objective: Objective | str | None = None,
) -> PretrainedClassifier:
    """A classifier whose hidden layers begin as a deep belief network's, trained greedily without labels.

    Args:
        x_shape: shape of one datum, channels first.
        classes: how many there are.
        hidden: widths of the hidden layers.
        kind: of the data.
        pretraining: whether the hidden layers are trained first; else they begin at random.
        objective: of the labels' stage: Classification().
    """
    return PretrainedClassifier(x_shape, classes, hidden, kind, pretraining, objective)
