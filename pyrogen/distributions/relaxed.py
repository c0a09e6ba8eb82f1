"""Bits relaxed to numbers between 0 and 1."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import SigmoidTransform

from pyrogen.axes import Axis, Distribution
from pyrogen.distributions.transformed import Transformed

# beyond so many temperatures most draws would round to 1 in float32, where their densities are lost
REACH = 10


class _Logistic(dist.Logistic):
    """A logistic variable whose draws are finite: Pyro's are −∞ once in 2²⁴."""

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.icdf(u.clamp(min=torch.finfo(u.dtype).eps / 2))


def relaxed_bits(logits: Tensor, temperature: Tensor | float) -> Distribution:
    """z = σ((l + g) / τ), g standard logistic: towards bits of probabilities σ(l) as τ falls to 0.

    The logits are bounded smoothly at ±10 τ.

    Shapes: logits ``(..., d)``; event ``(d,)``, in (0, 1).
    Reference: Maddison et al. 2017, arXiv:1611.00712.
    """
    bound = REACH * temperature
    loc = bound * torch.tanh(logits / bound) / temperature
    return Transformed(_Logistic(loc, torch.ones_like(loc) / temperature).to_event(1), [SigmoidTransform()])


def check_temperature(axis: Axis, temperature: float) -> None:
    """Refuse temperatures at which float32 cannot tell draws from the corners.

    Raises:
        ValueError: it is below 0.1.
    """
    if temperature < 0.1:
        name = type(axis).__name__
        raise ValueError(
            f"{name}(temperature={temperature}): below 0.1 draws round to the corners, where densities are lost; use 0.1 or "
            f"more, or {axis.axes[0]}={name.removeprefix('Relaxed')!r}, which has no temperature."
        )
