"""A variational autoencoder of one latent and a few data, computed exactly: what each term of its objective does alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

NODES = 64
FLOOR = 1e-3  # of σ, where nothing else keeps it from 0


@dataclass
class Beliefs:
    """Beliefs about a latent, and the decoder they were learned with, after so many steps.

    Attributes:
        step: how many steps of gradient descent.
        mean: μₙ of each datum, ``(N,)``.
        sd: σₙ of each datum, ``(N,)``.
        slope: w of the decoder f(z) = w z.
    """

    step: int
    mean: np.ndarray
    sd: np.ndarray
    slope: float


@dataclass(frozen=True)
class OneLatent:
    """z ~ N(0, 1), x ~ N(w z, s²), and for each datum a belief q(z|xₙ) = N(μₙ, σₙ²) of its own.

    The objective of a datum is −α E_q log p(x|z) + β KL(q ‖ p), with both terms in closed form:
    E_q log p(x|z) = −½ log 2πs² − ((x − wμ)² + w²σ²) / 2s², KL = ½ (μ² + σ² − 1 − log σ²).
    Reference: Lucas et al. 2019, Don't blame the ELBO!, arXiv:1911.02469, for the linear case.

    Attributes:
        x: the data.
        noise: s.
        slope: w, where the decoder is fixed; None where it is learned, from 1.
    """

    x: np.ndarray = field(default_factory=lambda: np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    noise: float = 0.5
    slope: float | None = None

    def learn(self, reconstruction: float, kl: float, steps: int, lr: float = 0.05) -> list[Beliefs]:
        """Gradient descent (Adam) on the weighted terms; what is believed after 1, 2, 4, … steps and at the end.

        Args:
            reconstruction: α.
            kl: β.
            steps: how many.
            lr: its rate.

        Raises:
            ValueError: no steps, or weights that leave nothing to minimize.
        """
        if steps < 1 or min(reconstruction, kl) < 0 or reconstruction == kl == 0:
            raise ValueError(
                f"reconstruction={reconstruction}, kl={kl}, steps={steps}: needs a step and a weight above 0, none below."
            )
        x = torch.from_numpy(self.x)
        mean = (0.1 * x).clone().requires_grad_()
        log_sd = torch.zeros_like(x, requires_grad=True)
        slope = torch.tensor(1.0 if self.slope is None else self.slope, dtype=x.dtype, requires_grad=self.slope is None)
        moved = [mean, log_sd, *([slope] if self.slope is None else [])]
        optimizer, kept = torch.optim.Adam(moved, lr), []
        for step in range(1, steps + 1):
            optimizer.zero_grad()
            fit, rate = self.terms(mean, log_sd.exp(), slope)
            (kl * rate - reconstruction * fit).mean().backward()
            optimizer.step()
            with torch.no_grad():
                log_sd.clamp_(min=math.log(FLOOR))
            if step & (step - 1) == 0 or step == steps:
                sd = log_sd.detach().exp().numpy().copy()
                kept.append(Beliefs(step, mean.detach().numpy().copy(), sd, float(slope.detach())))
        return kept

    def terms(self, mean: Tensor, sd: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        """E_q log p(x|z) and KL(q ‖ p) of each datum, in nats, ``(N,)``."""
        x, s = torch.from_numpy(self.x), self.noise
        squares = (x - slope * mean).square() + (slope * sd).square()
        fit = -0.5 * math.log(2 * math.pi * s**2) - squares / (2 * s**2)
        return fit, 0.5 * (mean.square() + sd.square() - 1 - 2 * sd.log())

    def optimum(self, slope: float) -> tuple[np.ndarray, float]:
        """The exact posterior of a decoder, which minimizes both terms at equal weights: its means, and its sd.

        p(z|x) = N(w x / (w² + s²), s² / (w² + s²)).
        """
        total = slope**2 + self.noise**2
        return slope * self.x / total, self.noise / math.sqrt(total)


def mutual_information(mean: np.ndarray, sd: np.ndarray) -> float:
    """I(n; z) in nats between the number n of a datum and a draw z ~ q(z|xₙ), by Gauss–Hermite quadrature.

    1/N Σₙ E_{q(z|xₙ)} log q(z|xₙ) / (1/N Σₘ q(z|xₘ)): 0 where all believe the same, log N where none overlap.
    """
    own, mixed, weights = _densities(mean, sd)
    return float(((own - mixed) @ weights).mean())


def overlap(mean: np.ndarray, sd: np.ndarray) -> float:
    """How much beliefs overlap: the chance that a draw z ~ q(z|xₙ) is taken for another datum's, over that of pure guessing.

    1 − 1/N Σₙ E_{q(z|xₙ)} q(z|xₙ) / Σₘ q(z|xₘ), divided by 1 − 1/N: 0 where none overlap, 1 where all are the same.
    """
    own, mixed, weights = _densities(mean, sd)
    right = float((np.exp(own - mixed - math.log(len(mean))) @ weights).mean())
    return (1 - right) / (1 - 1 / len(mean))


def _densities(mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log q(z|xₙ) and log 1/N Σₘ q(z|xₘ) at the nodes of each n, ``(N, nodes)``, and the nodes' weights."""
    from numpy.polynomial.hermite_e import hermegauss
    from scipy.special import logsumexp

    nodes, weights = hermegauss(NODES)
    z = mean[:, None] + sd[:, None] * nodes
    each = -0.5 * ((z[..., None] - mean) / sd) ** 2 - np.log(sd) - 0.5 * math.log(2 * math.pi)
    own = np.take_along_axis(each, np.arange(len(mean))[:, None, None], -1)[..., 0]
    return own, logsumexp(each, axis=-1) - math.log(len(mean)), weights / weights.sum()
