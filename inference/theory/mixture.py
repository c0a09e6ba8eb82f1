"""Expectation–maximization against stochastic variational inference, on a mixture of two normals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Climb:
    """A way up to a maximum of the likelihood.

    Attributes:
        log_likelihood: mean log p(x; θ) after each iteration, the start first, in nats a datum.
        bound: the same of the ELBO at the responsibilities that the iteration used, one fewer.
        means: the components' means after each iteration, ``(iterations + 1, 2)``.
    """

    log_likelihood: np.ndarray
    bound: np.ndarray
    means: np.ndarray

    def iterations(self, within: float) -> int:
        """After how many iterations the log-likelihood stays within so many nats of its last value."""
        far = np.abs(self.log_likelihood - self.log_likelihood[-1]) > within
        return int(far.nonzero()[0][-1]) + 1 if far.any() else 0


@dataclass(frozen=True)
class TwoNormals:
    """p(x) = ½ N(μ₁, 1) + ½ N(μ₂, 1), with the means unknown.

    EM sets q(k|x) to the posterior, then μ to its maximizer; each step raises Σ log p(x). SVI climbs the ELBO
    Σ_k q(k|x) [log p(x, k) − log q(k|x)] by the gradient in μ, on minibatches, with the same q.
    References: Dempster, Laird & Rubin 1977; Neal & Hinton 1998, A view of the EM algorithm; Hoffman et al. 2013.
    """

    x: np.ndarray

    def em(self, start: Sequence[float], iterations: int = 100) -> Climb:
        """Expectation–maximization from two means."""
        x, mu = torch.from_numpy(self.x), torch.tensor(start, dtype=torch.float64)
        likelihoods, bounds, means = [self._log_likelihood(x, mu)], [], [mu.numpy()]
        for _ in range(iterations):
            q = self._posterior(x, mu)
            mu = (q * x[:, None]).sum(0) / q.sum(0)
            bounds.append(self._bound(x, mu, q))
            likelihoods.append(self._log_likelihood(x, mu))
            means.append(mu.numpy())
        return Climb(np.array(likelihoods), np.array(bounds), np.array(means))

    def svi(
        self, start: Sequence[float], iterations: int = 2000, lr: float = 0.5, batch: int = 32, seed: int = 0
    ) -> Climb:
        """Stochastic gradients of the ELBO in the means, at a rate that falls as lr / √t."""
        x, mu = torch.from_numpy(self.x), torch.tensor(start, dtype=torch.float64)
        generator = torch.Generator().manual_seed(seed)
        likelihoods, bounds, means = [self._log_likelihood(x, mu)], [], [mu.numpy()]
        for t in range(1, iterations + 1):
            part = x[torch.randint(len(x), (batch,), generator=generator)]
            q = self._posterior(part, mu)
            bounds.append(self._bound(part, mu, q))
            mu = mu + lr / math.sqrt(t) * (q * (part[:, None] - mu)).mean(0)
            likelihoods.append(self._log_likelihood(x, mu))
            means.append(mu.numpy())
        return Climb(np.array(likelihoods), np.array(bounds), np.array(means))

    @staticmethod
    def _log_joint(x: Tensor, mu: Tensor) -> Tensor:
        return -0.5 * (x[:, None] - mu).square() - 0.5 * math.log(2 * math.pi) - math.log(2)

    def _posterior(self, x: Tensor, mu: Tensor) -> Tensor:
        return torch.softmax(self._log_joint(x, mu), -1)

    def _log_likelihood(self, x: Tensor, mu: Tensor) -> float:
        return float(torch.logsumexp(self._log_joint(x, mu), -1).mean())

    def _bound(self, x: Tensor, mu: Tensor, q: Tensor) -> float:
        return float((q * (self._log_joint(x, mu) - q.clamp(min=1e-300).log())).sum(-1).mean())
