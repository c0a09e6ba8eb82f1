"""Regression: a network of the condition with any likelihood as its head, mixtures of densities among them."""

from __future__ import annotations

from collections.abc import Sequence

import pyro
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Likelihood
from pyrogen.base import HasLogProb, Objective, Pair, announce
from pyrogen.conditions import Condition, Reader
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.likelihoods import MixtureDensity
from pyrogen.nets import BatchDims, mlp
from pyrogen.registry import entry, make


class Regression(Pair, HasLogProb):
    """x ~ p(x|net(y)), of which x is the output and the condition y the input; as a pair, its guide is empty.

    The ELBO is log p(x|y) itself. The likelihood decides what it is: with Bernoulli logistic regression, with a fixed Normal
    least squares, with a Laplace least absolute deviations, with a mixture a mixture density network.

    Args:
        net: ``(N, condition.size)`` to ``(N, likelihood.channels(x_shape), *x_shape[1:])`` in any shape.
        x_shape: shape of one output, channels first.
        condition: what y is.
        likelihood: an object or a name.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.

    Raises:
        ValueError: a likelihood that is no density of x, or a network of the wrong size (at its first use).
    """

    condition: Condition
    reader: Reader

    def __init__(
        self,
        net: nn.Module,
        x_shape: Sequence[int],
        condition: Condition,
        likelihood: Likelihood | str = "Normal",
        objective: Objective | str | None = None,
    ) -> None:
        super().__init__()
        self.x_shape, self.condition = torch.Size(x_shape), condition
        self.objective: Objective = ELBO() if objective is None else make("objective", objective)
        self.likelihood: Likelihood = make("likelihood", likelihood)
        if not self.likelihood.proper:
            raise ValueError(
                f"a regression has a log p(x|y), and the likelihood {type(self.likelihood).__name__} is no density of x; use "
                "likelihood='Normal'."
            )
        self.likelihood.size(self.x_shape)
        self.kinds, self.missing = self.likelihood.kinds, self.likelihood.missing
        features = torch.Size([self.likelihood.channels(self.x_shape), *self.x_shape[1:]])
        self.net = BatchDims(net, torch.Size([condition.size]), features, "net")
        self.reader = Reader(condition)

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(x|y)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("x", self._given(y), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """Nothing: there are no latents."""
        announce(self)

    def predict(self, y: Tensor) -> Distribution:
        """p(x|y), batch shape ``(B,)``, event shape ``x_shape``.

        Raises:
            ValueError: y is not what the model is conditioned on.
        """
        self.condition.check(y, len(y))
        return self._given(y)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x|y), exact, ``(B,)``."""
        return self._given(y).log_prob(self.read(x))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw an x for each of ``n`` y, ``(n, *x_shape)``.

        Raises:
            ValueError: no y, or a wrong one.
        """
        self.check_draws(n, y)
        return self._given(y).sample()

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, outside what the likelihood scores, or without the y that is asked for."""
        super().check(x, y)
        self.likelihood.check(x)

    def _given(self, y: Tensor | None) -> Distribution:
        return self.likelihood(self.net(self.reader(y)))


@entry(
    "regression",
    reference="Nix & Weigend 1994, Estimating the mean and variance of the target probability distribution",
    data="heteroscedastic",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 128, "lr_milestones": [40]},
)
def regression(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    hidden: Sequence[int] = (64, 64),
    likelihood: Likelihood | str = "Normal",
    objective: Objective | str | None = None,
) -> Regression:
    """Any likelihood as the head of a fully connected network: x given labels or real numbers y.

    Args:
        x_shape: shape of one output, channels first.
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        hidden: widths of the hidden layers. Empty: a linear model.
        likelihood: p(x|y); Normal has its scale fixed, shared or predicted.
        objective: the default objective of ``fit``: ELBO(), which is log p(x|y).
    """
    x_shape, condition = torch.Size(x_shape), Condition(tuple(y_shape), classes)
    p: Likelihood = make("likelihood", likelihood)
    net = mlp((condition.size,), hidden, (p.channels(x_shape), *x_shape[1:]))
    return Regression(net, x_shape, condition, p, objective)


@entry(
    "mdn",
    reference="Bishop 1994, Mixture density networks, Aston University NCRG/94/004",
    data="inverse-sine",
    recipe={"epochs": 100, "lr": 3e-3, "batch_size": 128, "lr_milestones": [70]},
)
def mdn(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    hidden: Sequence[int] = (64, 64),
    components: int = 5,
    component: Likelihood | str = "Normal",
    objective: Objective | str | None = None,
) -> Regression:
    """The mixture density network, which has an answer where one input has several outputs.

    Args:
        x_shape: shape of one output, a vector.
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        hidden: widths of the hidden layers.
        components: how many the mixture has.
        component: each of them: Normal has a diagonal covariance, MultivariateNormal a full one, VonMises is for angles.
        objective: the default objective of ``fit``: ELBO(), which is log p(x|y).
    """
    return regression(x_shape, y_shape, classes, hidden, MixtureDensity(components, component), objective)
