"""Bits and classes relaxed to numbers between 0 and 1."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import SigmoidTransform

from pyrogen.axes import Axis, Distribution
from pyrogen.distributions.bounds import soft_clamp
from pyrogen.distributions.simplex import RelaxedOneHot
from pyrogen.distributions.transformed import Transformed

# beyond so many temperatures most draws would round to 1 in float32, where their densities are lost
REACH = 10
# and below the likeliest class by so many more, and room for a few, to 0
DEPTH, ROOM = 40.0, 20.0


class _Logistic(dist.Logistic):
    """A logistic variable whose draws are finite: Pyro's are −∞ once in 2²⁴."""

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.icdf(u.clamp(min=torch.finfo(u.dtype).eps / 2))


def relaxed_bits(logits: Tensor, temperature: Tensor | float) -> Distribution:
    """z = σ((l + g) / τ), g standard logistic, nearer to bits the lower τ is: P(z > ½) = σ(l).

    The logits are bounded smoothly at ±10 τ, so that no bit is surer than σ(10 τ).

    Shapes: logits ``(..., d)``; event ``(d,)``, in (0, 1).
    Reference: Maddison et al. 2017, arXiv:1611.00712.
    """
    bound = REACH * temperature
    loc = bound * torch.tanh(logits / bound) / temperature
    return Transformed(_Logistic(loc, torch.ones_like(loc) / temperature).to_event(1), [SigmoidTransform()])


def relaxed_classes(logits: Tensor, temperature: Tensor) -> Distribution:
    """z = softmax((l + g) / τ), g standard Gumbel, nearer to one-hot vectors the lower τ is: P(k is largest) = softmax(l)ₖ.

    Logits down to 40 τ below the largest are as they are, and further ones are bounded smoothly at 60 τ: no class is surer
    than 1 / (1 + (K − 1) exp(−60 τ)).

    Shapes: logits ``(..., K)``; event ``(K,)``, on the simplex.
    Reference: Maddison et al. 2017, arXiv:1611.00712; Jang et al. 2017, arXiv:1611.01144.
    """
    below = (logits - logits.amax(-1, keepdim=True)) / temperature
    return RelaxedOneHot(temperature, logits=soft_clamp(below, -DEPTH, 0.0, ROOM) * temperature)


def check_temperature(axis: Axis, temperature: float, least: float) -> None:
    """Refuse temperatures at which float32 cannot tell draws from the corners.

    Raises:
        ValueError: it is below the least.
    """
    if temperature < least:
        name = type(axis).__name__
        raise ValueError(
            f"{name}(temperature={temperature}): below {least} draws round to the corners, where densities are lost, unless "
            f"logits are kept so small that little is sure; use {least} or more, or "
            f"{axis.axes[0]}={name.removeprefix('Relaxed')!r}, which has no temperature."
        )
