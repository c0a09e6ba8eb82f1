"""Likelihoods of real values with a location and a scale: fixed, shared or predicted."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Literal

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyrogen.axes import Distribution, Likelihood
from pyrogen.distributions.bounds import soft_clamp
from pyrogen.registry import choice


class _LocationScale(Likelihood):
    """Independent elements with location from the features, and a scale that is fixed, shared, or predicted.

    Args:
        scale: "fixed" at ``value``; "shared", one learned number that starts at ``value``; or "predicted", for every
            element of every datum.
        value: the fixed or first scale; None: 1, and where it is shared the standard deviation of the training data.
        positive: what makes a learned scale positive, "softplus" or "exp".
        floor: added to learned scales, so that the density cannot grow without limit on values that repeat.
    """

    kinds = ("real", "unit")

    def __init__(
        self,
        scale: Literal["fixed", "shared", "predicted"] = "predicted",
        value: float | None = None,
        positive: Literal["softplus", "exp"] = "softplus",
        floor: float = 1e-3,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if scale not in ("fixed", "shared", "predicted"):
            raise ValueError(f"{name}(scale={scale!r}): choose 'fixed', 'shared' or 'predicted'.")
        if positive not in ("softplus", "exp"):
            raise ValueError(f"{name}(positive={positive!r}): choose 'softplus' or 'exp'.")
        if floor < 0 or (value is not None and value <= floor):
            raise ValueError(f"{name}(value={value}, floor={floor}): needs value > floor >= 0.")
        self.scale, self.value, self.positive, self.floor = scale, value, positive, floor
        self.per_element = 2 if scale == "predicted" else 1
        if scale == "fixed":
            self.register_buffer("fixed", torch.tensor(1.0 if value is None else float(value)), persistent=False)
        elif scale == "shared":
            self.raw_scale = nn.Parameter(torch.tensor(self._raw(1.0 if value is None else value)))
            # changes its precision as the scale does
            self.register_buffer("first", self.raw_scale.detach().clone(), persistent=False)
            self.needs_training_data = value is None

    @abstractmethod
    def family(self, loc: Tensor, scale: Tensor) -> Distribution:
        """The distribution of one element."""

    def forward(self, features: Tensor) -> Distribution:
        """Location and scale of every element."""
        loc, *raw = self.parts(features)
        if self.scale == "fixed":
            scale = self.get_buffer("fixed").expand_as(loc)
        else:
            scale = self._positive(raw[0] if raw else self.raw_scale).expand_as(loc)
        return self.family(loc, scale).to_event(len(self.x_shape))

    def _positive(self, raw: Tensor) -> Tensor:
        return self.floor + (softplus(raw) if self.positive == "softplus" else soft_clamp(raw, -30.0, 30.0).exp())

    def _raw(self, scale: float) -> float:
        """The number whose positive value is a scale, above the floor."""
        rest = max(scale - self.floor, 1e-6)
        return rest + math.log(-math.expm1(-rest)) if self.positive == "softplus" else math.log(rest)

    @torch.no_grad()
    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Start a shared scale that was given no value at the standard deviation of the data; one that has moved stays."""
        if self.needs_training_data and torch.equal(self.raw_scale, self.get_buffer("first")):
            seen = x[torch.isfinite(x)].double()
            self.raw_scale.fill_(self._raw(float(seen.std(correction=0)) if len(seen) else 1.0))


@choice("likelihood")
class Normal(_LocationScale):
    """Normal elements, p(x|·) = Πᵢ N(xᵢ; μᵢ, σᵢ²), σ fixed, shared or predicted.

    Shapes: features ``(k C, ...)`` with k = 2 where σ is predicted, else 1; event ``x_shape``.
    Reference (predicted variance): Nix & Weigend 1994.

    Args:
        scale: "fixed" at ``value``; "shared", one learned number that starts at ``value``; or "predicted".
        value: the fixed or first scale σ; None: 1, and where it is shared the standard deviation of the training data.
        positive: what makes a learned scale positive, "softplus" or "exp".
        floor: added to learned scales, so that the density cannot grow without limit on values that repeat.
    """

    def family(self, loc: Tensor, scale: Tensor) -> Distribution:
        """N(μ, σ²)."""
        return dist.Normal(loc, scale)


@choice("likelihood")
class Laplace(_LocationScale):
    """Laplace elements, p(x|·) = Πᵢ exp(−|xᵢ − μᵢ| / bᵢ) / 2bᵢ: the L1 loss as a likelihood.

    Shapes: features ``(k C, ...)`` with k = 2 where b is predicted, else 1; event ``x_shape``.

    Args:
        scale: "fixed" at ``value``; "shared", one learned number that starts at ``value``; or "predicted".
        value: the fixed or first scale b; None: 1, and where it is shared the standard deviation of the training data.
        positive: what makes a learned scale positive, "softplus" or "exp".
        floor: added to learned scales, so that the density cannot grow without limit on values that repeat.
    """

    def family(self, loc: Tensor, scale: Tensor) -> Distribution:
        """Laplace(μ, b)."""
        return dist.Laplace(loc, scale)


@choice("likelihood")
class StudentT(_LocationScale):
    """Heavy-tailed elements, p(x|·) = Πᵢ t((xᵢ − μᵢ) / sᵢ; ν) / sᵢ, which tolerate outlying values.

    Shapes: features ``(k C, ...)`` with k = 2 where s is predicted, else 1; event ``x_shape``. Reference: Lange, Little &
    Taylor 1989, Robust statistical modeling using the t distribution.

    Args:
        df: degrees of freedom ν, above 1, where there is a mean, and up to 100, from where on it is the Normal.
        scale: "fixed" at ``value``; "shared", one learned number that starts at ``value``; or "predicted".
        value: the fixed or first scale s; None: 1, and where it is shared the standard deviation of the training data.
        positive: what makes a learned scale positive, "softplus" or "exp".
        floor: added to learned scales, so that the density cannot grow without limit on values that repeat.
    """

    def __init__(
        self,
        df: float = 5.0,
        scale: Literal["fixed", "shared", "predicted"] = "predicted",
        value: float | None = None,
        positive: Literal["softplus", "exp"] = "softplus",
        floor: float = 1e-3,
    ) -> None:
        super().__init__(scale, value, positive, floor)
        if not 1 < df <= 100:
            raise ValueError(
                f"StudentT(df={df}): needs 1 < df <= 100; below there is no mean to show, above use likelihood='Normal'."
            )
        self.df = df

    def family(self, loc: Tensor, scale: Tensor) -> Distribution:
        """t with ν degrees of freedom around μ."""
        return dist.StudentT(torch.full_like(loc, self.df), loc, scale)
