"""The three axes of a latent-variable model: p(z), q(z|x) and p(x|·), each a module that returns a distribution.

An axis object is constructed from its choices alone and keeps each under its argument's name. The model that takes it
calls ``build`` with a :class:`Blueprint`, where it learns the sizes and refuses what cannot work.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from torch import Tensor, nn

from pyrogen.base import KINDS
from pyrogen.registry import records


@dataclass(frozen=True)
class Blueprint:
    """What a model tells its axes when it is built."""

    x_shape: torch.Size
    latent_size: int
    prior: Prior
    posterior: Posterior
    likelihood: Likelihood
    encode: Callable[[Tensor], Distribution]


class Axis(nn.Module, ABC):
    """A swappable part, made of its choices."""

    axes: ClassVar[tuple[str, ...]]

    def build(self, plan: Blueprint) -> None:
        """Learn the sizes and create what depends on them.

        Raises:
            ValueError: it cannot work with the rest of the plan; the message names both sides.
        """

    def extra_repr(self) -> str:
        """The choices, as typed."""
        names = [k for k in inspect.signature(type(self).__init__).parameters if k != "self"]
        return ", ".join(f"{k}={getattr(self, k)!r}" for k in names)


class Prior(Axis):
    """p(z) over real vectors; calling it gives the one distribution that is both scored and sampled.

    ``learned`` priors have parameters of their own, and cannot be joined with a posterior that has no density: pulling
    all codes to one point would raise log p(z) without limit.
    """

    axes: ClassVar[tuple[str, ...]] = ("prior",)
    learned: ClassVar[bool] = False
    proper: ClassVar[bool] = True

    @abstractmethod
    def forward(self, y: Tensor | None = None) -> Distribution:
        """The distribution, with event shape ``(latent_size,)``."""

    def build(self, plan: Blueprint) -> None:
        """Take the latent size."""
        self.size(plan.latent_size)

    def size(self, latent_size: int) -> None:
        """Take the latent size, which is all that a fixed prior needs of a plan."""

    def conclude(self, z: Tensor) -> None:
        """What is left to learn from the codes ``z`` of the training data, ``(N, latent_size)``; by default nothing."""

    def generator(self) -> Distribution:
        """What the latents of generated data are drawn from: the prior itself, where it is proper."""
        return self()


class Posterior(Axis):
    """q(z|x) from the features that the encoder gives."""

    axes: ClassVar[tuple[str, ...]] = ("posterior",)
    has_density: ClassVar[bool] = True

    @abstractmethod
    def width(self, latent_size: int) -> int:
        """How many features a datum needs."""

    @abstractmethod
    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The distribution with batch shape ``features.shape[:-1]`` and event shape ``(latent_size,)``."""

    def build(self, plan: Blueprint) -> None:
        """Take the latent size; refuse priors that need, or cannot bear, a density."""
        self.latent_size = plan.latent_size
        prior, posterior = type(plan.prior).__name__, type(self).__name__
        if not plan.prior.proper and self.has_density:
            raise ValueError(
                f"the {prior} prior has no normalizer to weigh the posterior {posterior} against; use "
                f"posterior='PointMass' with prior='{prior}', or prior='StandardNormal' with posterior='{posterior}'."
            )
        if plan.prior.learned and not self.has_density:
            raise ValueError(
                f"the prior {prior} is learned and the posterior {posterior} has no density, so log p(z) would grow without "
                f"limit; use posterior='DiagonalNormal' with prior='{prior}', or prior='Flat' with posterior='{posterior}'."
            )


class Likelihood(Axis):
    """p(x|·) from the features that the decoder gives, ``(..., channels(x_shape), *x_shape[1:])``.

    Attributes:
        kinds: the kinds of data that it scores.
        support: the values that one element may have.
        hull: the convex set that the data lie in, where pseudo-data may move.
        per_element: how many parameters each element of x needs.
    """

    axes: ClassVar[tuple[str, ...]] = ("likelihood",)
    kinds: ClassVar[tuple[str, ...]]
    support: ClassVar[constraints.Constraint] = constraints.real
    hull: ClassVar[constraints.Constraint] = constraints.real
    per_element: int = 1

    @abstractmethod
    def forward(self, features: Tensor) -> Distribution:
        """The distribution with event shape ``x_shape``; its ``mean`` is what a reconstruction shows."""

    def build(self, plan: Blueprint) -> None:
        """Take the shape of the data."""
        self.size(plan.x_shape)

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data (all that a likelihood needs of a plan)."""
        self.x_shape = torch.Size(x_shape)

    def channels(self, x_shape: torch.Size) -> int:
        """How many numbers a decoder gives at each position."""
        return self.per_element * x_shape[0]

    def check(self, x: Tensor) -> None:
        """Refuse values that have no density here.

        Raises:
            ValueError: the sentence names what they are and which likelihoods score them.
        """
        if not self.support.check(x).all():
            raise ValueError(refusal(f"the likelihood {type(self).__name__}", self.kinds, kind_of(x)))

    def rescale(self, x: Tensor) -> Tensor:
        """``x`` as a network likes to read it, of order one."""
        return x

    def parts(self, features: Tensor) -> tuple[Tensor, ...]:
        """The ``per_element`` parameters of each element, each ``(..., *x_shape)``."""
        rank = len(self.x_shape)
        return features.unflatten(-rank, (self.per_element, self.x_shape[0])).unbind(-rank - 1)


def kind_of(x: Tensor) -> str:
    """The narrowest kind of data that the values of ``x`` agree with."""
    if constraints.boolean.check(x).all():
        return "binary"
    if constraints.unit_interval.check(x).all():
        return "unit"
    return "levels" if constraints.integer_interval(0, 255).check(x).all() else "real"


def refusal(who: str, kinds: Sequence[str], got: str) -> str:
    """The sentence for data of the wrong kind: what was expected, what came, what to do."""
    by_kind = {k: [r.name for r in records("likelihood") if k in r.load().kinds] for k in KINDS}
    others = [k for k in ("unit", "levels") if k not in kinds and k != got]
    listed = [f"{k} data: {', '.join(by_kind[k])}" for k in (got, *others)]
    return (
        f"{who} scores {' or '.join(kinds)} data ({KINDS[kinds[0]]}), and these are {got} data ({KINDS[got]}); load them "
        f"with kind={kinds[0]!r} (grey images are then binarized or dequantized), or choose another likelihood "
        f"({'; '.join(listed)})."
    )
