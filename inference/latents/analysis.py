"""A question that is asked of a trained model's latents, and its answer: what ``pyrogen latents`` is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar, Literal, ParamSpec, get_args

from matplotlib.figure import Figure

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.figures.svg import Drawing

Verdict = Literal["beware", "open", "well"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)  # worst first
P = ParamSpec("P")


@dataclass(frozen=True)
class Picture:
    """A figure, the name of its file, and the sentence that says how to read it."""

    name: str
    caption: str
    figure: Figure | Drawing


@dataclass(frozen=True)
class Finding:
    """What an analysis found.

    Attributes:
        says: the answer in a sentence or two, with its numbers and their errors.
        verdict: "well" where all is as a user would wish, "beware" where he would be misled, "open" where the numbers
            cannot tell or there is nothing to judge.
        advice: what to do next, "" where there is nothing; commands in backquotes are in the words of Python.
        numbers: all that was measured, as it is kept in ``latents.json``: numbers, texts, lists and mappings of them.
        pictures: to look at.
        table: rows of words, the first of them the head.
    """

    says: str
    verdict: Verdict = "open"
    advice: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    table: Sequence[Sequence[str]] = ()


def by_trying(refusal: Callable[P, str]) -> Callable[P, str]:
    """A refusal that tries what would be done, and says why where that raises a ValueError."""

    @wraps(refusal)
    def tried(*args: P.args, **kwargs: P.kwargs) -> str:
        try:
            return refusal(*args, **kwargs)
        except ValueError as error:
            return str(error)

    return tried


class Analysis(ABC):
    """One question; its constructor takes the settings, with defaults that answer in seconds on small data.

    A class under ``@choice("analysis", "name")`` is all that a new one needs: ``pyrogen latents`` then asks it of every run
    that it applies to.
    """

    axes: ClassVar[tuple[str, ...]] = ("analysis",)
    title: ClassVar[str]
    """The question, as a reader asks it."""
    order: ClassVar[int] = 50
    """When it is asked: what comes first has the smallest number."""

    def refusal(self, model: Model, data: Data) -> str:
        """Why it cannot be asked of this model and these data, in one sentence; "" where it can."""
        return ""

    @abstractmethod
    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Ask it.

        Args:
            model: trained, in evaluation mode.
            data: what it was trained on; what is judged is judged on ``data.test`` unless the question is another.
            seed: of all random draws.
        """
