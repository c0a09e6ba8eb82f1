"""Hamiltonian Monte Carlo over many chains of many data at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.inference.evidence.latent_space import LatentSpace, Point

JITTER = 0.2
SCALE_DRAWS = 100


@dataclass(frozen=True)
class Leapfrog:
    """Trajectories of one length in one scaling of the coordinates, both frozen.

    A transition draws momenta p ~ N(0, I), follows dz/dt = s p, dp/dt = s ∇ log f(z) by the leapfrog rule and accepts its
    end with probability min(1, exp(−ΔH)), which leaves f unchanged. Each trajectory's step is drawn within 20 % of the
    given one, so that none has the period of its orbit.

    Reference: Neal 2011, arXiv:1206.1901.

    Attributes:
        leapfrogs: steps of a trajectory, each with one gradient.
        scale: s for each datum and coordinate, ``(datum, size)``.
    """

    leapfrogs: int
    scale: Tensor

    @classmethod
    def of(cls, space: LatentSpace, leapfrogs: int, place: int) -> Leapfrog:
        """Scaled by half the distance between the quantiles at 16 % and 84 % of draws of the base."""
        draws = space.draw(SCALE_DRAWS, place)
        low, high = torch.nanquantile(draws, torch.tensor([0.16, 0.84], dtype=draws.dtype, device=draws.device), dim=0)
        return cls(leapfrogs, ((high - low) / 2).clamp(min=torch.finfo(draws.dtype).tiny))

    def move(self, space: LatentSpace, point: Point, beta: float, step: Tensor) -> tuple[Point, Tensor]:
        """One transition of all chains that leaves f_β unchanged.

        Args:
            space: of the data.
            point: where the chains are.
            beta: inverse temperature β.
            step: step size of each datum, ``(datum,)``.

        Returns:
            Where they are then, and their probabilities of acceptance, ``(chain, datum)``.
        """
        z = point.z
        momentum = torch.randn_like(z)
        jitter = 1 + JITTER * (2 * torch.rand_like(z[..., :1]) - 1)
        chance = torch.rand(z.shape[:2], dtype=torch.float64, device=z.device)
        reach = jitter * (step.to(z).unsqueeze(-1) * self.scale)
        kinetic = momentum.square().sum(-1)
        end = point
        momentum = momentum + reach * point.slope(beta) / 2
        for i in range(self.leapfrogs):
            end = space.at(end.z + reach * momentum)
            last = i == self.leapfrogs - 1
            momentum = momentum + reach * end.slope(beta) * (0.5 if last else 1.0)
        lost = (kinetic - momentum.square().sum(-1)).double() / 2
        gained = end.log_density(beta) - point.log_density(beta)
        acceptance = (gained + lost).nan_to_num(nan=-torch.inf).exp().clamp(max=1)
        return point.where(chance < acceptance, end), acceptance
