"""A prior of states that move on by themselves, and how they move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyrogen.axes import Blueprint, Distribution, HasLevels, HasTransition, Prior
from pyrogen.distributions.markov import MarkovChain, states_of
from pyrogen.registry import choice, make


class Transition(nn.Module, ABC):
    """p(z_t | z_{t−1}), the same at every step."""

    axes: ClassVar[tuple[str, ...]] = ("transition",)

    @abstractmethod
    def size(self, states: int) -> None:
        """Take the size of z_t."""

    @abstractmethod
    def forward(self, before: Tensor) -> Distribution:
        """The normal distribution of the next state given ``(..., L)``: batch shape ``(...)``, event ``(L,)``."""


@choice("transition")
class Linear(Transition):
    """A linear map and noise, p(z_t | z_{t−1}) = N(A z_{t−1} + b, diag σ²).

    With a linear decoder and a Normal likelihood of a fixed or shared scale p(x) is normal. Reference: Kalman 1960.
    """

    def __init__(self) -> None:
        super().__init__()

    def size(self, states: int) -> None:
        """Begin at states that mostly stay where they are."""
        self.map = nn.Linear(states, states)
        self.raw_scale = nn.Parameter(torch.zeros(states))
        with torch.no_grad():
            self.map.weight.mul_(0.3).add_(0.7 * torch.eye(states))
            self.map.bias.zero_()

    def forward(self, before: Tensor) -> Distribution:
        """N(A z + b, diag σ²), σ = softplus(·) + 10⁻³."""
        loc: Tensor = self.map(before)
        return dist.Normal(loc, _positive(self.raw_scale).expand_as(loc)).to_event(1)


@choice("transition")
class Gated(Transition):
    """Each coordinate chooses between a linear map and a network, p(z_t | z_{t−1}) = N(μ, diag σ²).

    μ = (1 − g) ⊙ (W z + b) + g ⊙ h(z) with gates g(z) in (0, 1), and σ = softplus(V relu(h(z)) + c) + 10⁻³.

    Reference: Krishnan, Shalit & Sontag 2017, Structured inference networks for nonlinear state space models,
    arXiv:1609.09869.

    Args:
        hidden: width of the hidden layers of g and of h.
    """

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"Gated(hidden={hidden}): a hidden layer has 1 unit or more.")
        self.hidden = hidden

    def size(self, states: int) -> None:
        """Make the networks; W begins at I."""
        self.gate, self.proposed = (_network(states, self.hidden) for _ in range(2))
        self.map, self.spread = nn.Linear(states, states), nn.Linear(states, states)
        with torch.no_grad():
            self.map.weight.copy_(torch.eye(states))
            self.map.bias.zero_()

    def forward(self, before: Tensor) -> Distribution:
        """N(μ, diag σ²)."""
        gate, proposed = self.gate(before).sigmoid(), self.proposed(before)
        loc = (1 - gate) * self.map(before) + gate * proposed
        return dist.Normal(loc, _positive(self.spread(proposed.relu()))).to_event(1)


@choice("prior")
class Markov(Prior, HasLevels, HasTransition):
    """A state for each step of a sequence, p(z) = N(z₁; m, diag s²) Π_t p(z_t | z_{t−1}).

    z holds the states side by side, z₁ first: of sequences of T steps each state has ``latent_size / T`` numbers. The
    posterior ``Smoother`` follows the transition; to ``Ladder`` the states are its levels; ``DiagonalNormal`` ties none.

    Shapes: event ``(latent_size,)``. Reference: Krishnan, Shalit & Sontag 2017, arXiv:1609.09869.

    Args:
        transition: p(z_t | z_{t−1}).
    """

    learned = True

    def __init__(self, transition: Transition | str = "Gated") -> None:
        super().__init__()
        self.transition: Transition = make("transition", transition)

    def build(self, plan: Blueprint) -> None:
        """Share the latents out among the steps.

        Raises:
            ValueError: the data are no sequences, or the latents cannot be shared out.
        """
        self.length, states = states_of("the prior Markov", plan.x_shape, plan.latent_size)
        self.sizes = (states,) * self.length
        self.transition.size(states)
        self.loc, self.raw_scale = nn.Parameter(torch.zeros(states)), nn.Parameter(torch.full((states,), 0.5413))

    @property
    def first(self) -> Distribution:
        """p(z₁)."""
        return dist.Normal(self.loc, _positive(self.raw_scale)).to_event(1)

    def level(self, number: int, above: Tensor) -> Distribution:
        """p(z₁), and then p(z_t | z_{t−1}), batch shape that of ``above``."""
        if number == 0:
            return self.first.expand(above.shape[:-1])
        return self.following(above[..., -self.sizes[0] :])

    def following(self, before: Tensor) -> Distribution:
        """p(z_t | z_{t−1})."""
        ahead: Distribution = self.transition(before)
        return ahead

    def forward(self, y: Tensor | None = None) -> MarkovChain:
        """The joint distribution of all states."""
        return MarkovChain(self.first, lambda before, step: self.following(before), self.length)


def _network(states: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(states, hidden), nn.ReLU(), nn.Linear(hidden, states))


def _positive(raw: Tensor) -> Tensor:
    return softplus(raw) + 1e-3
