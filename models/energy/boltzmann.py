"""Boltzmann machines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from pyrogen.base import HasFreeEnergy, HasLogProb, Model
from pyrogen.inference.objectives.contrastive import ContrastiveDivergence
from pyrogen.registry import entry


class RBM(Model, HasFreeEnergy, HasLogProb):
    """The restricted Boltzmann machine, p(x, h) ∝ exp(xᵀWᵀh + bᵀx + cᵀh), x and h binary.

    F(x) = −bᵀx − Σⱼ softplus(cⱼ + Wⱼx), log p(x) = −F(x) − log Z

    log Z is enumerated over the smaller layer, where that has at most ``ENUMERABLE`` units.

    Reference: Smolensky 1986; Hinton 2002.

    Args:
        x_shape: shape of one datum, seen as a vector of its elements.
        hidden: number of hidden units.
        k: Gibbs steps of contrastive divergence in training.
        burn_in: Gibbs steps of a sample from noise.
    """

    ENUMERABLE = 20
    kinds = ("binary",)

    def __init__(self, x_shape: Sequence[int], hidden: int, k: int = 1, burn_in: int = 1000) -> None:
        super().__init__()
        self.x_shape, self.burn_in = torch.Size(x_shape), burn_in
        self.objective = ContrastiveDivergence(k)
        visible = self.x_shape.numel()
        self.weight = nn.Parameter(torch.randn(hidden, visible) * 0.01)
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse what is not binary."""
        super().check(x, y)
        if not ((x == 0) | (x == 1)).all():
            raise ValueError("the RBM's visible units are binary, and these data are not all 0 or 1; binarize them.")

    def free_energy(self, x: Tensor) -> Tensor:
        """F(x), ``(B,)``."""
        v = self.read(x).flatten(1)
        return -v @ self.visible_bias - softplus(linear(v, self.weight, self.hidden_bias)).sum(1)

    def gibbs(self, x: Tensor) -> Tensor:
        """h ~ p(h|x), then x ~ p(x|h)."""
        x = self.read(x)
        h = torch.bernoulli(torch.sigmoid(linear(x.flatten(1), self.weight, self.hidden_bias)))
        return torch.bernoulli(torch.sigmoid(h @ self.weight + self.visible_bias)).reshape(x.shape)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """−F(x) − log Z, exact.

        Raises:
            ValueError: both layers are too large to enumerate.
        """
        x = self.read(x)
        return (-self.free_energy(x) - self.log_partition()).to(x.dtype)

    def log_partition(self) -> Tensor:
        """log Z by enumeration of the smaller layer, float64.

        Raises:
            ValueError: both layers are too large.
        """
        hidden, visible = self.weight.shape
        units = min(hidden, visible)
        if units > self.ENUMERABLE:
            raise ValueError(
                f"log Z of an RBM with {visible} visible and {hidden} hidden units cannot be enumerated (at most "
                f"{self.ENUMERABLE} units in the smaller layer); with hidden=20 it has an exact score."
            )
        w, b, c = self.weight.double(), self.visible_bias.double(), self.hidden_bias.double()
        if hidden < visible:
            w, b, c = w.T, c, b
        # now b belongs to the layer that is enumerated, c to the one that is summed out
        total = torch.tensor(-torch.inf, dtype=torch.float64, device=w.device)
        bits = torch.arange(units, device=w.device)
        chunks = [*range(0, 2**units, 2**16), 2**units]
        for start, stop in pairwise(chunks):
            states = (torch.arange(start, stop, device=w.device)[:, None] >> bits & 1).double()
            unnormalized = states @ b + softplus(linear(states, w, c)).sum(1)
            total = torch.logaddexp(total, torch.logsumexp(unnormalized, 0))
        return total

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """States of ``n`` Gibbs chains after ``burn_in`` steps from noise, ``(n, *x_shape)``."""
        x = torch.bernoulli(torch.full((n, *self.x_shape), 0.5, device=self.device))
        for _ in range(self.burn_in):
            x = self.gibbs(x)
        return x


@entry(
    "rbm",
    reference="Hinton 2002, Training products of experts by minimizing contrastive divergence",
    data="digits",
    recipe={"epochs": 100, "lr": 1e-3, "batch_size": 64},
)
def rbm(x_shape: Sequence[int], hidden: int = 64, k: int = 1) -> RBM:
    """The restricted Boltzmann machine trained by CD-k.

    Args:
        x_shape: shape of one datum.
        hidden: number of hidden units.
        k: Gibbs steps of contrastive divergence.
    """
    return RBM(x_shape, hidden, k)
