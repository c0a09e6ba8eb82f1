"""From one picture to another, learned from pairs of them: y is given and x is made, by a generator and in a game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pyrogen.axes import Prior
from pyrogen.base import Batch, Objective, Player, Stage
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.objectives.importance import IWAE
from pyrogen.likelihoods import Laplace, Normal
from pyrogen.likelihoods.perceptual import Perceptual
from pyrogen.models.adversarial.generators import Generator
from pyrogen.models.vae.perceptual import LearnsFeatures
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.features import Features
from pyrogen.nets.generators import GeneratorNet
from pyrogen.registry import entry, make, variant


class PerceptualGenerator(LearnsFeatures, Generator):
    """A generator of what a network φ sees, log p(φ(x)|z, y) = Σⱼ log N(φⱼ(x); φⱼ(m(z, y)), s²).

    φ₀(x) is x itself, in the unit of the others.

    Args:
        net: as in :class:`Generator`; it gives m(z, y).
        x_shape: (C, H, W).
        latent_size: size of z.
        width: channels of φ's first layer.
        scale: s.
        alone: epochs of a first stage by x itself, ½ E |x − m(z, y)|², so that the objective finds a net that has learned; 0:
            none.
        further: what :class:`Generator` takes besides.
    """

    def __init__(
        self,
        net: nn.Module,
        x_shape: Sequence[int],
        latent_size: int,
        width: int = 16,
        scale: float = 1.0,
        alone: int = 0,
        **further: Any,
    ) -> None:
        if alone < 0:
            raise ValueError(f"alone={alone}: the net is trained alone for 0 epochs or more.")
        likelihood = Perceptual(Features(x_shape, width, pixels=True), scale=scale)
        super().__init__(net, x_shape, latent_size, likelihood=likelihood, **further)
        self.keep_features(self.likelihood)
        self.alone = alone

    def stages(self) -> Sequence[Stage]:
        """The net alone, where that comes first, and then the model's objective."""
        whole = super().stages()
        return (
            [Stage([Player("pixels", self._pixels, [self.net])], "the net alone", self.alone), *whole]
            if self.alone
            else whole
        )

    def _pixels(self, batch: Batch) -> Mapping[str, Tensor]:
        z = self.latent_prior(batch.y).sample((len(batch.x),))
        return {"loss": 0.5 * (batch.x - self.generate(z, batch.y)).square().flatten(1).sum(1).mean()}


@entry(
    "pix2pix",
    reference="Isola et al. 2017, Image-to-image translation with conditional adversarial networks, arXiv:1611.07004",
    fixes={"likelihood": "Laplace"},
    settles=("weight", "draws", "critic"),
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
    draws: int = 1,
    generator: GeneratorNet | str = "UNet",
    critic: CriticNet | str = "Patch",
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> Generator:
    """From one picture to another: a U-Net that must be near the answer, and that a critic of patches cannot tell from it.

    min_g max_c game(c; x, g(z, y) | y) + λ E |x − g(z, y)|

    The second term is the likelihood of a Laplace, λ b / D of the ELBO's nats, so that AIS scores what was trained. The paper
    has no z but dropout, and one answer for each y; here z says which. As λ grows the answers for a y become one, unless
    several draws compete for the datum, by IWAE(k) in the place of the ELBO: then the nearest of k answers to a y is brought
    nearer, and the others may be others.

    Args:
        x_shape: (C, H, W).
        y_shape: (C, H, W) of an image, (H, W) of a layout.
        classes: how many a layout has.
        latent_size: size of z.
        weight: λ, of the mean absolute difference.
        scale: b, of the Laplace.
        draws: k, answers that compete for the datum.
        generator: the network that makes data of z and y.
        critic: the network that reads x beside y.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``: the game, and λ b / D times the ELBO, or IWAE(k).
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    if objective is None:
        near = ELBO() if draws == 1 else IWAE(draws)
        objective = Adversarial(critic=critic, means=True) + weight * scale / torch.Size(x_shape).numel() * near
    condition = Condition(tuple(y_shape), classes)
    made: GeneratorNet = make("generator", generator)
    net = made.build(latent_size, x_shape, kind, condition)
    return Generator(net, x_shape, latent_size, prior, Laplace("fixed", scale), objective, condition)


@entry(
    "superresolution",
    reference="Ledig et al. 2017, arXiv:1609.04802, the SRResNet; without batch norms: Lim et al. 2017, arXiv:1707.02921",
    fixes={"likelihood": "Normal"},
    data="reduced",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 64},
)
def superresolution(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    latent_size: int = 4,
    generator: GeneratorNet | str = "Upsampling",
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> Generator:
    """The large picture of a small one, as a likelihood of pixels has it: the mean of all that it may have been.

    p(x|z, y) = N(x; g(z, y), σ²), and σ is learned.

    Args:
        x_shape: (C, H, W).
        y_shape: (C, h, w), smaller by 2, 4, 8 ...
        latent_size: size of z, which this objective lets the network ignore.
        generator: the network that makes data of z and y.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``: ELBO().
        kind: of the data; for "unit" and "binary" the generator's mean ends in a sigmoid.
    """
    condition = Condition(tuple(y_shape))
    made: GeneratorNet = make("generator", generator)
    net = made.build(latent_size, x_shape, kind, condition)
    return Generator(net, x_shape, latent_size, prior, Normal("shared", 0.1), objective, condition)


@entry(
    "srgan",
    reference="Ledig et al. 2017, Photo-realistic single image super-resolution using a generative adversarial network, "
    "arXiv:1609.04802",
    fixes={"likelihood": "Perceptual"},
    settles=("weight", "critic"),
    data="reduced",
    recipe={"epochs": 20, "lr": 2e-4, "batch_size": 64},
)
def srgan(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    latent_size: int = 4,
    weight: float = 100.0,
    scale: float = 1.0,
    features: int = 16,
    alone: int = 40,
    generator: GeneratorNet | str = "Upsampling",
    critic: CriticNet | str = "Convolutional",
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> PerceptualGenerator:
    """The large picture of a small one that a critic takes for real, and a network φ for like the true one.

    φ has learned to see from the same pictures, and the game begins with a net that has learned from pixels alone. What y
    leaves open is made up: nearer to data as a whole, and farther from the datum pixel by pixel, than what
    "superresolution" makes.

    Args:
        x_shape: (C, H, W).
        y_shape: (C, h, w), smaller by 2, 4, 8 ...
        latent_size: size of z.
        weight: of the likelihood's nats a number of x.
        scale: s, of what is seen.
        features: channels of φ's first layer.
        alone: epochs by mean squared error alone, before the game; 0: none.
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
        net, x_shape, latent_size, features, scale, alone, prior=prior, objective=objective, condition=condition
    )


colorize = variant(
    "colorize",
    of="pix2pix",
    says="Line drawings in colour: pix2pix that is held to the answer a tenth as firmly, since colours are open.",
    defaults={"weight": 10.0},
    reference="Isola et al. 2017, arXiv:1611.07004, section 4.2; drawings: Emojitwo",
    data="emoji-line-colour",
    recipe={"epochs": 200, "lr": 2e-4, "batch_size": 16},
)

pix2pix_paper = variant(
    "pix2pix-paper",
    of="pix2pix",
    says="pix2pix at the scale of its paper, on drawings of 64 pixels, for a GPU.",
    defaults={"latent_size": 64, "critic": {"name": "Patch", "width": 64, "halvings": 3, "normalization": "batch"}},
    reference="Isola et al. 2017, arXiv:1611.07004, section 6.2: λ = 100, patches, batches of 1, 200 passes",
    data="emoji-line-colour",
    recipe={"epochs": 200, "lr": 2e-4, "batch_size": 1, "lr_milestones": [100, 150]},
)

srgan_paper = variant(
    "srgan-paper",
    of="srgan",
    says="SRGAN with sixteen blocks of its paper, for a GPU.",
    defaults={"features": 64, "alone": 640, "generator": {"name": "Upsampling", "width": 64, "blocks": 16}},
    reference="Ledig et al. 2017, arXiv:1609.04802, section 3.2: the net alone for five times as many steps as the game, "
    "which has rates of 1e-4 and then 1e-5, as many steps each",
    data="reduced",
    recipe={"epochs": 128, "lr": 1e-4, "batch_size": 16, "lr_milestones": [64], "lr_decay": 0.1},
)
