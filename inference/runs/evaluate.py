"""A run's score: what is estimated of which of its data, and what the score carries so that it can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from pyrogen import storage
from pyrogen.base import Model, Objective
from pyrogen.data import Data
from pyrogen.inference.evidence import guide_check
from pyrogen.inference.evidence.estimator import Estimator, log_evidence
from pyrogen.inference.programs.door import verb
from pyrogen.inference.runs.density import Noise, density_of, trained_by
from pyrogen.inference.runs.recipe import judged
from pyrogen.inference.runs.scores import part_of, save_score
from pyrogen.inference.training.run import Run


@verb
def evaluate(
    run: Run | str | Path,
    estimator: Estimator | str | Mapping[str, Any] | None = None,
    *,
    weights: str = "last",
    split: str = "test",
    limit: int | None = None,
    flagged_by: str | None = None,
    sigma: Noise = None,
    seed: int = 0,
    chunk_size: int = 100,
    check_guide: bool = True,
) -> xr.Dataset:
    """Estimate log p(x) of a run's data, and keep the score in its folder, if it has one.

    Args:
        run: what :func:`~pyrogen.inference.fit` or :func:`pyrogen.load_run` gave, or a folder.
        estimator: an object or a name; by default exact where the model has a log_prob, AIS of large energy models and
            where noise is put on it, the ELBO of guides that are certain, else IWAE(5000).
        weights: "last", "best" or "ema".
        split: "train", "valid" or "test".
        limit: the first so many data only.
        flagged_by: the name of a score: only the data that its diagnosis flags.
        sigma: score what the model generates with this noise on it, N(g(z), σ²), not a likelihood of its own; "fitted":
            on the validation split, as it is by default where there is no density, or a game left it unfitted.
        seed: of the draws.
        chunk_size: draws decoded at once; changes memory, not the answer.
        check_guide: score a few data by chains from the prior too, where the guide led.

    Returns:
        The estimate over ``datum``, as of :func:`~pyrogen.inference.log_evidence`.

    Raises:
        ValueError: no such split, score, weights or noise, or a model that cannot be scored.
    """
    run, model, files = judged(run, weights)
    own = trained_by(run.settings) if run.folder is None else None
    asked = estimator, weights, split, limit, flagged_by, sigma, seed, chunk_size, check_guide, own
    evidence = score(model, run.data, run.folder, *asked).assign_attrs(files)
    if run.folder is not None:
        save_score(run.folder, evidence)
    return evidence


def score(
    model: Model,
    data: Data,
    folder: str | Path | None,
    estimator: Any,
    weights: str = "last",
    split: str = "test",
    limit: int | None = None,
    flagged_by: str | None = None,
    sigma: Noise = None,
    seed: int = 0,
    chunk_size: int = 100,
    check_guide: bool = True,
    objective: Objective | None = None,
) -> xr.Dataset:
    """The estimate alone, with what tells it from others in its attributes; see :func:`evaluate`.

    ``objective`` is what a run without a folder was trained by.

    Raises:
        ValueError: as there.
    """
    part, rows, said = part_of(folder, data, split, limit, flagged_by)
    if folder is not None:
        objective = trained_by(storage.read_config(folder).get("fit") or {})
    judge, noise = density_of(model, data, sigma, seed, limit, folder, weights, objective)
    estimator = "AIS" if noise and estimator is None else estimator
    evidence = log_evidence(judge, part, estimator, seed=seed, chunk_size=chunk_size)
    evidence = guide_check.check_guide(judge, part, evidence, seed=seed) if check_guide else evidence
    return evidence.assign_coords(datum=rows).assign_attrs(weights=weights, **said, **noise)
