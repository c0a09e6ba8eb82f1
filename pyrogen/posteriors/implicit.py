"""The posterior that is a network of noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pyrogen.axes import Blueprint, Distribution, Posterior
from pyrogen.distributions.implicit import Implicit as Draws
from pyrogen.nets import mlp
from pyrogen.registry import choice

NODES = 64  # of noise over which a mean is taken


@choice("posterior")
class Implicit(Posterior):
    """A network of features and noise, z = f(h(x), ε): any shape of belief, whose density nobody knows.

    It has no evidence bound that can be computed: under ELBO() it is trained as a point mass is, and AVB() trains it by a
    critic that learns the missing density. What is so trained is scored by AIS from the prior, which needs no guide.

    Shapes: features ``(..., features)``; event ``(latent_size,)``.
    Reference: Mescheder et al. 2017, Adversarial variational Bayes, arXiv:1701.04722.

    Args:
        noise: numbers of ε.
        features: numbers that the encoder gives.
        hidden: widths of the hidden layers of f.
    """

    has_density = False
    nodes: Tensor

    def __init__(self, noise: int = 8, features: int = 32, hidden: Sequence[int] = (64,)) -> None:
        super().__init__()
        if noise < 1 or features < 1:
            raise ValueError(f"Implicit(noise={noise}, features={features}): a draw is made of at least one of each.")
        self.noise, self.features, self.hidden = noise, features, tuple(hidden)

    def width(self, latent_size: int) -> int:
        """The features that f reads."""
        return self.features

    def build(self, plan: Blueprint) -> None:
        """Create f."""
        super().build(plan)
        self.push = mlp((self.features + self.noise,), self.hidden, (plan.latent_size,))
        even = torch.quasirandom.SobolEngine(self.noise, scramble=True, seed=0).draw(NODES)
        self.register_buffer("nodes", torch.special.ndtri(even.clamp(1e-4, 1 - 1e-4)), persistent=False)

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The law of f(h, ε)."""
        return Draws(features, self.latent_size, self.nodes, self._pushed)

    def _pushed(self, features: Tensor, noise: Tensor) -> Tensor:
        read = torch.cat([features, noise], -1)
        z: Tensor = self.push(read.reshape(-1, read.shape[-1]))
        return z.reshape(*read.shape[:-1], self.latent_size)
