"""Layers that are trained one after the other, each as a restricted Boltzmann machine of what those below make of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from pyrogen.base import Batch, Objective, Stage, nothing
from pyrogen.models.energy.boltzmann import RBM
from pyrogen.models.energy.visible import Visible


def machine_of(weight: Tensor, hidden_bias: Tensor, visible: Visible, shape: torch.Size) -> RBM:
    """A machine like any other, whose weights ``(hidden, width)`` are those of a layer."""
    machine = RBM(shape, len(hidden_bias))
    machine.weight, machine.hidden_bias = (cast("nn.Parameter", t) for t in (weight, hidden_bias))
    machine.visible = visible
    return machine


def greedy_stage(
    machine: RBM,
    below: Callable[[Tensor], Tensor],
    objective: Objective,
    number: int,
    enter: Callable[[], None] = nothing,
) -> Stage:
    """The stage of the layer ``number``, counted from 1: its machine learns what ``below`` makes of the data.

    Reference: Hinton, Osindero & Teh 2006, A fast learning algorithm for deep belief nets.
    """
    (player,) = objective.players(machine)

    def of(terms: Callable[[Batch], Mapping[str, Tensor]]) -> Callable[[Batch], Mapping[str, Tensor]]:
        def loss(batch: Batch) -> Mapping[str, Tensor]:
            with torch.no_grad():
                h = below(batch.x)
            return terms(replace(batch, x=h))

        return loss

    measured = None if player.validation is None else of(player.validation)
    mine = replace(player, name=f"layer{number}", loss=of(player.loss), validation=measured)
    return Stage([mine], f"layer {number}", enter=enter)
