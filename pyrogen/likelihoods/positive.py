"""Likelihoods of numbers above 0: durations, prices, intensities."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, Literal

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyrogen.axes import Distribution, Likelihood
from pyrogen.distributions.bounds import soft_clamp
from pyrogen.kinds import kind_named
from pyrogen.likelihoods.precise import InDouble
from pyrogen.registry import choice

# the least and the greatest number of float32 above 0 that has all its digits
LEAST, GREATEST = 2.0**-126, torch.finfo(torch.float32).max
# forms of Gamma and Weibull below it draw what float32 rounds to 0, and means of log-normal ones above the other leave it
LEAST_FORM, WIDEST = 0.2, 5.0
_OF_ONE = math.log(math.expm1(1 - LEAST_FORM))  # whose softplus and the least form are 1


class OfLog(TorchDistribution):
    """x = exp(location + u) for u of a law that a shape names: log p(x) = log f(u) − log x, u = log x − location.

    Everything is told by logarithms, so that neither a power of x nor one of its unit overflows. Below −10³² log p grows more
    slowly than it should, to stay a number of float32; the density is 0 there to every digit.

    Args:
        location: where log x is.
        form: the shape, above 0.
    """

    arg_constraints = {"location": constraints.real, "form": constraints.positive}  # noqa: RUF012  (torch's own protocol)
    support = constraints.positive
    has_rsample = True

    def __init__(self, location: Tensor, form: Tensor, validate_args: bool | None = None) -> None:
        self.location, self.form = torch.broadcast_tensors(location, form)
        super().__init__(self.location.shape, torch.Size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> OfLog:
        """The same distribution with another batch shape."""
        return type(self)(self.location.expand(batch_shape), self.form.expand(batch_shape), self._validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x) in nats."""
        if self._validate_args:
            self._validate_sample(value)
        log_x = value.log()
        return self.of_log(log_x - self.location) - log_x

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """A draw; what float32 would round to 0 or to infinity becomes the number next to it."""
        drawn = self.draw(self.form.expand(self._extended_shape(torch.Size(sample_shape))))
        return (self.location + drawn).exp().clamp(LEAST, GREATEST)

    @property
    def mean(self) -> Tensor:
        """E x."""
        return (self.location + self.log_moment(1)).exp()

    @property
    def variance(self) -> Tensor:
        """E x² − (E x)²."""
        return (2 * self.location + self.log_moment(2)).exp() * -torch.expm1(
            2 * self.log_moment(1) - self.log_moment(2)
        )

    @abstractmethod
    def of_log(self, u: Tensor) -> Tensor:
        """log f(u)."""

    @abstractmethod
    def draw(self, form: Tensor) -> Tensor:
        """u of each form, with gradients."""

    @abstractmethod
    def log_moment(self, power: int) -> Tensor:
        """log E exp(power u)."""


class GammaOfLog(OfLog):
    """f(u) = exp(k u − eᵘ) / Γ(k); the location is the log of the scale."""

    def of_log(self, u: Tensor) -> Tensor:
        """k u − eᵘ − log Γ(k)."""
        return self.form * u - _exp(u) - torch.lgamma(self.form)

    def draw(self, form: Tensor) -> Tensor:
        """The log of a draw of unit scale."""
        drawn: Tensor = dist.Gamma(form, torch.ones_like(form)).rsample()
        return drawn.log()

    def log_moment(self, power: int) -> Tensor:
        """log Γ(k + n) / Γ(k), n the power."""
        return torch.lgamma(self.form + power) - torch.lgamma(self.form)


class LogNormalOfLog(OfLog):
    """f(u) = N(u; 0, σ²), σ the shape; the location is the log of the median."""

    def of_log(self, u: Tensor) -> Tensor:
        """log N(u; 0, σ²)."""
        return -(u / self.form).square() / 2 - self.form.log() - math.log(2 * math.pi) / 2

    def draw(self, form: Tensor) -> Tensor:
        """σ ε."""
        return form * torch.randn_like(form)

    def log_moment(self, power: int) -> Tensor:
        """n² σ² / 2, n the power."""
        return power**2 * self.form.square() / 2


class WeibullOfLog(OfLog):
    """f(u) = k exp(k u − exp(k u)); the location is the log of the scale."""

    def of_log(self, u: Tensor) -> Tensor:
        """log k + k u − exp(k u)."""
        power = self.form * u
        return self.form.log() + power - _exp(power)

    def draw(self, form: Tensor) -> Tensor:
        """log E / k, E of the exponential law."""
        drawn = torch.empty_like(form).exponential_().clamp(min=torch.finfo(form.dtype).tiny)
        return drawn.log() / form

    def log_moment(self, power: int) -> Tensor:
        """log Γ(1 + n / k), n the power."""
        return torch.lgamma(1 + power / self.form)


class _Positive(Likelihood):
    """Independent elements with a location from the features, and a shape that is fixed, shared, or predicted.

    The location is the logarithm of a mean or of a median, and all is scored in float64.

    Args:
        shape: "fixed" at ``value``; "shared", one learned number that starts at ``value``; or "predicted", for every element
            of every datum.
        value: the fixed or first shape; None: 1, and where it is shared that of the training data, all elements together.
        floor: the least relative spread, so that the density cannot grow without limit on values that repeat.
    """

    kinds = ("positive",)
    support = constraints.positive
    hull = constraints.positive

    def __init__(
        self,
        shape: Literal["predicted", "shared", "fixed"] = "predicted",
        value: float | None = None,
        floor: float = 1e-3,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if shape not in ("predicted", "shared", "fixed"):
            raise ValueError(f"{name}(shape={shape!r}): choose 'predicted', 'shared' or 'fixed'.")
        if not 0 < floor <= 0.1:
            raise ValueError(f"{name}(floor={floor}): needs 0 < floor <= 0.1.")
        self.shape, self.value, self.floor = shape, value, floor
        low, high = self.range
        if value is not None and not low < value < high:
            raise ValueError(f"{name}(value={value}, floor={floor}): needs {low:g} < value < {high:g}.")
        self.per_element = 2 if shape == "predicted" else 1
        first = torch.tensor(self.raw(1.0 if value is None else value))
        if shape == "shared":
            self.raw_shape = nn.Parameter(first)
            # changes its precision as the shape does
            self.register_buffer("first", first.clone(), persistent=False)
            self.needs_training_data = value is None
        elif shape == "fixed":
            self.register_buffer("raw_shape", first, persistent=False)

    @property
    @abstractmethod
    def range(self) -> tuple[float, float]:
        """What shapes lie between."""

    @abstractmethod
    def family(self, location: Tensor, shape: Tensor) -> Distribution:
        """The distribution of one element."""

    @abstractmethod
    def shape_of(self, x: Tensor) -> Tensor:
        """The shape of the law of the family that is fitted to ``(n,)`` numbers by two of their moments."""

    def forward(self, features: Tensor) -> Distribution:
        """Location and shape of every element."""
        location, *raw = self.parts(features.double())
        shape = self.link(raw[0] if raw else self.raw_shape.double())
        # to e⁷⁵ and back: what 1e-30 and 1e30 need, and what float32 holds times the spread
        family = self.family(soft_clamp(location, -70.0, 70.0, room=5.0), shape)
        return InDouble(family, len(self.x_shape), features.dtype)

    def rescale(self, x: Tensor) -> Tensor:
        """log x."""
        return x.clamp(min=LEAST).log()

    def check(self, x: Tensor) -> None:
        """Refuse values that are not above 0; for zeros say what becomes of them elsewhere."""
        zeros = int((x == 0).sum())
        if zeros and constraints.nonnegative.check(x).all():
            raise ValueError(
                f"the likelihood {type(self).__name__} has no density at 0, and {zeros} of {x.numel()} values are 0; "
                f"{kind_named('positive').instead}."
            )
        super().check(x)

    @torch.no_grad()
    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Start a shared shape that was given no value at that of the data; one that has moved stays."""
        if self.needs_training_data and torch.equal(self.raw_shape, self.get_buffer("first")):
            seen = x[torch.isfinite(x)].double()
            if len(seen):
                low, high = self.range
                self.raw_shape.fill_(self.raw(min(max(float(self.shape_of(seen)), math.e * low), high / math.e)))

    def link(self, raw: Tensor) -> Tensor:
        """The shape of a feature: its exponential, where that is e times within the range, and 1 of 0."""
        low, high = self.range
        return soft_clamp(raw, math.log(low) + 1, math.log(high) - 1, room=1.0).exp()

    def raw(self, shape: float) -> float:
        """The feature of a shape."""
        low, high = self.range
        return _unclamped(math.log(shape), math.log(low) + 1, math.log(high) - 1, room=1.0)


@choice("likelihood")
class Gamma(_Positive):
    """Positive elements by mean and shape, p(x|·) = Πᵢ (kᵢ/μᵢ)^kᵢ xᵢ^(kᵢ − 1) exp(−kᵢ xᵢ/μᵢ) / Γ(kᵢ), of variance μ²/k.

    The exponential law has k = 1. Shapes: features ``(n C, ...)`` are log μ and, where k is predicted, log k, n = 2, else 1;
    event ``x_shape``. Reference: McCullagh & Nelder 1989, Generalized linear models, chapter 8.

    Args:
        shape: "fixed" at ``value``; "shared", one learned number that starts at ``value``; or "predicted".
        value: the fixed or first shape k; None: 1, and where it is shared that of the training data.
        floor: the least relative spread 1/√k, so that the density cannot grow without limit on values that repeat.
    """

    @property
    def range(self) -> tuple[float, float]:
        """Of k."""
        return LEAST_FORM, self.floor**-2

    def family(self, location: Tensor, shape: Tensor) -> Distribution:
        """The Gamma law of this mean."""
        return GammaOfLog(location - shape.log(), shape)

    def shape_of(self, x: Tensor) -> Tensor:
        """k of the arithmetic and the geometric mean, to 1.5 %; reference: Minka 2002, Estimating a Gamma distribution."""
        s = (x.mean().log() - x.log().mean()).clamp(min=torch.finfo(x.dtype).eps)
        return (3 - s + ((s - 3).square() + 24 * s).sqrt()) / (12 * s)


@choice("likelihood")
class LogNormal(_Positive):
    """Positive elements whose logarithms are normal, p(x|·) = Πᵢ N(log xᵢ; mᵢ, σᵢ²) / xᵢ; the mean is exp(m + σ²/2).

    Its tails are heavier than those of Gamma and Weibull: it is for what grows by factors. Shapes: features ``(n C, ...)``
    are m and, where σ is predicted, log σ, n = 2, else 1; event ``x_shape``. Reference: Crow & Shimizu 1988, Lognormal
    distributions.

    Args:
        shape: "fixed" at ``value``; "shared", one learned number that starts at ``value``; or "predicted".
        value: the fixed or first shape σ; None: 1, and where it is shared that of the training data.
        floor: the least σ, so that the density cannot grow without limit on values that repeat.
    """

    @property
    def range(self) -> tuple[float, float]:
        """Of σ."""
        return self.floor, WIDEST

    def family(self, location: Tensor, shape: Tensor) -> Distribution:
        """The law of this median and σ."""
        return LogNormalOfLog(location, shape)

    def shape_of(self, x: Tensor) -> Tensor:
        """The standard deviation of log x."""
        return x.log().std(correction=0)


@choice("likelihood")
class Weibull(_Positive):
    """Times until something fails, p(x|·) = Πᵢ (kᵢ/λᵢ) (xᵢ/λᵢ)^(kᵢ − 1) exp(−(xᵢ/λᵢ)^kᵢ), by mean μ = λ Γ(1 + 1/k) and shape.

    What has lasted is the more likely to end the longer it has where k > 1, and the less where k < 1. Shapes: features
    ``(n C, ...)`` are log μ and, where k is predicted, what a softplus makes it of, n = 2, else 1; event ``x_shape``.
    Reference: Weibull 1951, A statistical distribution function of wide applicability.

    Args:
        shape: "fixed" at ``value``; "shared", one learned number that starts at ``value``; or "predicted".
        value: the fixed or first shape k; None: 1, and where it is shared that of the training data.
        floor: the least relative spread 1/k, so that the density cannot grow without limit on values that repeat.
    """

    @property
    def range(self) -> tuple[float, float]:
        """Of k."""
        return LEAST_FORM, 1 / self.floor

    def link(self, raw: Tensor) -> Tensor:
        """A softplus and no exponential, since k stands in an exponent already: 1 of 0, and growing as the feature does."""
        low, high = self.range
        half = (high - low) / 2
        return low + soft_clamp(softplus(raw + _OF_ONE), 0.0, half, room=half)

    def raw(self, shape: float) -> float:
        """The feature of a shape."""
        low, high = self.range
        half = (high - low) / 2
        rest = _unclamped(shape - low, 0.0, half, room=half)
        return rest + math.log(-math.expm1(-rest)) - _OF_ONE

    def family(self, location: Tensor, shape: Tensor) -> Distribution:
        """The Weibull law of this mean."""
        return WeibullOfLog(location - torch.lgamma(1 + 1 / shape), shape)

    def shape_of(self, x: Tensor) -> Tensor:
        """π / (√6 sd(log x)), which is exact of the law itself."""
        deviation = x.log().std(correction=0).clamp(min=torch.finfo(x.dtype).eps)
        return math.pi / math.sqrt(6) / deviation


def _unclamped(value: float, low: float, high: float, room: float) -> float:
    """What :func:`~pyrogen.distributions.bounds.soft_clamp` makes the value of."""
    held = min(max(value, low), high)
    beyond = value - held
    return held + room * beyond / (room - abs(beyond))


def _exp(t: Tensor) -> Tensor:
    """eᵗ, above e⁷⁵ growing more slowly and never to e⁸⁰."""
    return soft_clamp(t, -math.inf, 75.0, room=5.0).exp()
