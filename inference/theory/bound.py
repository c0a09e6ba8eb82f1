"""The evidence over its bound, as functions of a parameter: where they touch, and why their maxima differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

REACH, NODES = 12.0, 4001


@dataclass(frozen=True)
class Curves:
    """log p(x; θ) and two bounds of it over θ, in nats for all data together.

    Attributes:
        theta: where, ``(T,)``.
        evidence: log p(x; θ).
        tangent: ELBO(θ; q) of the q that is the exact posterior at ``touches``.
        touches: θ₀, where the tangent bound meets the evidence.
        family: max_q ELBO(θ; q) over normal q.
    """

    theta: np.ndarray
    evidence: np.ndarray
    tangent: np.ndarray
    touches: float
    family: np.ndarray

    @property
    def best(self) -> tuple[float, float]:
        """The θ that maximizes the evidence, and the one that maximizes the bound of the family."""
        return float(self.theta[self.evidence.argmax()]), float(self.theta[self.family.argmax()])


@dataclass(frozen=True)
class BentLatent:
    """z ~ N(0, 1), x ~ N(z + θ z², s²): one parameter, and a posterior that no normal distribution is.

    All integrals over z are sums over a fine grid. Reference, for why variational estimates are displaced:
    Turner & Sahani 2011, Two problems with variational expectation maximisation for time series models.

    Attributes:
        x: the data.
        noise: s.
    """

    x: tuple[float, ...] = (-0.5, 0.2, 1.5, 3.0, 4.0)
    noise: float = 0.2

    def curves(self, theta: np.ndarray, touches: float) -> Curves:
        """The evidence and its bounds at each θ.

        Args:
            theta: where, ``(T,)``, ascending.
            touches: θ₀ of the tangent bound.
        """
        posterior = self._posterior(touches)
        entropy = -(np.exp(posterior) * posterior).sum() * self._step
        tangent = [(np.exp(posterior) * self._log_joint(t)).sum() * self._step + entropy for t in theta]
        family, start = [], [np.array([x, np.log(0.5)]) for x in self.x]
        for t in theta:
            found = [
                minimize(self._negative_bound, s, (t, x), method="Nelder-Mead")
                for s, x in zip(start, self.x, strict=True)
            ]
            start = [f.x for f in found]  # of the θ before, so that the curve is of one branch
            family.append(-sum(f.fun for f in found))
        return Curves(theta, np.array([self.evidence(t) for t in theta]), np.array(tangent), touches, np.array(family))

    def evidence(self, theta: float) -> float:
        """log p(x; θ) of all data, by quadrature."""
        return float((logsumexp(self._log_joint(theta), axis=-1) + np.log(self._step)).sum())

    @property
    def _grid(self) -> np.ndarray:
        return np.linspace(-REACH, REACH, NODES)

    @property
    def _step(self) -> float:
        return 2 * REACH / (NODES - 1)

    def _log_joint(self, theta: float) -> np.ndarray:
        """log p(xₙ, z; θ) over the grid of z, ``(N, nodes)``."""
        z = self._grid
        return _log_normal(z, 0.0, 1.0) + _log_normal(np.array(self.x)[:, None], z + theta * z**2, self.noise)

    def _posterior(self, theta: float) -> np.ndarray:
        joint = self._log_joint(theta)
        return joint - logsumexp(joint, axis=-1, keepdims=True) - np.log(self._step)

    def _negative_bound(self, belief: np.ndarray, theta: float, x: float) -> float:
        """−ELBO of one datum for q = N(μ, σ²): polynomial in z, so that its moments are enough."""
        mu, sd = belief[0], np.exp(belief[1])
        m2, m3, m4 = mu**2 + sd**2, mu**3 + 3 * mu * sd**2, mu**4 + 6 * mu**2 * sd**2 + 3 * sd**4
        # (x − z − θ z²)² in the moments of q
        squares = x**2 - 2 * x * mu + (1 - 2 * x * theta) * m2 + 2 * theta * m3 + theta**2 * m4
        log_joint = -np.log(2 * np.pi * self.noise) - 0.5 * m2 - squares / (2 * self.noise**2)
        return float(-(log_joint + 0.5 * np.log(2 * np.pi * np.e) + belief[1]))


def _log_normal(x: np.ndarray, mean: np.ndarray | float, sd: float) -> np.ndarray:
    found: np.ndarray = -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
    return found
