"""The evidence lower bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from pyrogen.base import Batch, Model, Objective, Pair, Player
from pyrogen.inference.evidence.estimator import Estimates, Estimator
from pyrogen.inference.evidence.importance import estimate_from_weights
from pyrogen.inference.programs import Site, latents, log_prob, particles, record
from pyrogen.registry import choice


@choice("objective")
@choice("estimator")
@dataclass(frozen=True)
class ELBO(Objective, Estimator):
    """The evidence lower bound, E_q[log p(x|z)] − β KL(q(z|x) ‖ p(z)), to be trained by and to be scored by.

    The KL is taken in closed form where one is registered, else by the same draws. Latents that are not reparameterized
    enter by their score function. With β ≠ 1 it is an objective only: no bound.

    Should not be confused with :class:`IWAE`, whose average over draws is inside the logarithm.

    Reference: Kingma & Welling 2014, arXiv:1312.6114; β: Higgins et al. 2017.

    Args:
        num_samples: draws of z a datum; an estimate takes at least 100.
        beta: weight of the KL.
        warmup: steps over which the weight of the KL rises from 0 to ``beta``; validation is always at ``beta``.
    """

    axes: ClassVar[tuple[str, ...]] = ("objective", "estimator")

    num_samples: int = 1
    beta: float = 1.0
    warmup: int = 0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.num_samples < 1 or self.beta < 0 or self.warmup < 0:
            raise ValueError(
                f"ELBO(num_samples={self.num_samples}, beta={self.beta}, warmup={self.warmup}): needs num_samples >= 1, "
                "beta >= 0, warmup >= 0."
            )

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole pair."""
        if not isinstance(model, Pair):
            raise ValueError(
                f"{type(model).__name__} is no (model, guide) pair, which ELBO needs; leave objective=None."
            )

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            return self.terms(model, batch)

        return [Player("elbo", loss, [model])]

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss and its parts, in nats per datum.

        Returns:
            ``loss`` (to minimize), ``reconstruction`` = E_q[log p(x|z)] and ``kl``, scalars.
        """
        with particles(None if self.num_samples == 1 else self.num_samples):
            drawn = record(pair.guide, batch.x, batch.y)
            scored = record(pair.model, batch.x, batch.y, latents(drawn))
        observed = [log_prob(site) for site in scored.values() if site["is_observed"]]
        reconstruction = torch.stack(observed).sum(0) if len(observed) > 1 else observed[0]
        names = list(latents(drawn))
        by_score = [name for name in names if not drawn[name]["fn"].has_rsample]
        kl = sum(
            (_divergence(drawn[n], scored[n], closed=not by_score) for n in names), torch.zeros_like(reconstruction)
        )
        objective = reconstruction - self._weight(batch) * kl
        loss = -objective.mean()
        for name in by_score:
            loss = loss - (log_prob(drawn[name]) * objective.detach()).mean()
        if by_score:
            # the surrogate has the right gradient; the number reported is the objective's
            loss = loss + (-objective.mean() - loss).detach()
        return {"loss": loss, "reconstruction": reconstruction.detach().mean(), "kl": kl.detach().mean()}

    def _weight(self, batch: Batch) -> Tensor | float:
        if not self.warmup or batch.step is None:
            return self.beta
        # the step is a tensor, and so is the weight: a number would be fixed where the step is recorded
        return self.beta * ((batch.step + 1) / self.warmup).clamp(max=1)

    @property
    def bound(self) -> str:
        """Lower."""
        return "lower"

    def attributes(self) -> dict[str, Any]:
        """The number of draws."""
        return {"num_samples": self._draws()}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The mean of the log weights, with its error."""
        if self.beta != 1:
            raise ValueError(f"ELBO(beta={self.beta}) bounds nothing; score by ELBO() with beta=1.")

        def reduce(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return weights.mean(0), weights.std(0, ddof=1) / len(weights) ** 0.5

        return estimate_from_weights(model, x, y, self._draws(), reduce, chunk_size=chunk_size, seed=seed)

    def _draws(self) -> int:
        # one draw, enough for a gradient, has no error bar
        return max(self.num_samples, 100)


def _divergence(drawn: Site, scored: Site, *, closed: bool) -> Tensor:
    """KL(q ‖ p) of one latent over the batch: in closed form if asked for and known, else log q − log p at the draw."""
    if closed and drawn["mask"] is None and scored["mask"] is None:
        try:
            return kl_divergence(drawn["fn"], scored["fn"])
        except NotImplementedError:
            pass
    return log_prob(drawn) - log_prob(scored)
