"""Contrastive divergence, for models that are known up to their normalizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Batch, HasFreeEnergy, Model, Objective, Player
from pyrogen.inference.objectives.weighted import at_least_one
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make


@choice("objective")
@dataclass(frozen=True)
class ContrastiveDivergence(Objective):
    """CD-k: raise the free energy of data moved by k Gibbs steps above that of the data, F(x) − F(x⁽ᵏ⁾).

    The loss is a surrogate, of which only the gradient means something: that of log p(x), but for the chains' short run.

    Reference: Hinton 2002, "Training products of experts by minimizing contrastive divergence".

    Args:
        k: Gibbs steps from each datum.
        optimizer: of the model.
    """

    k: int = 1
    optimizer: Optim = Adam(lr=1e-3)

    def __post_init__(self) -> None:
        """The optimizer may be given by name or description."""
        object.__setattr__(self, "optimizer", make("optimizer", self.optimizer))
        at_least_one(self, k=self.k)

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole model."""
        if not (isinstance(model, Model) and isinstance(model, HasFreeEnergy)):
            raise ValueError(f"{type(model).__name__} has no free energy, which ContrastiveDivergence needs.")

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            x = batch.x
            with torch.no_grad():
                for _ in range(self.k):
                    x = model.gibbs(x)
            contrast = model.free_energy(batch.x).mean() - model.free_energy(x).mean()
            return {"loss": contrast, "reconstruction_error": (x - batch.x).abs().flatten(1).sum(1).mean()}

        return [Player("contrast", loss, [model], self.optimizer)]
