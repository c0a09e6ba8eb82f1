"""How noise grows over the time of a diffusion, as choices: γ(t) = −log of the ratio of signal to noise, t in [0, 1]."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyrogen.registry import choice


def alpha(gamma: Tensor) -> Tensor:
    """What is left of the signal, √σ(−γ)."""
    return torch.sigmoid(-gamma).sqrt()


def sigma(gamma: Tensor) -> Tensor:
    """What noise was added, √σ(γ)."""
    return torch.sigmoid(gamma).sqrt()


def earlier(z: Tensor, u: Tensor, before: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of q(z_j|z_i, u), of z_i at γ_i = ``later`` and z_j at γ_j = ``before``, below it.

    N((α_j/α_i)(1 − c) z_i + α_j c u, σ_j² c I), c = 1 − exp(γ_j − γ_i). Reference: Kingma et al. 2021, arXiv:2107.00630.
    """
    c = -torch.expm1(before - later)
    return alpha(before) / alpha(later) * (1 - c) * z + alpha(before) * c * u, sigma(before) * c.sqrt()


def beside(t: Tensor, rank: int) -> Tensor:
    """Numbers of each datum, ``(..., N)``, beside elements of so many dimensions: ``(..., N, 1, …)``; one of all as it is."""
    return t.reshape(*t.shape, *[1] * rank) if t.dim() else t


def even_times(x: Tensor) -> Tensor:
    """Times in [0, 1) spread evenly over a batch, (u + n/B) mod 1 with one u ~ U(0, 1), ``(B,)``: each is uniform."""
    u = torch.rand((), device=x.device, dtype=x.dtype)
    return (u + torch.arange(len(x), device=x.device, dtype=x.dtype) / len(x)) % 1


class NoiseSchedule(nn.Module, ABC):
    """γ(t), which rises from ``low`` at t = 0 to ``high`` at t = 1: α² = σ(−γ) of the signal is left, and σ² = σ(γ) is noise.

    Args:
        low: γ(0).
        high: γ(1).

    Raises:
        ValueError: it falls.
    """

    axes: ClassVar[tuple[str, ...]] = ("noise",)

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        if not -20 <= low < high <= 20:
            raise ValueError(
                f"{type(self).__name__}(low={low:g}, high={high:g}): noise grows, from low to high, both within −20 and 20, "
                "beyond which float32 tells no signal from none."
            )
        self.low, self.high = low, high

    def forward(self, t: Tensor) -> Tensor:
        """γ(t), of the shape of t."""
        return self.low + (self.high - self.low) * self.rise(t)

    @abstractmethod
    def rise(self, t: Tensor) -> Tensor:
        """From 0 at t = 0 to 1 at t = 1, never falling."""


@choice("noise")
class Linear(NoiseSchedule):
    """γ rises evenly: every step takes away the same share of the ratio of signal to noise.

    Reference: Kingma et al. 2021, Variational diffusion models, arXiv:2107.00630.

    Args:
        low: γ(0).
        high: γ(1).
    """

    def __init__(self, low: float = -8.0, high: float = 5.0) -> None:
        super().__init__(low, high)

    def rise(self, t: Tensor) -> Tensor:
        """t."""
        return t


@choice("noise")
class Cosine(NoiseSchedule):
    """The signal falls like a cosine, α = cos(π t′/2), between the times t′ at which γ is ``low`` and ``high``.

    γ = 2 log tan(π t′ / 2). Reference: Nichol & Dhariwal 2021, arXiv:2102.09672.

    Args:
        low: γ(0).
        high: γ(1).
    """

    def __init__(self, low: float = -8.0, high: float = 5.0) -> None:
        super().__init__(low, high)

    def rise(self, t: Tensor) -> Tensor:
        """Of γ(t), as a share."""
        first, last = (math.atan(math.exp(end / 2)) for end in (self.low, self.high))
        gamma = 2 * torch.tan(first + (last - first) * t).log()
        return (gamma - self.low) / (self.high - self.low)


@choice("noise")
class Learned(NoiseSchedule):
    """A monotone network between fixed ends, γ̃(t) = w₁ t + Σⱼ vⱼ σ(aⱼ t + bⱼ) with w₁, v, a > 0.

    The bound of continuous time does not depend on what is between the ends, so that it is the variance of its estimate that
    such a schedule can lower; with few steps it is the bound too. Reference: Kingma et al. 2021, arXiv:2107.00630.

    Args:
        low: γ(0).
        high: γ(1).
        hidden: units j.
    """

    def __init__(self, low: float = -8.0, high: float = 5.0, hidden: int = 32) -> None:
        super().__init__(low, high)
        if hidden < 1:
            raise ValueError(f"Learned(hidden={hidden}): needs 1 unit or more.")
        self.hidden = hidden
        self.slope = nn.Parameter(torch.tensor(0.5))
        self.weight = nn.Parameter(torch.full((hidden,), -3.0))
        self.scale = nn.Parameter(torch.full((hidden,), 2.0))
        self.shift = nn.Parameter(torch.linspace(-1.0, 1.0, hidden) * 4)

    def rise(self, t: Tensor) -> Tensor:
        """Of the network, as a share of what it is between the ends."""
        ends = self._network(torch.stack([torch.zeros_like(self.slope), torch.ones_like(self.slope)]))
        return (self._network(t) - ends[0]) / (ends[1] - ends[0])

    def _network(self, t: Tensor) -> Tensor:
        units = torch.sigmoid(softplus(self.scale) * 4 * (t.unsqueeze(-1) - 0.5) - self.shift)
        return softplus(self.slope) * t + (softplus(self.weight) * units).sum(-1)
