"""Divergences other than KL: Rényi's α, and the χ upper bound."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.base import Batch, Pair
from pyrogen.inference.objectives import weighted
from pyrogen.inference.objectives.weighted import PairObjective
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class Renyi(PairObjective):
    """The variational Rényi bound, 1/(1 − α) E[log 1/k Σᵢ wᵢ^(1 − α)]: IWAE at α = 0, the ELBO as α → 1.

    Below log p(x) for 0 ≤ α ≤ 1; for α < 0 above it only as k → ∞. Scales and plate sizes stay outside the logarithm.

    Reference: Li & Turner 2016, arXiv:1602.02311.

    Args:
        alpha: α, other than 1; towards −∞ the guide covers more of the posterior.
        k: draws inside the logarithm.
    """

    alpha: float = 0.5
    k: int = 10

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        weighted.at_least_one(self, k=self.k)
        if self.alpha == 1:
            raise ValueError("Renyi(alpha=1) is the ELBO; use ELBO(num_samples=...).")

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss in nats per datum.

        Raises:
            ValueError: a guide without a density, or with latents that are not reparameterized.
        """
        log_w = weighted.draw_through(pair, batch, self.k, "Renyi").log_w
        bound = weighted.log_mean_exp((1 - self.alpha) * log_w) / (1 - self.alpha)
        return {"loss": -bound.mean(), "elbo": log_w.detach().mean()}


@choice("objective")
@dataclass(frozen=True)
class CUBO(PairObjective):
    """The χ upper bound for the guide, 1/n log E[wⁿ] ≥ log p(x), and the bound of IWAE for the model.

    ∇φ = (1 − n) E[wⁿ (∂ log w/∂z) (∂z/∂φ)] / E[wⁿ], minimized; the score is reparameterized away as in DReG. The guide comes
    to cover the posterior. The ratio is estimated from k draws, with a bias that falls as 1/k: for training only, because the
    log of an average of few wⁿ lies *below* the upper bound that it estimates.

    Reference: Dieng et al. 2017, arXiv:1611.00328.

    Args:
        n: the order, more than 1; 2 minimizes the χ² divergence.
        k: draws.
    """

    n: float = 2.0
    k: int = 50

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        weighted.at_least_one(self, k=self.k)
        if self.n <= 1:
            raise ValueError(f"CUBO(n={self.n}): the order must be more than 1.")

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss: the model's bound below, whose gradient the model follows, and ``cubo``, which the guide does.

        Raises:
            ValueError: a guide without a density, with latents that are not reparameterized, or with dropout.
        """
        log_w = weighted.draw_apart(pair, batch, self.k, "CUBO", factor=self._factor).log_w
        with torch.no_grad():
            cubo = weighted.log_mean_exp(self.n * log_w).mean() / self.n
        return {"loss": -weighted.log_mean_exp(log_w).mean(), "cubo": cubo}

    def _factor(self, log_w: Tensor) -> Tensor:
        # the draws' share of the upper bound's gradient over their share w̃ of the lower bound's: at most (n − 1) k
        ratio = (self.n - 1) * log_w + torch.logsumexp(log_w, 0) - torch.logsumexp(self.n * log_w, 0)
        return (self.n - 1) * ratio.exp()
