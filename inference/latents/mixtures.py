"""What mixtures over the data say of q(z), with each datum left out in turn for the error of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixed:
    """E log q(z) by mixtures over the data, first of all, then with each datum left out in turn, ``(1 + N,)``.

    Attributes:
        low: a code's own datum is no part of its mixture.
        high: it is.
    """

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, crossed: Tensor) -> Mixed:
        """Of log q(zₙ|xₘ), ``(N, N)``."""
        others = crossed.clone()
        others.fill_diagonal_(-torch.inf)
        return cls(_mixture(others, len(crossed) - 1), _mixture(crossed, len(crossed)))

    @classmethod
    def mean(cls, parts: list[Mixed]) -> Mixed:
        """Of several draws."""
        whole = cls.sum(parts)
        return cls(whole.low / len(parts), whole.high / len(parts))

    @classmethod
    def sum(cls, parts: list[Mixed]) -> Mixed:
        """Of several coordinates."""
        return cls(torch.stack([m.low for m in parts]).sum(0), torch.stack([m.high for m in parts]).sum(0))


def _mixture(crossed: Tensor, count: int) -> Tensor:
    """Mean over n of log 1/count Σₘ exp, of all data and with each left out, as code and as component."""
    n = len(crossed)
    peak = crossed.amax(1, keepdim=True)
    shares = (crossed - peak).exp()
    total = shares.sum(1, keepdim=True)
    # what is left of a sum without its largest term is at least the second
    second = shares.topk(min(2, n), 1).values[:, -1:]
    rest = torch.maximum(total - shares, second.clamp(min=torch.finfo(shares.dtype).tiny)).log() + peak
    rest.fill_diagonal_(0)
    whole = (total.log() + peak).mean() - math.log(count)
    return torch.cat([whole.reshape(1), rest.sum(0) / (n - 1) - math.log(count - 1)])


def left_out(values: Tensor) -> Tensor:
    """The mean of ``(draw, N)`` over all data, and with each left out, ``(1 + N,)``."""
    row = values.mean(0)
    return torch.cat([row.mean().reshape(1), (row.sum() - row) / (len(row) - 1)])


def estimate(replicates: Tensor) -> tuple[float, float]:
    """The estimate of all data, and its jackknife error."""
    whole, left = replicates[0], replicates[1:]
    n = len(left)
    return float(whole), float(((n - 1) / n * (left - left.mean()).square().sum()).sqrt())
