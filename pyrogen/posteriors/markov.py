"""A posterior of states, each tied to the one before."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyrogen.axes import Blueprint, Distribution, Posterior
from pyrogen.distributions.markov import MarkovChain, states_of
from pyrogen.registry import choice


@choice("posterior")
class MarkovNormal(Posterior):
    """A normal chain, q(z|x) = Π_t N(z_t; m_t + G_t z_{t−1}, C_t C_tᵀ), whose m, G and C follow from the features of a step.

    C_t is lower triangular. The joint of all states is normal, with a precision of blocks on and beside the diagonal, as
    p(z|x) is where transitions and emissions are linear and normal: the true posterior is then in the family. What is
    known of z_t before z_{t−1} is seen the features say: of x from t on, if the encoder looks ahead.

    Should not be confused with ``Ladder``, which weighs a diagonal message of the data against the prior's transition.

    Shapes: features ``(..., features latent_size)``, those of all steps beside one another: ``(features, T, L)``; event
    ``(latent_size,)`` = ``(T L,)``.
    References: Archer et al. 2015, Black box variational inference for state space models, arXiv:1511.07367; features that
    look ahead: Krishnan, Shalit & Sontag 2017, arXiv:1609.09869.

    Args:
        features: how many for each number of a state.
    """

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        if features < 1:
            raise ValueError(f"MarkovNormal(features={features}): an encoder says 1 number or more of each.")
        self.features = features

    def build(self, plan: Blueprint) -> None:
        """Share the latents out among the steps, and make the map that reads the features of one."""
        super().build(plan)
        self.length, self.states = states_of("the posterior MarkovNormal", plan.x_shape, plan.latent_size)
        self.parts = [self.states, self.states, self.states * (self.states - 1) // 2, self.states**2]
        self.head = nn.Linear(self.features * self.states, sum(self.parts))

    def width(self, latent_size: int) -> int:
        """``features`` latent_size."""
        return self.features * latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> MarkovChain:
        """The chain."""
        each = features.unflatten(-1, (self.features, self.length, self.states)).movedim(-3, -2).flatten(-2)
        loc, diagonal, below, gain = self.head(each).split(self.parts, -1)
        gain = gain.unflatten(-1, (self.states, self.states))
        tril = torch.diag_embed(softplus(diagonal) + 1e-4)
        if self.states > 1:
            rows, columns = torch.tril_indices(self.states, self.states, -1, device=features.device)
            tril[..., rows, columns] = below

        def following(before: Tensor, step: int) -> Distribution:
            steps = slice(step, step + before.shape[-2])
            ahead = loc[..., steps, :] + (gain[..., steps, :, :] @ before.unsqueeze(-1)).squeeze(-1)
            return dist.MultivariateNormal(ahead, scale_tril=tril[..., steps, :, :])

        first = dist.MultivariateNormal(loc[..., 0, :], scale_tril=tril[..., 0, :, :])
        return MarkovChain(first, following, self.length, features.shape[:-1])
