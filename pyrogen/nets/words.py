"""Networks that are told a sentence, by a network of sequences that reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Size, Tensor, nn

from pyrogen.conditions import Condition
from pyrogen.nets.critics import OfAnother
from pyrogen.nets.sequences import SequenceNet
from pyrogen.registry import choice, make


class Told(nn.Module):
    """A network that is told a sentence through another, which reads its words.

    Args:
        net: of what it reads, and of ``(N, width)``.
        reader: of the numbers of words ``(N, 1, L)`` to ``(N, width)``, as :class:`pyrogen.nets.sequences.SequenceNet` builds
            encoders.
        condition: what y is, words.
    """

    def __init__(self, net: nn.Module, reader: nn.Module, condition: Condition) -> None:
        super().__init__()
        self.net, self.reader, self.condition = net, reader, condition

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the network makes of both."""
        words = self.condition.as_words(condition).argmax(-1)
        made: Tensor = self.net(x, self.reader(words.unsqueeze(-2)))
        return made


def told_by(words: SequenceNet | str, condition: Condition, build: Callable[[Condition], nn.Module]) -> nn.Module:
    """A network that is told sentences by a new network of sequences.

    Args:
        words: what the latter is made of; it says a sentence with as many numbers as it is wide.
        condition: what y is, words.
        build: what makes a network that is told so many numbers.

    Raises:
        ValueError: y is no words.
    """
    if condition.words is None:
        raise ValueError(f"a network of sentences reads words, (L,) of so many in a vocabulary; y is {condition}.")
    read: SequenceNet = make("sequence", words)
    length, vocabulary = condition.words
    return Told(build(Condition((read.width,))), read.encoder((1, length), read.width, vocabulary), condition)


@choice("critic")
@dataclass(frozen=True)
class OfSentences(OfAnother):
    """A critic that is told sentences through a network of sequences of its own.

    Args:
        of: the critic, which is told the vector that sums a sentence up.
        words: what the network that reads sentences is made of.
    """

    of: Any = "Convolutional"
    words: Any = "LSTM"

    def __post_init__(self) -> None:
        """The settings are those of the critic that is told."""
        super().__post_init__()
        object.__setattr__(self, "words", make("sequence", self.words))

    def build(self, x_shape: Sequence[int], condition: Condition | None = None) -> nn.Module:
        """As of any critic.

        Raises:
            ValueError: there is no y, or it is no words.
        """
        if condition is None:
            raise ValueError(
                "the critic OfSentences reads data beside sentences, and is told none; take what it is of."
            )
        return told_by(self.words, condition, lambda told: self.of.build(x_shape, told))

    def scores(self, x_shape: Size, condition: int) -> nn.Module:
        """Those of the critic that is told."""
        net: nn.Module = self.of.scores(x_shape, condition)
        return net
