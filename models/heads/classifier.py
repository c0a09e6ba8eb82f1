"""Classifiers: p(y|x) by a network, trained plainly or against attacks."""

from __future__ import annotations

from collections.abc import Sequence

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution
from pyrogen.base import HasClassifier, HasFeatures, Model, Objective
from pyrogen.conditions import Condition
from pyrogen.inference.attacks import activation
from pyrogen.inference.attacks.attack import logits_of
from pyrogen.inference.attacks.training import AdversarialTraining, range_of
from pyrogen.inference.objectives.classification import Classification
from pyrogen.kinds import kinds_of_range
from pyrogen.nets import BatchDims, ConvEncoder, mlp
from pyrogen.registry import entry, make


class Classifier(Model, HasClassifier, HasFeatures):
    """y ~ Categorical(softmax(net(x))): of x it knows nothing but the class.

    It has no p(x) and is no pair: what it makes are data that it is sure of, noise that was climbed until it takes them for
    the class, see :func:`pyrogen.inference.attacks.activation.maximize_activation`.

    Args:
        net: ``(N, *x_shape)`` to ``(N, classes)`` logits.
        x_shape: shape of one datum, channels first.
        classes: how many there are.
        kind: of the data, which says their range.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.

    Raises:
        ValueError: fewer than 2 classes, a kind that it does not read, or a network of the wrong size (at its first use).
    """

    def __init__(
        self,
        net: nn.Module,
        x_shape: Sequence[int],
        classes: int | None,
        kind: str = "unit",
        objective: Objective | str | None = None,
    ) -> None:
        super().__init__()
        self.x_shape, self.kinds = torch.Size(x_shape), kinds_of_range(kind, "a classifier reads")
        # a label may be missing: the loss leaves the datum out
        self.condition: Condition = Condition((), classes, optional=True)
        self.objective: Objective = Classification() if objective is None else make("objective", objective)
        self.net = BatchDims(net, self.x_shape, torch.Size([self.condition.size]), "classifier")

    def classify(self, x: Tensor) -> Distribution:
        """p(y|x), batch shape ``(B,)``."""
        return dist.Categorical(logits=self.net(x))

    def classifier_modules(self) -> Sequence[nn.Module]:
        """The network."""
        return [self.net]

    def features(self, x: Tensor) -> Tensor:
        """What the last linear layer of the network reads, the topmost hidden units, ``(B, n)``.

        Raises:
            ValueError: the network has no linear layer.
        """
        linear = [module for module in self.net.modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise ValueError("the classifier's network has no linear layer, and so no topmost hidden units.")
        read: list[Tensor] = []
        hook = linear[-1].register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
        try:
            self.net(x)
        finally:
            hook.remove()
        return read[-1].flatten(1)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Data that it is sure of: noise, climbed towards the given classes or drawn ones, ``(n, *x_shape)``.

        Raises:
            ValueError: classes that there are not.
        """
        self.check_draws(n, y)
        drawn = torch.randint(self.condition.size, (n,), device=self.device)
        target = drawn if y is None else torch.where(y < 0, drawn, y)
        bounds = range_of(self.kinds)
        noise = self.read(activation.start(n, self.x_shape, bounds).to(self.device))
        return activation.ascend(logits_of(self), target, noise, activation.STEPS, activation.STEP_SIZE, bounds)


@entry(
    "classifier",
    reference="Bridle 1990, Probabilistic interpretation of feedforward classification network outputs",
    data="digits",
    recipe={"epochs": 40, "lr": 1e-3, "batch_size": 64},
)
def classifier(
    x_shape: Sequence[int],
    classes: int | None = None,
    hidden: Sequence[int] = (256, 256),
    width: int | None = None,
    kind: str = "unit",
    objective: Objective | str | None = None,
) -> Classifier:
    """A network that names classes, whom small changes of the data deceive.

    Args:
        x_shape: shape of one datum, channels first.
        classes: how many there are.
        hidden: widths of the hidden layers of a fully connected network.
        width: channels of the first layer of a convolutional one, which takes its place; None: fully connected.
        kind: of the data.
        objective: the default objective of ``fit``: Classification().
    """
    outputs = Condition((), classes).size
    net = mlp(x_shape, hidden, (outputs,)) if width is None else ConvEncoder(x_shape, outputs, width)
    return Classifier(net, x_shape, classes, kind, objective)


@entry(
    "adversarial-examples",
    reference="Madry et al. 2018, Towards deep learning models resistant to adversarial attacks, arXiv:1706.06083",
    settles=("epsilon", "steps", "norm"),
    data="digits",
    recipe={"epochs": 40, "lr": 1e-3, "batch_size": 64},
)
def adversarial_examples(
    x_shape: Sequence[int],
    classes: int | None = None,
    hidden: Sequence[int] = (256, 256),
    width: int | None = None,
    kind: str = "unit",
    epsilon: float = 0.1,
    steps: int = 7,
    norm: str = "inf",
    objective: Objective | str | None = None,
) -> Classifier:
    """The classifier trained on data that an attack has moved against it, which it then withstands.

    Args:
        x_shape: shape of one datum, channels first.
        classes: how many there are.
        hidden: widths of the hidden layers of a fully connected network.
        width: channels of the first layer of a convolutional one, which takes its place; None: fully connected.
        kind: of the data.
        epsilon: how far data are moved in training.
        steps: of the attack in each step of training, which costs as many backward passes.
        norm: of ε, "inf" or "2".
        objective: the default objective of ``fit``: AdversarialTraining(epsilon, steps, norm).
    """
    goal = AdversarialTraining(epsilon, steps, norm) if objective is None else objective
    return classifier(x_shape, classes, hidden, width, kind, goal)
