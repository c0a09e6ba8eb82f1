"""Networks whose layers begin as those of a deep belief network: classifiers, and autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from pyrogen.arguments import check_sizes
from pyrogen.axes import Likelihood
from pyrogen.base import Objective, Stage
from pyrogen.conditions import Condition
from pyrogen.inference.objectives.contrastive import ContrastiveDivergence
from pyrogen.models.energy.boltzmann import RBM
from pyrogen.models.energy.greedy import greedy_stage, machine_of
from pyrogen.models.energy.visible import Bernoulli
from pyrogen.models.heads.classifier import Classifier
from pyrogen.models.vae.vae import VAE
from pyrogen.registry import entry, make


def _machine(layer: nn.Linear, visible_bias: nn.Parameter | None = None) -> RBM:
    """The machine whose hidden units are a layer's; its visible biases are new, or what one is given."""
    visible = Bernoulli()
    visible.size(layer.in_features)
    if visible_bias is not None:
        visible.register_parameter("bias", visible_bias)
    return machine_of(layer.weight, layer.bias, visible, torch.Size([layer.in_features]))


def _greedy(machines: Sequence[RBM], layers: Sequence[nn.Linear]) -> list[Stage]:
    """A stage of CD-1 for each machine, from the data upwards; what those above read are probabilities."""

    def below(x: Tensor, count: int) -> Tensor:
        h = x.flatten(1)
        for layer in layers[:count]:
            h = torch.sigmoid(layer(h))
        return h

    return [
        greedy_stage(machine, partial(below, count=number), ContrastiveDivergence(), number + 1)
        for number, machine in enumerate(machines)
    ]


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
        machines = [_machine(linear).to(self.device) for linear in self.linears] if self.pretraining else []
        return [*_greedy(machines, self.linears), Stage(self.objective.players(self), "labels")]


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


class PretrainedAutoencoder(VAE):
    """A deep autoencoder of sigmoid layers that begins as a stack of machines, unrolled; then it is tuned as a whole.

    Stage l trains the layer h_l = σ(W_l h_{l−1} + c_l) as the hidden units of an RBM by CD-1, with visible biases b_l. Then
    the decoder's layers become what the machines say of those below, ĥ_{l−1} = σ(W_lᵀ ĥ_l + b_l), and from there all weights
    go their own way, by max log p(x|z(x)). The code, the topmost layer, is in (0, 1); the paper's is of linear units.

    Reference: Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code.
        hidden: widths of the layers before it.
        pretraining: whether the layers are trained first.
        likelihood: p(x|z) of numbers from 0 to 1, with one parameter an element.
        objective: of the last stage.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        latent_size: int,
        hidden: Sequence[int],
        pretraining: bool = True,
        likelihood: Likelihood | str = "Bernoulli",
        objective: Objective | str | None = None,
    ) -> None:
        x_shape = torch.Size(x_shape)
        p: Likelihood = make("likelihood", likelihood)
        widths = [x_shape.numel(), *hidden, latent_size]
        kinds = tuple(kind for kind in p.kinds if kind in ("unit", "binary"))
        if not kinds or p.missing or p.channels(x_shape) != x_shape[0]:
            raise ValueError(
                f"likelihood={type(p).__name__!r}: the machines of pre-training give one number for each element, from 0 to "
                "1, and read no holes; use likelihood='Bernoulli' or 'ContinuousBernoulli'."
            )
        check_sizes({"x_shape": x_shape, "hidden": hidden, "latent_size": latent_size})
        ups = [nn.Linear(a, b) for a, b in pairwise(widths)]
        downs = [nn.Linear(b, a) for a, b in pairwise(widths)]
        encoder = [part for up in ups for part in (up, nn.Sigmoid())]
        decoder = [part for down in reversed(downs) for part in (down, nn.Sigmoid())][:-1]
        super().__init__(
            nn.Sequential(nn.Flatten(), *encoder),
            nn.Sequential(*decoder),
            x_shape,
            latent_size,
            "Flat",
            "PointMass",
            p,
            objective,
        )
        self.ups, self.downs, self.pretraining = tuple(ups), tuple(downs), pretraining
        self.kinds = kinds  # of what the machines read, which may be fewer than the likelihood scores

    def stages(self) -> Sequence[Stage]:
        """One for each layer, from the data upwards, and that of all together."""
        if not self.pretraining:
            return super().stages()
        machines = [_machine(up, down.bias).to(self.device) for up, down in zip(self.ups, self.downs, strict=True)]
        return [
            *_greedy(machines, self.ups),
            Stage(self.objective.players(self), "all layers", enter=self._unroll),
        ]

    @torch.no_grad()
    def _unroll(self) -> None:
        for up, down in zip(self.ups, self.downs, strict=True):
            down.weight.copy_(up.weight.T)


@entry(
    "autoencoder-pretrained",
    reference="Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks",
    fixes={"prior": "Flat", "posterior": "PointMass"},
    data="digits",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 64},
)
def autoencoder_pretrained(
    x_shape: Sequence[int],
    latent_size: int = 10,
    hidden: Sequence[int] = (256, 128, 64),
    pretraining: bool = True,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> PretrainedAutoencoder:
    """The deep autoencoder that begins as a stack of Boltzmann machines, each turned upside down to decode.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code.
        hidden: widths of the layers before it.
        pretraining: whether the layers are trained first; else they begin at random.
        likelihood: p(x|z) of numbers from 0 to 1, with one parameter an element.
        objective: of the last stage: ELBO().
    """
    return PretrainedAutoencoder(x_shape, latent_size, hidden, pretraining, likelihood, objective)
