"""How often several ways name the class of the same data right: shares with their errors, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pyrogen.figures import walk_plots
from pyrogen.inference.latents.analysis import Finding, Picture, Verdict
from pyrogen.inference.latents.measured import Measured, crossed, paired_shares
from pyrogen.registry import unknown
from pyrogen.tables import aligned

FAR = 3.0  # errors


@dataclass(frozen=True, repr=False)
class Shares:
    """Shares of data that several ways name right, the first of them the one that is asked about.

    Attributes:
        hits: by column and way, whether each datum was named right, ``(draws, N)``: of a column the same draws and data.
        about: what the ways learned from and are judged by, in a sentence.

    Raises:
        ValueError: a column has no data.
    """

    hits: Mapping[str, Mapping[str, Tensor]]
    about: str

    def __post_init__(self) -> None:
        """Refuse shares of nothing."""
        for column, ways in self.hits.items():
            if not next(iter(ways.values())).shape[1]:
                raise ValueError(f"{column}: there are no test data to be judged by. {self.about}")

    @property
    def columns(self) -> list[str]:
        """On which data, or of what, ways are judged."""
        return list(self.hits)

    @property
    def ways(self) -> list[str]:
        """The ways, the one that is asked about first."""
        return list(self.hits[self.columns[0]])

    def accuracy(self, way: str | None = None, column: str | None = None) -> Measured:
        """The share that a way names right; None: the first way, in the first column.

        Raises:
            ValueError: there is no such way or column.
        """
        return crossed(self._at(way, column)).of_share()

    def gain(self, over: str, column: str | None = None, way: str | None = None) -> Measured:
        """By how much more often a way is right than another, paired datum by datum and draw by draw.

        Raises:
            ValueError: there is no such way or column.
        """
        first, other = self._at(way, column), self._at(over, column)
        if first is other:
            return Measured(0.0, 0.0, first.shape[1])
        return (
            paired_shares(first[0], other[0]) if len(first) == 1 else crossed(first.double() - other.double()).of_gain()
        )

    @property
    def says(self) -> str:
        """What the first column tells of the first way, in a sentence or two."""
        first, *others = self.ways
        told = ", ".join(f"{self.gain(way)} more than by {way}" for way in others)
        return f"Of {self.columns[0]} {self.accuracy()} are named right by {first}: {told} (paired). {self.about}"

    @property
    def better(self) -> bool:
        """Whether the first way is right more often than each other, in the first column, by more than three errors."""
        return all(self.gain(way).value > FAR * self.gain(way).error for way in self.ways[1:])

    def rows(self) -> list[Sequence[str]]:
        """Rows of words, the first of them the head: shares by column, and what the first way gains in the first."""
        first, *others = self.ways
        head = ("by", *self.columns, f"{first} gains, {self.columns[0]}")
        body = [(way, *(str(self.accuracy(way, c)) for c in self.columns)) for way in self.ways]
        gains = ["–", *(str(self.gain(way)) for way in others)]
        return [head, *((*row, gain) for row, gain in zip(body, gains, strict=True))]

    def numbers(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            column: {
                way: {"right": self.accuracy(way, column).numbers(), "gained": self.gain(way, column).numbers()}
                for way in ways
            }
            for column, ways in self.hits.items()
        }

    def picture(self, name: str) -> Picture:
        """The shares of the first column."""
        column = self.columns[0]
        named = {way: self.accuracy(way) for way in self.ways}
        figure = walk_plots.shares({way: (m.value, m.error) for way, m in named.items()}, f"named right of {column}")
        return Picture(name, f"Shares of {column} that are named right, with standard errors.", figure)

    def finding(self, name: str, advice: str) -> Finding:
        """As an analysis tells it; the advice is for where the first way is not better than all others."""
        verdict: Verdict = "well" if self.better else "beware"
        return Finding(
            self.says, verdict, "" if self.better else advice, self.numbers(), [self.picture(name)], self.rows()
        )

    def _at(self, way: str | None, column: str | None) -> Tensor:
        column = self.columns[0] if column is None else column
        way = self.ways[0] if way is None else way
        if column not in self.hits:
            raise unknown("column", column, self.columns)
        if way not in self.hits[column]:
            raise unknown("way", way, self.ways)
        return self.hits[column][way]

    def __repr__(self) -> str:
        return f"Shares({self.about}\n{aligned(self.rows())})"
