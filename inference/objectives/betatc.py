"""The ELBO with its KL taken apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pyro.distributions import Independent
from torch import Tensor

from pyrogen.base import Batch, Pair
from pyrogen.distributions.shaped import vectors_of
from pyrogen.inference.objectives.weighted import PairObjective
from pyrogen.inference.programs.particles import per_datum
from pyrogen.inference.programs.record import Site, latents, log_prob, record
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class BetaTC(PairObjective):
    """β-TCVAE: the ELBO with a weight on each part of its KL, of which β asks for independent coordinates.

    E_q[log p(x|z)] − α I(x; z) − β KL(q(z) ‖ Πⱼ q(zⱼ)) − γ [Σⱼ KL(q(zⱼ) ‖ ·) against p(z)]

    At α = β = γ = 1 it is the ELBO. The aggregated posterior q(z) = E_x q(z|x) is estimated from the batch, 1/B Σᵢ q(z|xᵢ):
    the mutual information is at most log B, and the parts are biased where the batch is small; their sum is not.

    Reference: Chen et al. 2018, Isolating sources of disentanglement in VAEs, arXiv:1802.04942.

    Args:
        alpha: weight of the mutual information of x and z.
        beta: weight of the total correlation.
        gamma: weight of the dimension-wise KL.
    """

    alpha: float = 1.0
    beta: float = 6.0
    gamma: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if min(self.alpha, self.beta, self.gamma) < 0:
            raise ValueError(
                f"BetaTC(alpha={self.alpha}, beta={self.beta}, gamma={self.gamma}): no weight may be negative."
            )

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss, the reconstruction and the three parts of the KL, in nats per datum.

        Raises:
            ValueError: a guide without one vector of independent, reparameterized coordinates.
        """
        drawn = record(pair.guide, batch.x, batch.y)
        scored = record(pair.model, batch.x, batch.y, latents(drawn))
        name, site = _one_vector(drawn)
        z, log_q, log_prior = site["value"], log_prob(site), log_prob(scored[name])
        # (i, j, coordinate): the i-th datum's draw under the j-th datum's posterior
        pairwise = vectors_of(site["fn"]).base_dist.log_prob(z.flatten(1).unsqueeze(1))
        size = math.log(len(z))
        log_aggregate = torch.logsumexp(pairwise.sum(-1), 1) - size
        log_marginals = (torch.logsumexp(pairwise, 1) - size).sum(-1)
        parts = {
            "mutual_information": (log_q - log_aggregate).mean(),
            "total_correlation": (log_aggregate - log_marginals).mean(),
            "dimension_wise_kl": (log_marginals - log_prior).mean(),
        }
        observed = [per_datum(log_prob(s), s, pair, None) for s in scored.values() if s["is_observed"]]
        reconstruction = torch.stack([value.mean() for value in observed]).sum()
        weights = (self.alpha, self.beta, self.gamma)
        charged = sum(weight * part for weight, part in zip(weights, parts.values(), strict=True))
        shown = {"reconstruction": reconstruction, "kl": (log_q - log_prior).mean(), **parts}
        return {"loss": charged - reconstruction, **{k: v.detach() for k, v in shown.items()}}


def _one_vector(drawn: dict[str, Site]) -> tuple[str, Site]:
    if len(drawn) == 1:
        ((name, site),) = drawn.items()
        fn = vectors_of(site["fn"])
        vector = len(fn.event_shape) == 1 == len(fn.batch_shape)
        if isinstance(fn, Independent) and fn.has_rsample and not fn.base_dist.event_shape and vector:
            return name, site
    raise ValueError(
        "BetaTC compares the coordinates of one latent vector whose posterior has them independent and "
        "reparameterized, as DiagonalNormal does; this guide has another form."
    )
