"""Networks that read a sentence, as choices: each is made of its settings, and builds a network from words to a vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from pyrogen.conditions import Condition
from pyrogen.registry import choice


class WordNet(ABC):
    """What a network that reads sentences is made of.

    Attributes:
        width: numbers that it says a sentence with.
    """

    axes: ClassVar[tuple[str, ...]] = ("words",)
    width: int

    @abstractmethod
    def build(self, words: Size) -> nn.Module:
        """A network with weights of its own: one-hot words ``(N, L, V)`` to ``(N, width)``; ``words`` is (L, V)."""

    def condition(self) -> Condition:
        """What the network that is told a sentence in this way is told."""
        return Condition((self.width,))


@choice("words")
@dataclass(frozen=True)
class Recurrent(WordNet):
    """Embedded words one after the other through gated recurrent units, whose last state is the sentence.

    Reference: Cho et al. 2014, arXiv:1406.1078.

    Args:
        width: of embedding and state.
    """

    width: int = 64

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.width < 1:
            raise ValueError(f"Recurrent(width={self.width}): a sentence is said with 1 number or more.")

    def build(self, words: Size) -> nn.Module:
        """The network."""
        return _Recurrent(words, self.width)


class _Recurrent(nn.Module):
    def __init__(self, words: Size, width: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(words[1], width, bias=False)
        nn.init.normal_(self.embedding.weight)
        self.units = nn.GRU(width, width, batch_first=True)

    def forward(self, words: Tensor) -> Tensor:
        """The last state."""
        states, _ = self.units(self.embedding(words))
        last: Tensor = states[:, -1]
        return last


@choice("words")
@dataclass(frozen=True)
class Transformer(WordNet):
    """Embedded words with their places, which attend to one another; the sentence is their mean.

    Reference: Vaswani et al. 2017, Attention is all you need, arXiv:1706.03762.

    Args:
        width: of a word, a multiple of ``heads``.
        heads: ways to attend.
        layers: how many times.
    """

    width: int = 64
    heads: int = 4
    layers: int = 1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if min(self.width, self.heads, self.layers + 1) < 1 or self.width % self.heads:
            raise ValueError(
                f"Transformer(width={self.width}, heads={self.heads}, layers={self.layers}): the width is a multiple of the "
                "heads, and nothing is below 1, of layers below 0."
            )

    def build(self, words: Size) -> nn.Module:
        """The network."""
        return nn.Sequential(
            _Placed(words, self.width), *(_Attention(self.width, self.heads) for _ in range(self.layers)), _Mean()
        )


class _Placed(nn.Module):
    def __init__(self, words: Size, width: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(words[1], width, bias=False)
        nn.init.normal_(self.embedding.weight)
        self.places = nn.Parameter(torch.randn(words[0], width))

    def forward(self, words: Tensor) -> Tensor:
        """Words and places."""
        h: Tensor = self.embedding(words) + self.places
        return h


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.answer = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, h: Tensor) -> Tensor:
        """``(N, L, width)`` to the same."""
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.ask(self.first(h)).chunk(3, -1))
        heard = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        h = h + self.answer(heard)
        made: Tensor = h + self.think(self.second(h))
        return made


class _Mean(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        """Over words."""
        return h.mean(1)


class Told(nn.Module):
    """A network that is told a sentence through another, which reads its words.

    Args:
        net: of what it reads, and of ``(N, width)``.
        reader: of ``(N, L, V)`` to ``(N, width)``.
        condition: what y is, words.
    """

    def __init__(self, net: nn.Module, reader: nn.Module, condition: Condition) -> None:
        super().__init__()
        self.net, self.reader, self.condition = net, reader, condition

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the network makes of both."""
        made: Tensor = self.net(x, self.reader(self.condition.as_words(condition.to(x))))
        return made
