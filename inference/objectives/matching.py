"""Objectives that match the velocity of a flow, and follow none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pyrogen.base import Batch, Objective, Player
from pyrogen.capabilities import HasVelocity
from pyrogen.distributions.ode import matching_error
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class FlowMatching(Objective):
    """E ‖v(x_t, t) − (x₁ − x₀)‖² on straight paths x_t = (1 − t) x₀ + t x₁ from noise x₀ ~ N(0, I) to data x₁, per element.

    At its least v is E[x₁ − x₀ | x_t], whose flow takes the noise to the data. It is a squared error and no bound on
    log p(x), which the flow itself knows. Times are spread evenly over a batch, t = (u + n/B) mod 1 with one u ~ U(0, 1).
    Reference: Lipman et al. 2023, arXiv:2210.02747; Liu et al. 2023, Flow straight and fast, arXiv:2209.03003.
    """

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the model."""
        if not isinstance(model, HasVelocity):
            raise ValueError(
                f"FlowMatching trains velocities, and {type(model).__name__} has none; take 'flow-matching', or leave "
                "objective=None."
            )

        flow: Any = model

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            return {"loss": matching_error(model.velocity, model.scaled(batch.x))}

        return [Player("flowmatching", loss, [flow])]
