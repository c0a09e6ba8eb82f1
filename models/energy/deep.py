"""Deep Boltzmann machines: hidden layers that are all undirected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from pyrogen.base import Batch, HasFeatures, HasLogProb, Objective, Player, Stage
from pyrogen.inference.evidence.partition import too_large
from pyrogen.inference.objectives.persistent import PersistentContrastiveDivergence
from pyrogen.kinds import coins
from pyrogen.models.energy.boltzmann import AT_ONCE, BURN_IN, ENUMERABLE
from pyrogen.models.energy.chains import ChainModel
from pyrogen.models.energy.visible import HasVisible, Visible, bits, column
from pyrogen.registry import entry, make

SWEEPS = 20  # of mean field


class DBM(ChainModel, HasVisible, HasLogProb, HasFeatures):
    """The deep Boltzmann machine, p(x, h) ∝ exp(a(x) + Σ_l h_lᵀW_l h_{l−1} + c_lᵀh_l), h₀ = t(x), all other layers binary.

    Given every second layer the others are independent units: chains are over s = (h₁, h₃, …), with x and the even layers
    summed out, and log f_β(s) has β times all but the base of x.

    log f(x) ≥ max_μ a(x) + Σ_l μ_lᵀW_l μ_{l−1} + c_lᵀμ_l + H(μ), by mean field: what training raises at the data, and the
    score where Σ_s is too large to enumerate.

    Reference: Salakhutdinov & Hinton 2009, Deep Boltzmann machines.

    Args:
        x_shape: shape of one datum, seen as a vector of its elements.
        hidden: numbers of units of the hidden layers, from the data upwards.
        visible: the units of x, an object or a name.
        pretraining: whether each layer is trained alone before all are, as a machine whose other side counts twice where a
            further layer will stand.
        objective: of all layers: PersistentContrastiveDivergence().
        burn_in: Gibbs steps of a sample from the base.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        hidden: Sequence[int],
        visible: Visible | str = "Bernoulli",
        pretraining: bool = True,
        objective: Objective | str | None = None,
        burn_in: int = BURN_IN,
    ) -> None:
        super().__init__()
        if len(hidden) < 2 or min(hidden) < 1:
            raise ValueError(
                f"hidden={tuple(hidden)}: a deep Boltzmann machine has 2 hidden layers or more; take 'rbm' for 1."
            )
        self.x_shape, self.hidden, self.pretraining, self.burn_in = (
            torch.Size(x_shape),
            tuple(hidden),
            pretraining,
            burn_in,
        )
        self.visible = make("visible", visible)
        self.visible.size(self.x_shape.numel())
        self.kinds = self.visible.kinds
        widths = [self.visible.width, *hidden]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        for number, layer in enumerate(self._linears):
            nn.init.normal_(layer.weight, std=Visible.spread if number else self.visible.spread)
            nn.init.zeros_(layer.bias)
        self.objective: Objective = (
            PersistentContrastiveDivergence() if objective is None else make("objective", objective)
        )
        self.tight = False

    @property
    def _linears(self) -> list[nn.Linear]:
        return cast("list[nn.Linear]", [*self.layers])

    # -- training ------------------------------------------------------------------------------------------------------

    def stages(self) -> Sequence[Stage]:
        """One for each layer, from the data upwards, and one for all together."""
        alone = [Stage([self._player(n)], f"layer {n + 1}") for n in range(len(self.layers) * self.pretraining)]
        return [*alone, Stage(self.objective.players(self), "all layers")]

    def _player(self, number: int) -> Player:
        """CD-1 of one layer, which counts what is below twice where one will stand above, and the other way round."""
        layer = self._linears[number]
        up = 1 + (number + 1 < len(self.layers))
        down = 1 + (number > 0)

        def energy(v: Tensor, t: Tensor, h: Tensor) -> Tensor:
            own = self.visible.own(v).mean() if number == 0 else 0.0
            return -own - (h * linear(t, layer.weight, layer.bias)).sum(1).mean()

        def read(v: Tensor) -> Tensor:
            return self.visible.statistic(v) if number == 0 else v

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            with torch.no_grad():
                v = self._probabilities_below(batch.x.flatten(1), number)
                p = torch.sigmoid(up * linear(read(v), layer.weight) + layer.bias)
                drive = down * coins(p) @ layer.weight
                fantasy = self.visible.draw(drive) if number == 0 else self._units(number - 1, drive)
                q = torch.sigmoid(up * linear(read(fantasy), layer.weight) + layer.bias)
            contrast = energy(v, read(v), p) - energy(fantasy, read(fantasy), q)
            return {"loss": contrast, "reconstruction_error": (fantasy - v).abs().sum(1).mean()}

        return Player(f"layer{number + 1}", loss, [layer, self.visible] if number == 0 else [layer])

    def _probabilities_below(self, x: Tensor, count: int) -> Tensor:
        for number in range(count):
            t = self.visible.statistic(x) if number == 0 else x
            x = torch.sigmoid(2 * linear(t, self._linears[number].weight) + self._linears[number].bias)
        return x

    def _units(self, number: int, drive: Tensor) -> Tensor:
        return coins(torch.sigmoid(drive + self._linears[number].bias))

    # -- chains --------------------------------------------------------------------------------------------------------

    def log_density(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """log f_β(s), x and the even layers summed out, ``(n,)``."""
        beta = column(beta)
        odd = self._odd(states)
        below = self.visible.log_normalizer(beta * (odd[0] @ self._linears[0].weight.to(states.dtype)), beta)
        return below + self._rest(odd, beta)

    def _rest(self, odd: Mapping[int, Tensor], beta: float | Tensor) -> Tensor:
        """Biases of the odd layers, and the even ones summed out."""
        own = [(beta * (h * self._linears[n].bias)).sum(1) for n, h in odd.items()]
        even = [softplus(beta * self._reach(n, odd)).sum(1) for n in range(1, len(self.layers), 2)]
        return torch.stack([*own, *even]).sum(0)

    def _reach(self, number: int, others: Mapping[int, Tensor]) -> Tensor:
        """The log odds of a hidden layer given those beside it; layer −1 is t(x)."""
        layer, below = self._linears[number], others[number - 1]
        total = linear(below, layer.weight.to(below.dtype), layer.bias.to(below.dtype))
        if number + 1 < len(self.layers):
            total = total + others[number + 1] @ self._linears[number + 1].weight.to(below.dtype)
        return total

    def _odd(self, states: Tensor) -> dict[int, Tensor]:
        """h₁, h₃ … by the numbers of their weights, 0, 2 …"""
        numbers = range(0, len(self.hidden), 2)
        return dict(zip(numbers, states.split([self.hidden[n] for n in numbers], 1), strict=True))

    def move(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """x and the even layers given the odd ones, then the odd ones given these."""
        beta = column(beta)
        odd = self._odd(states)
        x = self.visible.draw(beta * (odd[0] @ self._linears[0].weight), beta)
        even = {-1: self.visible.statistic(x)}
        for n in range(1, len(self.layers), 2):
            even[n] = coins(torch.sigmoid(beta * self._reach(n, odd)))
        return torch.cat([coins(torch.sigmoid(beta * self._reach(n, even))) for n in odd], 1)

    def base_states(self, n: int) -> Tensor:
        """Fair coins."""
        size = sum(self.hidden[::2])
        return coins(torch.full((n, size), 0.5, device=self.device, dtype=self._linears[0].weight.dtype))

    def base_log_partition(self) -> Tensor:
        """log Z₀ = Σ_l H_l log 2 + that of the visible units alone."""
        return sum(self.hidden) * math.log(2) + self.visible_log_partition()

    def emit(self, states: Tensor) -> Tensor:
        """x ~ p(x|h₁)."""
        return self.visible.draw(self._odd(states)[0] @ self._linears[0].weight).reshape(-1, *self.x_shape)

    # -- scores --------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def mean_field(self, x: Tensor) -> list[Tensor]:
        """μ_l of every hidden layer, ``(B, H_l)``: from a pass upwards with doubled weights, then layer by layer in turn."""
        below = {-1: self.visible.statistic(self.read(x).flatten(1))}
        for n, layer in enumerate(self._linears):
            twice = 1 + (n + 1 < len(self.layers))
            below[n] = torch.sigmoid(twice * linear(below[n - 1], layer.weight) + layer.bias)
        for _ in range(SWEEPS):
            for n in range(len(self.layers)):
                below[n] = torch.sigmoid(self._reach(n, below))
        return [below[n] for n in range(len(self.layers))]

    def features(self, x: Tensor) -> Tensor:
        """μ of the last layer, ``(B, hidden[-1])``."""
        return self.mean_field(x)[-1]

    def filters(self) -> list[Tensor]:
        """W₁, W₂W₁ …: what a unit is raised by through those below, as if these were linear."""
        return list(accumulate((layer.weight for layer in self._linears), lambda below, w: w @ below))

    def log_unnormalized(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The bound on log f(x) by mean field; its gradient is that of its parameters at the μ found."""
        rows, means = self.read(x).flatten(1), self.mean_field(x)
        total, below = self.visible.own(rows), self.visible.statistic(rows)
        for layer, mu in zip(self._linears, means, strict=True):
            total = total + (mu * linear(below, layer.weight, layer.bias)).sum(1)
            total = total - (torch.xlogy(mu, mu) + torch.xlogy(1 - mu, 1 - mu)).sum(1)
            below = mu
        return total, torch.zeros_like(total)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log f(x) − log Z, both by enumeration of the odd layers: exact.

        Raises:
            ValueError: they are too large.
        """
        return (self.log_mass(x) - self.log_partition()).to(self._linears[0].weight.dtype)

    def log_mass(self, x: Tensor) -> Tensor:
        """log f(x) by enumeration of the odd layers, float64.

        Raises:
            ValueError: they are too large.
        """
        rows = self.read(x).flatten(1)
        reach = linear(self.visible.statistic(rows), self._linears[0].weight).double()
        first = self.hidden[0]
        total = torch.full((len(rows),), -torch.inf, dtype=torch.float64, device=rows.device)
        for states in self._enumerated():
            joint = self._rest(self._odd(states), 1.0) + reach @ states[:, :first].T
            total = torch.logaddexp(total, joint.logsumexp(1))
        return self.visible.own(rows) + total

    @property
    def enumerable(self) -> bool:
        """Whether the odd layers have at most 20 units."""
        return sum(self.hidden[::2]) <= ENUMERABLE

    def log_partition(self) -> Tensor:
        """log Z by enumeration of the odd layers, float64.

        Raises:
            ValueError: they are too large.
        """
        parts = [torch.logsumexp(self.log_density(states), 0) for states in self._enumerated()]
        return torch.logsumexp(torch.stack(parts), 0)

    @torch.no_grad()
    def exact_states(self, n: int) -> Tensor:
        """Exact draws of the odd layers.

        Raises:
            ValueError: they are too large.
        """
        states = torch.cat([part.to(torch.uint8) for part in self._enumerated()])
        log_density = torch.cat([self.log_density(part) for part in self._enumerated()])
        chosen = torch.multinomial((log_density - log_density.max()).exp(), n, replacement=True)
        return states[chosen].to(self._linears[0].weight.dtype)

    def _enumerated(self) -> Iterator[Tensor]:
        """All states of the odd layers in parts, float64."""
        if not self.enumerable:
            layers = f"a deep Boltzmann machine with hidden={self.hidden}"
            raise ValueError(too_large(layers, f"at most {ENUMERABLE} units in every second hidden layer together"))
        units = sum(self.hidden[::2])
        for start, stop in pairwise([*range(0, 2**units, AT_ONCE), 2**units]):
            yield bits(start, stop, units, self.device).double()


@entry(
    "dbm",
    reference="Salakhutdinov & Hinton 2009, Deep Boltzmann machines",
    data="digits",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 64},
)
def dbm(
    x_shape: Sequence[int],
    hidden: Sequence[int] = (64, 32),
    visible: Visible | str = "Bernoulli",
    pretraining: bool = True,
    objective: Objective | str | None = None,
) -> DBM:
    """The deep Boltzmann machine: layers trained alone, then together by mean field and persistent chains.

    Args:
        x_shape: shape of one datum.
        hidden: numbers of units of the hidden layers, from the data upwards.
        visible: the units of x, "Bernoulli", "Gaussian" or "Categorical".
        pretraining: whether each layer is trained alone first.
        objective: of all layers together: PersistentContrastiveDivergence().
    """
    return DBM(x_shape, hidden, visible, pretraining, objective)
