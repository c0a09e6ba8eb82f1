"""The evidence lower bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from pyrogen.base import Batch, Model, Pair
from pyrogen.inference.evidence.estimator import Estimates, Estimator
from pyrogen.inference.evidence.importance import estimate_from_weights, mean_log_weight
from pyrogen.inference.objectives import weighted
from pyrogen.inference.objectives.weighted import PairObjective
from pyrogen.inference.programs.particles import per_datum, run
from pyrogen.inference.programs.record import Site, latents, log_prob
from pyrogen.registry import choice


@choice("objective")
@choice("estimator")
@dataclass(frozen=True)
class ELBO(PairObjective, Estimator):
    """The evidence lower bound, E_q[log p(x|z)] − β KL(q(z|x) ‖ p(z)), to be trained by and to be scored by.

    The KL is taken in closed form where one is registered and the guide draws its latents in the model's order, else by
    the same draws. Latents that are not reparameterized enter by their score function; with several draws each is
    compared with the others, which takes most of its noise away.
    With β ≠ 1 or free bits it is an objective only: no bound.

    Should not be confused with :class:`IWAE`, whose average over draws is inside the logarithm.

    Reference: Kingma & Welling 2014, arXiv:1312.6114; β: Higgins et al. 2017; free bits: Kingma et al. 2016,
    arXiv:1606.04934; cycles: Fu et al. 2019, arXiv:1903.10145; draws compared: Kool et al. 2019.

    Args:
        num_samples: draws of z a datum; an estimate takes at least 100.
        beta: weight of the KL.
        warmup: steps over which the weight of the KL rises from 0 to ``beta``; validation is always at ``beta``.
        cycle: steps after which the warm-up begins again; 0: never.
        free_bits: nats below which the batch's mean KL of a latent site costs nothing more.
    """

    axes: ClassVar[tuple[str, ...]] = ("objective", "estimator")
    bound: ClassVar[str | None] = "lower"

    num_samples: int = 1
    beta: float = 1.0
    warmup: int = 0
    cycle: int = 0
    free_bits: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.num_samples < 1 or min(self.beta, self.warmup, self.cycle, self.free_bits) < 0:
            raise ValueError(
                f"ELBO(num_samples={self.num_samples}, beta={self.beta}, warmup={self.warmup}, cycle={self.cycle}, "
                f"free_bits={self.free_bits}): needs num_samples >= 1 and nothing below 0."
            )
        if self.cycle and not 0 < self.warmup <= self.cycle:
            raise ValueError(
                f"ELBO(warmup={self.warmup}, cycle={self.cycle}): a cycle repeats a warm-up that fits into it; "
                f"use warmup between 1 and {self.cycle}."
            )

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss and its parts, in nats per datum.

        Returns:
            ``loss`` (to minimize) and, of models with latents, ``reconstruction`` = E_q[log p(x|z)] and ``kl``, scalars.

        Raises:
            ValueError: free bits with latents that are not reparameterized.
        """
        return self._terms(pair, batch, self._weight(batch))

    def final_terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The same at β."""
        return self._terms(pair, batch, self.beta)

    def _terms(self, pair: Pair, batch: Batch, weight: Tensor | float) -> dict[str, Tensor]:
        n = None if self.num_samples == 1 else self.num_samples
        drawn = run(pair.guide, pair, batch.x, batch.y, n, guarded=False)
        scored = run(pair.model, pair, batch.x, batch.y, n, latents(drawn), guarded=False)
        observed = [per_datum(log_prob(site), site, pair, n) for site in scored.values() if site["is_observed"]]
        reconstruction = torch.stack(observed).sum(0) if len(observed) > 1 else observed[0]
        by_score = _by_score(drawn)
        each = {name: per_datum(value, drawn[name], pair, n) for name, value in divergences(drawn, scored).items()}
        kl = sum(each.values(), torch.zeros_like(reconstruction))
        # without latents the loss is all there is
        parts = {"reconstruction": reconstruction.detach().mean(), "kl": kl.detach().mean()} if each else {}
        if self.free_bits:
            if by_score:
                raise ValueError(
                    f"free bits are a floor under the mean KL, through which the score of {by_score[0]!r} does not pass; use "
                    "free_bits=0, or a reparameterized posterior."
                )
            charged = sum((d.mean().clamp(min=self.free_bits) for d in each.values()), kl.new_zeros(()))
            return {"loss": weight * charged - reconstruction.mean(), **parts}
        objective = reconstruction - weight * kl
        if not by_score:
            return {"loss": -objective.mean(), **parts}
        signal = objective.detach()
        if self.num_samples > 1:
            signal = (signal - signal.mean(0)) * (self.num_samples / (self.num_samples - 1))
        score = torch.stack([per_datum(log_prob(drawn[name]), drawn[name], pair, n) for name in by_score]).sum(0)
        surrogate = -(objective + score * signal).mean()
        return {"loss": weighted.report(-objective.mean(), surrogate), **parts}

    def _weight(self, batch: Batch) -> Tensor | float:
        if not self.warmup or batch.step is None:
            return self.beta
        # the step is a tensor, and so is the weight: a number would be fixed where the step is recorded
        step = batch.step % self.cycle if self.cycle else batch.step
        return self.beta * ((step + 1) / self.warmup).clamp(max=1)

    def attributes(self) -> dict[str, Any]:
        """The number of draws."""
        return {"num_samples": self._draws()}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The mean of the log weights, with its error."""
        if self.beta != 1 or self.free_bits:
            raise ValueError(
                f"ELBO(beta={self.beta}, free_bits={self.free_bits}) bounds nothing; score by ELBO() with beta=1."
            )

        return estimate_from_weights(model, x, y, self._draws(), mean_log_weight, chunk_size=chunk_size, seed=seed)

    def _draws(self) -> int:
        # one draw, enough for a gradient, has no error bar
        return max(self.num_samples, 100)


def divergences(drawn: Mapping[str, Site], scored: Mapping[str, Site]) -> dict[str, Tensor]:
    """KL(q ‖ p) of each latent by its name, over draws and batch: in closed form where it is known, else at the draws."""
    names = list(latents(drawn))
    closed = not _by_score(drawn) and _conditioned_alike(names, list(latents(scored)))
    return {name: _divergence(drawn[name], scored[name], closed=closed) for name in names}


def _by_score(drawn: Mapping[str, Site]) -> list[str]:
    """The latents that are not reparameterized."""
    return [name for name in latents(drawn) if not drawn[name]["fn"].has_rsample]


def _conditioned_alike(drawn: Sequence[str], scored: Sequence[str]) -> bool:
    """Whether the KL is the sum of those of its sites, each of two laws that are given the same values.

    Before each latent the guide must have drawn all that the model had: where it draws z₂ from z₁, and the model z₁ from z₂,
    KL(q(z₁) ‖ p(z₁|z₂)) would average over z₁ as if z₂ did not depend on it.
    """
    return all(set(scored[: scored.index(name)]) <= set(drawn[:i]) for i, name in enumerate(drawn) if name in scored)


def _divergence(drawn: Site, scored: Site, *, closed: bool) -> Tensor:
    """KL(q ‖ p) of one latent over the batch: in closed form if asked for and known, else log q − log p at the draw."""
    if closed and drawn["mask"] is None and scored["mask"] is None:
        try:
            return kl_divergence(drawn["fn"], scored["fn"])
        except NotImplementedError:
            pass
    return log_prob(drawn) - log_prob(scored)
