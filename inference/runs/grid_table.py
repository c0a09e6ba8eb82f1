"""A grid's numbers: gathered from its cells' scores, paired where they may be, and as a table."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

from pyrogen import html
from pyrogen.figures.report import Section, write_report
from pyrogen.inference.evidence import request
from pyrogen.inference.evidence.comparison import compare_evidence, groups_alike, shared_variance, standard_error
from pyrogen.inference.evidence.diagnosis import diagnose
from pyrogen.inference.evidence.summary import summarize
from pyrogen.inference.runs.grid_quality import COLUMNS, gather_quality, quality_rows
from pyrogen.inference.runs.grid_run import ENDED, FAILED, GridRun, Ruler, outcome, read_evidence
from pyrogen.tables import markdown

NUMBERS = {
    "nats": "mean estimate of log p(x) on test data",
    "mc_se": "its Monte-Carlo error",
    "data_se": "its error over data",
    "difference": "mean paired difference to the first cell of the same kind of data",
    "difference_mc_se": "its Monte-Carlo error",
    "difference_data_se": "its error over data",
    "difference_seed_se": "its error over seeds",
    "elbo": "mean ELBO on the same data",
    "elbo_mc_se": "its Monte-Carlo error",
    "kl": "E log p(x|z) - ELBO, the mean KL(q(z|x) || p(z)) on the same data",
    "kl_mc_se": "its Monte-Carlo error",
    "active_units": "latents of 0.1 nat or more on test data",
    "parameters": "number of the model's parameters",
    "seconds": "of training",
    "training_steps": "in its last stage",
    "count": "test data that were scored",
    "gap": "how far above AIS another bound is, on average over data of the model's own, by BDMC",
    "gap_mc_se": "its Monte-Carlo error",
    "sigma": "standard deviation of the noise on what is generated",
    "flagged": "data whose estimate is not to be believed",
}
WORDS = {
    "cell": "its name",
    "status": "what became of the cell",
    "said": "why",
    "kind_of_data": "what was scored",
    "score": "estimator",
    "doubt": "why the difference may be due to the estimates",
    "baseline": "the cell that the difference is to",
    "borrowed": "the data that the number of epochs was chosen for, where it was not given and the data are others",
}
# what an axis may not be called, for they stand beside the axes in one data set
TAKEN = {*NUMBERS, *WORDS, *COLUMNS, "measure", "place", "runs", "seed"}


@dataclass(frozen=True)
class Grid:
    """A product of choices and what came out of each, ``numbers`` over one dimension for each axis.

    Attributes:
        numbers: means over seeds, and ``runs`` over ``seed`` too, the folders; ``.to_dataframe()`` is a table.
        folder: where it lies, as ``grid.nc``, ``grid.md`` and ``grid.html``.
    """

    numbers: xr.Dataset
    folder: Path

    @property
    def failed(self) -> bool:
        """Whether a cell crashed, or none has a score."""
        status = self.numbers["status"].values
        return bool((status == FAILED).any() or not (status == ENDED).any())

    def text(self) -> str:
        """The tables as one reads them on a terminal, with what to know of them below."""
        console = Console(width=1000)  # as wide as it needs: a folded number is hard to read
        with console.capture() as capture:
            for header, *rows in self.tables():
                table = Table(*header)
                for row in rows:
                    table.add_row(*(cell.replace("[", r"\[") for cell in row))
                console.print(table)
        return "\n".join([capture.get().rstrip("\n"), *self._notes()]) + "\n"

    def markdown(self) -> str:
        """The same in Markdown."""
        tables = [f"{markdown(table)}\n" for table in self.tables()]
        return "\n".join([*tables, *(f"- {note}" for note in self._notes())]) + "\n"

    def write_page(self, more: Iterable[Section] = ()) -> Path:
        """Write all of it as ``grid.html``, and what else there is to show of the cells."""
        first, *others = self.tables()
        sections = [Section("The cells", "\n\n".join(self._notes()), first)]
        sections += [Section("Their samples, measured", "", table) for table in others]
        cells = f"{self.numbers['status'].size} cells over {', '.join(self._axes)}"
        return write_report(self.folder / "grid.html", f"Grid {self.folder.name}", cells, [*sections, *more])

    def tables(self) -> list[list[list[str]]]:
        """That of the cells, and that of what was measured of their samples if anything was; headers first."""
        measured = quality_rows(self.numbers, self._axes)
        return [[self._header(), *self._rows()], *([measured] if measured else [])]

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        tables = (html.table(rows, header) for header, *rows in self.tables())
        return html.block(f"Grid in {self.folder}", *tables, html.text("\n".join(self._notes())))

    @property
    def _axes(self) -> list[str]:
        return [str(axis) for axis in self.numbers["status"].dims]

    def _cells(self) -> Iterator[xr.Dataset]:
        for place in itertools.product(*(range(self.numbers.sizes[axis]) for axis in self._axes)):
            yield self.numbers.isel(dict(zip(self._axes, place, strict=True)))

    def _header(self) -> list[str]:
        scores = sorted({str(s) for s in self.numbers["score"].values.flat if s})
        score = scores[0] if len(scores) == 1 else "log p(x)"
        seeds = " ± seeds" if "seed" in self._errors else ""
        errors = f"± MC ± data{seeds}"
        own = ("BDMC gap ± MC", "noise") if self._noisy else ("ELBO ± MC", "KL ± MC", "active")
        return [*self._axes, f"{score} ± MC ± data", f"difference {errors}", *own, "parameters", "seconds"]

    @property
    def _noisy(self) -> bool:
        """Whether noise was put on what all cells generate."""
        ended = self.numbers["status"].values == ENDED
        return bool(ended.any() and np.isfinite(self.numbers["sigma"].values[ended]).all())

    @property
    def _errors(self) -> list[str]:
        """Of a difference: those of seeds are there if there are several."""
        return ["mc", "data", *(["seed"] if self.numbers.sizes["seed"] > 1 else [])]

    def _rows(self) -> Iterator[list[str]]:
        for cell in self._cells():
            at = [str(cell[axis].item()) for axis in self._axes]
            if cell["status"].item() != ENDED:
                yield [*at, str(cell["status"].item()), *[""] * (len(self._header()) - len(at) - 1)]
                continue
            first = cell["baseline"].item() == cell["cell"].item()
            yield [
                *at,
                _number(cell, "nats", "{:.3f}", "mc_se", "data_se"),
                "–" if first else _number(cell, "difference", "{:+.3f}", *(f"difference_{e}_se" for e in self._errors)),
                *self._own(cell),
                *(_number(cell, key, "{:,.0f}") for key in ("parameters", "seconds")),
            ]

    def _own(self, cell: xr.Dataset) -> list[str]:
        if self._noisy:
            return [_number(cell, "gap", "{:.2f}", "gap_mc_se"), _number(cell, "sigma", "{:.3g}")]
        return [
            _number(cell, "elbo", "{:.2f}", "elbo_mc_se"),
            _number(cell, "kl", "{:.2f}", "kl_mc_se"),
            _number(cell, "active_units", "{:,.0f}"),
        ]

    def _notes(self) -> Iterator[str]:
        cells = list(self._cells())
        ended = [cell for cell in cells if cell["status"].item() == ENDED]
        if ended:
            seeds = self.numbers.sizes["seed"]
            means = f", means over {seeds} seeds" if seeds > 1 else ""
            counts = " or ".join(f"{n:.0f}" for n in sorted({float(cell["count"]) for cell in ended}))
            said = (
                "cells are scored as N(g(z), noise²), with noise fitted on validation data unless it was given, and the BDMC "
                "gap is what AIS may miss, of data that the cell made"
                if self._noisy
                else "KL is E log p(x|z) - ELBO"
            )
            yield f"nats per datum on {counts} test data{means}; {said}; seconds are of training."
            if "quality" in self.numbers:
                yield (
                    "samples are measured against test data, and these against as many others (data); ± is one standard "
                    "error over samples and data, and over seeds where there are several; pyrogen evaluate RUN --quality "
                    "says more of each cell."
                )
        borrowed = {
            (float(cell["training_steps"]), str(cell["borrowed"].item())) for cell in ended if cell["borrowed"].item()
        }
        for steps, data in sorted(borrowed):
            yield (
                f"the epochs are those of the recipe for {data}, and {steps:,.0f} steps of these data: give epochs=... "
                "(--epochs) where that is too few."
            )
        first = {str(cell["baseline"].item()): str(cell["kind_of_data"].item()) for cell in ended}
        if len(first) == 1:
            yield f"differences are to {next(iter(first))}, paired by datum."
        elif first:
            groups = "; ".join(f"{name} ({kind})" for name, kind in first.items())
            yield (
                "densities of unlike data have unlike units and are not compared: differences are to the first cell that "
                f"scores the same data, paired by datum: {groups}."
            )
        for cell in cells:
            if cell["status"].item() != ENDED:
                yield f"{cell['status'].item()}: {cell['cell'].item()}: {cell['said'].item()}"
        yield from (f"scored again: {cell['cell'].item()}: {said}" for cell in ended if (said := cell["said"].item()))
        yield from (f"beware: {cell['doubt'].item()}" for cell in ended if cell["doubt"].item())
        if flagged := [cell for cell in ended if cell["flagged"] > 0]:
            counted = "; ".join(f"{cell['flagged']:.0f} of {cell['cell'].item()}" for cell in flagged)
            yield f"beware: estimates that are not to be believed, as pyrogen evaluate RUN explains: {counted}"


def gather(
    axes: Mapping[str, Sequence[Any]], cells: Sequence[GridRun], ruler: Ruler, again: Mapping[str, str] | None = None
) -> xr.Dataset:
    """What became of the cells, read from their folders.

    Args:
        axes: the coordinates of each axis; cells stand in the order of their product, and each has its seeds side by side.
        cells: all of them.
        ruler: by which they were scored.
        again: why cells were scored again, by their folders.
    """
    seeds = list(dict.fromkeys(cell.seed for cell in cells))
    groups = [list(cells[i : i + len(seeds)]) for i in range(0, len(cells), len(seeds))]
    shape = [len(values) for values in axes.values()]
    found: dict[str, np.ndarray] = {key: np.full(len(groups), math.nan) for key in NUMBERS}
    found |= {key: np.full(len(groups), "", dtype=object) for key in WORDS}
    evidence: dict[int, list[xr.Dataset]] = {}
    for i, members in enumerate(groups):
        states = [outcome(cell, ruler) for cell in members]
        worst = next((s for s in states if s["status"] != ENDED), states[0])
        found["status"][i], found["said"][i] = worst["status"], worst["said"]
        found["borrowed"][i] = members[0].borrowed
        for key in ("parameters", "seconds", "training_steps"):
            found[key][i] = np.mean([state.get(key, math.nan) for state in states])
        found["active_units"][i] = np.mean([state.get("active", {}).get(ruler.key, math.nan) for state in states])
        if worst["status"] == ENDED:
            found["said"][i] = "; ".join(again[cell.folder] for cell in members if again and cell.folder in again)
            scores = [read_evidence(cell, ruler) for cell in members]
            evidence[i] = [score["evidence"] for score in scores]
            for key, value in _own(scores).items():
                found[key][i] = value
    names = {i: group[0].name for i, group in enumerate(groups)}
    found["cell"][:] = list(names.values())
    for i, row in _paired(evidence, names).items():
        for key, value in row.items():
            found[key][i] = value
    variables = {
        key: (list(axes), found[key].reshape(shape), {"long_name": text}) for key, text in (NUMBERS | WORDS).items()
    }
    runs = np.array([cell.folder for cell in cells], dtype=object).reshape([*shape, len(seeds)])
    coordinates = {**{axis: _coordinate(values) for axis, values in axes.items()}, "seed": seeds}
    attributes = {"unit": "nats per datum", "ruler": ruler.key}
    measured = gather_quality(groups, axes, ruler) if ruler.quality else {}
    return xr.Dataset({**variables, "runs": ([*axes, "seed"], runs), **measured}, coordinates, attributes)


def _own(scores: Sequence[Mapping[str, xr.Dataset]]) -> dict[str, Any]:
    """What is said of a cell by itself, from the scores of its seeds."""
    evidence = [score["evidence"] for score in scores]
    whole = summarize(mean_over_seeds(evidence))
    row: dict[str, Any] = {"nats": whole.nats, "mc_se": whole.mc_se, "data_se": whole.data_se}
    row |= {"flagged": sum(len(diagnose(e).flagged) for e in evidence), "count": whole.count}
    row |= {"kind_of_data": evidence[0].attrs.get("kind", ""), "score": request.title(evidence[0].attrs)}
    row["sigma"] = np.mean([e.attrs.get("sigma", math.nan) for e in evidence])
    if all("gap" in score for score in scores):
        gaps = [score["gap"] for score in scores]
        row["gap"] = np.mean([float(g["gap"].mean()) for g in gaps])
        of_each = [np.hypot(g["lower_se"].values, g["upper_se"].values) / g.sizes["datum"] for g in gaps]
        row["gap_mc_se"] = math.sqrt(sum(float((e**2).sum()) for e in of_each)) / len(gaps)
    if all({"elbo", "reconstruction"} <= score.keys() for score in scores):
        elbo, remembered = (
            summarize(mean_over_seeds([score[key] for score in scores])) for key in ("elbo", "reconstruction")
        )
        row |= {"elbo": elbo.nats, "elbo_mc_se": elbo.mc_se}
        row |= {"kl": remembered.nats - elbo.nats, "kl_mc_se": math.hypot(remembered.mc_se, elbo.mc_se)}
    return row


def _paired(evidence: Mapping[int, Sequence[xr.Dataset]], names: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    """The differences within every group of cells that score the same data, each to the group's first."""
    rows: dict[int, dict[str, Any]] = {}
    for group in groups_alike({i: scores[0] for i, scores in evidence.items()}):
        rows |= {i: {"baseline": names[group[0]]} for i in group}
        if len(group) < 2:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the doubts stand below the table
            whole = compare_evidence({names[i]: mean_over_seeds(evidence[i]) for i in group})
            by_seed = [
                compare_evidence({names[i]: evidence[i][seed] for i in group})
                for seed in range(len(evidence[group[0]]))
            ]
        for i in group:
            for key in ("difference", "difference_mc_se", "difference_data_se"):
                rows[i][key] = float(whole[key].sel(estimate=names[i]))
            each = np.array([float(seed["difference"].sel(estimate=names[i])) for seed in by_seed])
            rows[i]["difference_seed_se"] = standard_error(each)
            doubts = (str(seed["doubt"].sel(estimate=names[i]).item()) for seed in by_seed)
            rows[i]["doubt"] = "; ".join(dict.fromkeys(filter(None, doubts)))
    return rows


def mean_over_seeds(evidence: Sequence[xr.Dataset]) -> xr.Dataset:
    """The mean over seeds of each datum's estimate, with the error of its draws."""
    if len(evidence) == 1:
        return evidence[0]
    values = np.mean([e["log_evidence"].values for e in evidence], 0)
    errors = np.sqrt(np.sum([e["mc_se"].values ** 2 for e in evidence], 0)) / len(evidence)
    first = evidence[0]
    coordinates = {
        key: first[key] for key in ("datum", "fingerprint", "fingerprint_y", "tokens") if key in first.coords
    }
    variables = {"log_evidence": ("datum", values), "mc_se": ("datum", errors)}
    shared = sum(shared_variance(e) for e in evidence) / len(evidence) ** 2
    return xr.Dataset({**variables, "shared_variance": ((), shared)}, coordinates, first.attrs)


def _coordinate(values: Sequence[Any]) -> list[Any]:
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    return list(values) if numeric else [str(v) for v in values]


def _number(cell: xr.Dataset, key: str, form: str, *errors: str) -> str:
    """A number with its errors, to as many digits; a dash where there is none."""
    value, plain = float(cell[key]), form.replace("+", "")
    said = (plain.format(float(cell[error])) for error in errors)
    return "–" if math.isnan(value) else " ± ".join([form.format(value), *said])
