"""The thermodynamic variational objective."""

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
class Thermodynamic(PairObjective):
    """The left Riemann sum of log p(x) = ∫₀¹ E_β[log w] dβ over the path π_β(z) ∝ q(z|x)^(1−β) p(x, z)^β.

    Σₜ (βₜ₊₁ − βₜ) E_βₜ[log w] ≤ log p(x): the ELBO with one partition, tighter with more. E_β is estimated from the same k
    draws of q by the weights wᵝ, with a bias that falls as 1/k; ∇ E_β[f] = E_β[∇f] + Cov_β(∇ log π_β, f). Latents may be of
    any kind.

    Reference: Masrani, Le & Wood 2019, arXiv:1907.00031.

    Args:
        k: draws, at least 2.
        partitions: intervals of β.
        first: the first β after 0; the rest follow evenly in log β up to 1.
    """

    k: int = 50
    partitions: int = 5
    first: float = 0.03

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.k < 2 or self.partitions < 1 or not 0 < self.first < 1:
            raise ValueError(
                f"Thermodynamic(k={self.k}, partitions={self.partitions}, first={self.first}): needs k >= 2, "
                "partitions >= 1 and first between 0 and 1."
            )

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss in nats per datum.

        Raises:
            ValueError: a guide with a point mass.
        """
        draws = weighted.draw_fixed(pair, batch, self.k, "Thermodynamic")
        log_w = draws.log_w
        edges = self.betas(log_w)
        beta = edges[:-1, None, None]
        share = (beta * log_w.detach()).softmax(1)
        means = (share * log_w.detach()).sum(1)
        # ∇ log π_β up to its mean, which the covariance does not see
        path = beta * draws.log_p + (1 - beta) * draws.log_q
        covariance = (share * (log_w.detach() - means.unsqueeze(1)) * path).sum(1)
        widths = (edges[1:] - edges[:-1]).unsqueeze(1)
        value = (widths * means).sum(0).mean()
        surrogate = (widths * ((share * log_w).sum(1) + covariance)).sum(0).mean()
        return {"loss": weighted.report(-value, -surrogate), "elbo": log_w.detach().mean()}

    def betas(self, like: Tensor) -> Tensor:
        """The edges of the intervals, 0 … 1, ``(partitions + 1,)``."""
        rest = like.new_tensor(self.first) ** torch.linspace(
            1, 0, self.partitions, device=like.device, dtype=like.dtype
        )
        ends = rest if self.partitions > 1 else like.new_ones(1)
        return torch.cat([like.new_zeros(1), ends])
