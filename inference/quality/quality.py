"""What was measured of samples: numbers with their errors beside their floors, and what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from pyrogen.files import sentence
from pyrogen.inference.evidence.request import of_weights
from pyrogen.inference.latents.measured import Measured
from pyrogen.inference.quality.measure import Measure
from pyrogen.registry import find
from pyrogen.tables import aligned

COLUMNS = ("value", "error", "floor", "floor_error", "excess", "excess_error")
FAR = 4.0  # errors from the floor: of a dozen that are known to 19 degrees of freedom, one in 100 times one is beyond
WORDS = {"lower": "lower", "higher": "higher", "equal": "as data"}


@dataclass(frozen=True, repr=False)
class Quality:
    """How good samples are, by several measures.

    Attributes:
        results: over ``measure``: ``value`` and its ``error``, ``floor`` and ``floor_error`` of data against other data, and
            ``excess``, their difference, with ``excess_error``, which is less than the others tell, for both were compared
            with the same data; what was compared stands in its attributes.
        settings: of each measure.
    """

    results: xr.Dataset
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Of the measures."""
        return [str(name) for name in self.results["measure"].values]

    def measured(self, name: str) -> Measured:
        """The number of a measure with its error."""
        return self._number(name, "value", "error")

    def floor(self, name: str) -> Measured:
        """What data give against other data."""
        return self._number(name, "floor", "floor_error")

    def excess(self, name: str) -> Measured:
        """By how much the number is above its floor."""
        return self._number(name, "excess", "excess_error")

    def errors_from_floor(self, name: str) -> float:
        """How many errors a number is above its floor, or, if negative, below; NaN where that is not told."""
        apart = self.excess(name)
        if math.isnan(apart.value) or math.isnan(apart.error):
            return math.nan
        if apart.error > 0:
            return apart.value / apart.error
        return 0.0 if apart.value == 0 else math.copysign(math.inf, apart.value)

    def finding(self, name: str) -> str:
        """What a measure says of the samples, in a few words."""
        measure, far = _measure(name), self.errors_from_floor(name)
        if not abs(far) > FAR:
            return "not told from data"
        return measure.above if far > 0 else measure.below

    def is_worse(self, name: str) -> bool:
        """Whether samples are worse than data by more than four errors."""
        better, far = _measure(name).better, self.errors_from_floor(name)
        return {"lower": far > FAR, "higher": far < -FAR, "equal": abs(far) > FAR}[better]

    @property
    def verdict(self) -> str:
        """What all measures say together, in a sentence."""
        n = int(self.results.attrs["num"])
        told: dict[str, list[str]] = {}
        for name in filter(self.is_worse, self.names):
            told.setdefault(self.finding(name), []).append(name)
        if not told:
            return f"No measure tells {n} samples from data by more than {FAR:g} errors."
        said = "; ".join(f"{words} ({', '.join(names)})" for words, names in told.items())
        return sentence(f"{said}: by more than {FAR:g} errors from what data give")

    def table(self) -> list[tuple[str, ...]]:
        """Rows of words, the first of them the head."""
        rows: list[tuple[str, ...]] = [("measure", "samples", "data", "better", "so")]
        for name in self.names:
            numbers = str(self.measured(name)), str(self.floor(name))
            rows.append((name, *numbers, WORDS[_measure(name).better], self.finding(name)))
        return rows

    def compared(self) -> str:
        """What was compared with what."""
        a = self.results.attrs
        means = ("means of p(x|z)" if a["draws"] == "means" else "samples") + of_weights(a)
        space = f" Features are {a['features_say']} ({a['features_sha256']})." if a["features_sha256"] else ""
        return (
            f"{a['num']} {means} against as many {a['split']} data of {a['data']!r}, and these against as many others; "
            f"± one standard error, from parts of {a['blocks']} blocks.{space}"
        )

    def text(self) -> str:
        """The table and the verdict as lines for a terminal."""
        return f"{aligned(self.table())}\n\n{self.verdict}"

    def plot(self) -> Figure:
        """Each measure beside its floor, in errors of their difference."""
        from pyrogen.figures import quality_plots

        return quality_plots.against_floors(
            self.names,
            [self.errors_from_floor(name) for name in self.names],
            [self.is_worse(name) for name in self.names],
            [f"{self.measured(name)}\ndata {self.floor(name)}" for name in self.names],
            FAR,
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        found = {name: {c: self.results[c].sel(measure=name).item() for c in COLUMNS} for name in self.names}
        attributes, settings = dict(self.results.attrs), dict(self.settings)
        return {"attributes": attributes, "measures": found, "settings": settings, "verdict": self.verdict}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Quality:
        """What :meth:`to_dict` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            names = list(said["measures"])
            columns = {c: ("measure", [float(said["measures"][n][c]) for n in names]) for c in COLUMNS}
            results = xr.Dataset(columns, coords={"measure": names}, attrs=dict(said["attributes"]))
            found = cls(results, dict(said["settings"]))
            found.text()
            found.compared()
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"it is no quality that pyrogen wrote: {error!r}.") from error
        return found

    def _number(self, name: str, value: str, error: str) -> Measured:
        row = self.results.sel(measure=name)
        return Measured(float(row[value]), float(row[error]), int(self.results.attrs["num"]))

    def _repr_html_(self) -> str:
        from pyrogen import html

        head, *rows = self.table()
        return html.block(
            self.verdict, html.table(rows, head), html.picture(self.plot(), "measures beside their floors")
        )

    def __repr__(self) -> str:
        lines = (f"{name}: {self.measured(name)}, data {self.floor(name)}" for name in self.names)
        return f"Quality({'; '.join(lines)})"


def _measure(name: str) -> type[Measure]:
    measure: type[Measure] = find("measure", name).load()
    return measure
