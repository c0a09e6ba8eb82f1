"""Fine-tuning of deep belief networks: what wakes explain, and what dreams teach."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Batch, HasFreeEnergy, Model, Objective, Player
from pyrogen.inference.objectives.weighted import at_least_one
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make


class HasDreams(ABC):
    """A model of directed layers under an undirected one, with recognition weights that climb it."""

    @property
    @abstractmethod
    def top(self) -> HasFreeEnergy:
        """The undirected layers."""

    @abstractmethod
    def wake(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the recognition weights make of data at the top, and −log p of each layer given that above, ``(B,)``."""

    @abstractmethod
    def dream(self, h: Tensor) -> Tensor:
        """−log q of the layers that the generative weights make below states of the top, ``(B,)``."""


@choice("objective")
@dataclass(frozen=True)
class UpDown(Objective):
    """Wake–sleep with contrastive divergence at the top: −log p(x|h) + F(h) − F(h⁽ᵏ⁾) − log q(h′|x′).

    Awake, layers h ~ q(h|x) train the generative weights and the top; k Gibbs steps later the top dreams down to x′, and the
    recognition weights learn the h′ that it came from. A surrogate, of which only the gradient means something.

    Reference: Hinton, Osindero & Teh 2006, A fast learning algorithm for deep belief nets, section 5.

    Args:
        k: Gibbs steps of the top.
        optimizer: of the model.
    """

    k: int = 3
    optimizer: Optim = Adam(lr=1e-3)

    def __post_init__(self) -> None:
        """The optimizer may be given by name or description."""
        object.__setattr__(self, "optimizer", make("optimizer", self.optimizer))
        at_least_one(self, k=self.k)

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole model."""
        if not (isinstance(model, Model) and isinstance(model, HasDreams)):
            raise ValueError(
                f"{type(model).__name__} has no recognition weights under an undirected top, which UpDown tunes."
            )
        top = model.top

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            h, explained = model.wake(batch.x)
            fantasy = h
            with torch.no_grad():
                for _ in range(self.k):
                    fantasy = top.gibbs(fantasy)
            contrast = top.free_energy(h).mean() - top.free_energy(fantasy).mean()
            awake, asleep = explained.mean(), model.dream(fantasy).mean()
            return {"loss": awake + contrast + asleep, "awake": awake, "asleep": asleep}

        return [Player("up_down", loss, [model], self.optimizer)]
