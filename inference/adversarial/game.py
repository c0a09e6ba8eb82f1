"""The adversarial game between a critic and a generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from pyrogen.base import Batch, HasCritic, Objective, Player
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make


class AdversarialLoss(ABC):
    """Two pure functions of critic outputs: what the critic minimizes, and what the generator does."""

    axes: ClassVar[tuple[str, ...]] = ("adversarial loss",)

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss, a scalar."""

    @abstractmethod
    def generator(self, fake: Tensor) -> Tensor:
        """The generator's loss, a scalar."""


class _LogisticCritic(AdversarialLoss):
    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """−E log D(x) − E log(1 − D(g(z))), with D = σ(score)."""
        return softplus(-real).mean() + softplus(fake).mean()


@choice("adversarial loss")
@dataclass(frozen=True)
class NonSaturating(_LogisticCritic):
    """The generator minimizes −E log D(g(z)). Reference: Goodfellow et al. 2014, arXiv:1406.2661, section 3."""

    def generator(self, fake: Tensor) -> Tensor:
        """−E log D(g(z))."""
        return softplus(-fake).mean()


@choice("adversarial loss")
@dataclass(frozen=True)
class Minimax(_LogisticCritic):
    """The generator minimizes E log(1 − D(g(z))), flat where the critic wins. Reference: arXiv:1406.2661, eq. 1."""

    def generator(self, fake: Tensor) -> Tensor:
        """E log(1 − D(g(z)))."""
        return -softplus(fake).mean()


@choice("adversarial loss")
@dataclass(frozen=True)
class LeastSquares(AdversarialLoss):
    """Scores are pulled to 1 for real and 0 for generated data. Reference: Mao et al. 2017, arXiv:1611.04076."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """½ E (score(x) − 1)² + ½ E score(g(z))²."""
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()

    def generator(self, fake: Tensor) -> Tensor:
        """½ E (score(g(z)) − 1)²."""
        return 0.5 * (fake - 1).square().mean()


@choice("objective")
@dataclass(frozen=True)
class Adversarial(Objective):
    """Two players in turn: the critic learns to tell real sites from generated ones, the generator to prevent it.

    Reference: Goodfellow et al. 2014, arXiv:1406.2661.

    Args:
        loss: an adversarial loss or its name.
        critic_steps: moves of the critic for each of the generator.
        critic_optimizer: of the critic.
        generator_optimizer: of the generator.
    """

    loss: AdversarialLoss | str = "NonSaturating"
    critic_steps: int = 1
    critic_optimizer: Optim = Adam(lr=1e-3, betas=(0.5, 0.999))
    generator_optimizer: Optim = Adam(lr=1e-3, betas=(0.5, 0.999))

    def __post_init__(self) -> None:
        """Optimizers may be given by name or description."""
        for name in ("critic_optimizer", "generator_optimizer"):
            object.__setattr__(self, name, make("optimizer", getattr(self, name)))

    def players(self, model: Any) -> Sequence[Player]:
        """The critic, then the generator."""
        if not isinstance(model, HasCritic):
            raise ValueError(f"{type(model).__name__} has no critic, which Adversarial needs; choose a GAN entry.")
        game: AdversarialLoss = make("adversarial loss", self.loss)

        def critic(batch: Batch) -> Mapping[str, Tensor]:
            real, fake = model.criticize(model.real(batch)), model.criticize(model.fake(batch))
            return {"loss": game.critic(real, fake), "real": real.detach().mean(), "fake": fake.detach().mean()}

        def generator(batch: Batch) -> Mapping[str, Tensor]:
            return {"loss": game.generator(model.criticize(model.fake(batch)))}

        return [
            Player("critic", critic, model.critic_modules(), self.critic_optimizer, steps=self.critic_steps),
            Player("generator", generator, model.generator_modules(), self.generator_optimizer),
        ]
