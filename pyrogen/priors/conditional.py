"""Priors that look at the condition of a conditional model."""

from __future__ import annotations

from collections.abc import Sequence

import pyro.distributions as dist
from torch import Tensor, nn

from pyrogen.axes import Blueprint, Distribution, Prior
from pyrogen.distributions.bounds import scale_of
from pyrogen.nets import mlp
from pyrogen.registry import choice


@choice("prior")
class ConditionalNormal(Prior):
    """A normal distribution that depends on the condition, p(z|y) = N(z; μ(y), diag σ(y)²), (μ, log σ) = net(y).

    Of classes and without hidden layers it is one normal distribution a class. It starts at N(0, I) for every y.

    Shapes: batch that of y, event ``(latent_size,)``. Reference: Sohn et al. 2015, Learning structured output representation
    using deep conditional generative models.

    Args:
        hidden: widths of the network's hidden layers.
    """

    learned = True

    def __init__(self, hidden: Sequence[int] = ()) -> None:
        super().__init__()
        self.hidden = tuple(hidden)

    def build(self, plan: Blueprint) -> None:
        """Make the network.

        Raises:
            ValueError: the model is not conditional.
        """
        if plan.condition is None or plan.read is None:
            raise ValueError(
                "the prior ConditionalNormal looks at a condition y, and this model has none; use "
                "create('vae-conditional', prior='ConditionalNormal'), or prior='StandardNormal' here."
            )
        self._read = plan.read
        self.net = mlp((plan.condition.size,), self.hidden, (2 * plan.latent_size,))
        last = next(m for m in reversed(list(self.net.modules())) if isinstance(m, nn.Linear))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The distribution for each y.

        Raises:
            ValueError: there is no y.
        """
        read = self._read(y).to(next(self.net.parameters()).dtype)  # of labels it is of torch's default
        loc, log_scale = self.net(read.reshape(-1, read.shape[-1])).reshape(*read.shape[:-1], -1).chunk(2, -1)
        return dist.Normal(loc, scale_of(2 * log_scale)).to_event(1)
