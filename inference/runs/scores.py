"""A run's scores: of what, and on disk."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import torch
import xarray as xr
import yaml

from pyrogen import storage
from pyrogen.data import Data, Split
from pyrogen.files import first_line, write
from pyrogen.inference.adversarial.collapse import said_of
from pyrogen.inference.evidence import request
from pyrogen.inference.evidence.diagnosis import diagnose
from pyrogen.inference.evidence.summary import summarize
from pyrogen.inference.latents.activity import collapse_in_words, has_learned
from pyrogen.inference.runs.density import trained_by
from pyrogen.inference.training.run import read_history
from pyrogen.registry import unknown

SCORES = "scores"
# what a score may carry for each datum, and what must then stand beside it
CARRIED: Mapping[str, Sequence[str]] = {
    "log_evidence": ("mc_se",),
    "mc_se": (),
    "ess": (),
    "pareto_k": (),
    "jackknife": (),
    "psis": (),
    "acceptance": (),
    "half": ("half_se",),
    "half_se": (),
    "lower": ("lower_se", "upper"),
    "lower_se": (),
    "upper": ("upper_se", "lower"),
    "upper_se": (),
    "from_prior": ("from_prior_se",),
    "from_prior_se": (),
}


def save_score(folder: str | Path, evidence: xr.Dataset) -> Path:
    """Write an estimate as NetCDF, and its summary as YAML beside it; returns the NetCDF file's path.

    The name says all that tells scores apart, so that none replaces another that was asked for otherwise. The attributes
    say what was judged, as :func:`pyrogen.storage.fingerprint` does: as they are given, or of what the folder holds now.
    """
    path = Path(folder) / SCORES / f"{named(evidence)}.nc"
    now = storage.fingerprint(folder, str(evidence.attrs.get("weights", "last")))
    evidence = evidence.assign_attrs(now | evidence.attrs)
    # by a file elsewhere: in a worker of Dask xarray cannot lock a buffer in memory
    with tempfile.TemporaryDirectory() as elsewhere:
        file = Path(elsewhere) / path.name
        evidence.to_netcdf(file, engine="h5netcdf")
        write(path, file.read_bytes())
    write(path.with_name(f"{path.stem}.yaml"), yaml.safe_dump(summarize(evidence).to_dict(), sort_keys=False))
    return path


def named(evidence: xr.Dataset) -> str:
    """What an estimate is called where it is saved."""
    return request.file_name(evidence.attrs)


def read_scores(folder: str | Path) -> dict[str, xr.Dataset]:
    """The estimates in a run's folder that judged what it holds now, by the names of their files.

    Raises:
        ValueError: a file is damaged, or no estimate.
    """
    return {name: score for name, (score, changed) in _all_scores(folder).items() if not changed}


def stale_scores(folder: str | Path) -> dict[str, str]:
    """Those that judged something else, each with a sentence that says what changed and what to do.

    Raises:
        ValueError: a file is damaged, or no estimate.
    """
    return {
        name: (
            f"the score {name} in {folder} is stale and is left out, for the {' and the '.join(changed)} changed since; "
            f"score again by "
            f"{request.command(str(folder), str(score.attrs['estimator']), request.settings(score.attrs), score.attrs)}"
        )
        for name, (score, changed) in _all_scores(folder).items()
        if changed
    }


def _all_scores(folder: str | Path) -> dict[str, tuple[xr.Dataset, list[str]]]:
    """Each score, and what it judged that the folder no longer holds: weights, model, data."""
    # a fingerprint reads all weights: once for each kind of them, however many scores there are
    fingerprint = functools.cache(functools.partial(storage.fingerprint, folder))
    found = {}
    for path in sorted((Path(folder) / SCORES).glob("*.nc")):
        score = _read_score(path)
        now = fingerprint(str(score.attrs.get("weights", "last")))
        changed = [key.removesuffix("_sha256") for key, digest in now.items() if score.attrs.get(key) != digest]
        found[path.stem] = score, changed
    return found


def _read_score(path: Path) -> xr.Dataset:
    try:
        # h5netcdf cannot close what it fails to open
        with h5py.File(path) as file:
            file.attrs.get("_nc3_strict")
        score = xr.load_dataset(path, engine="h5netcdf")
    except Exception as error:  # whatever HDF5 and its readers raise on broken bytes
        raise ValueError(f"{path} is damaged: {first_line(error)}") from error
    shapes: dict[str, tuple[str, ...]] = dict.fromkeys(("log_evidence", "mc_se"), ("datum",))
    for name, beside in CARRIED.items():
        shapes |= dict.fromkeys((name, *beside), ("datum",)) if name in score else {}
    shapes |= {"k_curve": ("k", "datum"), "k": ("k",)} if "k_curve" in score else {}
    wrong = [
        k for k, dims in shapes.items() if k not in score or score[k].dims != dims or score[k].dtype.kind not in "iuf"
    ]
    words = [k for k in ("estimator", "bound", "split") if not isinstance(score.attrs.get(k), str)]
    size = score.attrs.get("dimensions")
    words += [] if isinstance(size, (int, np.integer)) and size > 0 else ["dimensions"]
    if wrong or words or score.sizes["datum"] == 0:
        what = f"its {(wrong + words)[0]} is missing or malformed" if wrong or words else "it has no data"
        raise ValueError(f"{path} is no estimate that pyrogen wrote: {what}.")
    try:
        summarize(score).text()
        request.file_name(score.attrs)
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
        raise ValueError(f"{path} is no estimate that pyrogen wrote: {first_line(error)}") from error
    return score


def part_of(
    folder: str | Path | None, data: Data, split: str, limit: int | None = None, flagged_by: str | None = None
) -> tuple[Split, np.ndarray, dict[str, Any]]:
    """The part of a split that shall be scored: all, the first so many, or what the diagnosis of a score flags.

    Returns:
        The part, its rows in the split, and the attributes that say so.

    Raises:
        ValueError: no such split or score, or nothing is flagged.
    """
    whole = data.split(split)
    if flagged_by is None:
        part = whole if limit is None else whole.take(limit)
        return part, np.arange(len(part)), {} if limit is None else {"limit": limit}
    if limit is not None:
        raise ValueError("--limit and --flagged_by each choose data; give one of them.")
    if folder is None:
        raise ValueError(f"the score {flagged_by!r} would lie in the folder of a run, and there is none.")
    scores = read_scores(folder)
    if flagged_by not in scores and flagged_by in (stale := stale_scores(folder)):
        raise ValueError(stale[flagged_by])
    if flagged_by not in scores:
        raise unknown(f"score in {folder}", flagged_by, scores or ["(it has not been scored)"])
    score = scores[flagged_by]
    if score.attrs["split"] != split:
        raise ValueError(f"the score {flagged_by} is of the split {score.attrs['split']}, and not of {split}.")
    rows = diagnose(score).flagged
    if not len(rows):
        raise ValueError(f"the diagnosis of {flagged_by} flags no data; there is nothing to score again.")
    x, *y = whole[torch.from_numpy(rows)]
    return Split(x, y[0] if y else None, split, whole.view), rows, {"flagged_by": flagged_by}


def beware(folder: str | Path) -> Iterator[str]:
    """What a run's training warned of, and whoever reads a score should know."""
    history = read_history(folder)
    if not history or not has_learned(history[-1]):
        return
    if said := said_of(history[-1]):
        yield said
    config = storage.read_config(folder) if (Path(folder) / storage.CONFIG).is_file() else {}
    objective = trained_by(config.get("fit") or {})
    # what a game trained is scored without its posterior, which the game may have left at rest
    if history[-1].get("valid/active_units") == 0 and not (objective and objective.implicit):
        yield f"{collapse_in_words(history[-1])[0]}, and the score is that of a model that does without"
