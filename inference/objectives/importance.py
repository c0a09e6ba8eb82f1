"""The importance-weighted bound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from pyrogen.base import Batch, Model, Objective, Pair, Player
from pyrogen.inference.evidence.estimator import Estimates, Estimator
from pyrogen.inference.evidence.importance import estimate_from_weights, log_mean_exp, standard_error
from pyrogen.inference.programs import has_density, latents, log_prob, particles, record
from pyrogen.registry import choice


@choice("objective")
@choice("estimator")
@dataclass(frozen=True)
class IWAE(Objective, Estimator):
    """The importance-weighted bound, E[log 1/k Σᵢ p(x, zᵢ) / q(zᵢ|x)] ≤ log p(x), tighter as k grows.

    Its Monte-Carlo error is √(1/ESS − 1/k), its bias about half the error's square; neither can be believed where
    ``pareto_k`` > 0.7.

    Reference: Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519.

    Args:
        k: draws inside the logarithm: 5000 for a score, 5 to 50 for training.
    """

    axes: ClassVar[tuple[str, ...]] = ("objective", "estimator")
    averages_weights: ClassVar[bool] = True

    k: int = 5000

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.k < 1:
            raise ValueError(f"IWAE(k={self.k}): needs k >= 1.")

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole pair."""
        if not isinstance(model, Pair):
            raise ValueError(
                f"{type(model).__name__} is no (model, guide) pair, which IWAE needs; leave objective=None."
            )

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            return self.terms(model, batch)

        return [Player("iwae", loss, [model])]

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss in nats per datum.

        Raises:
            ValueError: a guide without a density, or with latents that are not reparameterized.
        """
        with particles(self.k):
            drawn = record(pair.guide, batch.x, batch.y)
            scored = record(pair.model, batch.x, batch.y, latents(drawn))
        if not has_density(drawn):
            raise ValueError("IWAE weighs draws by their density, and this guide is a point mass; train it by ELBO().")
        if not all(site["fn"].has_rsample for site in drawn.values()):
            raise ValueError("IWAE here needs reparameterized latents, and this guide has others; train it by ELBO().")
        log_p = torch.stack([log_prob(site) for site in scored.values()]).sum(0)
        log_q = [log_prob(site) for site in drawn.values()]
        log_w = log_p - torch.stack(log_q).sum(0) if log_q else log_p
        bound = torch.logsumexp(log_w, 0) - math.log(self.k)
        return {"loss": -bound.mean(), "elbo": log_w.detach().mean()}

    @property
    def bound(self) -> str:
        """Lower."""
        return "lower"

    def attributes(self) -> dict[str, Any]:
        """The number of draws."""
        return {"num_samples": self.k}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The log of the mean weight, with its error."""

        def reduce(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return log_mean_exp(weights), standard_error(weights)

        return estimate_from_weights(model, x, y, self.k, reduce, chunk_size=chunk_size, seed=seed)
