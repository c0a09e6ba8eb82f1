"""Models whose samples are the states of chains that climb from the base of their path."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.base import HasFreeEnergy, HasLogProb, HasPartition, Model


class ChainModel(Model, HasPartition):
    """A model p(x) = f(x) / Z that samples by chains from its base.

    Attributes:
        burn_in: moves of a chain before what it emits is a sample.
    """

    burn_in: int

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """What ``n`` chains emit after ``burn_in`` moves from the base, ``(n, *x_shape)``."""
        self.check_draws(n)
        states = self.base_states(n)
        for _ in range(self.burn_in):
            states = self.move(states)
        return self.emit(states)


class DataChainModel(ChainModel, HasFreeEnergy, HasLogProb):
    """A chain model whose states are data and whose f is exact: f(x) = exp(−F(x)), log p(x) = −F(x) − log Z."""

    def free_energy(self, x: Tensor) -> Tensor:
        """F(x) = −log f(x), ``(B,)``."""
        return -self.log_density(self.read(x))

    def gibbs(self, x: Tensor) -> Tensor:
        """One move of a chain that stands at x."""
        return self.move(self.read(x))

    def emit(self, states: Tensor) -> Tensor:
        """The states are data."""
        return states

    def log_unnormalized(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log f(x), exact."""
        found = self.log_density(self.read(x))
        return found, torch.zeros_like(found)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log f(x) − log Z, exact.

        Raises:
            ValueError: as ``log_partition``.
        """
        x = self.read(x)
        return (self.log_mass(x) - self.log_partition()).to(x.dtype)
