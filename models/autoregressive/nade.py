"""NADE: a hidden layer for each element, which grows by what the elements before it say."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.axes import Likelihood
from pyrogen.base import Objective
from pyrogen.models.autoregressive.autoregressive import AutoregressiveModel
from pyrogen.models.autoregressive.made import element_wise
from pyrogen.nets.nade import NADENet
from pyrogen.registry import entry


@entry(
    "nade",
    reference="Larochelle & Murray 2011, The neural autoregressive distribution estimator; arXiv:1605.02226",
    data="digits",
    recipe={"epochs": 50, "lr": 1e-3, "batch_size": 64},
)
def nade(
    x_shape: Sequence[int],
    width: int = 100,
    likelihood: Likelihood | str = "Bernoulli",
    order: Sequence[int] | None = None,
    objective: Objective | str | None = None,
) -> AutoregressiveModel:
    """A hidden layer of full width for each element, with weights that all share, and an exact log p(x).

    Args:
        x_shape: shape of one datum.
        width: hidden units.
        likelihood: of one element given those before it.
        order: the numbers of the elements in memory, in the order in which they follow one another; None: as they are.
        objective: the default objective of ``fit``: ELBO(), which is log p(x).
    """
    p = element_wise(x_shape, likelihood, "NADE")
    return AutoregressiveModel(NADENet(x_shape, width, p.channels(p.x_shape) // x_shape[0], order), p, objective)
