"""A likelihood whose elements follow from one another, by a network that looks back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyrogen.axes import Distribution, Likelihood
from pyrogen.distributions.autoregressive import Autoregressive as PlaceByPlace
from pyrogen.nets.batch_dims import BatchDims
from pyrogen.nets.sequences import SequenceNet
from pyrogen.registry import choice, make


@choice("likelihood")
class Autoregressive(Likelihood):
    """Any likelihood of sequences with each place given those before it, p(x|·) = Π_t p(x_t | x_<t, features).

    A network that looks back reads x_<t and, at each place, what the decoder says there: what it gives are the features of
    the likelihood ``of``. It is scored in one pass and drawn place by place; its mean takes at each place the mean, of words
    the most probable one, given those before.

    Should not be confused with a likelihood that is told all at once by the decoder, as all others here are; a decoder that
    can read x may leave z alone.

    Shapes: features ``(features, T)``; event ``x_shape`` = ``(voices, T)``.
    References: Bowman et al. 2016, arXiv:1511.06349; of pixels: Gulrajani et al. 2017, PixelVAE, arXiv:1611.05013.

    Args:
        of: the likelihood of what is at a place.
        net: the network that looks back.
        features: how many numbers the decoder gives at each place.
        dropout: the share of words that the network is not told in training, which leaves more to the features.
    """

    kinds = ("binary",)

    # an annotation with Likelihood would let the command line import whatever path is typed there
    def __init__(
        self, of: Any = "Bernoulli", net: SequenceNet | str = "LSTM", features: int = 16, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if features < 1:
            raise ValueError(f"Autoregressive(features={features}): a decoder says 1 number or more at each place.")
        self.of: Likelihood = make("likelihood", of)
        self.net: SequenceNet = make("sequence", net)
        if isinstance(self.of, Autoregressive) or not self.of.proper or self.of.missing:
            raise ValueError(
                f"Autoregressive is of a density of x, all of which is seen, and {type(self.of).__name__} is none here; use "
                "Autoregressive(of='Bernoulli')."
            )
        self.features, self.dropout = features, dropout
        self.kinds, self.support, self.hull, self.words = self.of.kinds, self.of.support, self.of.hull, self.of.words
        self.needs_training_data = self.of.needs_training_data

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data, and make the network."""
        self.of.size(x_shape)
        super().size(x_shape)
        channels = self.of.channels(self.x_shape)
        net = self.net.causal(self.x_shape, channels, self.words, self.features, self.dropout)
        self.causal = BatchDims(net, self.x_shape, torch.Size([channels, *self.x_shape[1:]]), "network that looks back")
        self.any_length = self.causal.any_length and self.of.any_length

    def channels(self, x_shape: torch.Size) -> int:
        """As many as it was made with."""
        return self.features

    def couples(self, x_shape: torch.Size) -> bool:
        """Elements depend on one another by their nature."""
        return True

    def forward(self, features: Tensor) -> Distribution:
        """The distribution of x, place by place."""
        told = features.flatten(-len(self.x_shape))
        return PlaceByPlace(self.causal, self.of, self.support, self.of.rescale, told)

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Show the data to the likelihood."""
        self.of.before_training(x, y)

    def check(self, x: Tensor) -> None:
        """Refuse values that have no density."""
        self.of.check(x)

    def rescale(self, x: Tensor) -> Tensor:
        """As the likelihood does."""
        return self.of.rescale(x)

    def blend(self, weights: Tensor, parts: Distribution) -> Tensor:
        """The mean of a mixture, as the likelihood defines it."""
        return self.of.blend(weights, parts)
