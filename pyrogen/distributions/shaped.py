"""Distributions of vectors, as distributions of grids of the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from torch import Size, Tensor
from torch.distributions import biject_to, kl_divergence, register_kl
from torch.distributions.transforms import ComposeTransform, ReshapeTransform, Transform


def shape_of(size: int | Sequence[int]) -> Size:
    """A size as a shape: that of a vector, where it is one number."""
    return Size(size) if isinstance(size, Sequence) else Size([size])


class Grids(constraints.Constraint):
    """Grids whose numbers, in order of memory, are vectors of a support that does not look at each by itself.

    Args:
        vectors: their support.
        shape: of a grid.
    """

    def __init__(self, vectors: constraints.Constraint, shape: Size) -> None:
        self.vectors, self.shape = vectors, shape
        self.is_discrete, self.event_dim = bool(vectors.is_discrete), len(shape)

    def check(self, value: Tensor) -> Tensor:
        """Whether each is such a vector, ``(...)``."""
        good: Tensor = self.vectors.check(value.flatten(-len(self.shape)))
        return good

    def __repr__(self) -> str:
        return f"grids {tuple(self.shape)} of {self.vectors}"


@biject_to.register(Grids)  # type: ignore[untyped-decorator]
def _onto_grids(support: Grids) -> Transform:
    return ComposeTransform(
        [biject_to(support.vectors), ReshapeTransform(Size([support.shape.numel()]), support.shape)]
    )


class Shaped(TorchDistribution):
    """A distribution of vectors whose draws are given another shape, log p(z) = log p₀(vec z).

    vec puts the numbers of a grid side by side in order of memory, the last dimension the fastest. A KL of two of one shape
    is that of the vectors, in closed form where theirs is.

    Shapes: event ``shape``, of as many numbers as a vector has; batch that of the vectors.

    Args:
        base_dist: p₀, event ``(n,)``.
        shape: of n numbers.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, base_dist: Distribution, shape: Size) -> None:
        self.base_dist = base_dist
        self.has_rsample, self.has_enumerate_support = base_dist.has_rsample, base_dist.has_enumerate_support
        super().__init__(base_dist.batch_shape, shape, validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """Grids of which each number may be what one of a vector may, or all together."""
        inside = self.base_dist.support
        if isinstance(inside, constraints.independent):
            return constraints.independent(inside.base_constraint, self.event_dim)
        return Grids(inside, self.event_shape)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Shaped:
        """The same for another batch shape."""
        return Shaped(self.base_dist.expand(batch_shape), self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p₀(vec z)."""
        log_p: Tensor = self.base_dist.log_prob(vectors(value, self.event_shape))
        return log_p

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Draws of the vectors, in the shape."""
        return self._on_grid(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """The same, with gradients."""
        return self._on_grid(self.base_dist.rsample(sample_shape))

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All states, ``(states, ...)``, where the vectors have finitely many that are listed."""
        return self._on_grid(self.base_dist.enumerate_support(expand))

    def entropy(self) -> Tensor:
        """That of the vectors, in nats."""
        nats: Tensor = self.base_dist.entropy()
        return nats

    @property
    def mean(self) -> Tensor:
        """The vectors' mean."""
        return self._on_grid(self.base_dist.mean)

    @property
    def mode(self) -> Tensor:
        """The vectors' mode."""
        return self._on_grid(self.base_dist.mode)

    @property
    def variance(self) -> Tensor:
        """The vectors' variances."""
        return self._on_grid(self.base_dist.variance)

    def _on_grid(self, flat: Tensor) -> Tensor:
        return flat.unflatten(-1, self.event_shape)


@register_kl(Shaped, Shaped)  # type: ignore[untyped-decorator]
def _kl_of_shaped(p: Shaped, q: Shaped) -> Tensor:
    if p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


def shaped(flat: Distribution, shape: Size) -> Distribution:
    """A distribution of vectors with events of a shape: of the shape of a vector the distribution itself."""
    return flat if len(shape) == 1 else Shaped(flat, shape)


def vectors_of(distribution: Distribution) -> Distribution:
    """The distribution of vectors that was given another shape; of any other itself."""
    flat: Distribution = distribution.base_dist if isinstance(distribution, Shaped) else distribution
    return flat


def in_shape(z: Tensor, shape: Size) -> Tensor:
    """Vectors ``(..., n)`` in a shape of n numbers, ``(..., *shape)``."""
    return z if len(shape) == 1 else z.unflatten(-1, shape)


def vectors(z: Tensor, shape: Size) -> Tensor:
    """What is in a shape, ``(..., *shape)``, as vectors ``(..., n)``.

    Raises:
        ValueError: it has another shape, and is no vector.
    """
    if len(shape) == 1:
        return z
    if z.shape[-len(shape) :] != shape:
        raise ValueError(f"latents here are (..., {', '.join(map(str, shape))}); got {tuple(z.shape)}.")
    return z.flatten(-len(shape))
