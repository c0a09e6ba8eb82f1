"""What probes found: accuracies with their errors, and what the first representation gains over each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from pyrogen.inference.evidence.request import of_weights
from pyrogen.inference.latents.measured import Measured
from pyrogen.inference.representations.sparsity import MEASURES
from pyrogen.tables import aligned

COLUMNS = ("accuracy", "error", "gain", "gain_error")
SPARSE = tuple(f"{measure}{end}" for measure in MEASURES for end in ("", "_error"))
FAR = 3.0  # errors


@dataclass(frozen=True, repr=False)
class Probed:
    """Accuracies of probes, by representation, reader and number of labels.

    Attributes:
        results: over ``representation``, ``reader`` and ``labels`` (of each class): ``accuracy`` with its ``error``, over
            other draws of labels and other test data, and ``gain``, by how much the first representation is right more
            often, paired datum by datum and draw by draw, with ``gain_error``. Over ``read``, all but the shuffled labels:
            how sparse the numbers are, ``hoyer``, ``population``, ``lifetime`` and ``selectivity``, each with its ``_error``,
            see :func:`pyrogen.inference.representations.sparsity.sparsity`.
    """

    results: xr.Dataset

    @property
    def representations(self) -> list[str]:
        """Their names, models first, shuffled labels last."""
        return [str(name) for name in self.results["representation"].values]

    @property
    def readers(self) -> list[str]:
        """Their names."""
        return [str(name) for name in self.results["reader"].values]

    @property
    def labels(self) -> list[int]:
        """Numbers of labelled data of each class."""
        return [int(n) for n in self.results["labels"].values]

    def accuracy(self, representation: str, reader: str = "Linear", labels: int | None = None) -> Measured:
        """The share of test data whose class is named; None: of most labels."""
        return self._number(("accuracy", "error"), representation, reader, labels)

    def gain(self, over: str, reader: str = "Linear", labels: int | None = None) -> Measured:
        """By how much the first representation is right more often than another, paired; None: of most labels."""
        return self._number(("gain", "gain_error"), over, reader, labels)

    @property
    def verdict(self) -> str:
        """What the table says of the first representation, in a sentence."""
        first, *others = self.representations[:-1]
        reader = self.readers[0]
        beaten, beats = [], []
        for other in others:
            gains = [self.gain(other, reader, n) for n in self.labels]
            better = [n for n, gain in zip(self.labels, gains, strict=True) if gain.value > FAR * gain.error]
            worse = [n for n, gain in zip(self.labels, gains, strict=True) if gain.value < -FAR * gain.error]
            beaten += [f"{other} ({_listed(better)})"] if better else []
            beats += [f"{other} ({_listed(worse)})"] if worse else []
        said = [f"beats {', '.join(beaten)}"] if beaten else []
        said += [f"is beaten by {', '.join(beats)}"] if beats else []
        what = " and ".join(said) or "is not told from any other"
        return f"A probe ({reader}) of {first} {what}, by more than {FAR:g} errors, at so many labels a class."

    def compared(self) -> str:
        """What was read, and judged by what."""
        a = self.results.attrs
        factor = f" (the factor {a['factor']})" if a["factor"] else ""
        return (
            f"{a['said']}{of_weights(a)}: {a['judged']} data of {a['classes']} classes{factor}; means over {a['draws']} "
            "draws of the labelled data, ± one standard error over draws and test data; differences are paired."
        )

    def table(self) -> list[tuple[str, ...]]:
        """Rows of words, the first of them the head: accuracies at so many labels a class, and the gain at the most."""
        most = self.labels[-1]
        head = ("probe", "reads", *(f"{n} a class" for n in self.labels), f"{self.representations[0]} gains, at {most}")
        rows: list[tuple[str, ...]] = [head]
        for reader in self.readers:
            for place, name in enumerate(self.representations):
                gained = "–" if place == 0 else str(self.gain(name, reader, most))
                numbers = (str(self.accuracy(name, reader, n)) for n in self.labels)
                rows.append((reader if place == 0 else "", name, *numbers, gained))
        return rows

    def sparsity(self, representation: str, measure: str) -> Measured:
        """How sparse numbers are that were read, by a measure, of which 1 is most: its mean over data, or over units."""
        row = self.results.sel(read=representation)
        return Measured(float(row[measure]), float(row[f"{measure}_error"]), int(self.results.attrs["judged"]))

    def sparsity_table(self) -> list[tuple[str, ...]]:
        """Rows of words, the first of them the head: how sparse the numbers are that were read, and how selective."""
        rows: list[tuple[str, ...]] = [("sparseness", *(title for title, _ in MEASURES.values()))]
        for name in map(str, self.results["read"].values):
            rows.append((name, *(str(self.sparsity(name, measure)) for measure in MEASURES)))
        return rows

    def text(self) -> str:
        """The tables and the verdict as lines for a terminal."""
        return "\n\n".join([aligned(self.table()), self.verdict, aligned(self.sparsity_table())])

    def plot(self) -> Figure:
        """Accuracy against the number of labels, a panel for each reader."""
        from pyrogen.figures import probe_plots

        values = self.results[["accuracy", "error"]].transpose("reader", "representation", "labels")
        return probe_plots.accuracies(
            self.labels,
            self.representations,
            self.readers,
            values["accuracy"].values,
            values["error"].values,
            1 / int(self.results.attrs["classes"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        axes = {"representation": self.representations, "reader": self.readers, "labels": self.labels}
        columns = {c: self.results[c].transpose(*axes).values.tolist() for c in COLUMNS}
        read = {name: self.results[name].values.tolist() for name in SPARSE}
        attributes, names = dict(self.results.attrs), [str(name) for name in self.results["read"].values]
        return {"attributes": attributes, **axes, **columns, "read": names, **read, "verdict": self.verdict}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Probed:
        """What :meth:`to_dict` wrote.

        Raises:
            ValueError: it is something else.
        """
        axes = ("representation", "reader", "labels")
        try:
            columns = {c: (axes, np.asarray(said[c], float)) for c in COLUMNS}
            read = {c: ("read", [float(v) for v in said[c]]) for c in SPARSE}
            coordinates = {a: said[a] for a in (*axes, "read")}
            found = cls(xr.Dataset({**columns, **read}, coordinates, dict(said["attributes"])))
            found.text()
            found.compared()
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"they are no probes that pyrogen wrote: {error!r}.") from error
        return found

    def _number(self, columns: tuple[str, str], representation: str, reader: str, labels: int | None) -> Measured:
        labels = self.labels[-1] if labels is None else labels
        row = self.results.sel(representation=representation, reader=reader, labels=labels)
        return Measured(float(row[columns[0]]), float(row[columns[1]]), int(self.results.attrs["judged"]))

    def _repr_html_(self) -> str:
        from pyrogen import html

        accuracies, sparse = (html.table(rows, head) for head, *rows in (self.table(), self.sparsity_table()))
        return html.block(self.verdict, accuracies, html.picture(self.plot(), "accuracy against labels"), sparse)

    def __repr__(self) -> str:
        return f"Probed({self.compared()}\n{self.text()})"


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
