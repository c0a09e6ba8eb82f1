"""A posterior of states: what the one before lets expect of each, and what the data say of it."""

from __future__ import annotations

from collections.abc import Callable

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyrogen.axes import Blueprint, Distribution, HasTransition, Posterior
from pyrogen.distributions.markov import MarkovChain, states_of
from pyrogen.registry import choice


@choice("posterior")
class Smoother(Posterior):
    """The prior's transition times a normal message of the data: q(z_t | z_{t−1}, x) ∝ p(z_t | z_{t−1}) m_t(z_t).

    log m_t(z) = ηᵀz − ½ zᵀΛz, η and Λ = LLᵀ from the features of the step: with p(z_t | z_{t−1}) = N(μ, diag s²) and
    P = diag s⁻² + Λ it is N(P⁻¹ (s⁻² μ + η), P⁻¹). The true q has that form, with the message p(x_t, …, x_T | z_t), which an
    encoder that looks ahead can know. Where transitions and emissions are linear and normal it is one of these. Where the
    data say nothing, the posterior is the prior.

    Should not be confused with ``Ladder``, whose messages have no correlations; on a prior Markov it is this one with a
    diagonal Λ, but for its first state.

    Shapes: features ``(..., features latent_size)``, those of all steps beside one another: ``(features, T, L)``; event
    ``(latent_size,)`` = ``(T L,)``.
    References: Krishnan, Shalit & Sontag 2017, arXiv:1609.09869, on the form of q; products with the prior: Johnson et al.
    2016, Composing graphical models with neural networks, arXiv:1603.06277.

    Args:
        features: how many for each number of a state.
    """

    follows_transition = True

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        if features < 1:
            raise ValueError(f"Smoother(features={features}): an encoder says 1 number or more of each.")
        self.features = features

    def build(self, plan: Blueprint) -> None:
        """Share the latents out among the steps, and make the map that reads the features of one."""
        super().build(plan)
        self.length, self.states = states_of("the posterior Smoother", plan.x_shape, plan.latent_size)
        self.parts = [self.states, self.states, self.states * (self.states - 1) // 2]
        self.head = nn.Linear(self.features * self.states, sum(self.parts))
        # by way of the plan, not as a submodule: the transition belongs to the prior
        self._plan = plan

    def width(self, latent_size: int) -> int:
        """``features`` latent_size."""
        return self.features * latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> MarkovChain:
        """The chain."""
        prior = self._plan.prior
        assert isinstance(prior, HasTransition)
        pull, precision = self.messages(features)

        def following(before: Tensor, step: int) -> Distribution:
            steps = slice(step, step + before.shape[-2])
            return _product(prior.following(before), pull[..., steps, :], precision[..., steps, :, :])

        first = _product(prior.first, pull[..., 0, :], precision[..., 0, :, :])
        return MarkovChain(first, following, self.length, features.shape[:-1])

    def messages(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """η ``(..., T, L)`` and Λ ``(..., T, L, L)``."""
        each = features.unflatten(-1, (self.features, self.length, self.states)).movedim(-3, -2).flatten(-2)
        pull, diagonal, below = self.head(each).split(self.parts, -1)
        tril = torch.diag_embed(softplus(diagonal))
        if self.states > 1:
            rows, columns = torch.tril_indices(self.states, self.states, -1, device=features.device)
            tril[..., rows, columns] = below
        return pull, tril @ tril.mT


def _product(expected: Distribution, pull: Tensor, precision: Tensor) -> Distribution:
    """N(μ, diag s²) times exp(ηᵀz − ½ zᵀΛz), normalized."""
    loc, sharp = expected.base_dist.loc, expected.base_dist.scale.pow(-2)
    total = precision + torch.diag_embed(sharp)
    target = (pull + sharp * loc).unsqueeze(-1)
    mean = torch.cholesky_solve(target, torch.linalg.cholesky(total)).squeeze(-1)
    return dist.MultivariateNormal(mean, precision_matrix=total)
