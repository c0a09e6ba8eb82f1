"""Tunes of which every probability is known: four bars A A' B A of one voice, in whole, half or quarter notes."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from pyrogen.data.law import Law
from pyrogen.data.source import SPLITS, Source
from pyrogen.pitches import BAR, Pitches, name_of
from pyrogen.registry import choice

SIZES = (4_000, 500, 1_000)
NOTES = (1, 2, 4)  # of a bar, all equally long
LABELS = ("whole notes", "half notes", "quarter notes")
DEGREES = (0, 2, 4, 5, 7, 9, 11)  # of a major scale, in semitones
LOWEST, RANGE = 60, 11  # C4, and how many degrees above it a motif moves on
STARTS = (3, 4, 5, 6, 7)
STEPS = (-2, -1, 1, 2)
SHIFTS = (2, 3, 4)  # degrees by which A' is above A
ALIKE = 14  # steps of a bar of which two bars have the same, of 16, to be heard as the same


class HasForm(Law):
    """A law of pieces that are made of parts, some of which come again."""

    @abstractmethod
    def keeps_form(self, x: Tensor) -> Tensor:
        """Which pieces have the parts where the law has them, ``(N, *x_shape)`` to ``(N,)`` bits."""


class Tunes(HasForm):
    """A density, a motif A, by how much A' is above it, and a motif B; then A A' B A, of a bar each.

    p(x) = Σ_k 1/3 p(A|k) 1/3 p(B|A, k) over the numbers k of notes a bar that the tune can be read with. A motif begins at
    one of 5 degrees of C major, B at another one than A, and goes on by one or two degrees up or down, within 11 degrees, all
    that are left alike; A' is A, 2, 3 or 4 degrees higher. A note is held until the next begins.

    Attributes:
        vocabulary: the pitches, from C4, and silence, which is never there.
    """

    def __init__(self) -> None:
        top = RANGE - 1 + max(SHIFTS)
        self.vocabulary = Pitches(" ".join(name_of(LOWEST + 12 * (d // 7) + DEGREES[d % 7]) for d in range(top + 1)))

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Tunes ``(n, 1, 64)`` and the numbers of their densities ``(n,)``."""
        kind = torch.randint(len(NOTES), (n,), generator=generator)
        starts = torch.multinomial(torch.ones(n, len(STARTS)), 2, generator=generator)
        first, second = (self._motifs(torch.tensor(STARTS)[s], generator) for s in starts.T)
        shift = torch.tensor(SHIFTS)[torch.randint(len(SHIFTS), (n, 1), generator=generator)]
        parts = torch.stack([first, first + shift, second, first], 1)  # (n, 4, 4), of which the first notes are played
        place = torch.arange(BAR) * torch.tensor(NOTES)[kind, None] // BAR
        return parts.gather(2, place[:, None].expand(-1, 4, -1)).flatten(1).unsqueeze(1).int(), kind

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x), whatever y: ``(..., 1, 64)`` to ``(...)`` in nats, float64, −∞ of what is no such tune."""
        bars = x.reshape(-1, 4, BAR).long().cpu()
        first, again, second, last = bars.unbind(1)
        shift = again - first
        formed = (first == last).all(1) & (shift == shift[:, :1]).all(1) & (first[:, 0] != second[:, 0])
        formed &= torch.isin(shift[:, 0], torch.tensor(SHIFTS))
        ways = []
        for k in NOTES:
            held = bars.unflatten(2, (k, BAR // k))
            even = formed & (held == held[..., :1]).flatten(1).all(1)
            nats = self._log_motif(held[:, 0, :, 0]) + self._log_motif(held[:, 2, :, 0])
            ways.append(torch.where(even, nats, -torch.inf))
        alike = len(NOTES) * len(SHIFTS) * len(STARTS) * (len(STARTS) - 1)
        return (torch.stack(ways).logsumexp(0) - math.log(alike)).reshape(x.shape[:-2])

    def keeps_form(self, x: Tensor) -> Tensor:
        """Whether in 14 of 16 steps or more the last bar is the first, and the second is it higher by some; and B is not."""
        first, again, second, last = x.reshape(len(x), 4, BAR).long().cpu().unbind(1)
        shift = again - first
        higher = torch.tensor(SHIFTS)[:, None, None]
        moved = ((shift == higher).sum(2) >= ALIKE).any(0)
        returned, other = (last == first).sum(1) >= ALIKE, (second == first).sum(1) < ALIKE
        return moved & returned & other

    def _motifs(self, starts: Tensor, generator: torch.Generator | None) -> Tensor:
        """The degrees of as many notes as the densest has, ``(n, 4)``, from where they begin, ``(n,)``."""
        degrees = [starts]
        for _ in range(max(NOTES) - 1):
            onward = degrees[-1][:, None] + torch.tensor(STEPS)
            allowed = ((onward >= 0) & (onward < RANGE)).double()
            degrees.append(onward.gather(1, torch.multinomial(allowed, 1, generator=generator))[:, 0])
        return torch.stack(degrees, 1)

    def _log_motif(self, degrees: Tensor) -> Tensor:
        """log p of the degrees of motifs given where they begin, ``(N, k)`` to ``(N,)``; −∞ of what is none."""
        step = degrees.diff(dim=1)
        onward = degrees[:, :-1, None] + torch.tensor(STEPS)
        choices = ((onward >= 0) & (onward < RANGE)).sum(2).clamp(min=1)
        inside = ((degrees >= 0) & (degrees < RANGE)).all(1)
        possible = inside & torch.isin(degrees[:, 0], torch.tensor(STARTS))
        possible &= torch.isin(step, torch.tensor(STEPS)).all(1)
        return torch.where(possible, -choices.double().log().sum(1), -torch.inf)


@choice("data", "tunes")
def tunes() -> Source:
    """Tunes of four bars A A' B A of one voice, in whole, half or quarter notes, their labels; log p(x) is known exactly."""
    law, generator = Tunes(), torch.Generator().manual_seed(0)
    return Source(
        name="tunes",
        reference="drawn from pyrogen.data.tunes.Tunes with a fixed seed",
        kinds=("tokens",),
        levels=None,
        splits={s: law.sample(n, generator) for s, n in zip(SPLITS, SIZES, strict=True)},
        class_names=LABELS,
        law=law,
        vocabulary=law.vocabulary,
    )
