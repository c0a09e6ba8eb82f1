"""Pieces bar by bar: how a latent is told to a network that looks back, and one that starts anew at every bar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pyrogen.nets.sequences import Body, Everywhere, SequenceNet, Step, SummaryBody
from pyrogen.pitches import BAR, bars_in
from pyrogen.registry import choice, make


@choice("sequence")
class Bars(SequenceNet):
    """A network of sequences that starts anew at every bar: of what was before it sees the place before the bar alone.

    h_t = body(e_s, …, e_t), s the first place of the bar of t

    A whole sequence is summed up as by the network ``of``.
    Reference: the lower decoder of Roberts et al. 2018, arXiv:1803.05428.

    Args:
        of: the network within a bar.
        length: places of a bar.
    """

    # an annotation with SequenceNet would let the command line import whatever path is typed there
    def __init__(self, of: Any = "LSTM", length: int = BAR) -> None:
        if length < 1:
            raise ValueError(f"Bars(length={length}): a bar has 1 place or more.")
        self.of: SequenceNet = make("sequence", of)
        self.length, self.width = length, self.of.width

    def backward_looking(self, inputs: int, length: int) -> Body:
        """The body of the network, bar by bar.

        Raises:
            ValueError: the sequence is no whole number of bars.
        """
        bars_in(length, self.length)
        return _EachBar(self.of.backward_looking(inputs, self.length), self.length)

    def summary(self, length: int) -> SummaryBody:
        """That of the network."""
        return self.of.summary(length)


class _EachBar(Body):
    def __init__(self, body: Body, length: int) -> None:
        super().__init__()
        self.body, self.length, self.any_length = body, length, True

    def forward(self, h: Tensor) -> Tensor:
        # of a bar that is cut the places that are left see nothing of those that are made up behind them
        whole = functional.pad(h, (0, 0, 0, -h.shape[1] % self.length))
        within: Tensor = self.body(whole.unflatten(1, (-1, self.length)).flatten(0, 1))
        return within.unflatten(0, (len(h), -1)).flatten(1, 2)[:, : h.shape[1]]

    def begin(self) -> Step:
        done, inner = 0, self.body.begin()

        def step(h: Tensor) -> Tensor:
            nonlocal done, inner
            if done % self.length == 0:
                inner = self.body.begin()
            done += 1
            return inner(h)

        return step


class Telling(ABC):
    """How a latent is told to a network that looks back: what is said at each place, and how far back it looks."""

    axes: ClassVar[tuple[str, ...]] = ("telling",)

    @abstractmethod
    def features(self, latent: int, net: SequenceNet) -> int:
        """How many numbers are said at each place."""

    @abstractmethod
    def said(self, latent: int, net: SequenceNet, length: int) -> nn.Module:
        """A module of the latent, and perhaps a condition after it, ``(N, latent)`` in all, to ``(N, features, length)``."""

    @abstractmethod
    def looking_back(self, net: SequenceNet) -> SequenceNet:
        """The network that is told."""


@choice("telling")
@dataclass(frozen=True)
class Flat(Telling):
    """The latent itself at every place, to a network that remembers all that was before."""

    def features(self, latent: int, net: SequenceNet) -> int:
        """Those of the latent."""
        return latent

    def said(self, latent: int, net: SequenceNet, length: int) -> nn.Module:
        """The latent everywhere."""
        return Everywhere(length)

    def looking_back(self, net: SequenceNet) -> SequenceNet:
        """The network as it is."""
        return net


@choice("telling")
@dataclass(frozen=True)
class Hierarchical(Telling):
    """A conductor makes of the latent one vector a bar, and who plays the bar remembers no other one.

    So whatever is to come again in another bar must be in the latent.
    Reference: Roberts et al. 2018, A hierarchical latent vector model for learning long-term structure in music,
    arXiv:1803.05428.

    Args:
        bar: places of a bar.
    """

    bar: int = BAR

    def features(self, latent: int, net: SequenceNet) -> int:
        """The conductor's width."""
        return net.width

    def said(self, latent: int, net: SequenceNet, length: int) -> nn.Module:
        """The conductor."""
        return Conductor(latent, net, bars_in(length, self.bar), self.bar)

    def looking_back(self, net: SequenceNet) -> SequenceNet:
        """The network, bar by bar."""
        return Bars(net, self.bar)


class Conductor(nn.Module):
    """A sequence of one vector a bar, c_1 … c_B = body((z, b_1), …, (z, b_B)), each said at every place of its bar.

    b are vectors that are learned, one of each bar, so that a body without a memory can tell them apart.

    Shapes: ``(N, latent)`` to ``(N, width, bars length)``.

    Args:
        latent: size of z, and of a condition after it.
        net: of whose kind the body is.
        bars: how many.
        length: places of a bar.
    """

    def __init__(self, latent: int, net: SequenceNet, bars: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.bars = nn.Parameter(torch.randn(bars, net.width))
        self.body = net.backward_looking(latent + net.width, bars)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """What is said."""
        told = z if condition is None else torch.cat([z, condition.to(z)], -1)
        each = told.unsqueeze(1).expand(-1, len(self.bars), -1)
        vectors: Tensor = self.body(torch.cat([each, self.bars.expand(len(z), -1, -1)], -1))
        return vectors.transpose(1, 2).repeat_interleave(self.length, -1)
