"""Objectives that match the velocity of a flow, or the score of noisy data, and follow nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Batch, Objective, Player
from pyrogen.capabilities import HasScore, HasVelocity
from pyrogen.distributions.ode import matching_error
from pyrogen.nets.batch_dims import computing_in
from pyrogen.noise import alpha, beside, even_times, sigma
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class FlowMatching(Objective):
    """E ‖v(x_t, t) − (x₁ − x₀)‖² on straight paths x_t = (1 − t) x₀ + t x₁ from noise x₀ ~ N(0, I) to data x₁, per element.

    At its least v is E[x₁ − x₀ | x_t], whose flow takes the noise to the data. It is a squared error and no bound on
    log p(x), which the flow itself knows. Times are spread evenly over a batch, t = (u + n/B) mod 1 with one u ~ U(0, 1).
    Reference: Lipman et al. 2023, arXiv:2210.02747; Liu et al. 2023, Flow straight and fast, arXiv:2209.03003.
    """

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the model."""
        if not isinstance(model, HasVelocity):
            raise ValueError(
                f"FlowMatching trains velocities, and {type(model).__name__} has none; take 'flow-matching', or leave "
                "objective=None."
            )

        flow: Any = model

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            return {"loss": matching_error(model.velocity, model.scaled(batch.x))}

        return [Player("flowmatching", loss, [flow])]


class ScoreMatching(Objective):
    """A squared distance to the score of noisy data z = α u + σ ε, at γ spread evenly over a batch: γ = γ₀ + (γ₁ − γ₀) t."""

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the model."""
        name = type(self).__name__
        if not isinstance(model, HasScore):
            raise ValueError(
                f"{name} trains scores, and {type(model).__name__} has none; take 'score-matching', or leave objective=None."
            )
        owned: Any = model

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            u = model.scaled(batch.x)
            gamma, noise = model.low + (model.high - model.low) * even_times(u), torch.randn_like(u)
            wide = beside(gamma, u.dim() - 1)
            return {"loss": self.distance(model, alpha(wide) * u + sigma(wide) * noise, noise, gamma, sigma(wide))}

        return [Player(name.lower(), loss, [owned])]

    @abstractmethod
    def distance(self, model: HasScore, z: Tensor, noise: Tensor, gamma: Tensor, spread: Tensor) -> Tensor:
        """What is minimized, a scalar: of z with noise ε of that spread σ in them."""


@choice("objective")
@dataclass(frozen=True)
class DenoisingScoreMatching(ScoreMatching):
    """E σ² ‖s(z, γ) + ε/σ‖² per element, s = −ε̂/σ: how far the noise that is seen is from the noise that is there.

    At its least s is E[−ε/σ | z], the score of noisy data. With γ spread evenly it is, but for a constant, 2/((γ₁ − γ₀) D) of
    the bound of a diffusion in continuous time. References: Vincent 2011, A connection between score matching and denoising
    autoencoders; Song et al. 2021, Maximum likelihood training of score-based diffusion models, arXiv:2101.09258.
    """

    def distance(self, model: HasScore, z: Tensor, noise: Tensor, gamma: Tensor, spread: Tensor) -> Tensor:
        """‖ε − ε̂‖² / D."""
        return (noise - model.noise_in(z, gamma)).square().mean()


@choice("objective")
@dataclass(frozen=True)
class SlicedScoreMatching(ScoreMatching):
    """E σ² [‖s‖² + 2 eᵀ (∂s/∂z) e] per element, e of independent signs: as denoising, less a constant, unaware of the noise.

    By parts it is E σ² ‖s − ∇ log p(z)‖² less that of the score itself. It has more variance than
    :class:`DenoisingScoreMatching`, which knows ε. Reference: Song et al. 2019, Sliced score matching, arXiv:1905.07088.
    """

    def distance(self, model: HasScore, z: Tensor, noise: Tensor, gamma: Tensor, spread: Tensor) -> Tensor:
        """(‖ε̂‖² − 2 σ eᵀ (∂ε̂/∂z) e) / D."""
        with torch.enable_grad(), computing_in(None):
            z = z.detach().requires_grad_()
            e = torch.randint_like(z, 0, 2) * 2 - 1
            seen = model.noise_in(z, gamma)
            (slope,) = torch.autograd.grad((seen * e).sum(), z, create_graph=True)
        return (seen.square() - 2 * spread * slope * e).mean()
