"""Whether a generator has collapsed, without an oracle: how its samples compare with as many real data.

Collapse is mode *dropping* at its worst: data are missed, and with them variance or directions. Should not be confused with
mode *averaging*, samples between the modes, where no data are: these cover little too, as all samples do early in a training,
but vary as much as data do. :class:`pyrogen.inference.quality.neighbours.ModeDropping` and ``ModeAveraging`` measure the two.
Where what is left lies as far apart as the data did, as two opposite modes of a ring, the three numbers do not show it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Batch, HasGenerator, Model
from pyrogen.data import Split
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.quality.neighbours import coverage

COMPARED = 500  # data, and as many samples
FEWEST = 50  # data of which anything can be said
NARROW = 0.25  # of the real data's variance, or of their effective rank
COVERED = 0.5  # of what real data cover; whoever covers more has not collapsed


def total_variance(made: Tensor, x: Tensor) -> float:
    """Σ_d Var made_d, for ``(N, ...)``: 0 of a generator that makes one thing."""
    return float(_flat(made).var(0).sum())


def effective_rank(made: Tensor, x: Tensor) -> float:
    """exp(−Σ pᵢ log pᵢ), p the shares of the covariance's eigenvalues: in how many directions there is variance.

    Reference: Roy & Vetterli 2007, The effective rank.
    """
    centred = _flat(made)
    values = torch.linalg.svdvals(centred - centred.mean(0)).square()
    if float(values.sum()) <= 0:
        return 0.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


MEASURES: Mapping[str, Callable[[Tensor, Tensor], float]] = {
    "sample_variance": total_variance,
    "sample_rank": effective_rank,
    "sample_coverage": coverage,
}


class Yardstick:
    """Variance, effective rank and coverage of samples, each divided by what as many training data have: 1 of real data.

    Args:
        split: data that the model was not trained on, which are to be covered.
        train: those that it was trained on; what they cover of the others is the most that can be asked of samples.
    """

    def __init__(self, split: Split, train: Split) -> None:
        self.split, self.train = split, train

    def spread(self, model: Model) -> dict[str, float]:
        """``sample_variance``, ``sample_rank`` and ``sample_coverage`` of as many samples as data, at most 500.

        Empty where there are fewer than 50 data, or some of them are missing.
        """
        if not isinstance(model, HasGenerator) or not self.floor:
            return {}
        part = self._held_out
        made = model.sample_mean(len(part.x), model.condition_for(part.y))
        return {name: measure(made, part.x) / self.floor[name] for name, measure in MEASURES.items()}

    @cached_property
    def floor(self) -> Mapping[str, float]:
        """What training data have in place of samples; empty where nothing can be said."""
        n = len(self._held_out.x)
        real = _spaced(self.train, n).x
        if n < FEWEST or self._held_out.x.isnan().any() or real.isnan().any():
            return {}
        found = {name: measure(real, self._held_out.x) for name, measure in MEASURES.items()}
        # of data that are all alike, or unlike those of the training, nothing is a share
        return found if min(found.values()) > 0 else {}

    @cached_property
    def _held_out(self) -> Batch:
        return _spaced(self.split, min(COMPARED, len(self.split), len(self.train)))


def said_of(terms: Mapping[str, Any], prefix: str = "valid/") -> str:
    """The sentence that says that a generator has collapsed; nothing where it has not, or was not measured."""
    found = [terms.get(prefix + name) for name in MEASURES]
    if not all(isinstance(value, (int, float)) for value in found):
        return ""
    variance, rank, covered = (float(value) for value in found if value is not None)
    if covered >= COVERED or min(variance, rank) >= NARROW:
        return ""
    return (
        "the generator has collapsed: beside as many real data its samples have "
        f"{variance:.0%} of the variance and {rank:.0%} of the effective directions, and lie near {covered:.0%} as many data"
    )


def _spaced(split: Split, n: int) -> Batch:
    """So many rows, evenly spaced: the first ones may be of one class; bits of their own seed, whenever they are drawn."""
    rows = torch.linspace(0, max(len(split) - 1, 0), n, dtype=torch.float64, device=split.device).long()
    with seeded(0, split.device):
        return split.batch(rows)


def _flat(x: Tensor) -> Tensor:
    return x.detach().flatten(1).double().cpu()
