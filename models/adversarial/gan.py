"""Generative adversarial networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Prior
from pyrogen.base import Batch, HasCritic, HasGenerator, Model
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.nets import BatchDims, mlp
from pyrogen.registry import entry, make


class GAN(Model, HasCritic, HasGenerator):
    """A generator without a density, x = g(z) with z ~ p(z), and a critic that reads x.

    Args:
        generator: ``(N, latent_size)`` to ``(N, *x_shape)``.
        critic: ``(N, *x_shape)`` to ``(N, 1)``.
        x_shape: shape of one datum.
        latent_size: size of z.
        prior: a fixed prior.
        objective: the game; by default non-saturating.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        x_shape: Sequence[int],
        latent_size: int,
        prior: Prior | str = "StandardNormal",
        objective: Adversarial | None = None,
    ) -> None:
        super().__init__()
        self.x_shape, self.latent_shape = torch.Size(x_shape), torch.Size([latent_size])
        self.objective = objective or Adversarial()
        self.prior: Prior = make("prior", prior)
        self.generator = BatchDims(generator, torch.Size([latent_size]), self.x_shape, "generator")
        self.critic = BatchDims(critic, self.x_shape, torch.Size([1]), "critic")
        if self.prior.learned or not self.prior.proper:
            raise ValueError(
                f"a GAN draws z from a fixed prior such as StandardNormal; got {type(self.prior).__name__}."
            )
        self.prior.size(latent_size)

    def real(self, batch: Batch) -> Mapping[str, Tensor]:
        """The data."""
        return {"x": batch.x}

    def fake(self, batch: Batch) -> Mapping[str, Tensor]:
        """As many generated data."""
        z = self.latent_prior().sample((len(batch.x),))
        return {"z": z, "x": self.generate(z)}

    def latent_prior(self) -> Distribution:
        """The fixed prior."""
        return self.prior()

    def generate(self, z: Tensor) -> Tensor:
        """g(z), ``(..., *x_shape)``."""
        x: Tensor = self.generator(z)
        return x

    def criticize(self, sites: Mapping[str, Tensor]) -> Tensor:
        """The critic's logits of x."""
        return self.critic(sites["x"]).squeeze(-1)

    def generator_modules(self) -> Sequence[nn.Module]:
        """The generator."""
        return [self.generator]

    def critic_modules(self) -> Sequence[nn.Module]:
        """The critic."""
        return [self.critic]

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """g(z) at drawn z, ``(n, *x_shape)``."""
        return self.generate(self.latent_prior().sample((n,)))


@entry(
    "gan-nonsaturating",
    reference="Goodfellow et al. 2014, Generative adversarial nets, arXiv:1406.2661; ring: Srivastava et al. 2017",
    data="ring",
    recipe={"epochs": 100, "batch_size": 256},
)
def gan_nonsaturating(
    x_shape: Sequence[int] = (2,), latent_size: int = 2, hidden: Sequence[int] = (128, 128, 128)
) -> GAN:
    """The first GAN with the non-saturating loss, on points; the ring of eight Gaussians shows whether it drops modes.

    Args:
        x_shape: shape of one datum.
        latent_size: size of z.
        hidden: widths of the hidden layers of generator and critic.
    """
    generator = mlp((latent_size,), hidden, x_shape)
    critic = mlp(x_shape, hidden, (1,), activation=lambda: nn.LeakyReLU(0.2))
    return GAN(generator, critic, x_shape, latent_size)
