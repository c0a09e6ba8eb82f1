"""The smallest game: data at 0, a generator that makes θ, a critic of slope ψ; its convergence is linear algebra."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyrogen.inference.adversarial.losses import AdversarialLoss
from pyrogen.inference.adversarial.penalties import CriticPenalty
from pyrogen.registry import make


@dataclass(frozen=True)
class DiracGame:
    """p = δ₀, q = δ_θ, score(x) = ψ x, played by gradient descent with the library's own losses and penalties.

    At θ = ψ = 0 the critic cannot tell the two apart and nobody moves. Near there one round is (θ, ψ) ↦ J (θ, ψ), and it
    converges if all eigenvalues of J are within the unit circle. What the linear terms leave open the others decide: where
    alternating minimax steps circle, non-saturating ones come in slowly.
    Reference: Mescheder et al. 2018, Which training methods for GANs do actually converge?, arXiv:1801.04406.

    Args:
        loss: an adversarial loss or its name.
        penalty: of the critic, an object, a name, or None.
        rate: h, the length of a step.
        alternating: whether the generator sees the critic as it has moved, or both move at once.
        critic_steps: moves of the critic for each of the generator.
    """

    loss: AdversarialLoss | str = "NonSaturating"
    penalty: CriticPenalty | str | None = None
    rate: float = 0.1
    alternating: bool = False
    critic_steps: int = 1

    def round(self, state: Tensor) -> Tensor:
        """One round of (θ, ψ), ``(2,)`` to ``(2,)``, differentiable."""
        theta, psi = state.unbind()
        moved = psi
        for _ in range(self.critic_steps):
            moved = moved - self.rate * _gradient(lambda s: self._critic(theta, s), moved)
        seen = moved if self.alternating else psi
        theta = theta - self.rate * _gradient(lambda t: self._generator(t, seen), theta)
        return torch.stack([theta, moved])

    def linearized(self) -> np.ndarray:
        """J, the Jacobian of a round at θ = ψ = 0, ``(2, 2)``."""
        origin = torch.zeros(2, dtype=torch.float64)
        jacobian: Tensor = torch.autograd.functional.jacobian(self.round, origin)
        return jacobian.numpy()

    def eigenvalues(self) -> np.ndarray:
        """The two eigenvalues of J: larger than 1 in size, the game spirals out, 1 it circles, smaller it converges."""
        return np.linalg.eigvals(self.linearized()).astype(complex)

    def path(self, start: tuple[float, float] = (1.0, 0.0), rounds: int = 200) -> np.ndarray:
        """(θ, ψ) after each round, the start first, ``(rounds + 1, 2)``."""
        states = [torch.tensor(start, dtype=torch.float64)]
        for _ in range(rounds):
            states.append(self.round(states[-1].detach().requires_grad_()).detach())
        return torch.stack(states).numpy()

    def _critic(self, theta: Tensor, psi: Tensor) -> Tensor:
        goal: AdversarialLoss = make("adversarial loss", self.loss)
        real, fake = {"x": torch.zeros_like(theta).reshape(1, 1)}, {"x": theta.reshape(1, 1)}

        def score(sites: Mapping[str, Tensor]) -> Tensor:
            return psi * sites["x"].squeeze(1)

        loss = goal.critic(score(real), score(fake))
        return loss if self.penalty is None else loss + make("penalty", self.penalty)(score, real, fake)

    def _generator(self, theta: Tensor, psi: Tensor) -> Tensor:
        goal: AdversarialLoss = make("adversarial loss", self.loss)
        fake = (psi * theta).reshape(1)
        return goal.generator(torch.zeros_like(fake) if goal.relative else None, fake)


def exact_eigenvalues(
    push: float, pull: float, rate: float, alternating: bool = False, charge: float = 0.0
) -> np.ndarray:
    """The eigenvalues in closed form, of a critic who moves once a round.

    Near 0 the critic's gradient is a θ + γ ψ, the generator's −b ψ, with a and b what the critic's loss and the generator's
    gain by the score of a fake at 0, and γ the weight of R1. Simultaneous steps have
    1 + h (−γ ± √(γ² − 4ab)) / 2: without R1 of size √(1 + h² ab) > 1. Alternating ones are the roots of
    λ² − (2 − hγ − h² ab) λ + 1 − hγ, of product 1 without R1, so that both lie on the unit circle where h² ab < 4.

    Args:
        push: a, ½ for the logistic losses, 1 for Wasserstein and hinge.
        pull: b, likewise.
        rate: h.
        alternating: whether the generator sees the critic as it has moved.
        charge: γ.
    """
    rotation = push * pull
    trace = 2 - rate * charge - (rate**2 * rotation if alternating else 0)
    determinant = 1 - rate * charge + (0 if alternating else rate**2 * rotation)
    root = np.sqrt(complex(trace**2 - 4 * determinant))
    return np.array([(trace - root) / 2, (trace + root) / 2])


def _gradient(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.clone()  # what else the loss reads may depend on it, and stands still
    (found,) = torch.autograd.grad(loss(at), at, create_graph=True)
    return found
