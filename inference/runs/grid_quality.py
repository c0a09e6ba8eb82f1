"""How good the samples of a grid's cells are: gathered from their folders, as a table, and side by side on a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from pyrogen import storage
from pyrogen.figures import plots
from pyrogen.figures.report import Section
from pyrogen.inference.evidence.comparison import standard_error
from pyrogen.inference.latents.measured import Measured
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.quality.assess import compare
from pyrogen.inference.quality.quality import WORDS, Quality
from pyrogen.inference.quality.side_by_side import BESIDE, given_and_made, shows_given
from pyrogen.inference.runs.grid_run import GridRun, Ruler, read_measured
from pyrogen.inference.runs.recipe import data_of
from pyrogen.kinds import is_picture
from pyrogen.registry import find

PICTURED, DRAWN = 64, 1000  # samples of each cell, pictures or points
COLUMNS = {
    "quality": "the number of a measure of samples",
    "quality_error": "its error over samples and data",
    "quality_seed_se": "its error over seeds",
    "floor": "what data give against other data",
    "floor_error": "its error",
}


def gather_quality(
    groups: Sequence[Sequence[GridRun]], axes: Mapping[str, Sequence[Any]], ruler: Ruler
) -> dict[str, Any]:
    """The measures of all cells over the grid's axes and ``measure``, as variables of a data set; none if nobody measured.

    Args:
        groups: the cells in the order of the axes' product, each as its runs of several seeds.
        axes: the coordinates of each axis.
        ruler: by which they were measured; what was measured otherwise is left out.
    """
    found = [[quality for cell in group if (quality := read_measured(cell, ruler)[0]) is not None] for group in groups]
    names = list(dict.fromkeys(name for qualities in found for quality in qualities for name in quality.names))
    if not names:
        return {}
    values = {column: np.full((len(groups), len(names)), math.nan) for column in COLUMNS}
    for i, (group, qualities) in enumerate(zip(groups, found, strict=True)):
        if len(qualities) < len(group):
            continue
        for j, name in enumerate(names):
            if all(name in quality.names for quality in qualities):
                for column, value in _means(qualities, name).items():
                    values[column][i, j] = value
    shape = [len(coordinates) for coordinates in axes.values()]
    dims = [*axes, "measure"]
    variables = {k: (dims, v.reshape([*shape, len(names)]), {"long_name": COLUMNS[k]}) for k, v in values.items()}
    return {**variables, "measure": ("measure", names)}


def _means(qualities: Sequence[Quality], name: str) -> dict[str, float]:
    rows = [quality.results.sel(measure=name) for quality in qualities]
    values, errors, floors, floor_errors = (
        np.array([float(row[column]) for row in rows]) for column in ("value", "error", "floor", "floor_error")
    )
    return {
        "quality": values.mean(),
        # seeds are held against the same data, so that the errors of their numbers may be alike
        "quality_error": errors.mean(),
        "quality_seed_se": standard_error(values),
        "floor": floors.mean(),
        "floor_error": floor_errors.mean(),
    }


def quality_rows(numbers: xr.Dataset, axes: Sequence[str]) -> list[list[str]]:
    """The table of the measures, a row each, the first the header: what is better, what data give, and every cell."""
    if "quality" not in numbers:
        return []
    cells = numbers.stack(place=list(axes)) if axes else numbers.expand_dims("place")
    shown = [i for i in range(cells.sizes["place"]) if not bool(cells["quality"].isel(place=i).isnull().all())]
    if not shown:
        return []
    seeds = numbers.sizes["seed"] > 1
    names = [str(cells["cell"].isel(place=i).item()) for i in shown]
    errors = "± error ± seeds" if seeds else "± error"
    rows = [["measure", "better", "data ± error", *(f"{name} {errors}" for name in names)]]
    for measure in cells["measure"].values:
        row = cells.sel(measure=measure)
        floors = [_said(row.isel(place=i), "floor", "floor_error") for i in shown]
        own = ("quality", "quality_error", *(("quality_seed_se",) if seeds else ()))
        said = [_said(row.isel(place=i), *own) for i in shown]
        if len(set(floors)) > 1:  # cells of unlike data
            said = [f"{value} (data {floor})" for value, floor in zip(said, floors, strict=True)]
        floor = floors[0] if len(set(floors)) == 1 else "–"
        rows.append([str(measure), WORDS[find("measure", str(measure)).load().better], floor, *said])
    return rows


def _said(cell: xr.Dataset, key: str, *errors: str) -> str:
    """A number with its errors, to the second digit of the first of them, as Measured has it."""
    digits = Measured(float(cell[key]), float(cell[errors[0]]), 0).digits
    told = " ± ".join(f"{float(cell[name]):.{digits}f}" for name in (key, *errors)).replace("-", "−")
    return "–" if math.isnan(float(cell[key])) else told


def samples_section(groups: Sequence[Sequence[GridRun]], ruler: Ruler) -> Iterator[Section]:
    """Samples of the cells that were measured beside data, of the first seed of each."""
    figures: list[tuple[str, Figure]] = []
    for cell in (group[0] for group in groups):
        quality, _ = read_measured(cell, ruler)
        if quality is None:
            continue
        data, a = data_of(cell.folder), quality.results.attrs
        n = min(int(a["num"]), PICTURED if is_picture(data.x_shape) else DRAWN)
        model = storage.load(cell.folder, weights=ruler.weights)
        seen = compare(model, data, n, int(a["seed"]), str(a["split"]), a["draws"])
        named = f"Data: {data.name}, {a['split']}."
        if is_picture(data.x_shape) and named not in dict(figures):
            figures.append((named, plots.samples(seen.real, seen.data.kind)))
        said = f"{cell.name}, seed {cell.seed}."
        part = data.split(str(a["split"])).take(BESIDE)
        if shows_given(model, part):
            with evaluating(model):
                figures.append(
                    (
                        f"{said} What is given, what is made of it, and the truth.",
                        given_and_made(model, part, data.kind),
                    )
                )
        else:
            figures.append((said, plots.samples(seen.made, seen.data.kind, seen.real)))
    if figures:
        yield Section("Samples side by side", figures=figures)
