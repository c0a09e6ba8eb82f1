"""Learning by chains at several temperatures that exchange their states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Batch, HasPartition, Objective, Player
from pyrogen.inference.objectives.persistent import Chains, need_partition, terms
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make


@choice("objective")
@dataclass(frozen=True)
class ParallelTempering(Objective):
    """PCD whose chains are helped by others on the way to the base: β from 0, where all mixes, to 1, where it is the model.

    After k transitions at each β, neighbours exchange their states with probability
    min(1, f_β(s′) f_β′(s) / f_β(s) f_β′(s′)); those at β = 1 are the chains of −log f(x) + log f(s).

    Reference: Desjardins et al. 2010, Tempered Markov chain Monte Carlo for training of restricted Boltzmann machines.

    Args:
        temperatures: how many, 0 and 1 included.
        chains: at each.
        k: transitions of each chain a step.
        optimizer: of the model.
    """

    temperatures: int = 10
    chains: int = 20
    k: int = 1
    optimizer: Optim = Adam(lr=1e-3)

    def __post_init__(self) -> None:
        """Refuse what means nothing; the optimizer may be given by name or description."""
        object.__setattr__(self, "optimizer", make("optimizer", self.optimizer))
        for key, least in (("temperatures", 2), ("chains", 1), ("k", 1)):
            if getattr(self, key) < least:
                raise ValueError(f"ParallelTempering({key}={getattr(self, key)}): needs {key} >= {least}.")

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole model; the chains are its state."""
        need_partition(model, type(self).__name__)
        with torch.no_grad():
            chains = Chains(model.base_states(self.temperatures * self.chains))
        last = slice((self.temperatures - 1) * self.chains, None)

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            with torch.no_grad():
                self._advance(model, chains)
            return terms(*model.contrast(batch.x, chains.states[last].clone()))

        def validation(batch: Batch) -> Mapping[str, Tensor]:
            return terms(*model.contrast(batch.x, chains.states[last]))

        return [Player("contrast", loss, [model], self.optimizer, state=[chains], validation=validation)]

    def _advance(self, model: HasPartition, chains: Chains) -> None:
        levels = torch.linspace(0, 1, self.temperatures, device=chains.states.device)
        beta = levels.repeat_interleave(self.chains)
        states = chains.states
        for _ in range(self.k):
            states = model.move(states, beta)
        for first in (0, 1):
            states = exchanged(model, states, levels, self.chains, first)
        chains.states.copy_(states)


def exchanged(model: HasPartition, states: Tensor, levels: Tensor, chains: int, first: int) -> Tensor:
    """States ``(levels * chains, *)`` after exchanges between the levels first and first + 1, first + 2 and first + 3 …"""
    count = (len(levels) - first) // 2
    rungs = states.unflatten(0, (len(levels), chains))[first : first + 2 * count]
    below, above = levels[first : first + 2 * count : 2], levels[first + 1 : first + 2 * count : 2]
    low, high = rungs[0::2].flatten(0, 1), rungs[1::2].flatten(0, 1)
    below, above = below.repeat_interleave(chains), above.repeat_interleave(chains)
    gain = model.log_density(high, below) - model.log_density(low, below)
    gain = gain + model.log_density(low, above) - model.log_density(high, above)
    swap = (torch.rand_like(gain).log() < gain).reshape(-1, *[1] * (states.dim() - 1))
    mixed = torch.stack([torch.where(swap, high, low), torch.where(swap, low, high)], 1)
    mixed = mixed.unflatten(0, (count, chains)).transpose(1, 2).flatten(0, 2)
    start = first * chains
    return torch.cat([states[:start], mixed, states[start + len(mixed) :]])
