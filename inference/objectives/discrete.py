"""Objectives whose draws need no gradient, so that latents may be discrete."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.base import Batch, Pair
from pyrogen.inference.objectives import weighted
from pyrogen.inference.objectives.weighted import PairObjective
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class VIMCO(PairObjective):
    """The bound of IWAE for latents of any kind: each draw learns from what it added to the others.

    ∇φ = E[Σᵢ (L − L₋ᵢ − w̃ᵢ) ∂φ log q(zᵢ|x)], L = log 1/k Σⱼ wⱼ, L₋ᵢ the same with wᵢ replaced by the geometric mean of the
    other weights; ∇θ = E[Σᵢ w̃ᵢ ∂θ log p(x, zᵢ)].

    Reference: Mnih & Rezende 2016, arXiv:1602.06725.

    Args:
        k: draws inside the logarithm, at least 2.
    """

    k: int = 10

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.k < 2:
            raise ValueError(f"VIMCO(k={self.k}): a draw is judged by the others, so k must be at least 2.")

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss in nats per datum.

        Raises:
            ValueError: a guide with a point mass.
        """
        draws = weighted.draw_fixed(pair, batch, self.k, "VIMCO")
        log_w = draws.log_w.detach()
        bound = weighted.log_mean_exp(log_w)
        share = log_w.softmax(0)
        signal = bound - self._without_each(log_w) - share
        surrogate = -(share * draws.log_p + signal * draws.log_q).sum(0).mean()
        return {"loss": weighted.report(-bound.mean(), surrogate), "elbo": log_w.mean()}

    def _without_each(self, log_w: Tensor) -> Tensor:
        """L₋ᵢ for every draw, ``(k, B)``."""
        others = (log_w.sum(0) - log_w) / (self.k - 1)
        # row i: all weights, the i-th replaced by its stand-in
        same = torch.eye(self.k, dtype=torch.bool, device=log_w.device)
        table = torch.where(same.unsqueeze(-1), others.unsqueeze(1), log_w)
        return torch.logsumexp(table, 1) - math.log(self.k)


@choice("objective")
@dataclass(frozen=True)
class ReweightedWakeSleep(PairObjective):
    """The model climbs the bound of IWAE, the guide follows weighted draws towards the posterior.

    ∇θ = E[Σᵢ w̃ᵢ ∂θ log p(x, zᵢ)]; wake: −∇φ = E[Σᵢ w̃ᵢ ∂φ log q(zᵢ|x)], which lowers KL(p(z|x) ‖ q(z|x)) with a bias that
    falls as 1/k. Latents may be of any kind.

    Reference: Bornschein & Bengio 2015, arXiv:1406.2751; Le et al. 2019, arXiv:1805.10469.

    Args:
        k: draws, at least 2.
    """

    k: int = 10

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.k < 2:
            raise ValueError(f"ReweightedWakeSleep(k={self.k}): one draw has weight 1 wherever it is; use k >= 2.")

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss: minus the model's bound; the guide follows ``wake``, E[−Σᵢ w̃ᵢ log q(zᵢ|x)].

        Raises:
            ValueError: a guide with a point mass.
        """
        draws = weighted.draw_fixed(pair, batch, self.k, "ReweightedWakeSleep")
        log_w = draws.log_w.detach()
        share = log_w.softmax(0)
        wake = -(share * draws.log_q).sum(0).mean()
        surrogate = wake - (share * draws.log_p).sum(0).mean()
        return {"loss": weighted.report(-weighted.log_mean_exp(log_w).mean(), surrogate), "wake": wake.detach()}
