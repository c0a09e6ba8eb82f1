"""Adversarial variational Bayes: an evidence bound for guides whose density nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from pyrogen.base import Batch, Objective, Pair, Player
from pyrogen.inference.adversarial.penalties import Sites
from pyrogen.inference.adversarial.sites import SiteCritic, as_read, need_proper, trial_batch
from pyrogen.inference.objectives.penalized import differentiable
from pyrogen.inference.programs.contexts import standing_still
from pyrogen.inference.programs.particles import per_datum
from pyrogen.inference.programs.record import latents, log_prob, record
from pyrogen.nets.critics import CriticNet
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make


@choice("objective")
@dataclass(frozen=True)
class AVB(Objective):
    """The ELBO with a critic in the place of log q(z|x) − log p(z), for guides that are known by their draws alone.

    E_q [log p(x|z) − T(x, z)],  T = argmax E_q log σ(T(x, z)) + E_p(z) log σ(−T(x, z))

    The critic T, which belongs to this objective, learns to tell codes of a datum from draws of the prior beside the same
    datum. Where it is the best there is, T = log q(z|x) − log p(z), whose gradient in the guide's parameters at fixed z is 0
    in the mean. Before that what is logged as the loss bounds nothing: score by AIS.

    Should not be confused with Adversarial(sites=("x", "z")), in which the data beside draws of the prior are generated.

    Reference: Mescheder et al. 2017, Adversarial variational Bayes, arXiv:1701.04722, algorithm 1.

    Args:
        critic: what T is made of, an object or a name.
        critic_steps: moves of the critic for each of the pair.
        critic_optimizer: of the critic.
        optimizer: of the pair.
    """

    critic: CriticNet | str = "Perceptron"
    critic_steps: int = 1
    critic_optimizer: Optim = Adam(lr=1e-3, betas=(0.5, 0.999))
    optimizer: Optim = Adam()

    def __post_init__(self) -> None:
        """Optimizers may be given by name or description; names that there are not are refused."""
        for name in ("critic_optimizer", "optimizer"):
            object.__setattr__(self, name, make("optimizer", getattr(self, name)))
        make("critic", self.critic)
        if self.critic_steps < 1:
            raise ValueError(f"AVB(critic_steps={self.critic_steps}): the critic moves at least once a round.")

    def players(self, model: Any) -> Sequence[Player]:
        """The pair, and the critic.

        Raises:
            ValueError: the model is no pair, has latents through whose draws no gradient passes, or a prior that cannot be
                drawn from.
        """
        if not isinstance(model, Pair):
            raise ValueError(
                f"{type(model).__name__} is no (model, guide) pair, which AVB needs; leave objective=None."
            )
        trial = trial_batch(model)
        with torch.no_grad(), standing_still((), model.modules()):
            need_proper(model, trial)
            codes = _drawn(model, trial)
        shapes = {name: value.shape[1:] for name, value in {**_given(trial), **codes}.items()}
        net: CriticNet = make("critic", self.critic)
        critic = SiteCritic(shapes, model.condition, net).to(model.device)

        def bound(batch: Batch) -> Mapping[str, Tensor]:
            z = _drawn(model, batch)
            scored = record(model.model, batch.x, batch.y, z)
            observed = [per_datum(log_prob(site), site, model, None) for site in scored.values() if site["is_observed"]]
            reconstruction = sum(observed, batch.x.new_zeros(len(batch.x)))
            kl = critic({**as_read(model, _given(batch)), **z})
            parts = {"reconstruction": reconstruction.detach().mean(), "kl": kl.detach().mean()}
            return {"loss": (kl - reconstruction).mean(), **parts}

        def tell(batch: Batch) -> Mapping[str, Tensor]:
            with torch.no_grad():
                codes = _drawn(model, batch)
                drawn = latents(record(model.model, batch.x, batch.y, until=codes.keys()))
            given = as_read(model, _given(batch))
            return {"loss": softplus(-critic({**given, **codes})).mean() + softplus(critic({**given, **drawn})).mean()}

        return [
            Player("avb", bound, [model], self.optimizer),
            Player("ratio_critic", tell, [critic], self.critic_optimizer, steps=self.critic_steps),
        ]


def _given(batch: Batch) -> dict[str, Tensor]:
    return {"x": batch.x} | ({} if batch.y is None else {"y": batch.y})


def _drawn(pair: Pair, batch: Batch) -> Sites:
    """A code of each datum, by site."""
    return {name: site["value"] for name, site in differentiable("AVB", pair, batch.x, batch.y).items()}
