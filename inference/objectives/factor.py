"""FactorVAE's term: the total correlation of the codes, told by a critic that comes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pyrogen.base import Batch, HasPosterior, Objective, Pair, Player
from pyrogen.inference.objectives.penalized import differentiable
from pyrogen.nets import mlp
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make


@choice("objective")
@dataclass(frozen=True)
class TotalCorrelation(Objective):
    """FactorVAE's term, to be charged as ELBO() + γ * TotalCorrelation(): codes whose coordinates depend on one another pay.

    KL(q(z) ‖ Πⱼ q(zⱼ)) ≈ E_q(z) [log d(z) − log (1 − d(z))]

    The critic d, a perceptron that belongs to this term, learns to tell codes z ~ q(z) = E_x q(z|x) from codes whose every
    coordinate was shuffled over the batch, z ~ Πⱼ q(zⱼ); where it is the best there is, its log odds are the log ratio of
    both densities. The encoder pays, the critic plays for itself.

    Should not be confused with :class:`~pyrogen.inference.BetaTC`, which needs no critic, but posteriors of independent
    coordinates, and estimates the same number from the batch with a bias that a small batch makes large.

    Reference: Kim & Mnih 2018, Disentangling by factorising, arXiv:1802.05983.

    Args:
        hidden: widths of the critic's hidden layers.
        critic_optimizer: of the critic.
    """

    hidden: Sequence[int] = (128, 128)
    critic_optimizer: Optim = Adam(lr=1e-3, betas=(0.5, 0.9))
    alone = False

    def __post_init__(self) -> None:
        """Settings may be given as read from a file."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        object.__setattr__(self, "critic_optimizer", make("optimizer", self.critic_optimizer))

    def players(self, model: Any) -> Sequence[Player]:
        """The one who pays, who owns the pair, and the critic.

        Raises:
            ValueError: the model is no pair, or encodes nothing, or only one number.
        """
        if not (isinstance(model, Pair) and isinstance(model, HasPosterior)):
            raise ValueError(
                f"{type(model).__name__} is no pair that encodes, and TotalCorrelation charges codes; leave it out."
            )
        size = model.latent_size
        if size < 2:
            raise ValueError(
                f"TotalCorrelation asks for latents that are independent of one another, and latent_size={size} is one; use "
                "latent_size >= 2, or leave the term out."
            )
        critic = mlp((size,), self.hidden, (2,)).to(model.device)

        def charge(batch: Batch) -> Mapping[str, Tensor]:
            joint, product = critic(_codes(model, batch)).unbind(-1)
            return {"loss": (joint - product).mean()}

        def tell(batch: Batch) -> Mapping[str, Tensor]:
            with torch.no_grad():
                z = _codes(model, batch)
            return {"loss": told_apart(critic, z, shuffled(z))}

        return [
            Player("total_correlation", charge, [model]),
            Player("code_critic", tell, [critic], self.critic_optimizer),
        ]


def shuffled(z: Tensor) -> Tensor:
    """Each coordinate of codes ``(B, n)`` in an order of its own: draws of Πⱼ q(zⱼ)."""
    return z.gather(0, torch.rand_like(z).argsort(0))


def told_apart(critic: nn.Module, joint: Tensor, product: Tensor) -> Tensor:
    """The cross entropy of a critic ``(N, n)`` to ``(N, 2)`` that tells codes from shuffled ones, in nats."""
    side = torch.arange(2, device=joint.device).repeat_interleave(len(joint))
    return cross_entropy(critic(torch.cat([joint, product])), side)


def _codes(pair: Pair, batch: Batch) -> Tensor:
    """One draw of all latents of each datum, side by side, ``(B, n)``."""
    found = differentiable("TotalCorrelation", pair, batch.x, batch.y)
    return torch.cat([site["value"].flatten(1) for site in found.values()], 1)
