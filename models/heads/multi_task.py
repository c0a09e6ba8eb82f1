"""Several labels of each datum by one network, by several that are tied to one another, or by several apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution
from pyrogen.base import HasFeatures, Model, Objective
from pyrogen.capabilities import HasTasks
from pyrogen.conditions import Condition
from pyrogen.inference.attacks import activation
from pyrogen.inference.attacks.training import range_of
from pyrogen.inference.objectives.tasks import Tasks
from pyrogen.kinds import kinds_of_range
from pyrogen.nets import BatchDims, ConvEncoder, mlp
from pyrogen.registry import entry, make

Sharing = Literal["hard", "soft", "none"]


class MultiTask(Model, HasTasks, HasFeatures):
    """y_a ~ Categorical(softmax(head_a(trunk(x)))), a = 1 … A: one trunk for all tasks, or one for each.

    Like a classifier it has no p(x), and makes data that it is sure of: noise that was climbed until it reads the labels.

    Args:
        trunks: ``(N, *x_shape)`` to ``(N, size)``, one for all tasks or one for each.
        size: of what a head reads.
        x_shape: shape of one datum, channels first.
        tasks: A.
        classes: how many values a label may have; of tasks with fewer, the others are never named once they are learned.
        kind: of the data, which says their range.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.

    Raises:
        ValueError: no classes, or fewer than 2, another number of trunks, or a kind that it does not read.
    """

    def __init__(
        self,
        trunks: Sequence[nn.Module],
        size: int,
        x_shape: Sequence[int],
        tasks: int,
        classes: int | None,
        kind: str = "unit",
        objective: Objective | str | None = None,
    ) -> None:
        super().__init__()
        kinds = kinds_of_range(kind, "tasks are read from")
        if len(trunks) not in (1, tasks):
            raise ValueError(f"{len(trunks)} trunks for {tasks} tasks: needs one that all share, or one for each.")
        if classes is None:
            raise ValueError(
                "a model of several tasks names labels, and got no classes (how many values the label of most values has): "
                "take data whose y are labels; real numbers are told from others as the x of a 'regression', given y."
            )
        self.x_shape, self.kinds, self.classes = torch.Size(x_shape), kinds, classes
        # labels may be missing: the loss leaves them out
        self.condition: Condition = Condition((tasks,), classes, optional=True)
        self.objective: Objective = Tasks() if objective is None else make("objective", objective)
        self.trunks = nn.ModuleList(BatchDims(trunk, self.x_shape, torch.Size([size]), "trunk") for trunk in trunks)
        self.heads = nn.ModuleList(nn.Linear(size, classes) for _ in range(tasks))

    def classify(self, x: Tensor) -> Distribution:
        """q(y_a|x) of each task a, batch shape ``(B, A)``."""
        seen = [trunk(x).relu() for trunk in self.trunks]
        seen *= len(self.heads) // len(seen)
        return dist.Categorical(logits=torch.stack([head(h) for head, h in zip(self.heads, seen, strict=True)], 1))

    def features(self, x: Tensor) -> Tensor:
        """What the heads read, ``(B, size)`` of a shared trunk; of several, side by side."""
        return torch.cat([trunk(x).relu() for trunk in self.trunks], 1)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Data of which it is sure: noise, climbed towards the given labels or drawn ones, ``(n, *x_shape)``.

        Raises:
            ValueError: labels that there are not.
        """
        self.check_draws(n, y)
        drawn = torch.randint(self.classes, (n, *self.condition.shape), device=self.device)
        target = drawn if y is None else torch.where(y < 0, drawn, y)

        def odds(x: Tensor) -> Tensor:
            """log q(y|x) of all labels at once, against nothing."""
            told = self.classify(x).log_prob(target).sum(1)
            return torch.stack([torch.zeros_like(told), told], 1)

        bounds = range_of(self.kinds)
        noise = self.read(activation.start(n, self.x_shape, bounds).to(self.device))
        sure = torch.ones(n, dtype=torch.long, device=self.device)
        return activation.ascend(odds, sure, noise, activation.STEPS, activation.STEP_SIZE, bounds)


@entry(
    "multi-task",
    reference="Caruana 1997, Multitask learning",
    settles=("tie",),
    data="sprites",
    recipe={"epochs": 30, "lr": 1e-3, "batch_size": 64},
)
def multi_task(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (2,),
    classes: int | None = None,
    sharing: Sharing = "hard",
    tie: float = 0.001,
    hidden: Sequence[int] = (256, 64),
    width: int | None = None,
    kind: str = "unit",
    objective: Objective | str | None = None,
) -> MultiTask:
    """Several labels of each datum, by heads on one trunk, or on one each, tied to one another or apart.

    max E Σ_a log q(y_a|x) − λ Σ_a ‖w_a − w̄‖²: hard sharing has one w, soft sharing λ > 0, and "none" λ = 0.

    Args:
        x_shape: shape of one datum, channels first.
        y_shape: (A,), how many labels a datum has.
        classes: how many values the label of most values has.
        sharing: "hard", one trunk; "soft", a trunk for each task, tied; "none", networks apart.
        tie: λ of soft sharing.
        hidden: widths of a fully connected trunk, of which the heads read the last.
        width: channels of the first layer of a convolutional trunk, which takes its place; None: fully connected.
        kind: of the data.
        objective: the default objective of ``fit``: Tasks(), of soft sharing Tasks(tie).
    """
    if sharing not in ("hard", "soft", "none") or len(y_shape) != 1:
        raise ValueError(
            f"sharing={sharing!r}, y_shape={tuple(y_shape)}: sharing is 'hard', 'soft' or 'none', of data with several "
            "labels each, y of shape (N, labels)."
        )
    if not hidden:
        raise ValueError("hidden=(): a trunk has a layer at least, which the heads read.")
    tasks, size = y_shape[0], hidden[-1]
    trunks = [
        mlp(x_shape, hidden[:-1], (size,)) if width is None else ConvEncoder(x_shape, size, width)
        for _ in range(1 if sharing == "hard" else tasks)
    ]
    usual = Tasks(tie if sharing == "soft" else 0.0)
    return MultiTask(trunks, size, x_shape, tasks, classes, kind, usual if objective is None else objective)
