"""Games on the line, where optimal critics and the distances that they measure are integrals over a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.special import expit, log_expit, xlogy
from scipy.stats import norm
from torch import Tensor

from pyrogen.inference.adversarial.losses import AdversarialLoss
from pyrogen.inference.adversarial.penalties import CriticPenalty
from pyrogen.inference.programs.contexts import seeded
from pyrogen.nets.critics import CriticNet, Perceptron
from pyrogen.registry import make

NODES, REACH = 8001, 8.0
SHARES = 64  # Gauss–Legendre nodes of the share of a point between two


@dataclass(frozen=True)
class Normals:
    """A mixture of normal distributions on the line, Σ_k w_k N(μ_k, σ_k²).

    Args:
        means: μ_k.
        sds: σ_k.
        weights: w_k; None: all the same.
    """

    means: Sequence[float]
    sds: Sequence[float]
    weights: Sequence[float] | None = None

    @property
    def parts(self) -> list[tuple[float, float, float]]:
        """Weight, mean and standard deviation of each."""
        weights = self.weights or [1 / len(self.means)] * len(self.means)
        return list(zip(weights, self.means, self.sds, strict=True))

    def density(self, x: np.ndarray) -> np.ndarray:
        """p(x)."""
        return np.sum([w * norm.pdf(x, m, s) for w, m, s in self.parts], axis=0)

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """F(x)."""
        return np.sum([w * norm.cdf(x, m, s) for w, m, s in self.parts], axis=0)

    def draw(self, n: int) -> Tensor:
        """``(n, 1)`` data, from torch's generator."""
        weights, means, sds = torch.tensor(self.parts).T
        k = torch.multinomial(weights, n, replacement=True)
        return (means[k] + sds[k] * torch.randn(n))[:, None]


@dataclass(frozen=True)
class Optimum:
    """What a critic under a gradient penalty gets at best.

    Attributes:
        slope: f′ of the best critic over the grid.
        value: E_p f − E_q f less the penalty, the greatest there is.
        gain: E_p f − E_q f.
    """

    slope: np.ndarray
    value: float
    gain: float


@dataclass(frozen=True)
class Contest:
    """Data p against what a generator makes, q, and all that the best critic between them can know.

    Args:
        p: of the data.
        q: of what is made.
    """

    p: Normals
    q: Normals
    grid: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ends = [(m - REACH * s, m + REACH * s) for side in (self.p, self.q) for _, m, s in side.parts]
        low, high = min(e[0] for e in ends), max(e[1] for e in ends)
        object.__setattr__(self, "grid", np.linspace(low, high, NODES))

    @property
    def step(self) -> float:
        """The distance of nodes of the grid."""
        return float(self.grid[1] - self.grid[0])

    def integral(self, values: np.ndarray) -> float:
        """∫ values dx over the grid, whose ends nothing reaches."""
        return float(values.sum() * self.step)

    # ---------------------------------------------------------------------------------------------------- divergences

    def optimal(self) -> np.ndarray:
        """D*(x) = p(x) / (p(x) + q(x)), what the best unbounded critic says over the grid."""
        p, q = self._densities()
        return p / np.maximum(p + q, 1e-300)

    def divergence(self) -> float:
        """The Jensen–Shannon divergence of p and q in nats: ½ KL(p ‖ m) + ½ KL(q ‖ m), m = ½ (p + q)."""
        p, q = self._densities()
        m = (p + q) / 2
        return self.integral(xlogy(p, p) + xlogy(q, q) - 2 * xlogy(m, m)) / 2

    def value(self, scores: np.ndarray) -> float:
        """V = E_p log D + E_q log(1 − D) of D = σ(score) over the grid; of D* it is 2 JSD − 2 ln 2.

        Reference: Goodfellow et al. 2014, arXiv:1406.2661, theorem 1.
        """
        p, q = self._densities()
        return self.integral(p * log_expit(scores) + q * log_expit(-scores))

    def error(self, scores: np.ndarray) -> float:
        """The mean of |D − D*| over ½ (p + q)."""
        p, q = self._densities()
        return self.integral((p + q) / 2 * np.abs(expit(scores) - self.optimal()))

    # ------------------------------------------------------------------------------------------------------ distances

    def wasserstein(self) -> float:
        """W₁ = ∫ |F − G| dx: what a critic of slopes up to 1 can tell p and q apart by."""
        return self.integral(np.abs(self._lead()))

    def gain(self, scores: np.ndarray) -> float:
        """E_p score − E_q score."""
        p, q = self._densities()
        return self.integral((p - q) * scores)

    def steepest(self, scores: np.ndarray) -> float:
        """The largest slope of scores over the grid."""
        return float(np.abs(np.diff(scores)).max() / self.step)

    def between(self) -> np.ndarray:
        """The density of s x + (1 − s) x′ for x ~ p, x′ ~ q and s uniform: where a gradient penalty is charged."""
        nodes, weights = np.polynomial.legendre.leggauss(SHARES)
        r = np.zeros_like(self.grid)
        for s, share in zip((nodes + 1) / 2, weights / 2, strict=True):
            for w, m, sd in self.p.parts:
                for v, other, spread in self.q.parts:
                    mean, width = s * m + (1 - s) * other, math.hypot(s * sd, (1 - s) * spread)
                    r += share * w * v * norm.pdf(self.grid, mean, width)
        return r

    def penalized(self, weight: float) -> Optimum:
        """The best critic under λ E_r (|f′| − 1)², r as of :meth:`between`.

        E_p f − E_q f = ∫ f′ (G − F) dx, so that each slope is for itself: |f′| = 1 + |G − F| / 2λr, of the sign of G − F.
        The gain is W₁ + ∫ (G − F)² / 2λr dx, half of whose excess over W₁ is paid.

        Args:
            weight: λ.
        """
        lead, r = self._lead(), np.maximum(self.between(), 1e-300)
        # beyond all data both vanish, and their ratio is rounding
        excess = np.where(np.abs(lead) > 1e-12, np.abs(lead) / (2 * weight * r), 0)
        over = self.integral(np.abs(lead) * excess)
        distance = self.wasserstein()
        return Optimum(np.sign(lead) * (1 + excess), distance + over / 2, distance + over)

    def paid(self, scores: np.ndarray, weight: float) -> float:
        """λ E_r (|f′| − 1)² of scores over the grid, with slopes by differences from node to node."""
        slopes, r = np.diff(scores) / self.step, self.between()
        return weight * self.integral((r[1:] + r[:-1]) / 2 * (np.abs(slopes) - 1) ** 2)

    # ----------------------------------------------------------------------------------------------------- a critic

    def learn(
        self,
        loss: AdversarialLoss | str,
        penalty: CriticPenalty | str | None = None,
        net: CriticNet | None = None,
        steps: int = 600,
        batch: int = 256,
        lr: float = 3e-3,
        seed: int = 0,
        start: float = 0.01,
    ) -> np.ndarray:
        """The scores over the grid of a critic that was trained on draws, by Adam at a rate that falls to 0.

        A penalty of |f′| has a minimum on either side of 0, and a network that begins with a slope of the wrong sign stays
        there if the penalty is strong. It therefore comes in slowly, over the first half of the steps.

        Args:
            loss: an adversarial loss or its name.
            penalty: an object, a name, or None.
            net: of the critic; by default a perceptron of 64 and 64 units.
            steps: how many.
            batch: data and made ones of a step, as many of each.
            lr: the rate at first.
            seed: of weights and draws.
            start: the share of the penalty's weight at first; 1: all of it.
        """
        goal: AdversarialLoss = make("adversarial loss", loss)
        charge: CriticPenalty | None = None if penalty is None else make("penalty", penalty)
        with seeded(seed), torch.enable_grad():
            critic = (net or Perceptron((64, 64))).build((1,))
            optimizer = torch.optim.Adam(critic.parameters(), lr, betas=(0.5, 0.999), fused=True)
            fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 - t / steps)
            for t in range(steps):
                real, fake = {"x": self.p.draw(batch)}, {"x": self.q.draw(batch)}
                optimizer.zero_grad()
                paid = goal.critic(critic(real["x"]).squeeze(1), critic(fake["x"]).squeeze(1))
                if charge is not None:
                    share = start ** max(0.0, 1 - 2 * t / steps)
                    paid = paid + share * charge(lambda sites: critic(sites["x"]).squeeze(1), real, fake)
                paid.backward()
                optimizer.step()
                fall.step()
                if charge is not None:
                    charge.after([critic])
        with torch.no_grad():
            return critic(torch.from_numpy(self.grid).float()[:, None]).squeeze(1).double().numpy()

    def _densities(self) -> tuple[np.ndarray, np.ndarray]:
        return self.p.density(self.grid), self.q.density(self.grid)

    def _lead(self) -> np.ndarray:
        """G − F."""
        return self.q.cdf(self.grid) - self.p.cdf(self.grid)


def generator_gradients(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How the minimax and the non-saturating generator's losses change with the score of one fake: −D and −(1 − D).

    Both by autograd from the losses themselves. Their ratio is D / (1 − D), for each datum and therefore for its pixels and
    what the chain rule makes of them; over a batch both are means of unlike weights, so that no such ratio holds of gradients
    of parameters. Where the critic wins, D → 0, the minimax generator learns nothing.
    Reference: Goodfellow et al. 2014, arXiv:1406.2661, section 3.
    """
    found = []
    for name in ("Minimax", "NonSaturating"):
        loss: AdversarialLoss = make("adversarial loss", name)
        s = torch.from_numpy(scores).requires_grad_()
        torch.stack([loss.generator(None, one[None]) for one in s]).sum().backward()
        assert s.grad is not None
        found.append(s.grad.numpy())
    return found[0], found[1]
