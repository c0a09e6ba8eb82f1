"""A check of an estimate that does not start from the guide: chains from the prior on a few of its data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.arguments import at_least
from pyrogen.base import Model
from pyrogen.capabilities import HasDiffusion
from pyrogen.data import Split
from pyrogen.data.memory import as_split
from pyrogen.files import first_line
from pyrogen.inference.evidence.ais import AIS
from pyrogen.inference.evidence.estimator import log_evidence
from pyrogen.inference.evidence.rules import from_guide
from pyrogen.inference.evidence.weights import Weighable
from pyrogen.inference.programs.plain import as_model

CHAINS = AIS(temperatures=100, leapfrogs=3, doubling=False)
MOST, SHARE = 8, 40  # data that are checked: one of so many


def check_guide(
    pair: Model | Weighable,
    x: Any,
    evidence: xr.Dataset,
    estimator: AIS = CHAINS,
    num_data: int | None = None,
    seed: int = 0,
    y: Tensor | None = None,
) -> xr.Dataset:
    """Score a few data by chains from the prior, beside an estimate that was made of the guide's draws.

    Where a guide misses part of p(z|x), all that its draws can tell is at peace: k̂, errors, the curve over k. Annealed
    chains that start from p(z) know nothing of it, and both are lower bounds of log p(x): what they find more is what the
    guide misses. :func:`~pyrogen.inference.diagnose` reads it. It sees in the mean over the checked data what exceeds 0.1
    nats and three errors; of a mode of weight w that is missing, −log(1 − w) nats are.

    Args:
        pair: that was scored.
        x: the data that were scored, as given to :func:`~pyrogen.inference.log_evidence`.
        evidence: its result.
        estimator: the chains; few and short by default, to cost little.
        num_data: how many data, evenly spread; by default one in 40, at least one and at most 8.
        seed: of the chains.
        y: conditions, as given there.

    Returns:
        The estimate with ``from_prior`` and ``from_prior_se`` over ``datum``, nan where it was not checked; as it was where
        it owes the guide nothing; and with the attribute ``guide_unchecked``, a reason, where no chain could be asked: of a
        diffusion, of no finite datum, or, with ``chains_stand`` too, where none can move in the latents.

    Raises:
        ValueError: chains from the guide, fewer than 1 datum, or data that are not those of the estimate.
    """
    if estimator.init != "prior":
        raise ValueError(
            f"check_guide(estimator=AIS(init={estimator.init!r})): only chains from the prior check a guide."
        )
    if not from_guide(evidence):
        return evidence
    if isinstance(pair, HasDiffusion):
        why = "the guide of a diffusion is fixed, and short chains from the prior, over all its steps, come to no x"
        return evidence.assign_attrs(guide_unchecked=why)
    at_least(1, **({} if num_data is None else {"num_data": num_data}))
    finite = np.flatnonzero(np.isfinite(evidence["log_evidence"].values))
    wished = min(max(len(finite) // SHARE, 1), MOST) if num_data is None else num_data
    rows = np.unique(finite[np.linspace(0, len(finite) - 1, min(wished, len(finite))).round().astype(int)])
    if not len(rows):
        return evidence.assign_attrs(guide_unchecked="no datum has a finite estimate")
    some, labels = _rows(pair, x, y, rows, evidence.sizes["datum"])
    try:
        found = log_evidence(pair, some, replace(estimator), seed, labels)
    except ValueError as error:  # discrete latents, a sphere: chains cannot move in them
        return evidence.assign_attrs(guide_unchecked=first_line(error).removesuffix("."), chains_stand=1)
    for key in ("fingerprint", "fingerprint_y"):
        if key in evidence.coords and not np.array_equal(evidence[key].values[rows], found[key].values):
            raise ValueError("check_guide was given other data than those of the estimate; give the same x and y.")
    values = {"from_prior": found["log_evidence"].values, "from_prior_se": found["mc_se"].values}
    whole = {name: np.full(evidence.sizes["datum"], np.nan) for name in values}
    for name, value in values.items():
        whole[name][rows] = value
    return evidence.assign({name: ("datum", value) for name, value in whole.items()})


def _rows(pair: Model | Weighable, x: Any, y: Tensor | None, rows: np.ndarray, count: int) -> tuple[Any, Tensor | None]:
    """Some of the data, and their conditions where they were given apart."""
    model = as_model(pair)
    whole = x if isinstance(x, Split | Tensor) else as_split(x, y, model)
    if len(whole) != count:
        raise ValueError(f"check_guide was given {len(whole)} data, and the estimate is of {count}; give the same x.")
    at = torch.from_numpy(rows)
    labels = None if y is None else torch.as_tensor(y)[at]
    if isinstance(whole, Tensor):
        return whole[at], labels
    part, *own = whole[at]
    return Split(part, own[0] if own else None, whole.name, whole.view), labels
