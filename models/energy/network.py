"""Deep energy networks: a density that is a network's, but for its normalizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from pyro.distributions import Normal
from torch import Tensor, nn

from pyrogen.axes import Distribution
from pyrogen.base import Objective
from pyrogen.dequantization import refuse_levels
from pyrogen.inference.evidence.partition import too_large
from pyrogen.inference.objectives.persistent import PersistentContrastiveDivergence
from pyrogen.models.energy.chains import DataChainModel
from pyrogen.nets import BatchDims, mlp
from pyrogen.registry import entry, make

CELLS = 600  # of a side of the grid of a quadrature
REACH = 6.0  # standard deviations of the base to which it goes
ROWS = 2**17  # of the grid at once
WISHED = 0.7  # probability of acceptance
GAIN = 0.02  # by which the step follows it, in training alone


class EnergyNetwork(DataChainModel):
    """A network E of x bends a normal: p(x) = N(x; m, s²) exp(−E(x)) / Z, with m and s of the training data.

    The normal is the base of its path, log f_β(x) = log N(x; m, s²) − β E(x), and keeps f integrable while E falls slower
    than a square. Chains make Langevin moves with several leapfrogs and a Metropolis step: the step size is found in
    training, and then frozen. In one and two dimensions Z is found by quadrature, and log p(x) with it.

    Reference: LeCun et al. 2006, A tutorial on energy-based learning; Du & Mordatch 2019, arXiv:1903.08689.

    Args:
        energy: ``(N, *x_shape)`` to ``(N, 1)``.
        x_shape: shape of one datum.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.
        leapfrogs: of a move; 1 is Langevin's.
        burn_in: moves of a sample from the base.
    """

    kinds = ("real", "unit")
    loc: Tensor
    scale: Tensor
    step: Tensor

    def __init__(
        self,
        energy: nn.Module,
        x_shape: Sequence[int],
        objective: Objective | str | None = None,
        leapfrogs: int = 3,
        burn_in: int = 300,
    ) -> None:
        super().__init__()
        if leapfrogs < 1:
            raise ValueError(f"leapfrogs={leapfrogs}: a move has at least 1.")
        self.x_shape, self.leapfrogs, self.burn_in = torch.Size(x_shape), leapfrogs, burn_in
        usual = PersistentContrastiveDivergence(k=5, chains=2000, moved=200, restart=0.02)
        self.objective: Objective = usual if objective is None else make("objective", objective)
        self.energy = BatchDims(energy, self.x_shape, torch.Size([1]), "energy")
        self.register_buffer("loc", torch.zeros(self.x_shape))
        self.register_buffer("scale", torch.ones(self.x_shape))
        self.register_buffer("step", torch.tensor(0.1))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    @property
    def needs_training_data(self) -> bool:
        """For the base."""
        return True

    @torch.no_grad()
    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse levels; the base has the mean and the standard deviation of the data."""
        refuse_levels(self, x)
        seen = self.get_buffer("seen")
        if not seen:
            self.loc.copy_(x.mean(0))
            self.scale.copy_(x.std(0, correction=0).clamp(min=1e-3))
            seen.fill_(True)

    def base(self) -> Distribution:
        """N(m, s²)."""
        return Normal(self.loc, self.scale).to_event(len(self.x_shape))

    def log_density(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """log N(x; m, s²) − β E(x), ``(n,)``."""
        base: Tensor = self.base().log_prob(states)
        return base - beta * self.energy(states).squeeze(1)

    def move(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Leapfrogs in units of s, accepted with probability min(1, exp(−ΔH))."""
        x = states.detach()
        momentum = torch.randn_like(x)
        value, slope = self._slope(x, beta)
        before = value - momentum.flatten(1).square().sum(1) / 2
        there, moving = x, momentum + self.step / 2 * slope
        for i in range(self.leapfrogs):
            there = there + self.step * self.scale * moving
            value, slope = self._slope(there, beta)
            moving = moving + self.step * (0.5 if i + 1 == self.leapfrogs else 1.0) * slope
        gain = value - moving.flatten(1).square().sum(1) / 2 - before
        accepted = torch.rand_like(gain).log() < gain
        if self.training:
            with torch.no_grad():
                self.step.mul_(torch.exp(GAIN * (accepted.to(self.step).mean() - WISHED)))
        return torch.where(accepted.reshape(-1, *[1] * len(self.x_shape)), there, x)

    def _slope(self, x: Tensor, beta: float | Tensor) -> tuple[Tensor, Tensor]:
        """log f_β, and its gradient in units of s."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = self.log_density(x, beta)
            (slope,) = torch.autograd.grad(value.sum(), x)
        return value.detach(), slope * self.scale

    def base_states(self, n: int) -> Tensor:
        """Draws of the base."""
        states: Tensor = self.base().sample((n,))
        return states

    def base_log_partition(self) -> Tensor:
        """0: the base is normalized."""
        return torch.zeros((), dtype=torch.float64, device=self.device)

    # -- the normalizer ------------------------------------------------------------------------------------------------

    @property
    def enumerable(self) -> bool:
        """Whether there are at most two dimensions."""
        return self.x_shape.numel() <= 2

    def log_partition(self) -> Tensor:
        """log Z by the midpoint rule on the base's mean ± 6 standard deviations, float64.

        Raises:
            ValueError: more than two dimensions, or mass at the edge.
        """
        return self._grid()[1].logsumexp(0)

    @torch.no_grad()
    def exact_states(self, n: int) -> Tensor:
        """Draws of p(x), exact but for the width of the grid's cells.

        Raises:
            ValueError: more than two dimensions, or mass at the edge.
        """
        x, log_mass = self._grid()
        chosen = x[torch.multinomial((log_mass - log_mass.max()).exp(), n, replacement=True)]
        return chosen + (torch.rand_like(chosen) - 0.5) * (2 * REACH / CELLS) * self.scale

    def _grid(self) -> tuple[Tensor, Tensor]:
        """Midpoints of cells ``(M, *x_shape)``, and the log of the mass of each.

        Raises:
            ValueError: more than two dimensions, or mass at the edge.
        """
        if not self.enumerable:
            raise ValueError(
                too_large(f"an energy of {self.x_shape.numel()} dimensions", "quadrature, which reaches to 2")
            )
        count, width = self.x_shape.numel(), 2 * REACH / CELLS
        side = torch.linspace(-REACH + width / 2, REACH - width / 2, CELLS, device=self.device)
        unit = torch.cartesian_prod(*[side] * count).reshape(-1, *self.x_shape)
        x = self.loc + self.scale * unit
        density = torch.cat([self.log_density(part) for part in x.split(ROWS)]).double()
        log_mass = density + self.scale.double().log().sum() + count * math.log(width)
        outer = ((x - self.loc).abs() > (REACH - 0.5) * self.scale).flatten(1).any(1)
        lost = float((log_mass[outer].logsumexp(0) - log_mass.logsumexp(0)).exp().detach())
        if lost > 1e-3:
            raise ValueError(
                f"{lost:.0%} of the model's mass lies at the edge of the grid, {REACH:g} standard deviations of the "
                "data from their mean, so a quadrature would miss what lies beyond; score by estimator=AIS()."
            )
        return x, log_mass


@entry(
    "ebm",
    reference="Du & Mordatch 2019, Implicit generation and modeling with energy-based models, arXiv:1903.08689",
    data="ring",
    recipe={"epochs": 30, "lr": 1e-3, "batch_size": 200},
)
def ebm(
    x_shape: Sequence[int],
    hidden: Sequence[int] = (128, 128),
    leapfrogs: int = 3,
    objective: Objective | str | None = None,
) -> EnergyNetwork:
    """The deep energy network, trained by Langevin chains that go on in a replay buffer.

    Args:
        x_shape: shape of one datum.
        hidden: widths of the hidden layers of the energy.
        leapfrogs: of a move of a chain; 1 is Langevin's.
        objective: the default objective of ``fit``: PersistentContrastiveDivergence with a buffer.
    """
    smooth: Callable[[], nn.Module] = nn.SiLU
    return EnergyNetwork(mlp(x_shape, hidden, (1,), smooth), x_shape, objective, leapfrogs)
