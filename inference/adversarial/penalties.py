"""What a critic pays, for its slopes above all: pure functions of the critic and of real and generated sites."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from pyrogen.base import nothing
from pyrogen.kinds import is_picture
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

    def after(self, modules: Sequence[nn.Module]) -> None:
        """What is done to the critic after each of its steps; by default nothing."""
        nothing()


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


@choice("penalty")
@dataclass(frozen=True)
class LipschitzPenalty(CriticPenalty):
    """λ E max(0, ‖∇ score(x̂)‖ − bound)² on lines between real and generated sites: only slopes that are too steep pay.

    Should not be confused with the gradient penalty, which charges the flat ones too.
    Reference: Petzka et al. 2018, On the regularization of Wasserstein GANs, arXiv:1709.08894.

    Args:
        weight: λ.
        bound: of the norm of the gradient.
    """

    weight: float = 10.0
    bound: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        _not_negative(self, weight=self.weight, bound=self.bound)

    def charge(self, critic: Critic, real: Sites, fake: Sites) -> Tensor:
        """λ E max(0, ‖∇ score(x̂)‖ − bound)²."""
        return self.weight * relu(slopes(critic, between(real, fake)) - self.bound).square().mean()


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


@choice("penalty")
@dataclass(frozen=True)
class Clipping(CriticPenalty):
    """Parameters of the critic are clamped to [−bound, bound] after each step, which bounds its slopes; nothing is paid.

    The bound of the slopes is not that of the parameters: divide the critic's value by its largest slope.
    Reference: Arjovsky et al. 2017, Wasserstein GAN, arXiv:1701.07875.

    Args:
        bound: of the absolute value of each parameter.
    """

    bound: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        _not_negative(self, bound=self.bound)

    def charge(self, critic: Critic, real: Sites, fake: Sites) -> Tensor:
        """0."""
        (first, *_) = real.values()
        return torch.zeros((), device=first.device)

    @torch.no_grad()
    def after(self, modules: Sequence[nn.Module]) -> None:
        """Clamp the parameters."""
        for module in modules:
            for p in module.parameters():
                p.clamp_(-self.bound, self.bound)


@choice("penalty")
@dataclass(frozen=True)
class Consistency(CriticPenalty):
    """λ E (score(x) − score(T(x)))² at real data: what T does to a datum should not change its score.

    T shifts an image by some pixels, its border repeated, and may mirror it; to whatever else it adds normal noise. Of
    several sites it changes x alone. Reference: Zhang et al. 2020, Consistency regularization for GANs,
    arXiv:1910.12027; with ``fake_weight`` balanced as in Zhao et al. 2021, arXiv:2002.04724.

    Args:
        weight: λ.
        fake_weight: the same at generated data.
        shift: the most pixels, in each direction.
        mirror: whether half the images are mirrored; of digits this would make other things.
        noise: standard deviation of what is added to data that are no images.
    """

    weight: float = 10.0
    fake_weight: float = 0.0
    shift: int = 2
    mirror: bool = False
    noise: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        _not_negative(self, weight=self.weight, fake_weight=self.fake_weight, shift=self.shift, noise=self.noise)

    def charge(self, critic: Critic, real: Sites, fake: Sites) -> Tensor:
        """λ E (score(x) − score(T(x)))², and that of generated data if it has a weight."""
        total = self.weight * self._change(critic, real)
        return total + self.fake_weight * self._change(critic, fake) if self.fake_weight else total

    def _change(self, critic: Critic, sites: Sites) -> Tensor:
        changed = "x" if len(sites) > 1 else next(iter(sites))
        if changed not in sites:
            raise ValueError(f"Consistency changes x, and the critic reads {', '.join(sites)}; let it read x too.")
        still = {k: v.detach() for k, v in sites.items()}
        return (critic(still) - critic({**still, changed: self.changed(still[changed])})).square().mean()

    def changed(self, x: Tensor) -> Tensor:
        """T(x), each datum changed in its own way, same shape."""
        if not is_picture(x.shape[1:]):
            return x + self.noise * torch.randn_like(x)
        n, _, height, width = x.shape
        rows, columns = (_shifted(n, side, self.shift, x) for side in (height, width))
        if self.mirror:
            turned = torch.rand(n, 1, device=x.device) < 0.5
            columns = torch.where(turned, width - 1 - columns, columns)
        moved = x.gather(2, rows[:, None, :, None].expand_as(x))
        return moved.gather(3, columns[:, None, None, :].expand_as(x))


def _shifted(n: int, side: int, most: int, like: Tensor) -> Tensor:
    """From where each pixel of a line comes, ``(n, side)``."""
    by = torch.randint(-most, most + 1, (n, 1), device=like.device)
    return (torch.arange(side, device=like.device) + by).clamp(0, side - 1)


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
    """‖∇ score‖² of each score, smooth where it is 0; of a pack of data over all of them, ``(B // pack,)``.

    Raises:
        ValueError: there are more scores than data.
    """
    learning = torch.is_grad_enabled()
    with torch.enable_grad():
        moved = {k: v.detach().requires_grad_() if v.is_floating_point() else v for k, v in sites.items()}
        inputs = [v for v in moved.values() if v.requires_grad]
        scores = critic(moved)
        gradients = torch.autograd.grad(scores.sum(), inputs, create_graph=learning, allow_unused=True)
    squares = functools.reduce(torch.add, [g.flatten(1).square().sum(1) for g in gradients if g is not None])
    if len(squares) == len(scores):
        return squares
    if len(squares) < len(scores):
        raise ValueError(
            f"the critic gives {len(scores)} scores of {len(squares)} data; where each site has a critic of its own, the "
            "model says apart = True, and scores each site alone."
        )
    # datum n is in pack n mod P, and what is in none has no gradient
    return pad(squares, (0, -len(squares) % len(scores))).unflatten(0, (-1, len(scores))).sum(0)


def _not_negative(penalty: CriticPenalty, **settings: float) -> None:
    for name, value in settings.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{type(penalty).__name__}({name}={value}): {name} must be finite and not below 0.")
