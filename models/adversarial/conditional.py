"""GANs of data given a condition, p(x|y)."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.axes import Prior
from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.models.adversarial.gan import GAN, gan_of
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.registry import entry


@entry(
    "cgan",
    reference="Mirza & Osindero 2014, Conditional generative adversarial nets, arXiv:1411.1784; projection: Miyato & Koyama "
    "2018, arXiv:1802.05637; batch norm: de Vries et al. 2017, arXiv:1707.00683",
    data="mnist",
    recipe={"epochs": 20, "lr": 2e-4, "batch_size": 128},
)
def cgan(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    latent_size: int = 32,
    generator: GeneratorNet | str = "Perceptron",
    critic: CriticNet | str = "Perceptron",
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> GAN:
    """The GAN of data given labels or real numbers: generator and critic read y, as their ``conditioning`` says.

    Both concatenate it with what they read, unless a critic is told to take the projection of y on its features, and a
    convolutional generator to let its batch norms depend on y.

    Args:
        x_shape: shape of one datum, channels first.
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        latent_size: size of z.
        generator: the network that makes data of z and y.
        critic: the network that tells them from real ones with the same y.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``: Adversarial(), non-saturating.
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    condition = Condition(tuple(y_shape), classes)
    return gan_of(generator, critic, x_shape, latent_size, prior, objective, kind, condition)
