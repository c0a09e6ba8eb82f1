"""Data of which some elements are hidden, and are shown a few at a time."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Size, Tensor

from pyrogen.likelihoods.missing import Observed, OrMissing


class Revealed(TorchDistribution):
    """Some of the hidden elements of z are shown: each by chance with probability r, or one of them, all alike.

    log p(z′|z) = n log r + (h − n) log(1 − r) + Σ_{i shown} log p(zᵢ′|z) of h hidden elements of which n are shown, and for
    the one of h, −log h + log p(zᵢ′|z). What is hidden is NaN; what was shown stays as it is.

    Shapes: z ``(..., *event)``.

    Args:
        before: z.
        values: p(zᵢ′|z) of every element; or z′ of all of them, where it is known.
        chance: r; None: one.
        inside: the values that an element may have.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)

    def __init__(
        self, before: Tensor, values: Observed | Tensor, chance: float | None, inside: constraints.Constraint
    ) -> None:
        self.before, self.values, self.chance, self.inside = before, values, chance, inside
        self.rank = len(values.event_shape) if isinstance(values, Observed) else values.dim() - 1
        batch = before.dim() - self.rank
        super().__init__(before.shape[:batch], before.shape[batch:], validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """What an element may be, or NaN."""
        return constraints.independent(OrMissing(self.inside), self.rank)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Revealed:
        """The same distribution for another batch shape."""
        shape = Size(batch_shape)
        before = self.before.expand(shape + self.event_shape)
        values = self.values.expand(shape) if isinstance(self.values, Observed) else self.values
        return Revealed(before, values, self.chance, self.inside)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """What is shown, and its values."""
        shape = self._extended_shape(Size(sample_shape))
        known = self.values
        drawn = known.sample(Size(sample_shape)) if isinstance(known, Observed) else known
        before = self.before.expand(shape)
        hidden = before.isnan()
        if self.chance is None:
            ranked = torch.where(hidden, torch.rand(shape, device=before.device), -1.0).flatten(-self.rank)
            shown = torch.zeros_like(ranked).scatter_(-1, ranked.argmax(-1, keepdim=True), 1.0).reshape(shape).bool()
        else:
            shown = torch.rand(shape, device=before.device) < self.chance
        return torch.where(hidden & shown, drawn.to(before), before)

    def log_prob(self, value: Tensor) -> Tensor:
        """In nats."""
        hidden, still = self.before.isnan(), value.isnan()
        shown = hidden & ~still
        if isinstance(self.values, Observed):
            log_p = self.values.log_prob(value.masked_fill(~shown, torch.nan))
        else:
            log_p = torch.where((shown & (value != self.values)).flatten(-self.rank).any(-1), -torch.inf, 0.0)
        # what was shown is as it was, and what was hidden is not shown by halves
        changed = (~hidden & (value != self.before)).flatten(-self.rank).any(-1)
        how = self._which(hidden.flatten(-self.rank).sum(-1), shown.flatten(-self.rank).sum(-1))
        total: Tensor = (log_p + how.to(log_p)).masked_fill(changed, -torch.inf)
        return total

    def _which(self, hidden: Tensor, shown: Tensor) -> Tensor:
        """log of the probability that just these are shown."""
        if self.chance is None:
            return torch.where(shown == 1, -hidden.clamp(min=1).double().log(), -torch.inf)
        r = torch.tensor(self.chance, dtype=torch.float64, device=hidden.device)
        return torch.special.xlogy(shown, r) + torch.special.xlog1py(hidden - shown, -r)
