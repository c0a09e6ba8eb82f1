"""Masked networks as densities: MADE, and its ensembles over orders."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyrogen.axes import Likelihood
from pyrogen.base import Objective
from pyrogen.capabilities import HasSource
from pyrogen.distributions.autoregressive import Autoregressive, OverOrders
from pyrogen.models.autoregressive.autoregressive import AutoregressiveModel, Density
from pyrogen.nets import BatchDims, MaskedMLP
from pyrogen.nets.masked import Ordered
from pyrogen.registry import entry, make


class OrderEnsemble(Density, HasSource):
    """One masked network in several orders, p(x) = 1/K Σₖ Π_d p(x_{oₖ(d)} | x_{oₖ(<d)}): an exact density again.

    Reference: Germain et al. 2015, arXiv:1502.03509, section 4.2; Uria et al. 2014, arXiv:1310.1757.

    Args:
        net: the network.
        likelihood: of one element given those before it, told the shape of x.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.
    """

    def __init__(self, net: MaskedMLP, likelihood: Likelihood, objective: Objective | str | None = None) -> None:
        super().__init__(likelihood, objective)
        self.net = net

    def distribution(self, y: Tensor | None = None) -> OverOrders:
        """p(x)."""
        p = self.likelihood
        features = torch.Size([p.channels(self.x_shape), *self.x_shape[1:]])
        nets = [BatchDims(Ordered(self.net, k), self.x_shape, features, "net") for k in range(len(self.net.orders))]
        return OverOrders([Autoregressive(net, p, p.support, p.rescale) for net in nets])

    def source(self) -> OverOrders:
        """p(x)."""
        return self.distribution()


def element_wise(x_shape: Sequence[int], likelihood: Likelihood | str, who: str) -> Likelihood:
    """A likelihood that gives each element parameters of its own, told the shape of x.

    Raises:
        ValueError: it couples elements, or is no density of x.
    """
    p: Likelihood = make("likelihood", likelihood)
    p.size(torch.Size(x_shape))
    if not p.proper:
        raise ValueError(f"{who} has a log p(x), and the likelihood {type(p).__name__} is no density of x.")
    if p.couples(p.x_shape):
        raise ValueError(
            f"{who} gives each element its own parameters, and the likelihood {type(p).__name__} couples "
            f"the channels of x_shape={tuple(x_shape)}; use likelihood='Categorical'."
        )
    return p


@entry(
    "made",
    reference="Germain et al. 2015, MADE: masked autoencoder for distribution estimation, arXiv:1502.03509",
    data="digits",
    recipe={"epochs": 100, "lr": 1e-3, "batch_size": 128},
)
def made(
    x_shape: Sequence[int],
    hidden: Sequence[int] = (500,),
    likelihood: Likelihood | str = "Bernoulli",
    order: Sequence[int] | None = None,
    objective: Objective | str | None = None,
) -> AutoregressiveModel:
    """The masked autoregressive network, with an exact log p(x).

    Args:
        x_shape: shape of one datum.
        hidden: widths of the hidden layers.
        likelihood: of one element given those before it.
        order: the numbers of the elements in memory, in the order in which they follow one another; None: as they are.
        objective: the default objective of ``fit``: ELBO(), which is log p(x).
    """
    p = element_wise(x_shape, likelihood, "MADE")
    net = MaskedMLP(x_shape, hidden, p.channels(p.x_shape) // x_shape[0], [order])
    return AutoregressiveModel(Ordered(net), p, objective)


@entry(
    "made-orders",
    reference="Germain et al. 2015, arXiv:1502.03509, section 4.2: order-agnostic ensembles",
    data="digits",
    recipe={"epochs": 100, "lr": 1e-3, "batch_size": 128},
)
def made_orders(
    x_shape: Sequence[int],
    hidden: Sequence[int] = (500,),
    orders: int = 4,
    likelihood: Likelihood | str = "Bernoulli",
    given: Sequence[Sequence[int]] | None = None,
    objective: Objective | str | None = None,
) -> OrderEnsemble:
    """One masked network in several orders of the elements: the mean of their densities, exact, and trained as such.

    Args:
        x_shape: shape of one datum.
        hidden: widths of the hidden layers.
        orders: how many, the first as elements are in memory, the others random, the same whatever the seed.
        likelihood: of one element given those before it.
        given: the orders themselves, instead.
        objective: the default objective of ``fit``: ELBO(), which is log p(x).

    Raises:
        ValueError: no order, or one that is no permutation.
    """
    p = element_wise(x_shape, likelihood, "MADE")
    if given is None:
        generator = torch.Generator().manual_seed(0)
        size = p.x_shape.numel()
        given = [list(range(size)), *(torch.randperm(size, generator=generator).tolist() for _ in range(orders - 1))]
        given = given[:orders]
    if not given:
        raise ValueError(f"orders={orders}: an ensemble needs one order or more.")
    net = MaskedMLP(x_shape, hidden, p.channels(p.x_shape) // x_shape[0], given)
    return OrderEnsemble(net, p, objective)
