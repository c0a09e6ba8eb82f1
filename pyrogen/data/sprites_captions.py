"""English for sprites: one sentence for each combination of factors, as words and as numbers, and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyrogen.data.label import BLANK
from pyrogen.data.sprites import Sprites

MARKED, MOVING = "with a mark at the", "moving"


class Captions:
    """Sentences such as "a small red circle at the upper left of navy with a mark at the top right moving up fast".

    Each factor is said by its value's word in a place of its own, and a mark that is not there is not spoken of, so that a
    sentence and the factors tell the same. As numbers, words are numbered in the order of ``vocabulary``, and short sentences
    end in 0, the blank.

    Attributes:
        vocabulary: every word, the blank first.
        length: words of the longest sentence.

    Args:
        sprites: what is spoken of.
    """

    def __init__(self, sprites: Sprites) -> None:
        self.sprites = sprites
        said = [self._sentence(row) for row in self._examples()]
        self.vocabulary = (BLANK, *sorted({word for sentence in said for word in sentence}))
        self.length = max(map(len, said))
        self._number = {word: i for i, word in enumerate(self.vocabulary)}

    def say(self, factors: Tensor) -> list[str]:
        """A sentence for each of factors ``(N, factors)``."""
        return [" ".join(self._sentence(row)) for row in factors.tolist()]

    def tokens(self, factors: Tensor) -> Tensor:
        """The same as numbers of words, ``(N, length)`` int64."""
        rows = [[self._number[word] for word in self._sentence(row)] for row in factors.tolist()]
        return torch.tensor([row + [0] * (self.length - len(row)) for row in rows]).reshape(-1, self.length)

    def spell(self, tokens: Tensor) -> list[str]:
        """Sentences of numbers of words, ``(N, length)``."""
        return [" ".join(self.vocabulary[i] for i in row if i) for row in tokens.tolist()]

    def understand(self, sentences: Sequence[str]) -> Tensor:
        """The factors that sentences tell, ``(N, factors)`` int64.

        Raises:
            ValueError: one is not such a sentence.
        """
        return torch.tensor([self._factors(sentence) for sentence in sentences]).reshape(-1, len(self.sprites.names))

    def _sentence(self, factors: Sequence[int]) -> list[str]:
        word = {n: values[i] for (n, values), i in zip(self.sprites.values.items(), factors, strict=True)}
        text = "a {size} {colour} {shape} at the {row} {column} of {background}".format(**word)
        if word.get("mark", "none") != "none":
            text += f" {MARKED} {word['mark']}"
        if "direction" in word:
            text += f" {MOVING} {word['direction']} {word['speed']}"
        return text.split()

    def _factors(self, sentence: str) -> list[int]:
        rest, _, motion = sentence.partition(f" {MOVING} ")
        plain, _, mark = rest.partition(f" {MARKED} ")
        _, size, colour, shape, _, _, row, column, _, background = (*plain.split(), *[""] * 10)[:10]
        direction, _, speed = motion.partition(" ")
        word = {"size": size, "colour": colour, "shape": shape, "row": row, "column": column, "background": background}
        word |= {"mark": mark or "none", "direction": direction, "speed": speed}
        try:
            found = [values.index(word[name]) for name, values in self.sprites.values.items()]
        except ValueError:
            found = []
        if not found or self._sentence(found) != sentence.split():
            example = " ".join(self._sentence([0] * len(self.sprites.names)))
            raise ValueError(f"{sentence!r} is no caption of these sprites, which are such as {example!r}.")
        return found

    def _examples(self) -> list[list[int]]:
        """Combinations in which every value occurs."""
        counts = self.sprites.counts
        return [[i % count for count in counts] for i in range(max(counts))]
