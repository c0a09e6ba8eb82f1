"""Pyro's linear rational splines, by where instead of by the places of a mask, which no recording can follow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from pyro.distributions import transforms
from pyro.distributions.transforms.spline import ConditionedSpline
from pyro.nn import DenseNN
from torch import Tensor
from torch.nn.functional import pad

BINS = 8
BOUND = 3.0
LEAST, LEAST_SHARE, EDGE = 1e-3, 0.025, 1e-6  # of widths, heights and slopes; of where a bin is split; Pyro's numbers


def spline(
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    slopes: Tensor,
    shares: Tensor,
    bound: float = BOUND,
    inverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """A monotonic curve through knots on [−B, B], or its inverse, and the log of its slope; the identity outside.

    A bin of width w with the slopes d₀, d₁ at its ends is split at a share λ of it, and each part is a ratio of two linear
    functions of θ = (x − x₀)/w: with weights 1, w_c, w_b at left end, split and right end, y = Σ wᵢ yᵢ ∝ / Σ wᵢ ∝.

    Shapes: x ``(*batch, d)``; of K bins, widths, heights and shares ``(*batch or none, d, K)``, slopes ``(…, d, K − 1)``.

    Reference: Dolatabadi, Erfani & Leckie 2020, Invertible generative modeling using linear rational splines.

    Args:
        x: where; y of the inverse.
        widths: of the bins, positive with sum 1.
        heights: likewise.
        slopes: at the inner knots, positive.
        shares: where each bin is split, in (0, 1).
        bound: B.
        inverse: x of y, and the log of the slope of that.
    """
    inside = (x >= -bound) & (x <= bound)
    at = torch.where(inside, x, 0.0)
    across, up = _edges(widths, bound), _edges(heights, bound)
    slopes = pad(LEAST + slopes, (1, 1), value=1 - LEAST)
    shape = torch.broadcast_shapes(x.shape, widths.shape[:-1])
    bins = ((at.unsqueeze(-1) >= (up if inverse else across) + EDGE).sum(-1) - 1).clamp(0, widths.shape[-1] - 1)
    bins = bins.expand(shape).unsqueeze(-1)

    def pick(t: Tensor) -> Tensor:
        return t.expand(*shape, -1).gather(-1, bins).squeeze(-1)

    left, width = pick(across), pick(across[..., 1:] - across[..., :-1])
    low, height = pick(up), pick(up[..., 1:] - up[..., :-1])
    first, last = pick(slopes), pick(slopes[..., 1:])
    share = pick((1 - 2 * LEAST_SHARE) * shares + LEAST_SHARE)
    high, end = low + height, torch.sqrt(first / last)
    middle = (share * first + (1 - share) * end * last) / (height / width)
    split = ((1 - share) * low + share * end * high) / ((1 - share) + share * end)
    if inverse:
        before = at <= split
        above = torch.where(
            before, share * (low - at), (middle - share * end) * at + share * end * high - middle * split
        )
        below = torch.where(
            before, (middle - 1) * at + low - middle * split, (middle - end) * at + end * high - middle * split
        )
        found = above / below * width + left
    else:
        theta = (at - left) / width
        before = theta <= share
        above = torch.where(
            before,
            low * (share - theta) + middle * split * theta,
            middle * split * (1 - theta) + end * high * (theta - share),
        )
        below = torch.where(before, share - theta + middle * theta, middle * (1 - theta) + end * (theta - share))
        found = above / below
    rise = torch.where(before, middle * share * (split - low), end * middle * (1 - share) * (high - split))
    log_slope = torch.log(rise * width if inverse else rise / width) - 2 * torch.log(below.abs())
    return torch.where(inside, found, x), torch.where(inside, log_slope, 0.0)


def _edges(lengths: Tensor, bound: float) -> Tensor:
    """Where bins begin and end, from shares of [−B, B], none of them too small."""
    lengths = LEAST + (1 - LEAST * lengths.shape[-1]) * lengths
    inner = 2 * bound * lengths.cumsum(-1)[..., :-1] - bound
    outer = inner.new_full((*inner.shape[:-1], 1), bound)
    return torch.cat([-outer, inner, outer], -1)


class _Curve(ConditionedSpline):
    def spline_op(self, x: Any, **kwargs: Any) -> Any:
        widths, heights, slopes, shares = self._params() if callable(self._params) else self._params
        return spline(x, widths, heights, slopes, shares, self.bound, **kwargs)


class _Spline(transforms.Spline, _Curve):
    spline_op = _Curve.spline_op


class _ConditionalSpline(transforms.ConditionalSpline):
    def condition(self, context: Tensor) -> _Curve:
        return _Curve(partial(self._params, context), self.bound, self.order)


class SplineCoupling(transforms.SplineCoupling):
    """Half of x by splines of its own, the other half by splines that a network makes of the first.

    Args:
        size: of x.
        hidden: widths of the network.
    """

    def __init__(self, size: int, hidden: Sequence[int]) -> None:
        split, rest = size // 2, size - size // 2
        network = DenseNN(split, [*hidden], [rest * BINS, rest * BINS, rest * (BINS - 1), rest * BINS])
        super(transforms.SplineCoupling, self).__init__(cache_size=1)
        self.lower_spline, self.split_dim, self.identity = _Spline(split, BINS), split, False
        self.upper_spline = _ConditionalSpline(network, rest, BINS, BOUND, "linear")


class SplineAutoregressive(transforms.SplineAutoregressive):
    """Each coordinate by a spline that a network makes of those before it.

    Args:
        size: of x.
        network: of x, the parameters of the splines.
    """

    def __init__(self, size: int, network: Any) -> None:
        super().__init__(size, network, BINS)
        self.spline = _ConditionalSpline(network, size, BINS, BOUND, "linear")
