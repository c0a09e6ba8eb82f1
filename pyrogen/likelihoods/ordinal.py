"""A likelihood of ordered levels with thresholds that all elements share."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from pyrogen.axes import Distribution, Likelihood
from pyrogen.registry import choice


class ThresholdedLogistic(TorchDistribution):
    """Which of some thresholds a logistic lies between, P(x ≤ l) = σ((θ_l − η) / τ).

    Args:
        loc: η.
        scale: τ.
        cuts: θ, ``(levels − 1,)``, rising.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, loc: Tensor, scale: Tensor, cuts: Tensor, validate_args: bool | None = None) -> None:
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        self.cuts = cuts
        super().__init__(self.loc.shape, torch.Size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> constraints.Constraint:
        """{0, …, levels − 1}."""
        return constraints.integer_interval(0, len(self.cuts))

    @property
    def mean(self) -> Tensor:
        """Σ_l P(x > l)."""
        return torch.sigmoid((self.loc.unsqueeze(-1) - self.cuts) / self.scale.unsqueeze(-1)).sum(-1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> ThresholdedLogistic:
        """The same distribution with another batch shape."""
        loc, scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
        return ThresholdedLogistic(loc, scale, self.cuts, self._validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """log [σ(b) − σ(a)] between two thresholds, log σ(b) below the first and log σ(−a) above the last."""
        if self._validate_args:
            self._validate_sample(value)
        level, top = value.long(), len(self.cuts)
        above, below = self.cuts[level.clamp(max=top - 1)], self.cuts[(level - 1).clamp(min=0)]
        upper, lower = logsigmoid((above - self.loc) / self.scale), logsigmoid((self.loc - below) / self.scale)
        inside = (level > 0) & (level < top)
        # σ(b) − σ(a) = σ(b) σ(−a) (1 − exp(a − b)) keeps its digits; at the ends there is no gap to take a logarithm of
        gap = torch.where(inside, above - below, torch.ones_like(above)) / self.scale
        middle = upper + lower + torch.log(-torch.expm1(-gap))
        return torch.where(inside, middle, torch.where(level == 0, upper, lower))

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Levels as floats, as the data have them."""
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        draw = self.loc + self.scale * torch.logit(u, eps=torch.finfo(u.dtype).tiny)
        return torch.bucketize(draw, self.cuts.contiguous()).to(self.loc.dtype)


@choice("likelihood")
class Ordinal(Likelihood):
    """Ordered levels, P(xᵢ ≤ l|·) = σ((θ_l − ηᵢ) / τᵢ): each element moves and stretches thresholds that all share.

    Categorical gives each of 256 levels a feature of its own and knows no order; here the order is built in, an element
    needs one feature or two, and the levels − 1 thresholds are parameters of the likelihood.

    Shapes: features ``(k C, ...)``, η and, with k = 2, τ; event ``x_shape``. Reference: McCullagh 1980, Regression models
    for ordinal data.

    Args:
        levels: how many there are; other than 256, the data are whole numbers from 0 to levels − 1 of kind "counts".
        scale: "predicted" for every element of every datum, or "fixed" at τ = 1.
        floor: added to τ and to the gaps between thresholds.
    """

    kinds = ("levels",)
    support = constraints.integer_interval(0, 255)
    hull = constraints.interval(0.0, 255.0)

    def __init__(
        self, levels: int = 256, scale: Literal["predicted", "fixed"] = "predicted", floor: float = 1e-3
    ) -> None:
        super().__init__()
        if levels < 2:
            raise ValueError(f"Ordinal(levels={levels}): needs at least two levels.")
        if scale not in ("predicted", "fixed"):
            raise ValueError(f"Ordinal(scale={scale!r}): choose 'predicted' or 'fixed'.")
        if not 0 < floor * levels <= 1:
            raise ValueError(f"Ordinal(levels={levels}, floor={floor}): needs 0 < floor <= 1 / levels.")
        self.levels, self.scale, self.floor = levels, scale, floor
        self.kinds = ("levels",) if levels == 256 else ("counts",)
        self.support = constraints.integer_interval(0, levels - 1)
        self.hull = constraints.interval(0.0, levels - 1.0)
        self.per_element = 2 if scale == "predicted" else 1
        # thresholds at which η = 0 and τ = 1 make all levels as probable
        even = torch.logit(torch.arange(1, levels) / levels)
        self.first = nn.Parameter(even[:1].clone())
        self.raw_gaps = nn.Parameter(torch.log(torch.expm1(even.diff() - floor)))

    def cuts(self) -> Tensor:
        """The thresholds θ, rising, ``(levels − 1,)``."""
        return torch.cat([self.first, self.first + (self.floor + softplus(self.raw_gaps)).cumsum(0)])

    def forward(self, features: Tensor) -> Distribution:
        """One thresholded logistic an element."""
        loc, *raw = self.parts(features)
        scale = self.floor + softplus(raw[0]) if raw else torch.ones_like(loc)
        return ThresholdedLogistic(loc, scale, self.cuts()).to_event(len(self.x_shape))

    def rescale(self, x: Tensor) -> Tensor:
        """Levels in [−1, 1]."""
        return x / ((self.levels - 1) / 2) - 1

    def check(self, x: Tensor) -> None:
        """Refuse values that are no levels, and levels that are too high."""
        top = self.levels - 1
        if constraints.nonnegative_integer.check(x).all() and x.max() > top:
            raise ValueError(
                f"the likelihood Ordinal(levels={self.levels}) scores whole numbers from 0 to {top}, and the data reach "
                f"{int(x.max())}; take levels={int(x.max()) + 1}, or likelihood='NegativeBinomial' for counts without end."
            )
        super().check(x)
