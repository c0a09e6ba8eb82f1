"""Whether a generator has collapsed: what its samples vary by, in how many directions, and how many data have one near."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import HasGenerator, Model
from pyrogen.data import Split
from pyrogen.inference.quality.neighbours import coverage

COMPARED = 500  # data, and as many samples
FEWEST = 50  # data of which anything can be said
NARROW = 0.25  # of the data's variance, or of their effective rank
COVERED = 0.5  # of the data; whoever covers more has not collapsed
BARE = 0.1


def relative_variance(made: Tensor, x: Tensor) -> float:
    """Σ_d Var made_d / Σ_d Var x_d, for ``(N, ...)`` each: 0 of a generator that makes one thing."""
    return float(_flat(made).var(0).sum() / _flat(x).var(0).sum().clamp_min(1e-30))


def relative_rank(made: Tensor, x: Tensor) -> float:
    """The effective rank of ``made`` over that of ``x``, which should be of as many rows.

    exp(−Σ pᵢ log pᵢ), p the shares of the covariance's eigenvalues: in how many directions there is variance.
    Reference: Roy & Vetterli 2007, The effective rank.
    """
    return _effective_rank(made) / _effective_rank(x)


def spread(model: Model, split: Split) -> dict[str, float]:
    """``sample_variance``, ``sample_rank`` and ``sample_coverage`` of as many samples as data, at most 500.

    Empty where there are fewer than 50 data, or some of them are missing.
    """
    if not isinstance(model, HasGenerator) or len(split) < FEWEST:
        return {}
    part = split.take(min(COMPARED, len(split)))
    if part.x.isnan().any():
        return {}
    made = model.sample_mean(len(part), model.condition_for(part.y))
    return {
        "sample_variance": relative_variance(made, part.x),
        "sample_rank": relative_rank(made, part.x),
        "sample_coverage": coverage(made, part.x),
    }


def said_of(terms: Mapping[str, Any], prefix: str = "valid/") -> str:
    """The sentence that says that a generator has collapsed; nothing where it has not, or was not measured."""
    names = ("sample_variance", "sample_rank", "sample_coverage")
    found = [terms.get(prefix + name) for name in names]
    if not all(isinstance(value, (int, float)) for value in found):
        return ""
    variance, rank, covered = (float(value) for value in found if value is not None)
    if not (covered < BARE or (covered < COVERED and min(variance, rank) < NARROW)):
        return ""
    return (
        f"the generator has collapsed, or is far from the data: its samples have {variance:.0%} of the data's variance, in "
        f"{rank:.0%} of their effective directions, and lie near {covered:.0%} of them"
    )


def _effective_rank(x: Tensor) -> float:
    centred = _flat(x)
    values = torch.linalg.svdvals(centred - centred.mean(0)).square()
    if float(values.sum()) <= 0:
        return 0.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def _flat(x: Tensor) -> Tensor:
    return x.detach().flatten(1).double().cpu()
