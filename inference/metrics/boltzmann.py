"""Metrics of energy models small enough for everything to be enumerated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Batch, HasFreeEnergy, Model, Objective, Player
from pyrogen.data import Data
from pyrogen.inference.metrics.evidence import Nats
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.training.fit import fit
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, create

ENUMERABLE = 16


@dataclass(frozen=True)
class ExactLikelihood(Objective):
    """−log p(x) = F(x) + log Σ_x′ exp(−F(x′)) with its exact gradient, over all 2ᴰ binary x′, D at most 16.

    Should not be confused with ContrastiveDivergence, which estimates the second term's gradient by short chains.
    """

    optimizer: Optim = Adam(lr=1e-3)

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole model."""
        states = _states(model)

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            log_partition = torch.logsumexp(-model.free_energy(states.to(batch.x.device)), 0)
            return {"loss": model.free_energy(batch.x).mean() + log_partition}

        return [Player("likelihood", loss, [model], self.optimizer)]


@choice("metric", "gap-to-exact-gradient")
def gap_to_exact_gradient(
    model: Model, data: Data, seed: int, epochs: int, lr: float | None = None, batch_size: int | None = None
) -> Nats:
    """Nats per datum by which a model stays below one of the same size trained by the exact gradient, on the training data.

    1/N Σₙ [log p*(xₙ) − log p(xₙ)], log p(x) = −F(x) − log Σ_x′ exp(−F(x′)) by enumeration of binary x′. The rival starts
    from the same initial weights and takes ``epochs``, ``lr`` and ``batch_size``.
    Reference: Carreira-Perpiñán & Hinton 2005, "On contrastive divergence learning".
    """
    origin = model.origin
    if origin is None:
        raise ValueError("gap-to-exact-gradient trains a second model by its entry's name; this model has no entry.")
    with seeded(seed):
        rival = create(origin["entry"], **origin["arguments"])
    objective = ExactLikelihood()
    fit(rival, data, objective, epochs=epochs, lr=lr, batch_size=batch_size, seed=seed, device=str(model.device),
        validate=False, progress=False)  # fmt: skip
    return Nats((_log_likelihood(rival, data.train.x) - _log_likelihood(model, data.train.x)).cpu().numpy())


def _log_likelihood(model: Any, x: Tensor) -> Tensor:
    """log p(x) of each datum, ``(N,)`` in float64."""
    states = _states(model)
    with evaluating(model):
        log_partition = torch.logsumexp(-model.free_energy(states.to(model.device)).double(), 0)
        found: Tensor = -model.free_energy(x.to(model.device)).double() - log_partition
    return found


def _states(model: Any) -> Tensor:
    """All binary x, ``(2ᴰ, *x_shape)``."""
    if not (isinstance(model, Model) and isinstance(model, HasFreeEnergy)):
        raise ValueError(f"{type(model).__name__} has no free energy, so its log p(x) cannot be enumerated.")
    size = model.x_shape.numel()
    if size > ENUMERABLE or model.kinds != ("binary",):
        raise ValueError(
            f"the states of {type(model).__name__} with {size} elements of kind {' or '.join(model.kinds)} cannot be "
            f"enumerated; at most {ENUMERABLE} binary ones can."
        )
    return (torch.arange(2**size)[:, None] >> torch.arange(size) & 1).float().reshape(-1, *model.x_shape)
