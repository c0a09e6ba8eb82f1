"""Generative adversarial networks."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, HasCentre, Prior
from pyrogen.base import Batch, HasCritic, HasGenerator, Model, Objective, announce
from pyrogen.capabilities import HasGrowth, HasTruncation
from pyrogen.conditions import Condition, Reader
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.kinds import BOUNDED, kinds_of_range
from pyrogen.nets import BatchDims
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.nets.growing import settle
from pyrogen.registry import make

MAKES = "the generator of a GAN makes"
TRIED = 64  # draws by which a generator shows its range


class GameModel(Model, HasCritic, HasGenerator):
    """A generator without a density, x = g(z), or g(z, y), with z ~ p(z) of a fixed prior, and a critic of what it makes.

    It is half a pair: ``model`` is a Pyro program, of which x is a point mass, and there is no guide.
    """

    prior: Prior
    generator: nn.Module
    critic: nn.Module

    @abstractmethod
    def _given(self, batch: Batch) -> Mapping[str, Tensor]:
        """The sites of a batch that the critic reads beside x."""

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z) δ(x − g(z, y)): of ``x`` only the length is used, and the site x is drawn."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = pyro.sample("z", self.latent_prior(y))
            pyro.sample("x", dist.Delta(self.generate(z, y), event_dim=len(self.x_shape)))

    def real(self, batch: Batch) -> Mapping[str, Tensor]:
        """The data, and y."""
        return {"x": batch.x, **self._given(batch)}

    def fake(self, batch: Batch) -> Mapping[str, Tensor]:
        """As many generated data, given the same y."""
        z = self.latent_prior(batch.y).sample((len(batch.x),))
        return {"z": z, "x": self.generate(z, batch.y), **self._given(batch)}

    def latent_prior(self, y: Tensor | None = None) -> Distribution:
        """The fixed prior."""
        return self.prior()

    def generator_modules(self) -> Sequence[nn.Module]:
        """The generator."""
        return [self.generator]

    def critic_modules(self) -> Sequence[nn.Module]:
        """The critic."""
        return [self.critic]

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """g(z, y) at drawn z, ``(n, *x_shape)``.

        Raises:
            ValueError: no y, or a wrong one, where the model is conditional.
        """
        self.check_draws(n, y)
        return self.generate(self.latent_prior(y).sample((n,)), y)


def fixed_prior(prior: Prior | str, latent_size: int, who: str) -> Prior:
    """A prior of z of a size that whoever draws from it does not train.

    Raises:
        ValueError: it is learned, or improper.
    """
    made: Prior = make("prior", prior)
    if made.learned or not made.proper:
        raise ValueError(f"{who} draws z from a fixed prior such as StandardNormal; got {type(made).__name__}.")
    made.size(latent_size)
    return made


class GAN(GameModel, HasTruncation):
    """A generator without a density, x = g(z) with z ~ p(z), or g(z, y), and a critic that reads x, and y beside it.

    What needs a density takes :func:`pyrogen.inference.observe`, which puts noise on x.

    Args:
        generator: ``(N, latent_size)`` to ``(N, *x_shape)``, of the given kind: for "unit" as after a sigmoid. Given a
            condition it takes ``(N, condition.size)`` as a second argument, and so does the critic.
        critic: ``(N, *x_shape)`` to ``(N, 1)``, or to fewer scores where one is of several data together.
        x_shape: shape of one datum.
        latent_size: size of z.
        prior: a fixed prior.
        objective: the game; by default non-saturating.
        kind: of the data: "real" for any numbers, "unit" or "binary" for numbers in [0, 1].
        condition: what y is, or None.

    Raises:
        ValueError: a learned or improper prior, another kind, or a generator whose numbers leave [0, 1].
    """

    generator: BatchDims
    critic: BatchDims

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        x_shape: Sequence[int],
        latent_size: int,
        prior: Prior | str = "StandardNormal",
        objective: Objective | str | None = None,
        kind: str = "real",
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        self.kinds, self.condition = kinds_of_range(kind, MAKES), condition
        self.x_shape, self.latent_shape = torch.Size(x_shape), torch.Size([latent_size])
        self.objective: Objective = Adversarial() if objective is None else make("objective", objective)
        self.prior = fixed_prior(prior, latent_size, "a GAN")
        self.generator = BatchDims(generator, torch.Size([latent_size]), self.x_shape, "generator")
        self.critic = BatchDims(critic, self.x_shape, torch.Size([1]), "critic")
        self.reader = None if condition is None else Reader(condition)
        if not isinstance(self, HasGrowth):
            settle(self)
        if self.kinds == BOUNDED:
            self._try_generator()

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """g(z), or g(z, y), ``(..., *x_shape)``."""
        x: Tensor = self.generator(z, self.read_y(y))
        return x

    def criticize(self, sites: Mapping[str, Tensor]) -> Tensor:
        """The critic's logits of x, given y."""
        return self.critic(sites["x"], self.read_y(sites.get("y"))).squeeze(-1)

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
        read = None if self.condition is None else torch.zeros(TRIED, self.condition.size)
        with torch.random.fork_rng(devices=[]):
            x = self.generator(self.prior().sample((TRIED,)), read)
        self.generator.train(mode)
        if x.amin() < 0 or x.amax() > 1:
            raise ValueError(
                f"the generator gives numbers from {float(x.amin()):.3g} to {float(x.amax()):.3g}, and data of kind "
                f"{self.kinds[0]!r} lie in [0, 1]; end it in a sigmoid, or use kind='real'."
            )

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        """g(z) at drawn z, ``(n, *x_shape)``; truncated, at z of p(z) given that all |z_i| ≤ ``truncation``.

        Reference: Brock et al. 2019, arXiv:1809.11096, section 3.1.

        Raises:
            ValueError: no y, or a wrong one, where the model is conditional; a truncation that is not above 0, or of a prior
                without a centre.
        """
        self.check_draws(n, y)
        return self.generate(self._draw(n, y) if truncation is None else self._draw_within(n, truncation), y)

    untruncated = math.inf

    @property
    def truncations(self) -> Sequence[float]:
        """The largest |z_i|, of a prior that has a centre."""
        return self.prior.truncations if isinstance(self.prior, HasCentre) else ()

    def _draw(self, n: int, y: Tensor | None) -> Tensor:
        z: Tensor = self.latent_prior(y).sample((n,))
        return z

    def _draw_within(self, n: int, most: float) -> Tensor:
        if not isinstance(self.prior, HasCentre) or not most > 0:
            raise ValueError(
                f"truncation={most:g} draws z of a prior that has a centre, as StandardNormal, given that no |z_i| is "
                f"larger, and must be above 0; the prior of this {type(self).__name__} is {type(self.prior).__name__}."
            )
        return self.prior.draw_within(n, most)

    def _given(self, batch: Batch) -> Mapping[str, Tensor]:
        return {} if self.condition is None or batch.y is None else {"y": batch.y}


G = TypeVar("G", bound=GAN)


def gan_of(
    generator: GeneratorNet | str,
    critic: CriticNet | str,
    x_shape: Sequence[int],
    latent_size: int,
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "real",
    condition: Condition | None = None,
    of: Callable[..., G] = GAN,  # type: ignore[assignment]
) -> G:
    """A GAN of networks that are choices, objects or names; the other arguments are those of :class:`GAN`."""
    kinds_of_range(kind, MAKES)  # the networks would refuse another in words of their own
    made: GeneratorNet = make("generator", generator)
    judging: CriticNet = make("critic", critic)
    nets = made.build(latent_size, x_shape, kind, condition), judging.build(x_shape, condition)
    return of(*nets, x_shape, latent_size, prior, objective, kind, condition)
