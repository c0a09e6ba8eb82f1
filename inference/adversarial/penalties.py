"""What a critic pays for its slopes: pure functions of the critic and of real and generated sites."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from pyrogen.nets.batch_dims import computing_in
from pyrogen.registry import choice

Sites = Mapping[str, Tensor]
Critic = Callable[[Sites], Tensor]


class CriticPenalty(ABC):
    """A term of the critic's loss. It is computed in float32, whatever the networks compute in elsewhere."""

    axes: ClassVar[tuple[str, ...]] = ("penalty",)

    def __call__(self, critic: Critic, real: Sites, fake: Sites) -> Tensor:
        """The penalty, a scalar."""
        with computing_in(None):
            return self.charge(critic, real, fake)

    @abstractmethod
    def charge(self, critic: Critic, real: Sites, fake: Sites) -> Tensor:
        """The penalty, a scalar."""


@choice("penalty")
@dataclass(frozen=True)
class GradientPenalty(CriticPenalty):
    """λ E (‖∇ score(x̂)‖ − target)² on lines x̂ between real and generated sites, one point a pair: pulls slopes to a target.

    Reference: Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028.

    Args:
        weight: λ.
        target: of the norm of the gradient.
    """

    weight: float = 10.0
    target: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        _not_negative(self, weight=self.weight, target=self.target)

    def charge(self, critic: Critic, real: Sites, fake: Sites) -> Tensor:
        """λ E (‖∇ score(x̂)‖ − target)²."""
        return self.weight * (slopes(critic, between(real, fake)) - self.target).square().mean()


@dataclass(frozen=True)
class _ZeroCentred(CriticPenalty):
    weight: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        _not_negative(self, weight=self.weight)

    @abstractmethod
    def side(self, real: Sites, fake: Sites) -> Sites:
        """Where the slopes are charged."""

    def charge(self, critic: Critic, real: Sites, fake: Sites) -> Tensor:
        """½ λ E ‖∇ score‖² on one side."""
        return 0.5 * self.weight * squared_slopes(critic, self.side(real, fake)).mean()


@choice("penalty")
@dataclass(frozen=True)
class R1(_ZeroCentred):
    """½ λ E ‖∇ score(x)‖² at real data: a game near its end becomes stable.

    Reference: Mescheder et al. 2018, Which training methods for GANs do actually converge?, arXiv:1801.04406.

    Args:
        weight: λ.
    """

    def side(self, real: Sites, fake: Sites) -> Sites:
        """Real."""
        return real


@choice("penalty")
@dataclass(frozen=True)
class R2(_ZeroCentred):
    """½ λ E ‖∇ score(g(z))‖² at generated data. Reference: Mescheder et al. 2018, arXiv:1801.04406.

    Args:
        weight: λ.
    """

    def side(self, real: Sites, fake: Sites) -> Sites:
        """Generated."""
        return fake


def between(real: Sites, fake: Sites) -> Sites:
    """A random point on the line between each real datum and a generated one, at sites of real numbers; others as real."""
    (first, *_) = real.values()
    share = torch.rand(len(first), device=first.device)

    def mixed(a: Tensor, b: Tensor) -> Tensor:
        s = share.to(a).reshape(-1, *[1] * (a.dim() - 1))
        return s * a + (1 - s) * b

    return {k: mixed(v, fake[k]) if v.is_floating_point() else v for k, v in real.items()}


def slopes(critic: Critic, sites: Sites) -> Tensor:
    """‖∇ score‖ of each score over all sites of real numbers together, ``(B,)``; differentiable where gradients are on."""
    # the root of 0 has no derivative
    return squared_slopes(critic, sites).clamp(min=1e-24).sqrt()


def squared_slopes(critic: Critic, sites: Sites) -> Tensor:
    """‖∇ score‖² of each score, smooth where it is 0; of a pack of data over all of them, ``(B // pack,)``."""
    learning = torch.is_grad_enabled()
    with torch.enable_grad():
        moved = {k: v.detach().requires_grad_() if v.is_floating_point() else v for k, v in sites.items()}
        inputs = [v for v in moved.values() if v.requires_grad]
        scores = critic(moved)
        gradients = torch.autograd.grad(scores.sum(), inputs, create_graph=learning, allow_unused=True)
    squares = torch.stack([g.flatten(1).square().sum(1) for g in gradients if g is not None]).sum(0)
    # datum n is in pack n mod P, and what is in none has no gradient
    return pad(squares, (0, -len(squares) % len(scores))).unflatten(0, (-1, len(scores))).sum(0)


def _not_negative(penalty: CriticPenalty, **settings: float) -> None:
    for name, value in settings.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{type(penalty).__name__}({name}={value}): {name} must be finite and not below 0.")
