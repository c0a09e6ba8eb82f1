"""What critic and generator minimize: pure functions of the critic's scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu, softplus

from pyrogen.registry import choice


class AdversarialLoss(ABC):
    """Two functions of the critic's scores of real and of generated data, ``(B,)`` each.

    Attributes:
        relative: whether scores are compared with those of the other side, so that the generator's gradient depends on the
            scores of real data even where these do not depend on it. Then the scores must all be of one critic.
    """

    axes: ClassVar[tuple[str, ...]] = ("adversarial loss",)
    relative: ClassVar[bool] = False

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss, a scalar."""

    @abstractmethod
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """The generator's loss, a scalar; ``real`` is None where it cannot change its gradient."""


class _Logistic(AdversarialLoss):
    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """−E log D(x) − E log(1 − D(g(z))), with D = σ(score)."""
        return softplus(-real).mean() + softplus(fake).mean()


@choice("adversarial loss")
@dataclass(frozen=True)
class NonSaturating(_Logistic):
    """The generator minimizes −E log D(g(z)), and an encoder −E log(1 − D(x)). Reference: arXiv:1406.2661, section 3."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """−E log D(g(z)) − E log(1 − D(x))."""
        return softplus(-fake).mean() + (0 if real is None else softplus(real).mean())


@choice("adversarial loss")
@dataclass(frozen=True)
class Minimax(_Logistic):
    """The generator minimizes what the critic maximizes, flat where the critic wins. Reference: arXiv:1406.2661, eq. 1."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """E log(1 − D(g(z))) + E log D(x)."""
        return -softplus(fake).mean() - (0 if real is None else softplus(-real).mean())


@choice("adversarial loss")
@dataclass(frozen=True)
class LeastSquares(AdversarialLoss):
    """Scores are pulled to 1 for real and 0 for generated data. Reference: Mao et al. 2017, arXiv:1611.04076."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """½ E (score(x) − 1)² + ½ E score(g(z))²."""
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """½ E (score(g(z)) − 1)² + ½ E score(x)²."""
        return 0.5 * (fake - 1).square().mean() + (0 if real is None else 0.5 * real.square().mean())


class _Linear(AdversarialLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """−E score(g(z)) + E score(x)."""
        return -fake.mean() + (0 if real is None else real.mean())


@choice("adversarial loss")
@dataclass(frozen=True)
class Hinge(_Linear):
    """Scores beyond ±1 earn the critic nothing. Reference: Lim & Ye 2017, arXiv:1705.02894; Miyato et al. 2018, eq. 16."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """E max(0, 1 − score(x)) + E max(0, 1 + score(g(z)))."""
        return relu(1 - real).mean() + relu(1 + fake).mean()


@choice("adversarial loss")
@dataclass(frozen=True)
class Wasserstein(_Linear):
    """Minus a lower bound on the Wasserstein distance, if the critic is 1-Lipschitz. Reference: arXiv:1701.07875."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """E score(g(z)) − E score(x)."""
        return fake.mean() - real.mean()


class _Relativistic(AdversarialLoss):
    relative: ClassVar[bool] = True

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """The plain loss of score(x) − E score(g(z)) and of score(g(z)) − E score(x)."""
        return self.compared(real - fake.mean(), fake - real.mean())

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """The same with the sides exchanged."""
        if real is None:
            raise ValueError(f"{type(self).__name__} compares with the scores of real data, and got none.")
        return self.critic(fake, real)

    @abstractmethod
    def compared(self, real: Tensor, fake: Tensor) -> Tensor:
        """What a critic loses by scores that are relative to the other side's."""


@choice("adversarial loss")
@dataclass(frozen=True)
class RelativisticAverage(_Relativistic):
    """Scores say how much more real a datum is than the other side on average. Reference: arXiv:1807.00734, section 4.2."""

    def compared(self, real: Tensor, fake: Tensor) -> Tensor:
        """−E log σ(real) − E log(1 − σ(fake))."""
        return softplus(-real).mean() + softplus(fake).mean()


@choice("adversarial loss")
@dataclass(frozen=True)
class RelativisticLeastSquares(_Relativistic):
    """Scores are pulled to 1 above the other side's mean, and to 1 below it. Reference: arXiv:1807.00734, appendix."""

    def compared(self, real: Tensor, fake: Tensor) -> Tensor:
        """E (real − 1)² + E (fake + 1)²."""
        return (real - 1).square().mean() + (fake + 1).square().mean()


@choice("adversarial loss")
@dataclass(frozen=True)
class RelativisticHinge(_Relativistic):
    """Scores further than 1 from the other side's mean earn nothing. Reference: arXiv:1807.00734, appendix."""

    def compared(self, real: Tensor, fake: Tensor) -> Tensor:
        """E max(0, 1 − real) + E max(0, 1 + fake)."""
        return relu(1 - real).mean() + relu(1 + fake).mean()
