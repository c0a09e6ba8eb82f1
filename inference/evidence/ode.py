"""log p(x) along a differential equation, with the errors that its probes and its solver make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.capabilities import HasODE
from pyrogen.distributions.ode import check_tolerance
from pyrogen.inference.evidence.estimator import Estimates, Estimator
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.request import instead
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice
from pyrogen.seeds import derived

BLOCK = 4000  # data, and probes of them, that are followed at once


@choice("estimator")
@dataclass(frozen=True)
class ODE(Estimator):
    """log p(x) of a flow along a differential equation, by exact or by probed divergence, with the error of its solver.

    log p(x) = log N(x(0); 0, I) − ∫₀¹ div v(x(t), t) dt, with div v = Σᵢ ∂vᵢ/∂xᵢ, or, by Hutchinson, its mean over P probes e
    of independent signs, E eᵀ (∂v/∂x) e: each gives an unbiased log p(x), and their spread is ``mc_se``. Every x is followed
    twice, at the tolerance and at half of it; ``log_evidence`` is the finer, and ``solver_gap`` by how much they differ: the
    bias that is left is of its size or less, where halving once more would halve it. Steps are those that the hardest datum
    of a batch needs: beside others a datum is scored as alone up to that bias.

    Reference: Grathwohl et al. 2019, FFJORD, arXiv:1810.01367.

    Args:
        probes: P; None: the exact divergence, which takes a slope for each element of x, of which 256 are the most.
        tolerance: of the coarser way, relative and absolute; None: that of the model.
    """

    bound: ClassVar[str | None] = "exact"  # up to the solver
    memory: ClassVar[str] = "lower probes"

    probes: int | None = None
    tolerance: float | None = None

    def __post_init__(self) -> None:
        """Refuse what has no error."""
        if self.probes is not None and self.probes < 2:
            raise ValueError(f"ODE(probes={self.probes}): an error needs 2 probes or more; None: the exact divergence.")
        if self.tolerance is not None:
            check_tolerance(self.tolerance)

    def attributes(self) -> dict[str, Any]:
        """The settings."""
        return {k: v for k, v in (("probes", self.probes), ("tolerance", self.tolerance)) if v is not None}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The finer of two ways, the spread of its probes, and how far it is from the coarser."""
        if not isinstance(model, HasODE):
            raise ValueError(
                f"{type(model).__name__} follows no differential equation from noise to x; {instead(model)}."
            )
        model.check(x, y)
        tolerance, rows = self.tolerance or model.tolerance, max(1, BLOCK // (self.probes or 1))
        found: list[tuple[Tensor, ...]] = []
        with evaluating(model), torch.no_grad(), track(len(x), "following") as advance:
            for block, start in enumerate(range(0, len(x), rows)):
                part, probes = x[start : start + rows], None
                if self.probes is not None:
                    with seeded(derived(seed, block)[0], x.device):
                        probes = torch.randint(0, 2, (self.probes, *part.shape), device=x.device).to(part) * 2 - 1
                coarse, fine = (
                    model.log_prob_along(part, t, probes).double().reshape(-1, len(part))
                    for t in (tolerance, tolerance / 2)
                )
                error = fine.std(0) / len(fine) ** 0.5 if len(fine) > 1 else torch.zeros_like(fine[0])
                found.append((fine.mean(0), error, (fine.mean(0) - coarse.mean(0)).abs()))
                advance(len(part))
        names = "log_evidence", "mc_se", "solver_gap"
        columns = (torch.cat(column).cpu().numpy() for column in zip(*found, strict=True))
        return {name: (("datum",), column) for name, column in zip(names, columns, strict=True)}
