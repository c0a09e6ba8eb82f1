"""Standardization of real and positive vectors and images, and what it does to a log-density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.data.source import Source
from pyrogen.kinds import Kind


@dataclass(frozen=True, eq=False)
class Scale:
    """x = (r − mean) / sd, so that log p(r) = log p(x) − Σ_d log sd_d over all elements d of a datum.

    Vectors are scaled by column, images ``(C, H, W)`` by channel, and other arrays as a whole. The kind says what both are
    (:meth:`pyrogen.kinds.Kind.standard`): numbers above 0 stay so, with 0 for their mean and the geometric mean for their sd.

    Args:
        mean: of train, ``x_shape`` float64.
        sd: standard deviations (the root of the mean squared deviation), ``x_shape`` float64, all positive.
    """

    mean: Tensor
    sd: Tensor

    @classmethod
    def of(cls, source: Source, kind: Kind) -> Scale:
        """That of what was observed in the training split alone.

        Raises:
            ValueError: a column of train is constant: a density over it has no bound.
        """
        raw = torch.as_tensor(source.splits["train"][0])
        if raw.dim() != 2:
            return cls._of_alike(source.name, raw, kind)
        train = raw.double()
        constant = _constant(train, 0).nonzero().flatten().tolist()
        if constant:
            named = ", ".join(repr(source.columns[i]) if source.columns else str(i + 1) for i in constant)
            raise ValueError(
                f"{source.name!r}: column {named} has one value only in train, so it cannot be standardized, and a "
                "density over it has no bound; remove it, or load with standardize=False."
            )
        return cls(*kind.standard(train))

    @classmethod
    def _of_alike(cls, name: str, raw: Tensor, kind: Kind) -> Scale:
        """The same of all pixels of a channel, or of all elements."""
        channels = raw.shape[1] if raw.dim() == 4 else 1
        values = raw.movedim(1, 0).reshape(channels, -1) if channels > 1 else raw.reshape(1, -1)
        found = zip(*[kind.standard(row.double()) for row in values], strict=True)
        if any(_constant(row.double(), 0) for row in values):
            raise ValueError(
                f"{name!r}: a channel has one value only in train, or none, so it cannot be standardized, and a density over "
                "it has no bound; remove it, or load with standardize=False."
            )
        each = (channels, *[1] * (raw.dim() - 2))
        return cls(*(torch.stack(v).reshape(each).expand(raw.shape[1:]).contiguous() for v in found))

    @property
    def log_jacobian(self) -> float:
        """log |dx/dr| = −Σ log sd in nats: add it to log p(x) for log p(r)."""
        return -float(self.sd.log().sum())

    def log_jacobians(self, x: Tensor) -> Tensor:
        """The same for each datum of x, ``(N, *x_shape)`` to ``(N,)`` float64: of the elements that were observed."""
        return -(~x.isnan()).double().flatten(1) @ self.sd.log().flatten().to(x.device)

    def __call__(self, raw: Tensor) -> Tensor:
        """x of the raw values, ``(..., *x_shape)`` float32; computed in float64, for means far larger than deviations."""
        return ((raw.double() - self.mean.to(raw.device)) / self.sd.to(raw.device)).float()

    def restore(self, x: Tensor) -> Tensor:
        """The raw values of x, such as a model's samples: x · sd + mean, ``(..., *x_shape)`` float64."""
        return x.double() * self.sd.to(x.device) + self.mean.to(x.device)


def _constant(values: Tensor, dim: int) -> Tensor:
    """Where what was observed along a dimension is one value, or nothing."""
    hole = values.isnan()
    # not sd == 0: rounding gives a constant 0.1 a standard deviation of 1e-17
    return values.masked_fill(hole, math.inf).amin(dim) >= values.masked_fill(hole, -math.inf).amax(dim)
