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

BOUNDED = ("unit", "binary")
TRIED = 64  # draws by which a generator shows its range


class GAN(Model, HasCritic, HasGenerator):
    """A generator without a density, x = g(z) with z ~ p(z), and a critic that reads x.

    Args:
        generator: ``(N, latent_size)`` to ``(N, *x_shape)``, of the given kind: for "unit" as after a sigmoid.
        critic: ``(N, *x_shape)`` to ``(N, 1)``.
        x_shape: shape of one datum.
        latent_size: size of z.
        prior: a fixed prior.
        objective: the game; by default non-saturating.
        kind: of the data: "real" for any numbers, "unit" or "binary" for numbers in [0, 1].

    Raises:
        ValueError: a learned or improper prior, another kind, or a generator whose numbers leave [0, 1].
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        x_shape: Sequence[int],
        latent_size: int,
        prior: Prior | str = "StandardNormal",
        objective: Adversarial | None = None,
        kind: str = "real",
    ) -> None:
        super().__init__()
        self.kinds = _kinds(kind)
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
        if self.kinds == BOUNDED:
            self._try_generator()

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

    def refusal(self, kind: str) -> str:
        """The sentence for data of a kind that its generator cannot make."""
        made = "numbers from 0 to 1" if self.kinds == BOUNDED else "any real numbers"
        other = (
            f"create it with kind={kind!r}" if kind in (*BOUNDED, "real") else "load them with kind='unit' or 'real'"
        )
        return f"the generator of this GAN makes {made}, and these are {kind} data; {other}."

    @torch.no_grad()
    def _try_generator(self) -> None:
        mode = self.generator.training
        self.generator.eval()
        with torch.random.fork_rng(devices=[]):
            x = self.generate(self.latent_prior().sample((TRIED,)))
        self.generator.train(mode)
        if x.amin() < 0 or x.amax() > 1:
            raise ValueError(
                f"the generator gives numbers from {float(x.amin()):.3g} to {float(x.amax()):.3g}, and data of kind "
                f"{self.kinds[0]!r} lie in [0, 1]; end it in a sigmoid, or use kind='real'."
            )

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """g(z) at drawn z, ``(n, *x_shape)``."""
        return self.generate(self.latent_prior().sample((n,)))


def _kinds(kind: str) -> tuple[str, ...]:
    if kind in BOUNDED:
        return BOUNDED
    if kind != "real":
        raise ValueError(
            f"kind={kind!r}: the generator of a GAN makes real numbers, or numbers from 0 to 1; load the data with "
            "kind='real' or kind='unit'."
        )
    return ("real",)


@entry(
    "gan-nonsaturating",
    reference="Goodfellow et al. 2014, Generative adversarial nets, arXiv:1406.2661; ring: Srivastava et al. 2017",
    data="ring",
    recipe={"epochs": 100, "batch_size": 256},
)
def gan_nonsaturating(
    x_shape: Sequence[int] = (2,),
    latent_size: int = 2,
    hidden: Sequence[int] = (128, 128, 128),
    kind: str = "real",
) -> GAN:
    """The first GAN with the non-saturating loss, on points; the ring of eight Gaussians shows whether it drops modes.

    Args:
        x_shape: shape of one datum.
        latent_size: size of z.
        hidden: widths of the hidden layers of generator and critic.
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    generator = mlp((latent_size,), hidden, x_shape)
    generator = nn.Sequential(*generator, nn.Sigmoid()) if _kinds(kind) == BOUNDED else generator
    critic = mlp(x_shape, hidden, (1,), activation=lambda: nn.LeakyReLU(0.2))
    return GAN(generator, critic, x_shape, latent_size, kind=kind)
