"""From one picture to another, learned from pairs of them: y is given and x is made, by a generator and in a game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pyrogen.axes import Likelihood, Prior
from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.likelihoods import Laplace
from pyrogen.likelihoods.perceptual import Perceptual
from pyrogen.models.adversarial.gan import BOUNDED
from pyrogen.models.adversarial.generators import Generator
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.features import Features
from pyrogen.nets.generators import GeneratorNet
from pyrogen.registry import entry, make


class PerceptualGenerator(Generator):
    """A generator of what a network φ sees, log p(φ(x)|z, y) = Σⱼ log N(φⱼ(x); φⱼ(m(z, y)), s²); φ learns first, from x.

    φ is saved with the model and no player moves it, see :class:`pyrogen.nets.features.Features`.

    Args:
        net: as in :class:`Generator`; it gives m(z, y).
        x_shape: (C, H, W).
        latent_size: size of z.
        width: channels of φ's first layer.
        scale: s.
        further: what :class:`Generator` takes besides.
    """

    def __init__(
        self,
        net: nn.Module,
        x_shape: Sequence[int],
        latent_size: int,
        width: int = 16,
        scale: float = 1.0,
        **further: Any,
    ) -> None:
        likelihood = Perceptual(Features(x_shape, width), scale=scale)
        super().__init__(net, x_shape, latent_size, likelihood=likelihood, **further)
        # what the likelihood keeps is a copy, and out of sight of whoever saves
        features = likelihood.network
        assert isinstance(features, Features)
        self.features = features

    @property
    def needs_training_data(self) -> bool:
        """Always: φ learns from all data."""
        return True

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Let φ learn, from the data alone."""
        super().before_training(x, y)
        self.features.fit(x)


@entry(
    "pix2pix",
    reference="Isola et al. 2017, Image-to-image translation with conditional adversarial networks, arXiv:1611.07004",
    fixes={"likelihood": "Laplace"},
    data="outlines",
    recipe={"epochs": 60, "lr": 2e-4, "batch_size": 64},
)
def pix2pix(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    latent_size: int = 8,
    weight: float = 100.0,
    scale: float = 0.1,
    generator: GeneratorNet | str = "UNet",
    critic: CriticNet | str = "Patch",
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> Generator:
    """From one picture to another: a U-Net that must be near the answer, and that a critic of patches cannot tell from it.

    min_g max_c game(c; x, g(z, y) | y) + λ E |x − g(z, y)|

    The second term is the likelihood of a Laplace, λ b / D of the ELBO's nats, so that AIS scores what was trained. The paper
    has no z but dropout, and one answer for each y; here z says which. As λ grows the answers for a y become one.

    Args:
        x_shape: (C, H, W).
        y_shape: (C, H, W) of an image, (H, W) of a layout.
        classes: how many a layout has.
        latent_size: size of z.
        weight: λ, of the mean absolute difference.
        scale: b, of the Laplace.
        generator: the network that makes data of z and y.
        critic: the network that reads x beside y.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``: the game, and λ b / D times the ELBO.
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    if objective is None:
        elbo = weight * scale / torch.Size(x_shape).numel()
        objective = Adversarial(critic=critic, means=True) + elbo * ELBO()
    condition = Condition(tuple(y_shape), classes)
    made: GeneratorNet = make("generator", generator)
    net = made.build(latent_size, x_shape, kind if kind in BOUNDED else "real", condition)
    return Generator(net, x_shape, latent_size, prior, Laplace("fixed", scale), objective, condition)


@entry(
    "superresolution",
    reference="Ledig et al. 2017, arXiv:1609.04802, the SRResNet; without batch norms: Lim et al. 2017, arXiv:1707.02921",
    data="reduced(of='cifar10-subset')",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 64},
)
def superresolution(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    latent_size: int = 4,
    generator: GeneratorNet | str = "Upsampling",
    prior: Prior | str = "StandardNormal",
    likelihood: Likelihood | str = "Normal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> Generator:
    """The large picture of a small one, as a likelihood of pixels has it: the mean of all that it may have been.

    Args:
        x_shape: (C, H, W).
        y_shape: (C, h, w), smaller by 2, 4, 8 ...
        latent_size: size of z, which this objective lets the network ignore.
        generator: the network that makes data of z and y.
        prior: p(z), a fixed one.
        likelihood: p(x|z, y).
        objective: the default objective of ``fit``: ELBO().
        kind: of the data; for "unit" and "binary" the generator's mean ends in a sigmoid.
    """
    condition, p = Condition(tuple(y_shape)), make("likelihood", likelihood)
    made: GeneratorNet = make("generator", generator)
    return Generator(
        made.build(latent_size, x_shape, kind, condition), x_shape, latent_size, prior, p, objective, condition
    )


@entry(
    "srgan",
    reference="Ledig et al. 2017, Photo-realistic single image super-resolution using a generative adversarial network, "
    "arXiv:1609.04802",
    fixes={"likelihood": "Perceptual"},
    data="reduced(of='cifar10-subset')",
    recipe={"epochs": 60, "lr": 2e-4, "batch_size": 64},
)
def srgan(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    latent_size: int = 4,
    weight: float = 1.0,
    scale: float = 1.0,
    features: int = 16,
    generator: GeneratorNet | str = "Upsampling",
    critic: CriticNet | str = "Convolutional",
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> PerceptualGenerator:
    """The large picture of a small one that a critic takes for real, and a network φ for like the true one.

    φ has learned to see from the same pictures. What is not told by y is made up: nearer to data as a whole, and farther from
    the datum pixel by pixel, than what "superresolution" makes.

    Args:
        x_shape: (C, H, W).
        y_shape: (C, h, w), smaller by 2, 4, 8 ...
        latent_size: size of z.
        weight: of the likelihood's nats a number of x.
        scale: s, of what is seen.
        features: channels of φ's first layer.
        generator: the network that makes data of z and y.
        critic: the network that tells x from data, given y.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``: the game, and a weight of the ELBO of what is seen.
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    if objective is None:
        objective = Adversarial(critic=critic, means=True) + weight / torch.Size(x_shape).numel() * ELBO()
    condition = Condition(tuple(y_shape))
    made: GeneratorNet = make("generator", generator)
    net = made.build(latent_size, x_shape, kind, condition)
    return PerceptualGenerator(
        net, x_shape, latent_size, features, scale, prior=prior, objective=objective, condition=condition
    )
