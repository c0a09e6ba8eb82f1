"""The importance-weighted bound, and the two gradients that take the noise of the score out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from pyrogen.base import Batch, Model, Pair
from pyrogen.inference.evidence.estimator import Estimates, Estimator
from pyrogen.inference.evidence.importance import estimate_from_weights, log_mean_weight
from pyrogen.inference.objectives import weighted
from pyrogen.inference.objectives.weighted import PairObjective
from pyrogen.registry import choice

TRAINING, SCORING = 50, 5000


@choice("objective")
@choice("estimator")
@dataclass(frozen=True)
class IWAE(PairObjective, Estimator):
    """The importance-weighted bound, E[log 1/k Σᵢ p(x, zᵢ) / q(zᵢ|x)] ≤ log p(x), tighter as k grows.

    Its Monte-Carlo error is the jackknife's, √(1/ESS − 1/k) where k is large, wider where it is small, and nan below 4; its
    bias is about half the error's square. Neither can be believed where ``pareto_k`` > 0.7. As an objective its gradient for
    the guide drowns in noise as k grows: see :class:`DReG`.

    Reference: Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519.

    Args:
        k: draws inside the logarithm; None: 5000 for a score, and 50 for training, which keeps them all in memory.
    """

    axes: ClassVar[tuple[str, ...]] = ("objective", "estimator")
    bound: ClassVar[str | None] = "lower"
    averages_weights: ClassVar[bool] = True

    k: int | None = None

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        weighted.at_least_one(self, k=self.scoring_draws)

    @property
    def training_draws(self) -> int:
        """k as an objective."""
        return TRAINING if self.k is None else self.k

    @property
    def scoring_draws(self) -> int:
        """k as an estimator."""
        return SCORING if self.k is None else self.k

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss in nats per datum.

        Raises:
            ValueError: a guide without a density, or with latents that are not reparameterized.
        """
        log_w = weighted.draw_through(pair, batch, self.training_draws, "IWAE").log_w
        return {"loss": -weighted.log_mean_exp(log_w).mean(), "elbo": log_w.detach().mean()}

    def attributes(self) -> dict[str, Any]:
        """The number of draws."""
        return {"num_samples": self.scoring_draws, "k": self.scoring_draws}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The log of the mean weight, with its error."""
        return estimate_from_weights(model, x, y, self.scoring_draws, log_mean_weight, chunk_size=chunk_size, seed=seed)


@choice("objective")
@dataclass(frozen=True)
class DReG(PairObjective):
    """The doubly reparameterized gradient of the bound of IWAE, whose signal-to-noise grows with k.

    ∇φ = E[Σᵢ w̃ᵢ² (∂ log wᵢ/∂zᵢ) (∂zᵢ/∂φ)], ∇θ = E[Σᵢ w̃ᵢ ∂θ log p(x, zᵢ)], w̃ᵢ = wᵢ / Σⱼ wⱼ

    Should not be confused with :class:`StickingTheLanding`, whose weights are 1/k, for the ELBO.

    Reference: Tucker et al. 2019, arXiv:1810.04152; why IWAE's falls: Rainforth et al. 2018, arXiv:1802.04537.

    Args:
        k: draws inside the logarithm.
    """

    k: int = 50

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        weighted.at_least_one(self, k=self.k)

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss in nats per datum.

        Raises:
            ValueError: a guide without a density, with latents that are not reparameterized, or with dropout.
        """
        log_w = weighted.draw_apart(pair, batch, self.k, "DReG", factor=lambda w: w.softmax(0)).log_w
        # the derivative of the bound weighs both terms by w̃; the factor weighs that of the draws once more
        return {"loss": -weighted.log_mean_exp(log_w).mean(), "elbo": log_w.detach().mean()}


@choice("objective")
@dataclass(frozen=True)
class StickingTheLanding(PairObjective):
    """The ELBO without the score in its gradient: at q(z|x) = p(z|x) the gradient for the guide has no variance at all.

    ∇φ = E[(∂ log w/∂z) (∂z/∂φ)]; what is left out, E[∂φ log q(z|x)], is 0.

    Reference: Roeder, Wu & Duvenaud 2017, arXiv:1703.09194.

    Args:
        num_samples: draws of z a datum.
    """

    num_samples: int = 1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        weighted.at_least_one(self, num_samples=self.num_samples)

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss in nats per datum.

        Raises:
            ValueError: a guide without a density, with latents that are not reparameterized, or with dropout.
        """
        return {"loss": -weighted.draw_apart(pair, batch, self.num_samples, "StickingTheLanding").log_w.mean()}
