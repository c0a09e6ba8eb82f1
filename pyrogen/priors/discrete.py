"""Priors over finitely many latents."""

from __future__ import annotations

import torch
from pyro.distributions import constraints
from torch import Tensor, nn

from pyrogen.axes import Distribution, Prior, bit_vector, refuse_one_class
from pyrogen.distributions.finite import Bits, grid_of, one_hots
from pyrogen.registry import choice


class _Logits(Prior):
    """A distribution with one logit for each element of z, at 0 where it is not learned."""

    logits: Tensor

    def __init__(self, learned: bool = False) -> None:
        super().__init__()
        self.learned = learned

    def size(self, latent_size: int) -> None:
        """Take the latent size."""
        logits = torch.zeros(latent_size)
        if self.learned:
            self.logits = nn.Parameter(logits)
        else:
            # not parameters, but they must follow the model to its device and dtype
            self.register_buffer("logits", logits, persistent=False)


@choice("prior")
class Bernoulli(_Logits):
    """Independent bits, p(z) = Πᵢ πᵢ^zᵢ (1 − πᵢ)^(1 − zᵢ): fair coins, π = ½, or learned, π = σ(b).

    Shapes: event ``(latent_size,)`` of zeros and ones.
    Reference: Neal 1992, Connectionist learning of belief networks; Mnih & Gregor 2014, arXiv:1402.0030.

    Args:
        learned: whether b is learned.
    """

    support = bit_vector

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The joint distribution of the bits, which can be enumerated."""
        return Bits(self.logits)


@choice("prior")
class Categorical(_Logits):
    """One class of latent_size, p(z = eₖ) = πₖ: all alike, π = 1/K, or learned, π = softmax(b); or a grid of several.

    Shapes: event ``(latent_size,)``, a one-hot vector, or so many of latent_size / variables classes, one after the other.
    Reference: Kingma et al. 2014, arXiv:1406.5298 (the class of their M2); grids: Jang et al. 2017, arXiv:1611.01144.

    Args:
        learned: whether b is learned.
        variables: number of independent classes.
    """

    support: constraints.Constraint | None = constraints.one_hot

    def __init__(self, learned: bool = False, variables: int = 1) -> None:
        super().__init__(learned)
        self.variables, self.support = variables, grid_of(variables)

    def size(self, latent_size: int) -> None:
        """Take the number of classes."""
        refuse_one_class(latent_size, self.variables)
        super().size(latent_size)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The distribution of the one-hot vectors."""
        return one_hots(self.logits, self.variables)
