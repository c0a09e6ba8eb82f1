"""Standardization of real vectors, and what it does to a log-density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.data.source import Source


@dataclass(frozen=True, eq=False)
class Scale:
    """x = (r − mean) / sd by column, so that log p(r) = log p(x) − Σ_d log sd_d.

    Args:
        mean: of the columns of train, ``(D,)`` float64.
        sd: their standard deviations (the root of the mean squared deviation), ``(D,)`` float64, all positive.
    """

    mean: Tensor
    sd: Tensor

    @classmethod
    def of(cls, source: Source) -> Scale:
        """Mean and standard deviation of what was observed in the training split alone.

        Raises:
            ValueError: a column of train is constant: a density over it has no bound.
        """
        train = torch.as_tensor(source.splits["train"][0]).double()
        hole = train.isnan()
        # not sd == 0: rounding gives a constant 0.1 a standard deviation of 1e-17
        low, high = train.masked_fill(hole, math.inf).amin(0), train.masked_fill(hole, -math.inf).amax(0)
        constant = (low >= high).nonzero().flatten().tolist()
        if constant:
            named = ", ".join(repr(source.columns[i]) if source.columns else str(i + 1) for i in constant)
            raise ValueError(
                f"{source.name!r}: column {named} has one value only in train, so it cannot be standardized, and a "
                "density over it has no bound; remove it, or load with standardize=False."
            )
        mean = train.nanmean(0)
        return cls(mean, (train - mean).square().nanmean(0).sqrt())

    @property
    def log_jacobian(self) -> float:
        """log |dx/dr| = −Σ log sd in nats: add it to log p(x) for log p(r)."""
        return -float(self.sd.log().sum())

    def log_jacobians(self, x: Tensor) -> Tensor:
        """The same for each datum of x, ``(N, D)`` to ``(N,)`` float64: of the columns that were observed."""
        return -(~x.isnan()).double() @ self.sd.log().to(x.device)

    def __call__(self, raw: Tensor) -> Tensor:
        """x of the raw values, ``(..., D)`` float32; computed in float64, for means far larger than deviations."""
        return ((raw.double() - self.mean.to(raw.device)) / self.sd.to(raw.device)).float()

    def restore(self, x: Tensor) -> Tensor:
        """The raw values of x, such as a model's samples: x · sd + mean, ``(..., D)`` float64."""
        return x.double() * self.sd.to(x.device) + self.mean.to(x.device)
