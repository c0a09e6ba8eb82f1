"""Discrete latents of a pair, all of their joint states at once, in the place of draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Pair, unannounced
from pyrogen.distributions.finite import check_count, is_discrete, product, states
from pyrogen.inference.programs.checks import plate_dim
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.programs.record import PlainFunction, Recorder, is_point, latent_sites


@dataclass(frozen=True)
class JointStates:
    """The product of the supports of a program's discrete latents; each joint state is a particle.

    The first latent is the slowest. Made by :func:`joint_states`.

    Attributes:
        supports: for each discrete latent all that it can be for one datum, ``(states, *batch_shape, *event_shape)`` with 1
            in the place of the data; a latent in an inner plate has the product over that plate.
        others: names of the latents that have to be drawn.
        places: for each discrete latent, where its batch shape has the plate over the data, from the left.
        count: number of joint states.
    """

    supports: Mapping[str, Tensor]
    others: tuple[str, ...]
    places: Mapping[str, int]
    count: int

    def values(self, start: int, stop: int) -> dict[str, Tensor]:
        """Joint states ``start`` to ``stop`` as particles in front of a batch that shares them: ``(n, 1, *event_shape)``.

        Beyond ``count`` they begin again.
        """
        found, faster = {}, self.count
        for name, support in self.supports.items():
            faster //= len(support)
            digits = torch.arange(start, stop, device=support.device) // faster % len(support)
            found[name] = support[digits]
        return found

    def along_batch(self, start: int, stop: int, data: int) -> dict[str, Tensor]:
        """The same for programs on tiled data: the plate has ``(stop − start) · data`` elements, states the slower."""
        found = {}
        for name, value in self.values(start, stop).items():
            at = self.places[name]
            wide = value.expand(*value.shape[: at + 1], data, *value.shape[at + 2 :])
            found[name] = wide.movedim(0, at).flatten(at, at + 1)
        return found

    def chosen(self, which: Tensor, along_batch: bool) -> dict[str, Tensor]:
        """For each particle and datum the joint state of that number.

        Args:
            which: numbers, ``(n, data)``.
            along_batch: whether the program takes particles along the batch, as in :meth:`along_batch`, or in front.
        """
        found, faster = {}, self.count
        for name, support in self.supports.items():
            faster //= len(support)
            value = support.squeeze(self.places[name] + 1)[which // faster % len(support)]
            found[name] = value.flatten(0, 1).movedim(0, self.places[name]) if along_batch else value
        return found


def joint_states(
    program: PlainFunction, pair: Pair, x: Tensor, y: Tensor | None = None, plate: str | None = None
) -> JointStates:
    """The joint states of a program's discrete latents, found by running it on one datum in evaluation mode.

    Args:
        program: the pair's model or guide.
        pair: whose it is.
        x: data.
        y: conditions.
        plate: name of the plate over the data, where there may be others; None: every latent is in that one alone.

    Raises:
        ValueError: a discrete latent outside the plate over the data, one whose values cannot be listed, or too many states.
    """
    finder = _Finder()
    with evaluating(pair), unannounced(), finder:
        program(x[:1]) if y is None else program(x[:1], y[:1])
    sites = finder.sites
    drawn = latent_sites(sites)
    discrete = {name: site for name, site in drawn.items() if is_discrete(site["fn"])}
    supports, places, count = {}, {}, 1
    for name, site in discrete.items():
        fn = site["fn"]
        if plate is None and len(fn.batch_shape) != 1:
            raise ValueError(
                f"the discrete latent {name!r} has batch shape {tuple(fn.batch_shape)} for one datum, and is enumerated in "
                "the plate over the data only; put it there, and other dimensions into .to_event()."
            )
        every = product(finder.states[name], fn.batch_shape.numel())
        supports[name] = every.reshape(-1, *fn.batch_shape, *fn.event_shape)
        places[name] = 0 if plate is None else len(fn.batch_shape) + plate_dim(site, plate)
        count *= len(every)
    check_count(count)
    others = tuple(name for name, site in drawn.items() if name not in discrete and not is_point(site["fn"]))
    return JointStates(supports, others, places, count)


class _Finder(Recorder):
    """Puts every discrete latent into its first state, where a draw would make the device wait."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, Tensor] = {}

    def _pyro_sample(self, msg: Any) -> None:
        fn = msg["fn"]
        if msg["is_observed"] or not is_discrete(fn):
            return
        every = self.states[msg["name"]] = states(fn)
        msg["value"] = every[0].expand(fn.batch_shape + fn.event_shape)
        msg["done"] = True
