"""Networks of sequences ``(voices, T)``: one that looks back only, and one that sums a whole sequence up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Size, Tensor, nn

from pyrogen.nets.batch_dims import AnyLength
from pyrogen.nets.causal import Causal, Place, Walk
from pyrogen.vocabulary import END

Step = Callable[[Tensor], Tensor]


class SequenceNet(ABC):
    """What a network of sequences is made of: it builds one that looks back, and one that looks at all.

    Attributes:
        width: of a hidden layer, at each place.
    """

    axes: ClassVar[tuple[str, ...]] = ("sequence",)
    width: int

    @abstractmethod
    def backward_looking(self, inputs: int, length: int) -> Body:
        """A body with weights of its own that sees at each place what is before it and what is there."""

    @abstractmethod
    def summary(self, length: int) -> SummaryBody:
        """A body with weights of its own that sums up a sequence of vectors ``(N, T, width)``."""

    def causal(
        self, shape: Sequence[int], channels: int, words: int | None, condition: int = 0, dropout: float = 0.0
    ) -> Causal:
        """A causal network ``(N, voices, T)`` to ``(N, channels, T)``, see :class:`CausalSequence`."""
        width = self.width
        body = self.backward_looking(width + condition, Size(shape)[-1])
        return CausalSequence(Reading(shape, width, words, dropout), body, channels, width, condition)

    def encoder(self, shape: Sequence[int], outputs: int, words: int | None, condition: int = 0) -> nn.Module:
        """A network ``(N, voices, T)`` to ``(N, outputs)``, which may read ``(N, condition)`` too."""
        body = self.summary(Size(shape)[-1])
        return SequenceEncoder(Reading(shape, self.width, words), body, outputs, condition)


class Body(nn.Module, ABC):
    """Vectors of a sequence, ``(N, T, inputs)`` to ``(N, T, width)``, of which each depends on those up to its place.

    Attributes:
        any_length: whether it reads shorter sequences than it was made for; it must say so to be given any.
    """

    any_length: bool = False

    @abstractmethod
    def forward(self, h: Tensor) -> Tensor:
        """All places at once."""

    @abstractmethod
    def begin(self) -> Step:
        """A function of the vectors at each place in turn, ``(N, inputs)`` to ``(N, width)``, that remembers those before."""


class SummaryBody(nn.Module, ABC):
    """One vector for a sequence of them.

    Attributes:
        size: of it.
        any_length: whether it reads shorter sequences than it was made for; it must say so to be given any.
    """

    size: int
    any_length: bool = False

    @abstractmethod
    def forward(self, h: Tensor, count: Tensor) -> Tensor:
        """``(N, T, width)``, of which the first ``count`` places are there, ``(N,)`` of 1 or more, to ``(N, size)``."""


class Reading(nn.Module):
    """What is at each place as a vector: numbers by a linear map, words by a table, the voices added up.

    The table has a row for the end and one for "nothing is told", which stands before the first place, and in training in the
    place of a word with probability ``dropout``.

    Shapes: ``(N, voices, T)`` to ``(N, T, width)``. Reference: word dropout: Bowman et al. 2016, arXiv:1511.06349.

    Args:
        shape: (voices, T).
        width: of a vector.
        words: how many the elements number; None: they are numbers.
        dropout: how many of the words are not told in training.

    Raises:
        ValueError: the data are no sequences, or a dropout that is no probability below 1.
    """

    def __init__(self, shape: Sequence[int], width: int, words: int | None, dropout: float = 0.0) -> None:
        super().__init__()
        if len(shape) != 2 or min(shape) < 1:
            raise ValueError(
                f"a network of sequences reads x_shape=(voices, T), as of texts (1, T), and got x_shape={tuple(shape)}."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout}: the share of words that are not told is 0 or more, and below 1.")
        if dropout and words is None:
            raise ValueError(f"dropout={dropout} leaves out words, and these data are numbers; use dropout=0.")
        self.shape, self.words, self.dropout = Size(shape), words, dropout
        if words is None:
            self.map = nn.Linear(shape[0], width)
            self.nothing = nn.Parameter(torch.zeros(width))
        else:
            self.table = nn.Embedding(shape[0] * (words + 2), width)

    def forward(self, x: Tensor, scored: bool = False) -> Tensor:
        """The vectors; words are left out where they are scored, and not where they are being written."""
        if self.words is None:
            mapped: Tensor = self.map(x.transpose(1, 2))
            return mapped
        rows = torch.where(x == END, self.words, x).long()
        if scored and self.training and self.dropout:
            rows = torch.where(torch.rand_like(x) < self.dropout, self.words + 1, rows)
        return self._look_up(rows)

    def before(self, n: int) -> Tensor:
        """What stands before the first place, ``(N, 1, width)``."""
        if self.words is None:
            return self.nothing.expand(n, 1, -1)
        rows = torch.full((n, self.shape[0], 1), self.words + 1, device=self.table.weight.device)
        return self._look_up(rows)

    def count(self, x: Tensor) -> Tensor:
        """How many places have something before the end, ``(N,)``; 1 of those with nothing."""
        if self.words is None:
            return torch.full((len(x),), x.shape[-1], device=x.device)
        return (x != END).any(1).sum(-1).clamp(min=1)

    def _look_up(self, rows: Tensor) -> Tensor:
        voices = torch.arange(self.shape[0], device=rows.device)[:, None] * ((self.words or 0) + 2)
        found: Tensor = self.table(rows + voices)
        return found.sum(1)


class CausalSequence(Causal, AnyLength):
    """A network that gives at each place what it has seen before: h_t = body(e(x_<t), condition), and a linear map of it.

    Of words it says that after an end there is nothing but ends, with certainty.

    Shapes: ``(N, voices, T)`` and a condition ``(N, F)``, the same at all places, or ``(N, F T)``, to ``(N, channels, T)``;
    of x that is cut the first places of all three.

    Args:
        reading: of what is at a place.
        body: of the vectors, and the condition.
        channels: outputs at each place, of words one for each and one for the end, the voices innermost.
        width: of the body.
        condition: F.
    """

    def __init__(self, reading: Reading, body: Body, channels: int, width: int, condition: int = 0) -> None:
        super().__init__()
        self.shape, self.condition = reading.shape, condition
        self.places = [Place((t,)) for t in range(self.shape[-1])]
        self.reading, self.body = reading, body
        self.head = nn.Linear(width + condition, channels)

    @property
    def any_length(self) -> bool:
        """Whether the body does."""
        return self.body.any_length

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The outputs at all places."""
        seen = torch.cat([self.reading.before(len(x)), self.reading(x[..., :-1], scored=True)], 1)
        told = self._told(condition, x.shape[-1])
        out = self._out(self.body(_beside(seen, told)), told)
        before = torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1]], -1)
        return self._ended(out, before)

    def begin(self, x: Tensor, condition: Tensor | None = None) -> Walk:
        """As the contract says: the body remembers."""
        step, all_told = self.body.begin(), self._told(condition, x.shape[-1])

        def at(place: Place) -> Tensor:
            (t,) = place.pixel
            seen = self.reading(x[..., t - 1 : t]) if t else self.reading.before(len(x))
            told = None if all_told is None else all_told[:, t : t + 1]
            h = step(_beside(seen, told)[:, 0])
            out = self._out(h.unsqueeze(1), told)
            return self._ended(out, x[..., t - 1 : t]) if t else out

        return at

    def _told(self, condition: Tensor | None, length: int) -> Tensor | None:
        if condition is None or not self.condition:
            return None
        each = condition.reshape(len(condition), self.condition, -1)[..., :length]
        return each.expand(-1, -1, length).transpose(1, 2)

    def _out(self, h: Tensor, told: Tensor | None) -> Tensor:
        out: Tensor = self.head(_beside(h, told))
        return out.transpose(1, 2)

    def _ended(self, out: Tensor, before: Tensor) -> Tensor:
        """The outputs, but after an end those that say an end."""
        if self.reading.words is None:
            return out
        logits = out.unflatten(1, (-1, self.shape[0]))
        least = torch.finfo(out.dtype).min
        certain = torch.cat([torch.full_like(logits[:, :-1], least), torch.zeros_like(logits[:, -1:])], 1)
        return torch.where((before == END).unsqueeze(1), certain, logits).flatten(1, 2)


def _beside(h: Tensor, told: Tensor | None) -> Tensor:
    return h if told is None else torch.cat([h, told], -1)


class SequenceEncoder(nn.Module, AnyLength):
    """A whole sequence, up to its end, as one vector: a linear map of what the body sums up, and of a condition.

    Shapes: ``(N, voices, T)``, and perhaps ``(N, condition)``, to ``(N, outputs)``.

    Args:
        reading: of what is at a place.
        body: of the vectors.
        outputs: size of the vector.
        condition: numbers of a condition; 0: there is none.
    """

    def __init__(self, reading: Reading, body: SummaryBody, outputs: int, condition: int = 0) -> None:
        super().__init__()
        self.reading, self.body, self.head = reading, body, nn.Linear(body.size + condition, outputs)

    @property
    def any_length(self) -> bool:
        """Whether the body does."""
        return self.body.any_length

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The vector."""
        found = self.body(self.reading(x), self.reading.count(x))
        out: Tensor = self.head(found if condition is None else torch.cat([found, condition], -1))
        return out


class Everywhere(nn.Module):
    """The same vector at every place, ``(N, F)`` to ``(N, F, T)``.

    Args:
        length: T.
    """

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """The vector, and the condition after it."""
        told = z if condition is None else torch.cat([z, condition.to(z)], -1)
        return told.unsqueeze(-1).expand(-1, -1, self.length)
