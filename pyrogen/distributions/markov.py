"""Sequences of states, each drawn given the one before, as one joint distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from pyrogen.axes import Distribution

Following = Callable[[Tensor, int], Distribution]


class MarkovChain(TorchDistribution):
    """z = (z₁, …, z_T) side by side, log p(z) = log p(z₁) + Σ_t log p(z_t | z_{t−1}): scored at once, drawn step by step.

    Args:
        first: of z₁, event ``(L,)``.
        following: states ``(..., n, L)`` at consecutive steps and the number of the step after the first of them (z₁ has 0),
            to the distributions of the states after them, batch shape ``(..., n)``, event ``(L,)``.
        length: T.
        batch: batch shape.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, first: Distribution, following: Following, length: int, batch: Any = ()) -> None:
        self.first, self.following, self.length = first, following, length
        size = first.event_shape[0]
        super().__init__(torch.Size(batch), torch.Size([length * size]), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> MarkovChain:
        """The same distribution for another batch shape."""
        return MarkovChain(self.first, self.following, self.length, batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z₁) + Σ_t log p(z_t | z_{t−1})."""
        z = value.unflatten(-1, (self.length, -1))
        first: Tensor = self.first.log_prob(z[..., 0, :])
        rest: Tensor = self.following(z[..., :-1, :], 1).log_prob(z[..., 1:, :]).sum(-1)
        total = first + rest
        return total.expand(torch.broadcast_shapes(self.batch_shape, total.shape))

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Step by step."""
        shape = torch.Size(sample_shape) + self.batch_shape
        return self._walk(self.first.expand(shape).rsample(), lambda d: d.rsample())

    @property
    def mean(self) -> Tensor:
        """The mean of each state at the mean of the one before: where those are linear in it, the mean; else a code."""
        first: Tensor = self.first.mean
        return self._walk(first.expand(*self.batch_shape, -1), lambda d: d.mean)

    def _walk(self, z: Tensor, take: Callable[[Distribution], Tensor]) -> Tensor:
        states = [z]
        for step in range(1, self.length):
            ahead = self.following(states[-1].unsqueeze(-2), step)
            states.append(take(ahead).squeeze(-2))
        return torch.cat(states, -1)


def states_of(who: str, x_shape: torch.Size, latent_size: int) -> tuple[int, int]:
    """T and L, where latents are states of L numbers, one for each step of data of shape (channels, T).

    Raises:
        ValueError: the data are no sequences of two steps or more, or the latents cannot be shared out among them.
    """
    if len(x_shape) != 2 or x_shape[1] < 2:
        raise ValueError(
            f"{who} has a state at each step of a sequence, x_shape=(channels, T) with T of 2 or more, and got "
            f"x_shape={tuple(x_shape)}."
        )
    length = x_shape[1]
    if latent_size < length or latent_size % length:
        raise ValueError(
            f"{who} shares latent_size={latent_size} out among the {length} steps of x_shape={tuple(x_shape)}; use a "
            f"multiple of {length}, such as latent_size={2 * length}."
        )
    return length, latent_size // length
