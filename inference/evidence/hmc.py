"""Hamiltonian Monte Carlo over many chains of many data at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.inference.evidence.latent_space import LatentSpace, Point
from pyrogen.inference.evidence.metric import Metric

JITTER = 0.2
DIVERGED = 1000.0  # nats of the Hamiltonian lost on a trajectory, after which it follows no dynamics


@dataclass(frozen=True)
class Moved:
    """What a transition made of the chains.

    Attributes:
        point: where they are.
        acceptance: their probabilities of acceptance, ``(chain, datum)``.
        energy: the Hamiltonian there, with the momentum they came with, ``(chain, datum)`` in nats.
        diverged: whose trajectory lost itself, ``(chain, datum)``.
        astray: which came from where the density is 0, ``(chain, datum)``.
    """

    point: Point
    acceptance: Tensor
    energy: Tensor
    diverged: Tensor
    astray: Tensor

    def telling(self, wished: float) -> Tensor:
        """The acceptance by which a step size is to be found, ``(chain, datum)``: as wished of chains that were astray.

        They accept what is inside the support and nothing else, and a smaller step would only keep them out.
        """
        return torch.where(self.astray, wished, self.acceptance)


@dataclass(frozen=True)
class Leapfrog:
    """Trajectories in one metric, one after the other, all frozen.

    Each draws momenta p ~ N(0, I), follows dz/dt = A p, dp/dt = Aᵀ ∇log f(z) by the leapfrog rule and accepts its end with
    probability min(1, exp(−ΔH)), which leaves f unchanged. Its step is drawn within 20 % of the given one, so that none has
    the period of its orbit.

    Reference: Neal 2011, arXiv:1206.1901.

    Attributes:
        lengths: steps of each trajectory, each with one gradient.
        metric: A.
    """

    lengths: Sequence[int]
    metric: Metric

    @classmethod
    def quarters(cls, leapfrogs: int, step: Tensor, metric: Metric) -> Leapfrog:
        """So many steps, cut into trajectories of about a quarter of the period of a standard normal.

        There, where a metric that fits leads, position and momentum change places after a quarter: its end knows nothing of
        its beginning, while one that goes on comes back.
        """
        longest = math.pi / 2 / float(step.median())
        pieces = max(1, min(leapfrogs, round(leapfrogs / longest)))
        return cls([leapfrogs // pieces + (i < leapfrogs % pieces) for i in range(pieces)], metric)

    def move(self, space: LatentSpace, point: Point, beta: float | Tensor, step: Tensor) -> Moved:
        """One transition of all chains that leaves f_β unchanged: the trajectories, each from the end of the one before.

        Args:
            space: of the data.
            point: where the chains are.
            beta: inverse temperature β; of each chain and datum, ``(chain, datum)``, where they differ.
            step: step size of each datum, ``(datum,)``, or of each chain and datum.
        """
        moves = []
        for length in self.lengths:
            moves.append(self._follow(length, space, point, beta, step))
            point = moves[-1].point
        if len(moves) == 1:
            return moves[0]
        acceptance = torch.stack([m.acceptance for m in moves]).mean(0)
        diverged, astray = (torch.stack(t).any(0) for t in zip(*((m.diverged, m.astray) for m in moves), strict=True))
        return Moved(point, acceptance, moves[-1].energy, diverged, astray)

    def _follow(self, length: int, space: LatentSpace, point: Point, beta: float | Tensor, step: Tensor) -> Moved:
        z = point.z
        momentum = torch.randn_like(z)
        jitter = 1 + JITTER * (2 * torch.rand_like(z[..., :1]) - 1)
        chance = torch.rand(z.shape[:2], dtype=torch.float64, device=z.device)
        reach = jitter * step.to(z).unsqueeze(-1)
        before = momentum.square().sum(-1).double() / 2 - point.log_density(beta)
        end = point
        momentum = momentum + reach * self.metric.against(point.slope(beta)) / 2
        for i in range(length):
            end = space.at(end.z + reach * self.metric.along(momentum))
            last = i == length - 1
            momentum = momentum + reach * self.metric.against(end.slope(beta)) * (0.5 if last else 1.0)
        after = momentum.square().sum(-1).double() / 2 - end.log_density(beta)
        gained = (before - after).nan_to_num(nan=-torch.inf)
        acceptance = gained.exp().clamp(max=1)
        accepted = chance < acceptance
        energy = torch.where(accepted, after, before)
        return Moved(point.where(accepted, end), acceptance, energy, gained < -DIVERGED, before.isposinf())
