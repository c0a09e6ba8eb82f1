"""Notes as tokens: pitches by their names, silence among them, and the steps that bars are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from pyrogen.registry import choice
from pyrogen.vocabulary import Vocabulary

SILENT = -1
"""What stands for silence among MIDI pitches."""
BAR = 16
"""Steps of a bar: sixteenth notes of four quarters."""
HIGHEST = 127
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


class HasPitches(ABC):
    """Tokens that can be heard."""

    @abstractmethod
    def sound(self, tokens: Tensor) -> Tensor:
        """The MIDI pitches of tokens, of any one shape, whole numbers from 0 to 127, and :data:`SILENT`."""


@choice("vocabulary", "pitch")
class Pitches(Vocabulary, HasPitches):
    """Pitches by their names, as "C4 C#4 D4", C4 being the middle one, MIDI 60; what is none of them is silent."""

    unknown = "-"
    unknown_is = "silent"

    def __post_init__(self) -> None:
        """Refuse words that are no pitches, or twice the same.

        Raises:
            ValueError: there is one.
        """
        super().__post_init__()
        for name in self.cut(self.words):
            pitch_of(name)

    @staticmethod
    def cut(text: str) -> Sequence[str]:
        """What stands between blanks."""
        return text.split()

    @staticmethod
    def join(words: Iterable[str]) -> str:
        """With a blank between them."""
        return " ".join(words)

    @classmethod
    def between(cls, lowest: int, highest: int) -> Pitches:
        """All MIDI pitches from one to another, both among them.

        Raises:
            ValueError: there are none, or they are no MIDI pitches.
        """
        if not 0 <= lowest <= highest <= HIGHEST:
            raise ValueError(f"MIDI pitches are 0 to {HIGHEST}, the lower one first; got {lowest} and {highest}.")
        return cls(cls.join(map(name_of, range(lowest, highest + 1))))

    @cached_property
    def pitches(self) -> tuple[int, ...]:
        """The MIDI pitches of the words by their numbers, silence last."""
        return (*map(pitch_of, self.cut(self.words)), SILENT)

    def sound(self, tokens: Tensor) -> Tensor:
        """The MIDI pitches of tokens; what stands after an end is silent.

        Raises:
            ValueError: a number stands for no pitch.
        """
        numbers = tokens.long()
        if numbers.numel() and int(numbers.max()) >= len(self):
            raise ValueError(
                f"number {int(numbers.max())} stands for no pitch: {self!r} has those up to {len(self) - 1}."
            )
        # the last entry of a list is that of −1, too: an end is as silent as silence
        return torch.tensor(self.pitches, device=tokens.device)[numbers]

    def notes(self, pitches: Tensor) -> Tensor:
        """The tokens of MIDI pitches, of any one shape: whole numbers.

        Raises:
            ValueError: one of them is not in the vocabulary.
        """
        table = torch.full((HIGHEST + 2,), -1)
        table[torch.tensor(self.pitches)] = torch.arange(len(self))
        known = (pitches >= SILENT) & (pitches <= HIGHEST)
        tokens = table[pitches.long().clamp(SILENT, HIGHEST)]
        wrong = pitches[~known | (tokens < 0)]
        if len(wrong):
            raise ValueError(f"pitch {int(wrong[0])} is not among the pitches here, {self!r}; {SILENT} is silence.")
        return tokens.int()


def name_of(pitch: int) -> str:
    """The name of a MIDI pitch, 60 being C4."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def pitch_of(name: str) -> int:
    """The MIDI pitch of a name, C4 being 60.

    Raises:
        ValueError: it is the name of none.
    """
    tone = name.rstrip("-0123456789")
    octave = name[len(tone) :]
    pitch = 12 * (int(octave) + 1) + NAMES.index(tone) if tone in NAMES and octave.lstrip("-").isdigit() else -1
    if not 0 <= pitch <= HIGHEST or name_of(pitch) != name:
        raise ValueError(f"{name!r} is no pitch; they are called as C4, the middle one, and C#4, from C-1 to G9.")
    return pitch


def bars_in(length: int, bar: int = BAR) -> int:
    """How many bars there are in so many steps.

    Raises:
        ValueError: they are no whole number of bars.
    """
    if bar < 1 or length < bar or length % bar:
        raise ValueError(f"{length} steps are no whole number of bars of {bar} steps each; take a multiple of {bar}.")
    return length // bar


def beginnings(pitches: Tensor) -> Tensor:
    """Where notes begin, ``(..., T)`` bits: at a pitch that is another than before it. Repeated notes are one long one."""
    before = torch.cat([torch.full_like(pitches[..., :1], SILENT), pitches[..., :-1]], -1)
    return (pitches != SILENT) & (pitches != before)


def density(pitches: Tensor) -> Tensor:
    """How many notes begin at a step, of all voices: ``(N, voices, T)`` to ``(N,)``, float64."""
    return beginnings(pitches).double().sum(1).mean(-1)
