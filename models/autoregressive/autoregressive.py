"""What autoregressive models have in common: p(x) = Π_d p(x_d | x_<d), by a network and a likelihood."""

from __future__ import annotations

from abc import abstractmethod

import pyro
import torch
from torch import Tensor

from pyrogen.axes import Distribution, Likelihood
from pyrogen.base import HasConditionals, HasLogProb, Objective, Pair, announce
from pyrogen.capabilities import HasGaps
from pyrogen.conditions import Condition, Reader
from pyrogen.distributions.autoregressive import Autoregressive
from pyrogen.distributions.tempered import check
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.nets import BatchDims
from pyrogen.nets.causal import Causal
from pyrogen.registry import make


class Density(Pair, HasLogProb):
    """A model that is a distribution of x alone; as a pair, its guide is empty, so that the ELBO is log p(x) itself.

    Args:
        likelihood: of an element, or a pixel, given those before it, told the shape of x.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.
        condition: what y is, where the model looks at it.
    """

    def __init__(
        self, likelihood: Likelihood, objective: Objective | str | None = None, condition: Condition | None = None
    ) -> None:
        super().__init__()
        self.x_shape, self.condition, self.likelihood = likelihood.x_shape, condition, likelihood
        self.objective: Objective = ELBO() if objective is None else make("objective", objective)
        self.kinds = likelihood.kinds
        self.reader = None if condition is None else Reader(condition)

    @abstractmethod
    def distribution(self, y: Tensor | None = None) -> Distribution:
        """p(x), or p(x|y) with batch shape ``(B,)``."""

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(x)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("x", self.distribution(y), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """Nothing: there are no latents."""
        announce(self)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x), or log p(x|y), exact, ``(B,)``."""
        return self.distribution(y).log_prob(self.read(x))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw ``n`` data place by place.

        Raises:
            ValueError: no y, or a wrong one, where the model is conditional.
        """
        self.check_draws(n, y)
        p = self.distribution(y)
        with torch.no_grad():
            return p.sample(() if p.batch_shape else (n,))

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, or outside what the likelihood scores."""
        super().check(x, y)
        self.likelihood.check(x)


class AutoregressiveModel(Density, HasConditionals, HasGaps):
    """A causal network gives the parameters of every conditional at once: log p(x) = Σ_d log p(x_d | x_<d).

    Args:
        net: of ``(N, *x_shape)`` and a condition, to ``(N, likelihood.channels(x_shape), *x_shape[1:])``.
        likelihood: of an element, or a pixel, given those before it, told the shape of x.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.
        condition: what y is, where the network reads it.
    """

    def __init__(
        self,
        net: Causal,
        likelihood: Likelihood,
        objective: Objective | str | None = None,
        condition: Condition | None = None,
    ) -> None:
        super().__init__(likelihood, objective, condition)
        features = torch.Size([likelihood.channels(self.x_shape), *self.x_shape[1:]])
        self.net, self.places = BatchDims(net, self.x_shape, features, "net"), net.places

    @property
    def any_length(self) -> bool:
        """Whether the network does, and the likelihood."""
        return self.net.any_length and self.likelihood.any_length

    def distribution(self, y: Tensor | None = None) -> Autoregressive:
        """p(x), or p(x|y)."""
        p = self.likelihood
        return Autoregressive(self.net, p, p.support, p.rescale, self.read_y(y))

    def log_conditionals(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p of each pixel given those before it, ``(B, *x_shape[1:])``."""
        return self.distribution(y).by_pixel(self.read(x))

    def complete(self, x: Tensor, known: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Data whose first ``known`` places are those of ``x``, and the rest drawn given them, ``(B, *x_shape)``.

        At a temperature T every place is drawn from p(x_d | x_<d)^(1/T), normalized; at 0 it is the likeliest value.

        Raises:
            ValueError: there are fewer places, no y where the model is conditional, or a likelihood of other values than
                finitely many at another temperature than 1.
        """
        check(temperature)
        x = self.read(x)
        if self.condition is not None:
            self.condition.check(y, len(x))
        p = self.distribution(y)
        return (p if temperature == 1 else p.at(temperature)).complete(x, known)

    def fill(self, x: Tensor, seen: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Hidden places drawn given those before them, and log p of the seen: see :class:`~pyrogen.capabilities.HasGaps`."""
        p = self.distribution(y)
        return p.fill(self.read(x), [bool(seen[place.pixel]) for place in p.places])

    def receptive_field(self, pixel: tuple[int, ...], channel: int = 0) -> Tensor:
        """How much the parameters of one element move with each element of x, ``x_shape``: exactly 0 where it sees nothing.

        The sizes of gradients, averaged over a few random inputs.
        """
        generator = torch.Generator(self.device).manual_seed(0)
        x = torch.randn(8, *self.x_shape, generator=generator, device=self.device).to(next(self.parameters()).dtype)
        told = None if self.condition is None else x.new_zeros(len(x), self.condition.size)
        with torch.enable_grad():
            x.requires_grad_()
            at = self.net(x, told)[(slice(None), slice(None), *pixel)]
            of = at if self.likelihood.couples(self.x_shape) else at[:, channel :: self.x_shape[0]]
            (moved,) = torch.autograd.grad(of.abs().sum(), x)
        return moved.abs().mean(0)
