"""Adversarial networks of pictures that see them whole: with attention, and of many classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pyrogen.axes import Prior
from pyrogen.base import Objective
from pyrogen.capabilities import HasAttention
from pyrogen.models.adversarial.gan import GAN, gan_of
from pyrogen.nets.attention import SelfAttention
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.registry import entry, variant

SPECTRAL = {"name": "Convolutional", "spectral": True, "attention": True}
SEEN_THROUGH = {"name": "Convolutional", "normalization": "spectral", "attention": True}
# the critic learns four times as fast, so that one step of it is enough
TWO_RATES = {
    "name": "Adversarial",
    "loss": "Hinge",
    "critic_optimizer": {"name": "Adam", "lr": 4e-4, "betas": [0.0, 0.9]},
    "generator_optimizer": {"name": "Adam", "lr": 1e-4, "betas": [0.0, 0.9]},
}
ORTHOGONAL = {
    "name": "Sum",
    "of": "Adversarial(loss='Hinge', critic_optimizer=Adam(lr=4e-4, betas=(0.0, 0.999)), "
    "generator_optimizer=Adam(lr=1e-4, betas=(0.0, 0.999))) + 1e-4 * Orthogonality()",
}


class AttentiveGAN(GAN, HasAttention):
    """A GAN whose generator has a layer of attention, which can be looked at; its arguments are those of :class:`GAN`.

    Raises:
        ValueError: the generator has none.
    """

    def __init__(self, generator: nn.Module, *arguments: Any, **named: Any) -> None:
        super().__init__(generator, *arguments, **named)
        if not any(isinstance(m, SelfAttention) for m in generator.modules()):
            raise ValueError(
                "this GAN's generator has a layer of attention, and the one given has none; take generator.attention=True, "
                "or the entry 'sngan'."
            )

    def attention(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """β of the generator's first layer of attention, ``(B, H, W, H, W)``."""
        layer = next(m for m in self.generator.modules() if isinstance(m, SelfAttention))
        seen: list[Tensor] = []
        hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            with torch.no_grad():
                self.generate(z, y)
                places = seen[0].shape[2:]
                return layer.weights(seen[0]).unflatten(2, places).unflatten(1, places)
        finally:
            hook.remove()


@entry(
    "sagan",
    reference="Zhang et al. 2019, Self-attention generative adversarial networks, arXiv:1805.08318; two learning rates: "
    "Heusel et al. 2017, arXiv:1706.08500",
    data="sprites",
    recipe={"epochs": 20, "batch_size": 64},
)
def sagan(
    x_shape: Sequence[int] = (3, 32, 32),
    latent_size: int = 64,
    generator: GeneratorNet | str = SPECTRAL,  # type: ignore[assignment]
    critic: CriticNet | str = SEEN_THROUGH,  # type: ignore[assignment]
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = TWO_RATES,  # type: ignore[assignment]
    kind: str = "unit",
) -> AttentiveGAN:
    """The GAN of images whose positions attend to one another in both networks, all weights under the spectral norm.

    The hinge loss is minimized at two rates: the critic's steps are four times those of the generator.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        generator: the network that makes data of z, with attention.
        critic: the network that tells them from real ones.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``; each player has a learning rate of its own, unless ``fit`` is told one.
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    return gan_of(generator, critic, x_shape, latent_size, prior, objective, kind, of=AttentiveGAN)


biggan = variant(
    "biggan",
    of="cgan",
    says="The GAN of many classes, of residual blocks that each read a part of z and a shared embedding of y; truncation of "
    "z trades variety for quality.",
    defaults={
        "latent_size": 60,
        "generator": "Residual",
        "critic": "Residual",
        "objective": ORTHOGONAL,
    },
    reference="Brock et al. 2019, Large scale GAN training for high fidelity natural image synthesis, arXiv:1809.11096",
    data="mnist",
    recipe={"epochs": 20, "batch_size": 64},
)

sagan_paper = variant(
    "sagan-paper",
    of="sagan",
    says="The GAN with attention at a GPU's scale: 64 × 64 pixels, and batches of 256.",
    defaults={"x_shape": (3, 64, 64), "latent_size": 128},
    reference="Zhang et al. 2019, Self-attention generative adversarial networks, arXiv:1805.08318, section 4",
    data="sprites(size=64)",
    recipe={"epochs": 500, "batch_size": 256},
)

biggan_paper = variant(
    "biggan-paper",
    of="biggan",
    says="The GAN of many classes with the networks and batches of its paper, on pictures of 32 × 32 pixels, for GPUs.",
    defaults={
        "latent_size": 120,
        "generator": {"name": "Residual", "width": 96, "attention": True, "embedding": 128},
        "critic": {"name": "Residual", "width": 96, "attention": True},
        "objective": {
            "name": "Sum",
            "of": "Adversarial(loss='Hinge', critic_steps=2, critic_optimizer=Adam(lr=2e-4, betas=(0.0, 0.999)), "
            "generator_optimizer=Adam(lr=5e-5, betas=(0.0, 0.999))) + 1e-4 * Orthogonality()",
        },
    },
    reference="Brock et al. 2019, Large scale GAN training for high fidelity natural image synthesis, arXiv:1809.11096, "
    "appendix C",
    data="cifar10",
    recipe={"epochs": 500, "batch_size": 2048, "ema": 0.9999},
)
