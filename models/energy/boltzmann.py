"""Restricted Boltzmann machines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from pyrogen.base import HasFeatures, Objective
from pyrogen.inference.evidence.partition import too_large
from pyrogen.inference.objectives.contrastive import ContrastiveDivergence
from pyrogen.kinds import coins
from pyrogen.likelihoods.pixels import softplus_sum
from pyrogen.models.energy.chains import DataChainModel
from pyrogen.models.energy.visible import HasVisible, Visible, bits, column, states_of
from pyrogen.registry import entry, make, variant

ENUMERABLE = 20  # binary units, or as many states
AT_ONCE = 2**14  # states
BURN_IN = 1000


class RBM(DataChainModel, HasVisible, HasFeatures):
    """The restricted Boltzmann machine, p(x, h) ∝ exp(a(x) + t(x)ᵀWᵀh + cᵀh), h binary, x whatever its visible units are.

    F(x) = −a(x) − Σⱼ softplus(cⱼ + Wⱼt(x)), log p(x) = −F(x) − log Z

    log Z is enumerated over the smaller layer, where that has at most 2²⁰ states. Elsewhere chains anneal it, from the base
    of independent units with the moments of the data: f_β(x) has a_β(x) and β times all that the hidden units read.

    Reference: Smolensky 1986; Hinton 2002; the path: Salakhutdinov & Murray 2008, On the quantitative analysis of deep belief
    networks.

    Args:
        x_shape: shape of one datum, seen as a vector of its elements.
        hidden: number of hidden units.
        k: Gibbs steps of contrastive divergence in training.
        visible: the visible units, an object or a name.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise: CD-k.
        burn_in: Gibbs steps of a sample from the base.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        hidden: int,
        k: int = 1,
        visible: Visible | str = "Bernoulli",
        objective: Objective | str | None = None,
        burn_in: int = BURN_IN,
    ) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"hidden={hidden}: a Boltzmann machine needs at least 1 hidden unit.")
        self.x_shape, self.burn_in = torch.Size(x_shape), burn_in
        self.visible = make("visible", visible)
        self.visible.size(self.x_shape.numel())
        self.kinds = self.visible.kinds
        self.objective: Objective = ContrastiveDivergence(k) if objective is None else make("objective", objective)
        self.weight = nn.Parameter(self.visible.spread * torch.randn(hidden, self.visible.width))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))

    # -- energies and chains -------------------------------------------------------------------------------------------

    def log_density(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """a_β(x) + Σⱼ softplus(β (cⱼ + Wⱼt(x))), ``(n,)``."""
        x, beta = states.flatten(1), column(beta)
        return self.visible.own(x, beta) + softplus_sum(self._scaled(self.reach(x), beta))[0]

    def move(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Block Gibbs at β: h ~ p(h|x), then x ~ p(x|h)."""
        beta = column(beta)
        h = coins(torch.sigmoid(self._scaled(self.reach(states.flatten(1)), beta)))
        return self.visible.draw(self._scaled(h @ self.weight, beta), beta).reshape(states.shape)

    def contrast(self, x: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """As the contract says, by one product with W, and one in the gradient."""
        rows = torch.cat([self.read(x).flatten(1), states.flatten(1)])
        data, chains = (self.visible.own(rows) + softplus_sum(self.reach(rows))[0]).split([len(x), len(states)])
        return data, chains

    def climb(self, states: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
        """The lift from one temperature to the next, and Gibbs there, which share what the hidden units read."""
        x = states.flatten(1)
        reach = self.reach(x)
        upper, p = softplus_sum(high * reach)
        lift = self.visible.own(x, high) - self.visible.own(x, low)
        lift = lift + upper - softplus_sum(low * reach)[0]
        return lift, self.visible.draw((coins(p) @ self.weight).mul_(high), high).reshape(states.shape)

    def reach(self, x: Tensor) -> Tensor:
        """c + W t(x), the log odds of the hidden units, ``(n, hidden)``."""
        return linear(self.visible.statistic(x), self.weight, self.hidden_bias)

    def features(self, x: Tensor) -> Tensor:
        """Probabilities of the hidden units, ``(B, hidden)``."""
        return torch.sigmoid(self.reach(self.read(x).flatten(1)))

    def filters(self) -> list[Tensor]:
        """W."""
        return [self.weight]

    def base_states(self, n: int) -> Tensor:
        """Independent units."""
        nowhere = torch.zeros(n, self.visible.width, device=self.device, dtype=self.weight.dtype)
        return self.visible.draw(nowhere, 0.0).reshape(n, *self.x_shape)

    def base_log_partition(self) -> Tensor:
        """log Z₀ = H log 2 + that of the visible units alone."""
        return len(self.hidden_bias) * math.log(2) + self.visible_log_partition()

    # -- the normalizer ------------------------------------------------------------------------------------------------

    @property
    def enumerable(self) -> bool:
        """Whether a layer has at most 2²⁰ states."""
        return min(states_of(2, len(self.hidden_bias)), self.visible.states) <= 2**ENUMERABLE

    def log_partition(self) -> Tensor:
        """log Z by enumeration of the smaller layer, float64.

        Raises:
            ValueError: both layers are too large.
        """
        total = torch.tensor(-torch.inf, dtype=torch.float64, device=self.device)
        for _, log_density in self._enumerated():
            total = torch.logaddexp(total, torch.logsumexp(log_density, 0))
        return total

    @torch.no_grad()
    def exact_states(self, n: int) -> Tensor:
        """Exact draws of p(x), by the smaller layer.

        Raises:
            ValueError: both layers are too large.
        """
        units, log_density = (torch.cat(parts) for parts in zip(*self._enumerated(), strict=True))
        chosen = torch.multinomial((log_density - log_density.max()).exp(), n, replacement=True)
        some = units[chosen].to(self.weight.dtype)
        x = self.visible.draw(some @ self.weight) if self._hidden_smaller else some
        return x.reshape(n, *self.x_shape)

    @property
    def _hidden_smaller(self) -> bool:
        return states_of(2, len(self.hidden_bias)) <= self.visible.states

    def _enumerated(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All states of the smaller layer, in parts, with the log of what the other sums to, in float64."""
        if not self.enumerable:
            layers = f"{self.x_shape.numel()} visible and {len(self.hidden_bias)} hidden units"
            raise ValueError(too_large(f"an RBM with {layers}", f"a layer of at most 2^{ENUMERABLE} states"))
        hidden = len(self.hidden_bias)
        count = 2**hidden if self._hidden_smaller else int(self.visible.states)
        for start, stop in pairwise([*range(0, count, AT_ONCE), count]):
            if self._hidden_smaller:
                units = bits(start, stop, hidden, self.device).double()
                yield (
                    units,
                    units @ self.hidden_bias.double() + self.visible.log_normalizer(units @ self.weight.double()),
                )
            else:
                units = self.visible.enumerated(start, stop).double()
                reach = linear(self.visible.statistic(units).double(), self.weight.double(), self.hidden_bias.double())
                yield units, self.visible.own(units) + softplus(reach).sum(1)

    @staticmethod
    def _scaled(t: Tensor, beta: float | Tensor) -> Tensor:
        return t if isinstance(beta, float) and beta == 1.0 else beta * t


@entry(
    "rbm",
    reference="Hinton 2002, Training products of experts by minimizing contrastive divergence",
    settles=("k",),
    data="digits",
    recipe={"epochs": 100, "lr": 1e-3, "batch_size": 64},
)
def rbm(
    x_shape: Sequence[int],
    hidden: int = 64,
    k: int = 1,
    visible: Visible | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> RBM:
    """The restricted Boltzmann machine trained by CD-k.

    Args:
        x_shape: shape of one datum.
        hidden: number of hidden units.
        k: Gibbs steps of contrastive divergence.
        visible: the visible units, "Bernoulli", "Gaussian" or "Categorical".
        objective: the default objective of ``fit``: ContrastiveDivergence(k).
    """
    return RBM(x_shape, hidden, k, visible, objective)


rbm_persistent = variant(
    "rbm-persistent",
    of="rbm",
    says="The restricted Boltzmann machine trained with chains that go on from step to step.",
    defaults={"objective": "PersistentContrastiveDivergence"},
    reference="Tieleman 2008, Training restricted Boltzmann machines using approximations to the likelihood gradient",
    data="digits",
    recipe={"epochs": 100, "lr": 1e-3, "batch_size": 64},
)

rbm_gaussian = variant(
    "rbm-gaussian",
    of="rbm",
    says="The restricted Boltzmann machine with Gaussian visible units: a mixture of 2^hidden normals.",
    defaults={"visible": {"name": "Gaussian", "scale": "learned"}, "hidden": 12, "k": 5},
    reference="Welling, Rosen-Zvi & Hinton 2005, Exponential family harmoniums with an application to information retrieval",
    data="circle",
    recipe={"epochs": 100, "lr": 1e-2, "batch_size": 100, "lr_milestones": [60]},
)

rbm_categorical = variant(
    "rbm-categorical",
    of="rbm",
    says="The restricted Boltzmann machine with categorical visible units: every grey level is a value of its own.",
    defaults={"visible": "Categorical"},
    reference="Salakhutdinov, Mnih & Hinton 2007, Restricted Boltzmann machines for collaborative filtering",
    data="digits",
    recipe={"epochs": 30, "lr": 1e-3, "batch_size": 64},
)

rbm_500 = variant(
    "rbm-500",
    of="rbm",
    says="The restricted Boltzmann machine of 500 hidden units on MNIST, trained for minutes with chains that go on.",
    defaults={"hidden": 500, "objective": "PersistentContrastiveDivergence"},
    reference="Salakhutdinov & Murray 2008, On the quantitative analysis of deep belief networks",
    data="mnist",
    recipe={"epochs": 15, "lr": 1e-3, "batch_size": 100, "lr_milestones": [11], "lr_decay": 0.1},
)

rbm_500_paper = variant(
    "rbm-500-paper",
    of="rbm",
    says="The restricted Boltzmann machine of 500 hidden units on MNIST, trained by CD-25 as published.",
    defaults={"hidden": 500, "k": 25},
    reference="Salakhutdinov & Murray 2008, On the quantitative analysis of deep belief networks",
    data="mnist",
    recipe={"epochs": 500, "lr": 5e-4, "batch_size": 100, "lr_milestones": [400], "lr_decay": 0.1},
)
