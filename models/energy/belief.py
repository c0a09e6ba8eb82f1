"""Deep belief networks: directed layers under a restricted Boltzmann machine."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyrogen.base import HasFeatures, HasPartition, Objective, Stage
from pyrogen.inference.objectives.contrastive import ContrastiveDivergence
from pyrogen.inference.objectives.up_down import HasDreams, UpDown
from pyrogen.kinds import coins
from pyrogen.models.energy.boltzmann import BURN_IN, RBM
from pyrogen.models.energy.greedy import greedy_stage, machine_of
from pyrogen.models.energy.visible import HasVisible, Visible
from pyrogen.registry import entry, make, spelled

AT_ONCE = 10_000  # rows of importance samples


class DirectedLayer(nn.Module):
    """p(v|h) by visible units that are driven by Wᵀh, and q(h|v) = σ(r + Rv), binary.

    Args:
        shape: of v.
        hidden: how many h there are.
        visible: the units of v.
    """

    def __init__(self, shape: torch.Size, hidden: int, visible: Visible) -> None:
        super().__init__()
        self.shape, self.visible = shape, visible
        visible.size(shape.numel())
        self.weight = nn.Parameter(visible.spread * torch.randn(hidden, visible.width))
        self.up = nn.Linear(visible.width, hidden)
        self.tie()

    @torch.no_grad()
    def tie(self) -> None:
        """Let R be W, as in the machine whose layer this was."""
        self.up.weight.copy_(self.weight)

    def reach(self, v: Tensor) -> Tensor:
        """The log odds of q(h|v), ``(n, hidden)``."""
        logits: Tensor = self.up(self.visible.statistic(v.flatten(1)))
        return logits

    def log_prob(self, v: Tensor, h: Tensor) -> Tensor:
        """log p(v|h), ``(n,)``."""
        rows, drive = v.flatten(1), h @ self.weight
        inner = (self.visible.statistic(rows) * drive).sum(1)
        return self.visible.own(rows) + inner - self.visible.log_normalizer(drive)

    def draw(self, h: Tensor) -> Tensor:
        """v ~ p(v|h), ``(n, *shape)``."""
        return self.visible.draw(h @ self.weight).reshape(-1, *self.shape)


class DBN(HasVisible, HasPartition, HasFeatures, HasDreams):
    """The deep belief network, p(x, h) = p(x|h₁) p(h₁|h₂) … p(h_{L−1}, h_L), whose last factor is an RBM.

    It is trained layer by layer, each as an RBM of the states of those below; then all together by the up-down algorithm, in
    which recognition weights R, which began as the W of the machines, go their own way.

    log p(x) ≥ E log 1/K Σₖ p(x|h₁) … p*(h_{L−1}) / q(h₁|x) … q(h_{L−1}|h_{L−2}) − log Z, log p* = −F of the top: the
    importance-weighted bound over the recognition weights; log Z of the top is annealed, and in expectation too small.

    Reference: Hinton, Osindero & Teh 2006, A fast learning algorithm for deep belief nets; the bound: Salakhutdinov & Murray
    2008, On the quantitative analysis of deep belief networks; over several samples: Burda et al. 2016, arXiv:1509.00519.

    Args:
        x_shape: shape of one datum, seen as a vector of its elements.
        hidden: numbers of units h₁ … h_L.
        visible: the units of x, an object or a name.
        k: Gibbs steps of the contrastive divergence of each layer.
        tuning: whether the up-down algorithm follows.
        objective: what follows: UpDown().
        num_samples: K.
        burn_in: Gibbs steps of the top for a sample.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        hidden: Sequence[int],
        visible: Visible | str = "Bernoulli",
        k: int = 1,
        tuning: bool = True,
        objective: Objective | str | None = None,
        num_samples: int = 100,
        burn_in: int = BURN_IN,
    ) -> None:
        super().__init__()
        if len(hidden) < 2 or min(hidden) < 1:
            raise ValueError(
                f"hidden={tuple(hidden)}: a deep belief network has 2 hidden layers or more; take 'rbm' for 1."
            )
        self.x_shape, self.k, self.tuning = torch.Size(x_shape), k, tuning
        self.num_samples, self.burn_in = num_samples, burn_in
        shapes = [self.x_shape, *(torch.Size([n]) for n in hidden)]
        units = [make("visible", visible), *(make("visible", "Bernoulli") for _ in hidden)]
        below = list(zip(shapes, hidden, units, strict=False))[:-1]
        self.layers = nn.ModuleList(DirectedLayer(shape, n, own) for shape, n, own in below)
        for layer in self._directed:
            layer.up.weight.requires_grad_(tuning)  # else it stays what it is tied to
        self.machine = RBM(shapes[-2], hidden[-1], k, burn_in=burn_in)
        self.kinds = self.visible.kinds
        self.tight = False
        self.objective: Objective = UpDown() if objective is None else make("objective", objective)

    @property
    def _directed(self) -> list[DirectedLayer]:
        return cast("list[DirectedLayer]", [*self.layers])

    @property
    def visible(self) -> Visible:  # type: ignore[override]
        """The units of x, which belong to the lowest layer."""
        return self._directed[0].visible

    @torch.no_grad()
    def after_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """The base of the top, from which chains climb, has the rates of what the recognition weights make of the data."""
        rate = self.climb_layers(x).mean(0).double() * len(x)
        self.machine.visible.get_buffer("base").copy_(torch.logit((rate + 0.5) / (len(x) + 1)))

    def stages(self) -> Sequence[Stage]:
        """One for each layer, from the data upwards, and the fine-tuning.

        Raises:
            ValueError: there is no fine-tuning, and an objective of it.
        """
        if not self.tuning and self.objective != UpDown():
            raise ValueError(
                f"of tuning=False the layers are trained by contrastive divergence, and nothing by "
                f"{spelled(self.objective)}; leave one of the two out."
            )
        found, objective = [], ContrastiveDivergence(self.k)
        for number, layer in enumerate(self._directed, start=1):
            machine = machine_of(layer.weight, layer.up.bias, layer.visible, layer.shape)
            below = partial(self.climb_layers, count=number - 1)
            found.append(greedy_stage(machine, below, objective, number, self._tied(number - 1)))
        count = len(self.layers)
        found.append(greedy_stage(self.machine, self.climb_layers, objective, count + 1, self._tied(count)))
        return [*found, Stage(self.objective.players(self), "up and down")] if self.tuning else found

    def _tied(self, count: int) -> Callable[[], None]:
        """Before the layer above so many is trained: R below becomes its W, and W here, where it fits, its Wᵀ."""

        def enter() -> None:
            if count == 0:
                return
            layer = self._directed[count - 1]
            layer.tie()
            mine = self._directed[count] if count < len(self.layers) else self.machine
            bias = mine.up.bias if isinstance(mine, DirectedLayer) else mine.hidden_bias
            own = layer.visible.natural_bias()
            if own is None or mine.weight.shape != layer.weight.T.shape:
                return
            with torch.no_grad():
                mine.weight.copy_(layer.weight.T)
                mine.visible.get_parameter("bias").copy_(layer.up.bias)
                bias.copy_(own)

        return enter

    # -- up and down ---------------------------------------------------------------------------------------------------

    @property
    def top(self) -> RBM:
        """The machine of the last two layers."""
        return self.machine

    def climb_layers(self, x: Tensor, count: int | None = None) -> Tensor:
        """h ~ q(h|x) above so many layers, all by default; x itself above none."""
        for layer in self._directed[:count]:
            x = coins(torch.sigmoid(layer.reach(x)))
        return x

    def features(self, x: Tensor) -> Tensor:
        """Probabilities of h_L, with those of the layers below in place of their states, ``(B, hidden[-1])``."""
        h = self.read(x)
        for layer in self._directed:
            h = torch.sigmoid(layer.reach(h))
        return torch.sigmoid(self.machine.reach(h))

    def filters(self) -> list[Tensor]:
        """R₁, R₂R₁ … and that of the machine: what a unit is raised by through those below, as if these were linear."""
        weights = [layer.up.weight for layer in self._directed] + [self.machine.weight]
        return list(itertools.accumulate(weights, lambda below, w: w @ below))

    def wake(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """h_{L−1} ~ q(·|x), and −log p(x|h₁) − log p(h₁|h₂) … along the way."""
        v, explained = self.read(x), torch.zeros(len(x), device=x.device)
        for layer in self._directed:
            with torch.no_grad():
                h = coins(torch.sigmoid(layer.reach(v)))
            explained, v = explained - layer.log_prob(v, h), h
        return v, explained

    def dream(self, h: Tensor) -> Tensor:
        """−log q of the layers between h_{L−1} and a dreamt x."""
        surprise = torch.zeros(len(h), device=h.device)
        for layer in reversed(self._directed):
            with torch.no_grad():
                v = layer.draw(h)
            surprise, h = surprise + _surprise(layer.reach(v), h), v
        return surprise

    # -- log Z and chains are those of the top -------------------------------------------------------------------------

    def base_states(self, n: int) -> Tensor:
        """Independent units h_{L−1}."""
        return self.machine.base_states(n)

    def base_log_partition(self) -> Tensor:
        """That of the top."""
        return self.machine.base_log_partition()

    def log_density(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """log p*(h_{L−1}) of the top, ``(n,)``."""
        return self.machine.log_density(states, beta)

    def move(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Block Gibbs of the top."""
        return self.machine.move(states, beta)

    def climb(self, states: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
        """As the top does."""
        return self.machine.climb(states, low, high)

    def emit(self, states: Tensor) -> Tensor:
        """x ~ p(x|h_{L−1}), layer by layer."""
        for layer in reversed(self._directed):
            states = layer.draw(states)
        return states

    @property
    def enumerable(self) -> bool:
        """Whether log Z of the top is."""
        return self.machine.enumerable

    def log_partition(self) -> Tensor:
        """log Z of the top.

        Raises:
            ValueError: both its layers are too large.
        """
        return self.machine.log_partition()

    def exact_states(self, n: int) -> Tensor:
        """Exact draws of h_{L−1}.

        Raises:
            ValueError: as ``log_partition``.
        """
        return self.machine.exact_states(n)

    def log_unnormalized(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The importance-weighted bound on log f(x) = log p(x) + log Z, and its error √(Σw²/(Σw)² − 1/K)."""
        x = self.read(x)
        k, found = self.num_samples, []
        for part in x.split(max(AT_ONCE // k, 1)):
            v = part.repeat(k, *[1] * (part.dim() - 1))
            log_weights = torch.zeros(len(v), device=x.device)
            for layer in self._directed:
                reach = layer.reach(v)
                h = coins(torch.sigmoid(reach))
                log_weights = log_weights + layer.log_prob(v, h) + _surprise(reach, h)
                v = h
            log_weights = (log_weights + self.machine.log_density(v)).unflatten(0, (k, len(part)))
            share = log_weights.softmax(0)
            error = (share.square().sum(0) - 1 / k).clamp(min=0).sqrt()
            found.append(torch.stack([log_weights.logsumexp(0) - math.log(k), error]))
        value, error = torch.cat(found, 1)
        return value, error.detach()

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Chains of the top from its base, then down, ``(n, *x_shape)``."""
        self.check_draws(n)
        return self.emit(self.machine.sample(n))


def _surprise(logits: Tensor, bits: Tensor) -> Tensor:
    """−log Bernoulli(bits), summed over units."""
    return (softplus(logits) - bits * logits).sum(1)


@entry(
    "dbn",
    reference="Hinton, Osindero & Teh 2006, A fast learning algorithm for deep belief nets",
    data="digits",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 64},
)
def dbn(
    x_shape: Sequence[int],
    hidden: Sequence[int] = (64, 64),
    visible: Visible | str = "Bernoulli",
    k: int = 1,
    tuning: bool = True,
    objective: Objective | str | None = None,
) -> DBN:
    """The deep belief network: layers trained greedily as Boltzmann machines, one a stage, then tuned up and down.

    Args:
        x_shape: shape of one datum.
        hidden: numbers of units of the hidden layers, from the data upwards.
        visible: the units of x, "Bernoulli", "Gaussian" or "Categorical".
        k: Gibbs steps of the contrastive divergence of each layer.
        tuning: whether the up-down algorithm follows the layers.
        objective: of the tuning: UpDown().
    """
    return DBN(x_shape, hidden, visible, k, tuning, objective)
