"""How much the latents are used: active units, KL of each, and mutual information."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from pyro.distributions import Independent
from torch import Tensor
from torch.distributions import kl_divergence

from pyrogen.axes import Prior
from pyrogen.base import HasPosterior, Model
from pyrogen.data import Split
from pyrogen.inference.programs.record import is_point

ACTIVE = 0.01
SHOWN = 500


def activity(model: HasPosterior, split: Split) -> dict[str, Any]:
    """Diagnostics of q(z|x) on the first data of a split.

    ``active_units``: coordinates whose posterior mean varies over data by more than 0.01 (Burda et al. 2016,
    arXiv:1509.00519). ``kl_per_dim``: mean KL of each coordinate, where prior and posterior are both independent over
    coordinates and the KL is known in closed form. ``mutual_information``: E log q(z|x) − E log 1/N Σₙ q(z|xₙ), at most
    log N: the plug-in of Hoffman & Johnson 2016, which is biased upwards.

    Returns:
        Numbers, and one list; posteriors without a density have the active units only.
    """
    part = split.take(min(SHOWN, len(split)))
    q = model.encode(part.x, part.y)
    found: dict[str, Any] = {"active_units": int((q.mean.var(0) > ACTIVE).sum())}
    parts = model.children() if isinstance(model, Model) else ()
    priors = [part for part in parts if isinstance(part, Prior) and part.proper]
    if len(priors) == 1 and isinstance(q, Independent):
        p = priors[0](part.y)
        if isinstance(p, Independent) and not is_point(q):
            with contextlib.suppress(NotImplementedError):
                found["kl_per_dim"] = kl_divergence(q.base_dist, p.base_dist).mean(0).tolist()
    if not is_point(q):
        found["mutual_information"] = _mutual_information(q)
    return found


def _mutual_information(q: Any) -> float:
    z: Tensor = q.sample()
    crossed = q.log_prob(z.unsqueeze(1))  # (draw, datum)
    aggregated = torch.logsumexp(crossed, 1) - math.log(len(z))
    return float((crossed.diagonal() - aggregated).mean())
