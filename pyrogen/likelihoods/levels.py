"""Likelihoods of pixels with 256 levels."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.nn.functional import logsigmoid

from pyrogen.axes import Distribution, Likelihood
from pyrogen.registry import choice

LEVELS = 256


class LevelCategorical(dist.Categorical):
    """A categorical whose values are levels as floats, with a mean."""

    @property
    def mean(self) -> Tensor:
        """Σₗ l p(l)."""
        levels = torch.arange(LEVELS, dtype=self.probs.dtype, device=self.probs.device)
        return (self.probs * levels).sum(-1)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Levels as floats, as the data have them."""
        return super().sample(sample_shape).to(self.logits.dtype)


class _Levels(Likelihood):
    kinds = ("levels",)
    support = constraints.integer_interval(0, LEVELS - 1)
    hull = constraints.interval(0.0, LEVELS - 1.0)

    def rescale(self, x: Tensor) -> Tensor:
        """Levels in [−1, 1]."""
        return x / ((LEVELS - 1) / 2) - 1


@choice("likelihood")
class Categorical(_Levels):
    """A free distribution over 256 levels for each element, p(x|·) = Πᵢ softmax(featuresᵢ)[xᵢ].

    Shapes: features ``(256 C, ...)``; event ``x_shape``. Reference: van den Oord et al. 2016, arXiv:1601.06759.
    """

    per_element = LEVELS
    reads_logits = True

    def __init__(self) -> None:
        super().__init__()

    def forward(self, features: Tensor) -> Distribution:
        """One categorical an element."""
        rank = len(self.x_shape)
        logits = features.unflatten(-rank, (LEVELS, self.x_shape[0])).movedim(-rank - 1, -1)
        return LevelCategorical(logits=logits).to_event(rank)


class MixtureOfDiscretizedLogistics(TorchDistribution):
    """Levels 0…255 of the channels of each pixel, a mixture of logistics integrated over each level's bin.

    Args:
        logits: ``(..., K, *pixels)``, weights of the components, shared by a pixel's channels.
        loc: ``(..., K, C, *pixels)``, in the scale where levels are in [−1, 1].
        log_scale: ``(..., K, C, *pixels)``.
        coupling: ``(..., K, C (C − 1) / 2, *pixels)``: how a channel's location follows the channels before it.
        pixel_rank: number of pixel dimensions.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    support = constraints.independent(constraints.integer_interval(0, LEVELS - 1), 1)

    def __init__(self, logits: Tensor, loc: Tensor, log_scale: Tensor, coupling: Tensor, pixel_rank: int) -> None:
        self.logits, self.loc, self.log_scale, self.coupling = logits, loc, log_scale, coupling
        self.pixel_rank = pixel_rank
        batch, event = loc.shape[: -pixel_rank - 2], loc.shape[-pixel_rank - 1 :]
        self.support = constraints.independent(constraints.integer_interval(0, LEVELS - 1), len(event))
        super().__init__(batch, event, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> MixtureOfDiscretizedLogistics:
        """The same distribution with another batch shape."""
        tensors = (self.logits, self.loc, self.log_scale, self.coupling)
        ranks = (self.pixel_rank + 1, *(self.pixel_rank + 2,) * 3)
        wide = [t.expand(*batch_shape, *t.shape[t.dim() - r :]) for t, r in zip(tensors, ranks, strict=True)]
        return MixtureOfDiscretizedLogistics(wide[0], wide[1], wide[2], wide[3], self.pixel_rank)

    def log_prob(self, value: Tensor) -> Tensor:
        """log Σₖ wₖ Π_c [σ(b⁺) − σ(b⁻)], summed over pixels; the end bins reach to ±∞."""
        n = self.pixel_rank
        value = value.unsqueeze(-n - 2)  # a component dimension
        x = value / ((LEVELS - 1) / 2) - 1
        distance = x - self._locations(x)
        inverse = torch.exp(-self.log_scale)
        upper, lower = inverse * (distance + 1 / (LEVELS - 1)), inverse * (distance - 1 / (LEVELS - 1))
        # σ(a) − σ(b) = σ(a) σ(−b) (1 − exp(b − a)) keeps its digits where the difference of sigmoids loses them
        middle = logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        inside = torch.where(value >= LEVELS - 1, logsigmoid(-lower), middle)
        bins = torch.where(value <= 0, logsigmoid(upper), inside).sum(-n - 1)
        per_pixel = torch.logsumexp(torch.log_softmax(self.logits, -n - 1) + bins, -n - 1)
        return per_pixel.flatten(per_pixel.dim() - n).sum(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Levels: a component for each pixel, then its channels in turn."""
        n = self.pixel_rank
        shape = torch.Size(sample_shape)
        logits = self.logits.movedim(-n - 1, -1)
        which = dist.Categorical(logits=logits).sample(shape)  # (..., *pixels)
        pick = which.unsqueeze(-n - 1).unsqueeze(-n - 1)

        def chosen(t: Tensor) -> Tensor:
            t = t.expand(*shape, *t.shape)
            index = pick.expand(*t.shape[: -n - 2], 1, t.shape[-n - 1], *t.shape[-n:])
            return t.gather(-n - 2, index).squeeze(-n - 2)

        loc, log_scale, coupling = chosen(self.loc), chosen(self.log_scale), chosen(self.coupling)
        channels: list[Tensor] = []
        k = 0
        for c in range(loc.shape[-n - 1]):
            center = loc.select(-n - 1, c)
            for before in channels:
                center = center + coupling.select(-n - 1, k) * before
                k += 1
            u = torch.rand_like(center).clamp(1e-7, 1 - 1e-7)
            draw = center + log_scale.select(-n - 1, c).exp() * torch.logit(u)
            level = ((draw.clamp(-1, 1) + 1) * ((LEVELS - 1) / 2)).round()
            channels.append(level / ((LEVELS - 1) / 2) - 1)
        return ((torch.stack(channels, -n - 1) + 1) * ((LEVELS - 1) / 2)).round()

    @property
    def mean(self) -> Tensor:
        """The weighted component locations as levels, clipped: a picture to look at, not the exact expectation."""
        n = self.pixel_rank
        weights = torch.softmax(self.logits, -n - 1).unsqueeze(-n - 1)
        center: list[Tensor] = []
        k = 0
        for c in range(self.loc.shape[-n - 1]):
            value = self.loc.select(-n - 1, c)
            for before in center:
                value = value + self.coupling.select(-n - 1, k) * before
                k += 1
            center.append(value.clamp(-1, 1))
        average = (weights * torch.stack(center, -n - 1)).sum(-n - 2)
        return (average + 1) * ((LEVELS - 1) / 2)

    def _locations(self, x: Tensor) -> Tensor:
        n, channels, k = self.pixel_rank, self.loc.shape[-self.pixel_rank - 1], 0
        shifted = []
        for c in range(channels):
            center = self.loc.select(-n - 1, c)
            for before in range(c):
                center = center + self.coupling.select(-n - 1, k) * x.select(-n - 1, before)
                k += 1
            shifted.append(center)
        return torch.stack(torch.broadcast_tensors(*shifted), -n - 1)


@choice("likelihood")
class DiscretizedLogisticMixture(_Levels):
    """A mixture of logistics, integrated over each level's bin; a pixel's later channels follow its earlier ones.

    p(x|·) = Π_pixels Σₖ wₖ Π_c [σ((x_c + ½ − μ_kc(x_<c)) / s_kc) − σ((x_c − ½ − μ_kc(x_<c)) / s_kc)]

    Shapes: features ``(K (1 + 2C + C (C − 1) / 2), *pixels)``; event ``x_shape`` = ``(C, *pixels)``.
    Reference: Salimans et al. 2017, arXiv:1701.05517.

    Args:
        components: K.
    """

    def __init__(self, components: int = 10) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"DiscretizedLogisticMixture(components={components}): needs at least one component.")
        self.components = components

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data: channels, then pixels."""
        if len(x_shape) < 2:
            raise ValueError(
                f"the likelihood DiscretizedLogisticMixture takes images, (C, *pixels); got x_shape={tuple(x_shape)}. "
                "Use likelihood='Categorical' for vectors."
            )
        super().size(x_shape)

    def channels(self, x_shape: torch.Size) -> int:
        """Weights, locations, log scales and couplings of all components."""
        c = x_shape[0]
        return self.components * (1 + 2 * c + c * (c - 1) // 2)

    def couples(self, x_shape: torch.Size) -> bool:
        """Whether a pixel has several channels, which share its component: of two the number of parameters does not tell."""
        return x_shape[0] > 1

    def forward(self, features: Tensor) -> Distribution:
        """The mixture of every pixel."""
        c, k, n = self.x_shape[0], self.components, len(self.x_shape) - 1
        sizes = [k, k * c, k * c, k * c * (c - 1) // 2]
        logits, *parts = features.split(sizes, -n - 1)
        loc, log_scale, coupling = (t.unflatten(-n - 1, (k, t.shape[-n - 1] // k)) for t in parts)
        # scales far below a level's width, or far above all levels, cannot be told apart, and their gradients overflow
        return MixtureOfDiscretizedLogistics(logits, loc, log_scale.clamp(-7, 7), torch.tanh(coupling), pixel_rank=n)
