"""What goes wrong in a training while its losses are finite: a posterior that collapses, a player that runs away."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pyrogen.base import Player

LEARNED = 500  # steps after which a model has learned enough to be told that its posterior has collapsed

log = logging.getLogger("pyrogen")


class Alarms:
    """Warnings, each given once."""

    def __init__(self) -> None:
        self.warned: set[str] = set()

    def hear(self, history: Sequence[Mapping[str, Any]], players: Sequence[Player], late: bool, steps: int) -> None:
        """Warn of what the metrics of the epochs so far say.

        Args:
            history: the metrics of every epoch.
            players: those who play.
            late: whether half of the epochs have passed.
            steps: how many have been taken.
        """
        terms = history[-1]
        # before it has learned anything no latent is active either: wait for a fall, or for half of the epochs and many steps
        ever = any(line.get("valid/active_units") for line in history)
        collapsed = terms.get("valid/active_units") == 0 and (ever or (late and steps >= LEARNED))
        if collapsed and "collapse" not in self.warned:
            self.warned.add("collapse")
            log.warning(
                "the posterior has collapsed: no latent is active after epoch %d; try a KL warm-up, as "
                "objective=ELBO(warmup=1000), a smaller beta, or a weaker decoder.",
                len(history),
            )
        for player in players:
            key = "train/loss" if len(players) == 1 else f"train/{player.name}/loss"
            first, now = history[0].get(key), terms[key]
            # one who plays alone and whose loss falls, however far, does what it should: densities have no greatest value
            far = first is not None and abs(now) > 100 + 100 * abs(first) and (len(players) > 1 or now > first)
            if far and player.name not in self.warned:
                self.warned.add(player.name)
                log.warning("the player %r runs away: its loss went from %.4g to %.4g.", player.name, first, now)
