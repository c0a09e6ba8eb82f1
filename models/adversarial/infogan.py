"""A GAN with codes that its data tell."""

from __future__ import annotations

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyrogen.axes import Distribution, Prior
from pyrogen.base import Objective, announce
from pyrogen.distributions.beside import Beside
from pyrogen.distributions.finite import OneHot
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.adversarial.information import HasCodes, Information
from pyrogen.kinds import BOUNDED
from pyrogen.models.adversarial.gan import GAN
from pyrogen.nets import BatchDims, mlp
from pyrogen.registry import entry

LEAST_SCALE = 0.05  # of a uniform code as it is read, or a generator without noise would raise log Q for ever


class CodesAndNoise(Prior):
    """z = (c, ε): a one-hot vector of equal chances, numbers that are uniform on [−1, 1], and a standard normal rest.

    Args:
        categories: of the one-hot vector.
        uniform: how many uniform numbers.
    """

    zero: Tensor

    def __init__(self, categories: int = 10, uniform: int = 0) -> None:
        super().__init__()
        self.categories, self.uniform = categories, uniform

    def size(self, latent_size: int) -> None:
        """Take the latent size."""
        self.noise = latent_size - self.categories - self.uniform
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def codes(self) -> Distribution:
        """p(c)."""
        chances = self.zero.expand(self.categories)
        category = OneHot(logits=chances, validate_args=False)
        if not self.uniform:
            return category
        ones = torch.ones_like(self.zero.expand(self.uniform))
        return Beside([category, dist.Uniform(-ones, ones).to_event(1)])

    def rest(self) -> Distribution:
        """p(ε)."""
        return dist.Normal(self.zero, torch.ones_like(self.zero)).expand([self.noise]).to_event(1)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """p(c) p(ε)."""
        return Beside([self.codes(), self.rest()])


class InfoGAN(GAN, HasCodes):
    """A GAN of codes and noise, x = g(c, ε), with a network Q that reads the codes back.

    ``guide`` is a Pyro program over the codes alone: what Q(c|x) says of data, the noise being nobody's concern.

    Args:
        generator: as of :class:`GAN`, of ``categories + uniform + noise`` numbers.
        critic: as of :class:`GAN`.
        reader: ``(N, *x_shape)`` to ``(N, categories + 2 uniform)``: logits, means, and raw scales.
        x_shape: shape of one datum.
        categories: of the categorical code.
        uniform: how many codes are uniform on [−1, 1].
        noise_size: of ε.
        objective: the game.
        kind: of the data, as of :class:`GAN`.

    Raises:
        ValueError: fewer than two categories, or no noise.
    """

    prior: CodesAndNoise

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        reader: nn.Module,
        x_shape: Sequence[int],
        categories: int,
        uniform: int,
        noise_size: int,
        objective: Objective | str,
        kind: str,
    ) -> None:
        if categories < 2 or uniform < 0 or noise_size < 1:
            raise ValueError(
                f"categories={categories}, uniform={uniform}, noise_size={noise_size}: InfoGAN has a code of at least two "
                "categories, and noise of at least one number beside it."
            )
        size = categories + uniform + noise_size
        super().__init__(
            generator, critic, x_shape, size, CodesAndNoise(categories, uniform), objective=objective, kind=kind
        )
        self.categories, self.uniform = categories, uniform
        self.code_reader = BatchDims(reader, self.x_shape, torch.Size([categories + 2 * uniform]), "reader")

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(c) p(ε) δ(x − g(c, ε)): of ``x`` only the length is used."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            c = pyro.sample("codes", self.prior.codes())
            rest = pyro.sample("noise", self.prior.rest())
            made = self.generate(torch.cat([c, rest], -1))
            pyro.sample("x", dist.Delta(made, event_dim=len(self.x_shape)))

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """Q(c|x)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("codes", self.read_codes(x))

    def codes(self, z: Tensor) -> Tensor:
        """The first coordinates."""
        return z[..., : self.categories + self.uniform]

    def read_codes(self, x: Tensor) -> Distribution:
        """Q(c|x): probabilities of the categories, and a normal distribution of each uniform code."""
        logits, means, raw = self.code_reader(x).split([self.categories, self.uniform, self.uniform], -1)
        category = OneHot(logits=logits, validate_args=False)
        if not self.uniform:
            return category
        return Beside([category, dist.Normal(means, LEAST_SCALE + softplus(raw)).to_event(1)])

    def reader_modules(self) -> Sequence[nn.Module]:
        """The network that reads."""
        return [self.code_reader]


@entry(
    "infogan",
    reference="Chen et al. 2016, InfoGAN: interpretable representation learning, arXiv:1606.03657",
    settles=("weight",),
    data="mnist",
    recipe={"epochs": 20, "batch_size": 128},
)
def infogan(
    x_shape: Sequence[int],
    categories: int = 10,
    uniform: int = 0,
    noise_size: int = 20,
    hidden: Sequence[int] = (256, 256),
    weight: float = 1.0,
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> InfoGAN:
    """The GAN whose generator is paid for data that tell their codes, so that each category becomes a kind of data.

    Args:
        x_shape: shape of one datum.
        categories: of the categorical code.
        uniform: how many codes are uniform on [−1, 1].
        noise_size: how many more numbers the generator reads.
        hidden: widths of the hidden layers of generator, critic and reader.
        weight: λ, of the information beside the game; 0: a GAN with an idle reader.
        objective: the default objective of ``fit``: Adversarial(penalty="R1") + weight * Information().
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    size = categories + uniform + noise_size
    generator: nn.Module = mlp((size,), hidden, x_shape)
    generator = nn.Sequential(generator, nn.Sigmoid()) if kind in BOUNDED else generator
    critic = mlp(x_shape, hidden, (1,), activation=lambda: nn.LeakyReLU(0.2))
    reader = mlp(x_shape, hidden, (categories + 2 * uniform,), activation=lambda: nn.LeakyReLU(0.2))
    goal = Adversarial(penalty="R1") + weight * Information() if objective is None else objective
    return InfoGAN(generator, critic, reader, x_shape, categories, uniform, noise_size, goal, kind)
