"""Generator networks: noise through a network, untrained or trained in the most naive way."""

from __future__ import annotations

from collections.abc import Sequence

import pyro
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Likelihood, Prior
from pyrogen.base import HasGenerator, Objective, Pair, announce
from pyrogen.conditions import Condition, Reader
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.likelihoods import Normal
from pyrogen.models.adversarial.gan import fixed_prior
from pyrogen.nets import BatchDims, mlp
from pyrogen.registry import entry, make


class Generator(Pair, HasGenerator):
    """A network of noise with an output distribution: z ~ p(z), x ~ p(x|net(z)), with p(z) itself as the guide.

    Such a guide knows nothing of x, so that the ELBO is E_p(z) log p(x|z): data are paired with noise at random. That is the
    naive way to train a generator; its optimum makes the same x of every z, the mean of the data under the L2 loss of a
    Normal, their median under the L1 loss of a Laplace. IWAE, whose draws compete for the datum, does better from the same
    pair.

    Should not be confused with the VAE, the same with a guide that looks at x.

    Given y, x ~ p(x|net(z, y)): where y leaves one answer only, pairing is no longer at random, and this is regression.

    Args:
        net: ``(N, latent_size)`` to ``(N, likelihood.channels(x_shape), *x_shape[1:])`` in any shape; with a condition it
            takes ``(N, condition.size)`` as a second argument.
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        prior: a fixed prior.
        likelihood: an object or a name.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.
        condition: what y is, or None.

    Raises:
        ValueError: a prior that is learned or improper.
    """

    def __init__(
        self,
        net: nn.Module,
        x_shape: Sequence[int],
        latent_size: int,
        prior: Prior | str = "StandardNormal",
        likelihood: Likelihood | str = "Normal",
        objective: Objective | str | None = None,
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        self.x_shape, self.latent_shape, self.condition = torch.Size(x_shape), torch.Size([latent_size]), condition
        self.objective: Objective = ELBO() if objective is None else make("objective", objective)
        self.prior = fixed_prior(prior, latent_size, "a generator")
        self.likelihood: Likelihood = make("likelihood", likelihood)
        self.likelihood.size(self.x_shape)
        self.kinds, self.missing = self.likelihood.kinds, self.likelihood.missing
        features = torch.Size([self.likelihood.channels(self.x_shape), *self.x_shape[1:]])
        self.net = BatchDims(net, torch.Size([latent_size]), features, "net")
        self.reader = None if condition is None else Reader(condition)

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z) p(x|z)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = pyro.sample("z", self.prior())
            pyro.sample("x", self.decode(z, y), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("z", self.prior())

    def latent_prior(self, y: Tensor | None = None) -> Distribution:
        """The fixed prior."""
        return self.prior()

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        """p(x|z) for z of shape ``(..., latent_size)``: batch shape ``(...)``, event shape ``x_shape``; y is broadcast."""
        return self.likelihood(self.net(z, self.read_y(y)))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of p(x|z), ``(..., *x_shape)``."""
        x: Tensor = self.decode(z, y).mean
        return x

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw ``n`` data, z from the prior and x from p(x|z), ``(n, *x_shape)``.

        Raises:
            ValueError: no y, or a wrong one, where the model is conditional.
        """
        x: Tensor = self._drawn(n, y).sample()
        return x

    @torch.no_grad()
    def sample_mean(self, n: int, y: Tensor | None = None) -> Tensor:
        """The means of p(x|z) at ``n`` drawn z."""
        x: Tensor = self._drawn(n, y).mean
        return x

    def _drawn(self, n: int, y: Tensor | None) -> Distribution:
        self.check_draws(n, y)
        return self.decode(self.prior().sample((n,)), y)

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, or outside what the likelihood scores."""
        super().check(x, y)
        self.likelihood.check(x)


@entry(
    "generator-random",
    reference="Poole et al. 2016, Exponential expressivity in deep neural networks through transient chaos, arXiv:1606.05340",
    data="ring",
    recipe={"epochs": 0},
)
def generator_random(
    x_shape: Sequence[int] = (2,),
    latent_size: int = 2,
    depth: int = 4,
    width: int = 100,
    gain: float = 1.5,
    spread: float = 0.3,
    noise: float = 0.05,
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
) -> Generator:
    """A deep network with random weights, untrained: what folds of space alone make of noise.

    Weights are drawn from N(0, gain² / inputs), biases from N(0, spread²), units are tanh. With a gain above 1 each layer
    folds what the one before made.

    Args:
        x_shape: shape of one datum.
        latent_size: size of z.
        depth: number of hidden layers.
        width: of each.
        gain: of the weights.
        spread: standard deviation of the biases.
        noise: standard deviation of the normal output distribution.
        prior: p(z).
        objective: the default objective of ``fit``, should you train it: ELBO().

    Raises:
        ValueError: a depth below 1.
    """
    if depth < 1:
        raise ValueError(f"depth={depth}: a random generator has at least 1 hidden layer.")
    net = mlp((latent_size,), (width,) * depth, x_shape, nn.Tanh)
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=gain / layer.in_features**0.5)
            nn.init.normal_(layer.bias, std=spread)
    return Generator(net, x_shape, latent_size, prior, Normal("fixed", noise, floor=0.0), objective)


@entry(
    "generator-paired",
    reference="Bojanowski et al. 2018, Optimizing the latent space of generative networks, arXiv:1707.05776, which mends it",
    data="digits",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def generator_paired(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> Generator:
    """A generator fitted to data that are paired with noise at random: it collapses to their mean, which motivates the rest.

    The loss is that of the likelihood: Normal with a fixed scale gives L2, Laplace with one L1, Bernoulli cross-entropy.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        hidden: widths of the hidden layers, as of the VAE's encoder: the generator mirrors them.
        prior: p(z).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO(), random pairs.
    """
    x_shape, widths = torch.Size(x_shape), list(hidden)
    p: Likelihood = make("likelihood", likelihood)
    net = mlp((latent_size,), widths[::-1], (p.channels(x_shape), *x_shape[1:]))
    return Generator(net, x_shape, latent_size, prior, p, objective)
