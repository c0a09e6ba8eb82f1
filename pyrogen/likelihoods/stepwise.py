"""A likelihood of sequences: the same one at each step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyrogen.axes import Distribution, Likelihood
from pyrogen.distributions.turned import Turned
from pyrogen.registry import choice, make


@choice("likelihood")
class Stepwise(Likelihood):
    """Any likelihood of vectors, at each step the same: p(x|·) = Π_t p(x_t | features_t), x_t the column t of x.

    What it learns, a shared scale say, is the same at all steps, and elements of one step may depend on one another.
    :meth:`step` is that of a single one, which filters ask. Where steps are missing, it is ``Stepwise("Masked")``.

    Should not be confused with ``Autoregressive``, whose steps also follow from one another.

    Shapes: features ``(channels, T)``; event ``x_shape`` = ``(C, T)``.

    Args:
        of: the likelihood of a step: an object, a name, or a mapping such as ``{"name": "Normal", "scale": "shared"}``.
    """

    kinds = ("real", "unit")

    # an annotation with Likelihood would let the command line import whatever path is typed there
    def __init__(self, of: Any = "Normal") -> None:
        super().__init__()
        self.of: Likelihood = make("likelihood", of)
        if isinstance(self.of, Stepwise) or not self.of.proper or self.of.words is not None:
            raise ValueError(
                f"Stepwise is of a density of the numbers at a step, and {type(self.of).__name__} is none; use "
                "Stepwise(of='Normal'), or likelihood='Autoregressive' of words."
            )
        self.kinds, self.support, self.hull = self.of.kinds, self.of.support, self.of.hull
        self.per_element, self.missing, self.reads_logits = self.of.per_element, self.of.missing, self.of.reads_logits
        self.needs_training_data = self.of.needs_training_data

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data.

        Raises:
            ValueError: they are no sequences.
        """
        if len(x_shape) != 2:
            raise ValueError(
                f"the likelihood Stepwise takes sequences, x_shape=(channels, T), and got x_shape={tuple(x_shape)}; use "
                f"likelihood={type(self.of).__name__!r}."
            )
        self.of.size(torch.Size(x_shape[:1]))
        super().size(x_shape)

    def channels(self, x_shape: torch.Size) -> int:
        """As many as a step needs."""
        return self.of.channels(torch.Size(x_shape[:1]))

    def couples(self, x_shape: torch.Size) -> bool:
        """Whether elements of a step depend on one another."""
        return self.of.couples(torch.Size(x_shape[:1]))

    def step(self, features: Tensor) -> Distribution:
        """p(x_t|·) of one step, features ``(..., channels)``: event ``(C,)``."""
        given: Distribution = self.of(features)
        return given

    def forward(self, features: Tensor) -> Distribution:
        """All steps."""
        return Turned(self.step(features.mT))

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Show the steps to the likelihood, as so many data."""
        self.of.before_training(_steps(x))

    def check(self, x: Tensor) -> None:
        """Refuse values that have no density."""
        self.of.check(_steps(x))

    def rescale(self, x: Tensor) -> Tensor:
        """As the likelihood of a step does."""
        return self.of.rescale(x.mT).mT

    def blend(self, weights: Tensor, parts: Distribution) -> Tensor:
        """The mean of a mixture, as the likelihood of a step defines it."""
        return self.of.blend(weights, parts.columns).mT


def _steps(x: Tensor) -> Tensor:
    return x.mT.reshape(-1, x.shape[-2])
