"""Sums of objectives: what each player pays, term by term."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from pyrogen.base import Batch, Objective, Player, nothing
from pyrogen.inference.programs.contexts import standing_still
from pyrogen.literals import weighed
from pyrogen.registry import choice, describe, holds_own, make, spelled

Loss = Callable[[Batch], Mapping[str, Tensor]]


@choice("objective")
class Sum(Objective):
    """Objectives that add up, Σᵢ wᵢ · objectiveᵢ, as ``ELBO(warmup=1000) + 10 * Contractive()`` makes them.

    Who pays is said by what players own. A player of a later objective who moves what one player of the earlier ones does is
    charged to that one, who minimizes the weighted sum of both losses in one step of its own optimizer; the later loss moves
    what the later player owns and nothing else. A player whose parameters nobody has yet, a critic for instance, plays for
    itself, and its loss has no weight; that of the first objective is on the losses of all its players, a critic's too. So
    ``ELBO() + 0.1 * Adversarial()`` trains the encoder by the ELBO, the decoder by both, the critic by the game.

    Validation measures the same sum. ``loss`` is the sum; a later objective's own loss, before its weight, is logged under
    its player's name.

    Args:
        of: the sum, as written in Python, or pairs of weights and objectives.

    Raises:
        ValueError: no sum of objectives, or a weight that is negative or not finite.
    """

    def __init__(self, of: str | Sequence[tuple[float, Objective]] = "ELBO()") -> None:
        parts: list[tuple[float, Objective]] = []
        for weight, part in weighed(of) if isinstance(of, str) else of:
            if not 0 <= weight < math.inf:
                raise ValueError(f"the weight {weight:g} of an objective must be finite and not below 0.")
            objective: Objective = make("objective", part)
            inner = objective.parts if isinstance(objective, Sum) else ((1.0, objective),)
            parts += [(weight * w, o) for w, o in inner]
        self.parts: tuple[tuple[float, Objective], ...] = tuple(parts)
        self.alone = any(objective.alone for _, objective in parts)
        self.implicit = all(objective.implicit for objective in self._weighing)

    @property
    def _weighing(self) -> list[Objective]:
        """The parts that count in what a model is trained by; of a sum that weighs nothing all."""
        return [part for weight, part in self.parts if weight] or [part for _, part in self.parts]

    @property
    def of(self) -> str | Sequence[tuple[float, Objective]]:
        """The sum as written in Python; its parts, where a network of one's own is in them, which no text makes anew."""
        return self.parts if any(holds_own(describe(part)) for _, part in self.parts) else repr(self)

    @property
    def has_rates(self) -> bool:
        """Whether one of its parts has that weighs anything."""
        return any(part.has_rates for part in self._weighing)

    def __repr__(self) -> str:
        return " + ".join(
            spelled(part) if weight == 1 else f"{_number(weight)} * {spelled(part)}" for weight, part in self.parts
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def players(self, model: Any) -> Sequence[Player]:
        """The players of the first objective, who may pay for the others, and those who are new.

        Raises:
            ValueError: a player of a later objective moves what belongs to several earlier ones.
        """
        (weight, first), *later = self.parts
        found = [_weighted(weight, player) for player in first.players(model)]
        for weight, part in later:
            earlier = len(found)
            for player in part.players(model):
                payers = [i for i, p in enumerate(found[:earlier]) if _moved(p) & _moved(player)]
                if len(payers) > 1:
                    names = " and ".join(repr(found[i].name) for i in payers)
                    raise ValueError(
                        f"in {self}, the player {player.name!r} of {spelled(part)} moves what belongs to {names}, so it "
                        "is open who pays; let it own what one of them owns."
                    )
                if payers:
                    found[payers[0]] = _charged(found[payers[0]], weight, player)
                else:
                    found.append(player)
        return found


def _weighted(weight: float, player: Player) -> Player:
    if weight == 1:
        return player

    def times(loss: Loss) -> Loss:
        def computed(batch: Batch) -> Mapping[str, Tensor]:
            terms = loss(batch)
            return {**terms, "loss": weight * terms["loss"]}

        return computed

    validation = None if player.validation is None else times(player.validation)
    return replace(player, loss=times(player.loss), validation=validation)


def _charged(payer: Player, weight: float, player: Player) -> Player:
    """A player who also pays ``weight`` times the loss of another, and moves what the other does."""
    moved = _moved(player)
    still = [p for p in payer.parameters() if id(p) not in moved]

    def added(own: Loss, other: Loss) -> Loss:
        def computed(batch: Batch) -> Mapping[str, Tensor]:
            terms = own(batch)
            with standing_still(still):
                more = dict(other(batch))
            charge = more.pop("loss")
            more = {k if k not in terms else f"{player.name}_{k}": v for k, v in more.items()}
            return {**terms, **more, player.name: charge.detach(), "loss": terms["loss"] + weight * charge}

        return computed

    def both() -> None:
        payer.after()
        player.after()

    rhythms = {p.every for p in (payer, player)} - {1}
    if len(rhythms) > 1:
        raise ValueError(
            f"the players {payer.name!r} and {player.name!r} move together, and compute parts of their losses every "
            f"{' and every '.join(map(str, sorted(rhythms)))} steps; let both have the same."
        )
    busy = moved | _moved(payer)
    return replace(
        payer,
        loss=added(payer.loss, player.loss),
        validation=added(payer.validation or payer.loss, player.validation or player.loss),
        owns=[*payer.owns, *player.owns],
        after=nothing if payer.after is player.after is nothing else both,
        every=max(payer.every, player.every),
        state=[*payer.state, *player.state],
        idle=[p for one in (payer, player) for p in one.resting().values() if id(p) not in busy],
    )


def _moved(player: Player) -> set[int]:
    """The ids of the parameters that a player does move."""
    return {id(p) for p in player.parameters()} - set(player.resting())


def _number(weight: float) -> str:
    return str(int(weight)) if weight.is_integer() else repr(weight)
