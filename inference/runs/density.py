"""Which density of a run is scored: the model's own, or that of what it generates seen through noise."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from pyrogen import plain_yaml, storage
from pyrogen.base import HasGenerator, HasLogProb, HasPartition, Model, Objective, Pair
from pyrogen.data import Data
from pyrogen.files import first_line, write
from pyrogen.inference.evidence.noise import Observed, observe
from pyrogen.registry import make

log = logging.getLogger("pyrogen")

Noise = float | Literal["fitted"] | None
FILE = "noise.yaml"
DATA = 128  # of the validation split, from which noise is fitted


def density_of(
    model: Model,
    data: Data,
    sigma: Noise = None,
    seed: int = 0,
    limit: int | None = None,
    folder: str | Path | None = None,
    weights: str = "last",
    objective: Objective | None = None,
) -> tuple[Model, dict[str, Any]]:
    """What is scored of a model: itself, or what it generates with a noise on it, x ~ N(g(z), σ² I).

    Noise is put on what has no density of its own, on a pair that was trained by a game, whose likelihood nobody fitted, and
    wherever ``sigma`` asks for it. Fitted noise is kept in the run's folder, and used again where weights, data and settings
    are the same.

    Args:
        model: what was trained.
        data: with the validation split that noise is fitted on.
        sigma: σ; "fitted", on the validation split; None: "fitted" where noise is needed.
        seed: of the chains that fit it.
        limit: how many data will be scored: no more are used to fit.
        folder: of the run.
        weights: which ones the model has.
        objective: what the model was trained by; by default its own.

    Returns:
        The model, and the attributes ``sigma`` and ``sigma_from`` where noise was put on it.

    Raises:
        ValueError: a noise was asked for, and the model makes no data from latents.
    """
    implicit = (objective or model.objective).implicit
    own = isinstance(model, (HasLogProb, HasPartition)) or (isinstance(model, Pair) and not implicit)
    if sigma is None and (own or not isinstance(model, HasGenerator)):
        return model, {}
    if isinstance(sigma, (int, float)):
        return Observed(model, sigma), {"sigma": float(sigma), "sigma_from": "given"}
    said = f"fitted on {data.name} valid"
    num_data = min(DATA, limit or DATA)
    asked = {"num_data": num_data, "seed": seed, "weights": weights}
    bound = {} if folder is None else {**storage.fingerprint(folder, weights), **asked}
    if folder is not None and (known := _kept(Path(folder) / FILE, bound)) is not None:
        return Observed(model, known), {"sigma": known, "sigma_from": said}
    observed = observe(model, data.valid, num_data=num_data, seed=seed)
    found = float(observed.sigma)
    if folder is not None:
        try:
            write(Path(folder) / FILE, yaml.safe_dump({**bound, "sigma": found}, sort_keys=False))
        except OSError as error:  # the noise is found; what is lost is that another score need not fit it
            log.warning("the noise that was fitted was not kept, and will be fitted again: %s", first_line(error))
    return observed, {"sigma": found, "sigma_from": said}


def trained_by(settings: Mapping[str, Any]) -> Objective | None:
    """The objective in the settings of a run; None where they name none, or one that cannot be built again."""
    described = settings.get("objective")
    try:
        objective: Objective = make("objective", described)
    except (ValueError, TypeError):
        return None
    return objective if isinstance(objective, Objective) else None


def _kept(path: Path, bound: Mapping[str, Any]) -> float | None:
    """The noise that was fitted to the same weights and data in the same way; None where there is none."""
    try:
        found = plain_yaml.read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or {k: v for k, v in found.items() if k != "sigma"} != bound:
        return None
    sigma = found.get("sigma")
    return sigma if isinstance(sigma, float) and sigma > 0 else None
