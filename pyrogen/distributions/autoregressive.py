"""A distribution whose elements follow one another, and mixtures of such over their orders."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from torch import Size, Tensor

from pyrogen.distributions.tempered import HasChoices, HasTemperature, tempered
from pyrogen.nets.batch_dims import BatchDims
from pyrogen.nets.causal import Causal, Place


def unread(x: Tensor) -> Tensor:
    """Values that a network reads as they are."""
    return x


class Autoregressive(TorchDistribution, HasTemperature):
    """log p(x) = Σ_d log p(x_d | x_<d): scored in one pass of a network, drawn place by place.

    Args:
        net: a :class:`~pyrogen.nets.causal.Causal` network, opened to any leading dimensions.
        head: what its outputs stand for, at all places or at one alone.
        support: the values that one element may have.
        read: x as the network reads it.
        condition: what it is conditioned on, as the network reads it, ``(*batch, size)``.
        batch: batch shape; None: that of the condition.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    stepwise = True

    def __init__(
        self,
        net: BatchDims,
        head: Callable[[Tensor], Distribution],
        support: constraints.Constraint = constraints.real,
        read: Callable[[Tensor], Tensor] = unread,
        condition: Tensor | None = None,
        batch: Sequence[int] | None = None,
    ) -> None:
        self.net, self.head, self.read, self.condition, self.element = net, head, read, condition, support
        if batch is None:
            batch = () if condition is None else condition.shape[:-1]
        super().__init__(Size(batch), net.inputs, validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """That of each element."""
        return constraints.independent(self.element, len(self.event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Autoregressive:
        """The same distribution for another batch shape."""
        told = None if self.condition is None else self.condition.expand(*batch_shape, -1)
        return Autoregressive(self.net, self.head, self.element, self.read, told, batch_shape)

    def at(self, temperature: float) -> Autoregressive:
        """The same with every conditional at a temperature, p(x_d | x_<d)^(1/T), normalized."""

        def head(features: Tensor) -> Distribution:
            return tempered(self.head(features), temperature)

        return Autoregressive(self.net, head, self.element, self.read, self.condition, self.batch_shape)

    def conditionals(self, value: Tensor) -> Distribution:
        """p(x_d | x_<d) of all elements, event shape that of x."""
        return self.head(self.net(self.read(value), self.condition))

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_d log p(x_d | x_<d), all conditionals at once, in nats."""
        log_p: Tensor = self.conditionals(value).log_prob(value)
        return log_p.expand(torch.broadcast_shapes(self.batch_shape, log_p.shape))

    def by_pixel(self, value: Tensor) -> Tensor:
        """log p of each pixel given those before it, ``(..., *pixels)`` in nats: they sum to log p(x)."""
        features = _pixels_last(self.net(self.read(value), self.condition), len(self.event_shape) - 1)
        log_p: Tensor = self.head(features).log_prob(_pixels_last(value, len(self.event_shape) - 1))
        return log_p

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Place by place."""
        shape = self._extended_shape(Size(sample_shape))
        return self.complete(next(self.net.parameters()).new_zeros(shape), 0)

    @property
    def mean(self) -> Tensor:
        """Each place at its mean given those before, which are at theirs: a value to look at, not the exact expectation."""
        zeros = next(self.net.parameters()).new_zeros(self._extended_shape(Size()))
        return self.complete(zeros, 0, lambda p: p.mean)

    @torch.no_grad()
    def complete(
        self, value: Tensor, known: int, draw: Callable[[Distribution], Tensor] = lambda p: p.sample()
    ) -> Tensor:
        """What follows the first ``known`` places of values ``(..., *event_shape)``, drawn given them.

        Args:
            value: the values; what is not known of them is not read.
            known: how many places are.
            draw: what is taken of the distribution of a place, ``(N, channels, *ones)``: by default a sample.

        Raises:
            ValueError: there are fewer places.
        """
        places = self.places
        if not 0 <= known <= len(places):
            raise ValueError(f"known={known}: there are {len(places)} places, of which the first are known.")
        return self._walk(value, [step < known for step in range(len(places))], draw)[0]

    @torch.no_grad()
    def fill(self, value: Tensor, known: Sequence[bool]) -> tuple[Tensor, Tensor]:
        """Each place that is not known drawn given all before it, and Σ log p(x_d | x_<d) over those that are.

        A draw of the hidden places h with log p(x) − log r(h): an importance weight, of which the mean is p(x_known).

        Args:
            value: the values, ``(..., *event_shape)``; what is not known of them is not read.
            known: which places are, in their order.

        Returns:
            Values as ``value``, and nats ``(...)``.

        Raises:
            ValueError: more or fewer than there are places, or a pixel of which some channels are known and others not.
        """
        if len(known) != len(self.places):
            raise ValueError(f"known says of each of {len(self.places)} places whether it is, and got {len(known)}.")
        of_pixels = {(place.pixel, there) for place, there in zip(self.places, known, strict=True)}
        if len(of_pixels) > len({place.pixel for place in self.places}):
            raise ValueError(
                "known says of some channels of a pixel that they are, of others that they are not; need all."
            )
        return self._walk(value, known, lambda p: p.sample(), weigh=True)

    @property
    def places(self) -> Sequence[Place]:
        """All places, in the order in which they are drawn."""
        causal = self.net.net
        assert isinstance(causal, Causal)
        return causal.places

    def _walk(
        self, value: Tensor, known: Sequence[bool], draw: Callable[[Distribution], Tensor], weigh: bool = False
    ) -> tuple[Tensor, Tensor]:
        causal = self.net.net
        assert isinstance(causal, Causal)
        lead = value.shape[: value.dim() - len(self.event_shape)]
        x = value.reshape(-1, *self.event_shape).clone()
        told = self.condition
        if told is not None:
            told = told.expand(*lead, -1).reshape(-1, told.shape[-1]).to(x.dtype)
        for place, there in zip(causal.places, known, strict=True):
            if not there:
                x[place.elements] = 0
        inputs, log_p = self.read(x), x.new_zeros(len(x))
        at = causal.begin(inputs, told)
        for place, there in zip(causal.places, known, strict=True):
            features = at(place)
            if not there:
                x[place.elements] = draw(self.head(features))[:, place.channels]
                inputs[place.window] = self.read(x[place.window])
            elif weigh and place.channel in (None, self.event_shape[0] - 1):
                # all channels at once: those of a known pixel are known together, and each reads those before it
                log_p = log_p + self.head(features).log_prob(x[place.window])
        return x.reshape(*lead, *self.event_shape), log_p.reshape(lead)

    @torch.no_grad()
    def likeliest(self, beams: int) -> tuple[Tensor, Tensor]:
        """What a beam search finds to be most probable: ``(beams, *batch, *event_shape)``, and log p of each, falling.

        At every place each of the ``beams`` best beginnings is continued by all values, and the best of these are kept. Of
        one beam it takes the most probable value at each place; it is exact where no more beginnings than beams are
        possible.

        Args:
            beams: beginnings that are kept.

        Raises:
            ValueError: fewer than one, or a place that has not one of finitely many values.
        """
        if beams < 1:
            raise ValueError(f"beams={beams}: a beam search keeps 1 beginning or more.")
        n, told = self.batch_shape.numel(), self.condition
        if told is not None:
            told = told.reshape(n, -1)
        x = next(self.net.parameters()).new_zeros(n, 1, *self.event_shape)
        log_p = x.new_zeros(n, 1)
        for place in self.places:
            width = x.shape[1]
            given = None if told is None else told.repeat_interleave(width, 0)
            # a network that remembers would have to forget again what falls out of the beam: it is asked anew
            head = self.head(self.net(self.read(x.flatten(0, 1)), given)[place.window])
            if not isinstance(head, HasChoices):
                raise ValueError(
                    f"a beam search tries all values of a place, as of words, and {type(head).__name__} names none; take a "
                    "model of texts, or temperature=0."
                )
            values, each = head.choices()
            grown = (log_p.unsqueeze(-1) + each.reshape(n, width, -1)).flatten(1)
            log_p, best = grown.topk(min(beams, grown.shape[1]), 1)
            kept = best // len(values)
            x = x.gather(1, kept.reshape(*kept.shape, *[1] * len(self.event_shape)).expand(-1, -1, *self.event_shape))
            x.flatten(0, 1)[place.elements] = values[best % len(values)].reshape(-1, *[1] * len(self.event_shape))
        shape = (x.shape[1], *self.batch_shape)
        return x.transpose(0, 1).reshape(*shape, *self.event_shape), log_p.T.reshape(shape)


class OverOrders(TorchDistribution, HasTemperature):
    """An even mixture of distributions that draw the same elements in different orders, p(x) = 1/K Σₖ pₖ(x).

    Args:
        members: the distributions, of one event shape and no batch shape.
        batch: batch shape.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, members: Sequence[Autoregressive], batch: Sequence[int] = ()) -> None:
        self.members = members
        super().__init__(Size(batch), members[0].event_shape, validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """That of each element."""
        return self.members[0].support

    def expand(self, batch_shape: Any, _instance: Any = None) -> OverOrders:
        """The same distribution for another batch shape."""
        return OverOrders(self.members, batch_shape)

    def at(self, temperature: float) -> OverOrders:
        """The same with every conditional of every order at a temperature."""
        return OverOrders([member.at(temperature) for member in self.members], self.batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log 1/K Σₖ pₖ(x)."""
        each = torch.stack([member.log_prob(value) for member in self.members])
        log_p = each.logsumexp(0) - math.log(len(each))
        return log_p.expand(torch.broadcast_shapes(self.batch_shape, log_p.shape))

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """An order for each draw, and then element by element."""
        lead = Size(sample_shape) + self.batch_shape
        which = torch.randint(len(self.members), (lead.numel(),))
        parts = [member.sample((int((which == k).sum()),)) for k, member in enumerate(self.members)]
        # draws of one order lie together, and go back to where the order was chosen
        places = torch.cat([(which == k).nonzero().flatten() for k in range(len(self.members))]).argsort()
        return torch.cat(parts)[places.to(parts[0].device)].reshape(*lead, *self.event_shape)


def _pixels_last(t: Tensor, rank: int) -> Tensor:
    """``(..., C, *pixels)`` to ``(..., *pixels, C, *ones)``: every pixel as an event of its own."""
    moved = t.movedim(-rank - 1, -1) if rank else t
    return moved.reshape(*moved.shape, *[1] * rank)
