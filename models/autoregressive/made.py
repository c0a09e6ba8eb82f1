"""Autoregressive models: p(x) = Π_d p(x_d | x_<d)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyro
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from pyrogen.axes import Distribution, Likelihood
from pyrogen.base import HasLogProb, Pair, announce
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.nets import BatchDims, MaskedMLP
from pyrogen.registry import entry, make


class Autoregressive(TorchDistribution):
    """A distribution whose elements follow one another, log p(x) = Σ_d log p(x_d | x_<d).

    Args:
        conditionals: x to the distribution of all elements, each given those before it.
        x_shape: event shape, elements in order of memory.
        like: a tensor of the right device and dtype.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    support = constraints.real

    def __init__(
        self, conditionals: Callable[[Tensor], Distribution], x_shape: torch.Size, like: Tensor, batch: Any = ()
    ) -> None:
        self.conditionals, self.like = conditionals, like
        super().__init__(torch.Size(batch), x_shape, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Autoregressive:
        """The same distribution for another batch shape."""
        return Autoregressive(self.conditionals, self.event_shape, self.like, batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_d log p(x_d | x_<d), all conditionals at once."""
        log_p: Tensor = self.conditionals(value).log_prob(value)
        return log_p.expand(torch.broadcast_shapes(self.batch_shape, log_p.shape))

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Element by element."""
        x = self.like.new_zeros(*sample_shape, *self.batch_shape, *self.event_shape)
        flat = x.view(*x.shape[: x.dim() - len(self.event_shape)], -1)
        for d in range(flat.shape[-1]):
            flat[..., d] = self.conditionals(x).sample().flatten(-len(self.event_shape))[..., d]
        return x


class MADE(Pair, HasLogProb):
    """A masked network gives the parameters of every conditional at once; as a pair, its guide is empty.

    log p(x) = Σ_d log p(x_d | x_<d), any likelihood with parameters for each element apart.

    Reference: Germain et al. 2015, arXiv:1502.03509.

    Args:
        x_shape: shape of one datum; elements follow one another in order of memory.
        hidden: widths of the hidden layers.
        likelihood: of one element given those before it.
    """

    def __init__(
        self, x_shape: Sequence[int], hidden: Sequence[int] = (500,), likelihood: Likelihood | str = "Bernoulli"
    ) -> None:
        super().__init__()
        self.x_shape, self.objective = torch.Size(x_shape), ELBO()
        self.likelihood: Likelihood = make("likelihood", likelihood)
        self.likelihood.size(self.x_shape)
        self.kinds = self.likelihood.kinds
        channels = self.likelihood.channels(self.x_shape)
        if self.likelihood.couples(self.x_shape):
            raise ValueError(
                f"MADE gives each element its own parameters, and the likelihood {type(self.likelihood).__name__} couples "
                f"the channels of x_shape={tuple(x_shape)}; use likelihood='Categorical'."
            )
        net = MaskedMLP(self.x_shape.numel(), hidden, channels // self.x_shape[0])
        self.net = BatchDims(
            torch.nn.Sequential(torch.nn.Flatten(), net), self.x_shape, torch.Size([channels, *self.x_shape[1:]]), "net"
        )
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def distribution(self) -> Autoregressive:
        """p(x)."""
        return Autoregressive(self._conditionals, self.x_shape, self.get_buffer("like"))

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(x)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("x", self.distribution(), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """Nothing: there are no latents."""
        announce(self)

    @property
    def needs_training_data(self) -> bool:
        """Whether the likelihood does."""
        return self.likelihood.needs_training_data

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Show the likelihood the training data."""
        self.likelihood.before_training(x, y)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x), exact, ``(B,)``."""
        return self.distribution().log_prob(self.read(x))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw ``n`` data element by element."""
        return self.distribution().sample((n,))

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, or outside what the likelihood scores."""
        super().check(x, y)
        self.likelihood.check(x)

    def _conditionals(self, x: Tensor) -> Distribution:
        return self.likelihood(self.net(self.likelihood.rescale(x)))


@entry(
    "made",
    reference="Germain et al. 2015, MADE: masked autoencoder for distribution estimation, arXiv:1502.03509",
    data="digits",
    recipe={"epochs": 100, "lr": 1e-3, "batch_size": 128},
)
def made(x_shape: Sequence[int], hidden: Sequence[int] = (500,), likelihood: Likelihood | str = "Bernoulli") -> MADE:
    """The masked autoregressive network, with an exact log p(x).

    Args:
        x_shape: shape of one datum.
        hidden: widths of the hidden layers.
        likelihood: of one element given those before it.
    """
    return MADE(x_shape, hidden, likelihood)
