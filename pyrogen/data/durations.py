"""How long jobs wait and how long they take: a law of positive numbers whose log p and whose sorts are known."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.data.law import Law
from pyrogen.data.oracle import Oracle
from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice

SIZES = (10_000, 1_000, 2_500)
MIDDLE = 0.999  # of each duration, which is of high quality


class Durations(Oracle, Law):
    """p(x) = Σₛ wₛ Πᵢ Gamma(xᵢ; kₛᵢ, kₛᵢ/μₛᵢ): a sort s of jobs waits and works for sums of k equal exponential steps.

    A sample is of high quality within the middle 99.9 % of both durations of its most probable sort.

    Attributes:
        steps: whole k, ``(S, D)``.
        means: μ, ``(S, D)``.
        weights: w, ``(S,)``.

    Args:
        steps: k.
        means: μ.
        weights: w, of sum 1.
    """

    least = 20
    good = "within the middle 99.9 % of both durations of a sort"

    def __init__(
        self,
        steps: tuple[tuple[int, ...], ...] = ((1, 4), (2, 6)),
        means: tuple[tuple[float, ...], ...] = ((1.0, 0.5), (6.0, 4.0)),
        weights: tuple[float, ...] = (0.6, 0.4),
    ) -> None:
        self.steps, self.means = (torch.tensor(rows, dtype=torch.float64) for rows in (steps, means))
        self.weights = torch.tensor(weights, dtype=torch.float64)

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draws of durations ``(n, D)`` and their sorts ``(n,)``."""
        sort = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        steps = self.steps[sort]
        most = int(self.steps.max())
        each = -torch.log1p(-torch.rand(n, steps.shape[1], most, generator=generator, dtype=torch.float64))
        taken = torch.where(torch.arange(most) < steps.unsqueeze(-1), each, 0.0).sum(-1)
        return (taken * self.means[sort] / steps).float(), sort

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x), or log p(x|s) given the sorts y, in nats: ``(..., D)`` to ``(...)``, float64."""
        each = self._each(x)
        if y is not None:
            return each.gather(-1, y.to(each.device).unsqueeze(-1)).squeeze(-1)
        return torch.logsumexp(self.weights.log().to(each.device) + each, -1)

    def place(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The most probable sort, and whether both durations are in the middle of it."""
        sort = (self.weights.log().to(x.device) + self._each(x)).argmax(-1)
        steps, means = (table.to(x.device)[sort] for table in (self.steps, self.means))
        below = torch.special.gammainc(steps, x.double() * steps / means)
        return sort, ((below - 0.5).abs() <= MIDDLE / 2).all(-1)

    def _each(self, x: Tensor) -> Tensor:
        """log p(x|s) of each sort, ``(..., S)``."""
        x = x.double().unsqueeze(-2)
        steps, rate = self.steps.to(x.device), (self.steps / self.means).to(x.device)
        return (steps * rate.log() + (steps - 1) * x.log() - rate * x - torch.lgamma(steps)).sum(-1)


@choice("data", "durations")
def durations() -> Source:
    """How long two sorts of jobs wait and how long they take, all of it above 0; log p, and that of each sort, is known."""
    law, generator = Durations(), torch.Generator().manual_seed(0)
    return Source(
        name="durations",
        reference="drawn from pyrogen.data.durations.Durations with a fixed seed",
        kinds=("positive", "real"),
        levels=None,
        splits={split: law.sample(n, generator) for split, n in zip(SPLITS, SIZES, strict=True)},
        oracle=law,
        law=law,
    )
