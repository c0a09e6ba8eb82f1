"""Posteriors over finitely many latents."""

from __future__ import annotations

from collections.abc import Callable

from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Blueprint, Distribution, Posterior, bit_vector, refuse_one_class
from pyrogen.distributions.finite import Bits, grid_of, one_hots
from pyrogen.registry import choice


class _Logits(Posterior):
    """A distribution with one logit for each element of z, and no reparameterization."""

    def __init__(self) -> None:
        super().__init__()

    def width(self, latent_size: int) -> int:
        """latent_size."""
        return latent_size

    def code(self, q: Distribution) -> Tensor:
        """The most probable state: a mean of states is no state."""
        z: Tensor = q.mode
        return z


@choice("posterior")
class Bernoulli(_Logits):
    """Independent bits, q(z|x) = Πᵢ πᵢ(x)^zᵢ (1 − πᵢ(x))^(1 − zᵢ) with π = σ(features).

    Train it by EnumeratedELBO where it has few bits; by VIMCO, ReweightedWakeSleep or ELBO (the score function) where it has
    many.

    Shapes: features ``(..., latent_size)`` are logits; event ``(latent_size,)`` of zeros and ones.
    Reference: Mnih & Gregor 2014, arXiv:1402.0030.
    """

    support = bit_vector

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """Bits with the features as logits, which can be enumerated."""
        return Bits(features)


@choice("posterior")
class Categorical(_Logits):
    """One class of latent_size, q(z = eₖ|x) = softmax(features)ₖ, or a grid of several.

    Train one class by EnumeratedELBO: its states are as few as its features; a grid of many by VIMCO or ReweightedWakeSleep.

    Shapes: features ``(..., latent_size)`` are logits; event ``(latent_size,)``, a one-hot vector, or so many of
    latent_size / variables classes, one after the other.
    Reference: Kingma et al. 2014, arXiv:1406.5298; grids: Jang et al. 2017, arXiv:1611.01144.

    Args:
        variables: number of classes, independent given x.
    """

    support: constraints.Constraint = constraints.one_hot

    def __init__(self, variables: int = 1) -> None:
        super().__init__()
        self.variables, self.support = variables, grid_of(variables)

    def build(self, plan: Blueprint) -> None:
        """Take the number of classes."""
        super().build(plan)
        refuse_one_class(plan.latent_size, self.variables)

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """One-hot vectors with the features as logits."""
        return one_hots(features, self.variables)
