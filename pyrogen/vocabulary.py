"""Words and their numbers: how a text is cut into tokens, and how these are written as text again.

A sentence is a row of the numbers of its words, and :data:`END` after the last of them up to the end of the row: so every
datum carries its own length. A word that is not in the vocabulary is its last one, the unknown word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import torch
from torch import Tensor

from pyrogen.registry import choice

END = -1
"""What stands after the last word of a sentence."""
GAP = "_"
"""What stands in a text for a word that is not told."""
OPEN = ("...", "…")
"""What stands at the end of a text for its rest, which is not told."""


@dataclass(frozen=True)
class Vocabulary(ABC):
    """The words that a model knows, numbered from 0, and after them the unknown word.

    Attributes:
        unknown: how that is written.
        unknown_is: what it means.

    Args:
        words: all of them in one string, as the class joins them; "": only the unknown one.

    Raises:
        ValueError: a word is there twice.
    """

    axes: ClassVar[tuple[str, ...]] = ("vocabulary",)
    unknown: ClassVar[str]
    unknown_is: ClassVar[str] = "unknown"

    words: str = ""

    def __post_init__(self) -> None:
        """Refuse words that could not be told apart."""
        twice = [word for word, count in Counter(self.cut(self.words)).items() if count > 1]
        if twice:
            raise ValueError(f"the vocabulary holds {twice[0]!r} more than once; its words are numbered, each once.")

    @staticmethod
    @abstractmethod
    def cut(text: str) -> Sequence[str]:
        """The words of a text."""

    @staticmethod
    @abstractmethod
    def join(words: Iterable[str]) -> str:
        """The text of words."""

    @classmethod
    def of(cls, texts: Iterable[str], at_least: int = 1, at_most: int | None = None) -> Self:
        """The words of texts, the most frequent one first.

        Args:
            texts: of the training data, so that what is only in others is unknown.
            at_least: how often a word must be there.
            at_most: how many words are kept; None: all.

        Raises:
            ValueError: no word is there as often.
        """
        counts = Counter(word for text in texts for word in cls.cut(text))
        frequent = sorted((word for word, n in counts.items() if n >= at_least), key=lambda word: (-counts[word], word))
        if not frequent[:at_most]:
            raise ValueError(f"no word is in the texts {at_least} times or more; lower at_least, or give more text.")
        return cls(cls.join(frequent[:at_most]))

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """The words by their numbers, the unknown word last."""
        return (*self.cut(self.words), self.unknown)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The numbers of the words."""
        return {word: number for number, word in enumerate(self.entries)}

    def __len__(self) -> int:
        """How many words there are, with the unknown one."""
        return len(self.entries)

    def __repr__(self) -> str:
        """As few words as one can read."""
        few = ", ".join(map(repr, self.entries[:6]))
        return f"{type(self).__name__}({few}{', …' if len(self) > 6 else ''}: {len(self):,})"

    def read(self, texts: Sequence[str], length: int | None = None) -> Tensor:
        """Texts as numbers, ``(N, 1, T)`` whole numbers, :data:`END` after the last word of each.

        Args:
            texts: the texts.
            length: T; None: as many words as the longest has.

        Raises:
            ValueError: there are none, or one has more than T words.
        """
        if isinstance(texts, str) or not len(texts):
            raise ValueError("expected texts as a list of strings, one a datum, with one text or more.")
        cut = [self.cut(text) for text in texts]
        longest = max(1, *map(len, cut)) if length is None else length
        for number, words in enumerate(cut, 1):
            if len(words) > longest:
                raise ValueError(
                    f"text {number} has {len(words)} words, {self.join(words[:4])!r} …, and the length here is {longest}; "
                    "shorten it, or load the data with a larger length."
                )
        known, last = self.numbers, len(self) - 1
        rows = [[known.get(word, last) for word in words] + [END] * (longest - len(words)) for words in cut]
        return torch.tensor(rows, dtype=torch.int32).unsqueeze(1)

    def read_gaps(self, text: str, length: int) -> tuple[Tensor, Tensor]:
        """A text with gaps as numbers ``(1, 1, T)``, and which places are told, ``(T,)`` bits.

        :data:`GAP` stands for one word that is not told, and :data:`OPEN` at the end for the rest of the text. Among the
        numbers word 0 stands there.

        Args:
            text: as "the _ chases a _" or "the cat …".
            length: T.

        Raises:
            ValueError: it is too long, has a word that is not in the vocabulary, or no gap, or nothing but gaps.
        """
        stripped = text.rstrip()
        rest = next((mark for mark in OPEN if stripped.endswith(mark)), "")
        cut = list(self.cut(stripped.removesuffix(rest).rstrip() if rest else text))
        for word in cut:
            if word != GAP and word not in self.numbers:
                raise ValueError(f"{word!r} is no word of these data; {GAP!r} stands for a word that is not told.")
        if len(cut) > length:
            raise ValueError(f"{text!r} has {len(cut)} words, and the longest that the model knows have {length}.")
        known = [word != GAP for word in cut] + [not rest] * (length - len(cut))
        if all(known) or not any(known):
            raise ValueError(
                f"{text!r}: say some words and not all of them, {GAP!r} for one that is not told, and {OPEN[0]!r} at the end "
                "for the rest."
            )
        rows = [self.numbers.get(word, 0) for word in cut] + [END] * (length - len(cut))
        return torch.tensor([[rows]], dtype=torch.int32), torch.tensor(known)

    def write(self, tokens: Tensor) -> list[str]:
        """The texts of numbers ``(N, 1, T)``, each up to its end.

        Raises:
            ValueError: another shape, or a number that stands for no word.
        """
        if tokens.dim() != 3 or tokens.shape[1] != 1:
            raise ValueError(f"expected tokens of shape (N, 1, T); got {tuple(tokens.shape)}.")
        rows = tokens[:, 0].long().tolist()
        highest = max(map(max, rows), default=END)
        if highest >= len(self):
            raise ValueError(f"number {highest} stands for no word: {self!r} has those up to {len(self) - 1}.")
        return [self.join(self.entries[n] for n in row[: row.index(END) if END in row else None]) for row in rows]


@choice("vocabulary", "word")
class Words(Vocabulary):
    """Words that blanks separate; punctuation that stands by itself is one."""

    unknown = "<unknown>"

    @staticmethod
    def cut(text: str) -> Sequence[str]:
        """What stands between blanks."""
        return text.split()

    @staticmethod
    def join(words: Iterable[str]) -> str:
        """With a blank between them."""
        return " ".join(words)


@choice("vocabulary", "character")
class Characters(Vocabulary):
    """Characters, blanks and line ends among them."""

    unknown = "\N{REPLACEMENT CHARACTER}"

    @staticmethod
    def cut(text: str) -> Sequence[str]:
        """Each by itself."""
        return tuple(text)

    @staticmethod
    def join(words: Iterable[str]) -> str:
        """One after the other."""
        return "".join(words)


def lengths(x: Tensor) -> Tensor:
    """How many words the rows have before their end, ``(..., T)`` to ``(...)``."""
    return (x != END).sum(-1)


def scored(x: Tensor) -> Tensor:
    """How many tokens of each datum ``(N, C, T)`` are scored: its words and, where it does not fill its rows, their ends."""
    return (lengths(x) + 1).clamp(max=x.shape[-1]).sum(-1)


def numbered(highest: int) -> Words:
    """A vocabulary for tokens that nobody has given words: "0", "1", … as they are.

    Raises:
        ValueError: they are too many to be words.
    """
    if highest >= 2**20:
        raise ValueError(f"tokens up to {highest} would be as many words; number the words that occur from 0.")
    return Words(" ".join(map(str, range(highest + 1))))
