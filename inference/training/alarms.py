"""What goes wrong in a training while its losses are finite: a model that collapses, a player that runs away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from pyrogen.base import HasPosterior, Model, Player
from pyrogen.data import Split
from pyrogen.inference.adversarial import collapse
from pyrogen.inference.latents.activity import collapse_in_words, has_learned
from pyrogen.inference.programs.contexts import evaluating, reached

log = logging.getLogger("pyrogen")


class Alarms:
    """Warnings, each given once."""

    def __init__(self) -> None:
        self.warned: set[str] = set()

    def hear(
        self,
        records: Sequence[Mapping[str, Any]],
        players: Sequence[Player],
        late: bool,
        rests: Callable[[], bool] = lambda: False,
    ) -> None:
        """Warn of what the metrics of the epochs so far say.

        Args:
            records: the metrics of every epoch, and of before the first.
            players: those who play.
            late: whether half of the epochs have passed.
            rests: whether the encoder is at rest, asked only where it matters.
        """
        terms, trained = records[-1], has_learned(records[-1])
        # before it has learned anything no latent is active either: wait for many steps, and a fall, or half of the epochs
        ever = any(line.get("valid/active_units") for line in records if line["epoch"])
        if terms.get("valid/active_units") == 0 and trained and (ever or late) and not rests():
            found, advice = collapse_in_words(terms)
            self._say("collapse", f"{found}, after epoch {terms['epoch']}; {advice}")
        if trained and late and (said := collapse.said_of(terms)):
            advice = "try a smaller lr, or more steps of the critic."
            self._say("generator", f"{said} after epoch {terms['epoch']}; {advice}")
        for player in players:
            of = "train" if len(players) == 1 else f"train/{player.name}"
            key = f"{of}/loss"
            first, now = next((line[key] for line in records if key in line), None), terms[key]
            # who plays alone, or is told a likelihood, and whose loss falls, however far, does what it should: densities have
            # no greatest value
            dense = len(players) == 1 or f"{of}/reconstruction" in terms
            if first is not None and abs(now) > 100 + 100 * abs(first) and (now > first or not dense):
                said = f"the player {player.name!r} runs away: its loss went from {first:.4g} to {now:.4g}."
                self._say(f"player {player.name}", said)

    def _say(self, what: str, said: str) -> None:
        if what not in self.warned:
            self.warned.add(what)
            log.warning("%s", said)


def at_rest(model: Model, split: Split, players: Sequence[Player]) -> bool:
    """Whether nobody moves some of what q(z|x) depends on: as in a game over x, or in a stage of lower layers alone."""
    assert isinstance(model, HasPosterior)
    part = split.take(1)
    with evaluating(model), torch.enable_grad():
        encoder = reached(model.encode(part.x, part.y).mean.sum(), model.parameters())
    moved = {id(p) for player in players for p in player.parameters() if id(p) not in player.resting()}
    return bool(encoder - moved)
