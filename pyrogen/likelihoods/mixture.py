"""Mixtures of any likelihood of vectors: the mixture density network's head."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor

from pyrogen.axes import Distribution, Likelihood, refuse_images
from pyrogen.registry import choice, make


class Mixture(dist.MixtureSameFamily):
    """A mixture whose mean is as its likelihood defines it: for angles, not that of numbers.

    Args:
        logits: of the weights, ``(..., K)``.
        parts: the components, batch shape ``(..., K)``.
        likelihood: of one component.
    """

    def __init__(self, logits: Tensor, parts: Distribution, likelihood: Likelihood) -> None:
        super().__init__(dist.Categorical(logits=logits), parts)
        self.likelihood = likelihood

    @property
    def mean(self) -> Tensor:
        """The mean of the whole."""
        return self.likelihood.blend(self.mixture_distribution.probs, self.component_distribution)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Mixture:
        """The same distribution with another batch shape."""
        expanded: Mixture = super().expand(batch_shape, self._get_checked_instance(Mixture, _instance))
        expanded.likelihood = self.likelihood
        return expanded


@choice("likelihood")
class MixtureDensity(Likelihood):
    """Vectors from one of K components, p(x|·) = Σₖ wₖ pₖ(x|·), weights and components from the features.

    As the head of any network it makes a mixture density network, which has an answer where one input has several outputs.
    What is scored, refused, read and imputed is the component's own affair: of Masked components each is taken over what was
    observed, and the mixture with it.

    Shapes: features ``(K + K W,)`` are K logits, then for each component the W features that it needs alone; event ``(D,)``.
    Reference: Bishop 1994, Mixture density networks.

    Args:
        components: K.
        component: the likelihood of each component, as ``likelihood=`` takes it: an object, a name, or a mapping such as
            ``{"name": "StudentT", "df": 3.0}``.
    """

    kinds = ("real", "unit")

    # an annotation with Likelihood would let the command line import whatever path is typed there
    def __init__(self, components: int = 5, component: Any = "Normal") -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"MixtureDensity(components={components}): a mixture needs at least one component.")
        self.components = components
        self.component: Likelihood = make("likelihood", component)
        name = type(self.component).__name__
        if isinstance(self.component, MixtureDensity):
            raise ValueError(
                "MixtureDensity(component='MixtureDensity') is one mixture of more components; take those."
            )
        if not self.component.proper:
            raise ValueError(f"MixtureDensity mixes densities of x, and {name} is none; use component='Normal'.")
        inner = self.component
        self.kinds, self.support, self.hull, self.missing = inner.kinds, inner.support, inner.hull, inner.missing
        self.needs_training_data = inner.needs_training_data

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data: vectors."""
        refuse_images("MixtureDensity", x_shape, "Normal")
        self.component.size(x_shape)
        super().size(x_shape)

    def channels(self, x_shape: torch.Size) -> int:
        """K + K W."""
        return self.components * (1 + self.component.channels(x_shape))

    def couples(self, x_shape: torch.Size) -> bool:
        """Whether there are two elements that follow the same component."""
        return x_shape.numel() > 1

    def forward(self, features: Tensor) -> Distribution:
        """The mixture, components summed out."""
        logits, rest = features.split([self.components, features.shape[-1] - self.components], -1)
        return Mixture(logits, self.component(rest.unflatten(-1, (self.components, -1))), self.component)

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Show the data to the components."""
        self.component.before_training(x, y)

    def check(self, x: Tensor) -> None:
        """Refuse what the components refuse."""
        self.component.check(x)

    def rescale(self, x: Tensor) -> Tensor:
        """As the components do."""
        return self.component.rescale(x)
