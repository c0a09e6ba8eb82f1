"""How a vector of coordinates is laid into the latents of a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.distributions import biject_to

from pyrogen.inference.programs.record import PlainFunction


@dataclass(frozen=True)
class Spot:
    """Where a site's coordinates lie among all, and how the program shapes them."""

    start: int
    size: int
    shape: torch.Size
    dims: tuple[int, int]

    def part(self, z: Tensor, vectorized: bool) -> Tensor:
        """The site's share of coordinates ``(n, data, size)``, in the program's shape."""
        u = z.narrow(2, self.start, self.size).reshape(*z.shape[:2], *self.shape)
        return u.movedim((0, 1), self.dims) if vectorized else u.flatten(0, 1).movedim(0, self.dims[1])


class Placed(Messenger):
    """Gives latents their values from coordinates, through the bijection onto the support that the site has there.

    Args:
        coordinates: of continuous latents, by name.
        states: values of discrete ones.
    """

    def __init__(self, coordinates: Mapping[str, Tensor], states: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.coordinates, self.states = coordinates, states
        self.log_jacobians: dict[str, Tensor] = {}

    def around(self, program: PlainFunction) -> PlainFunction:
        """The program inside this handler."""

        def placed(*data: Tensor) -> None:
            with self:
                program(*data)

        return placed

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.states:
            msg["value"], msg["done"] = self.states[msg["name"]], True
        if msg["name"] not in self.coordinates:
            return
        u, bijection = self.coordinates[msg["name"]], biject_to(msg["fn"].support)
        msg["value"] = bijection(u)
        msg["done"] = True
        stretch = bijection.log_abs_det_jacobian(u, msg["value"])
        extra = msg["fn"].event_dim - bijection.codomain.event_dim
        self.log_jacobians[msg["name"]] = stretch.flatten(-extra).sum(-1) if extra else stretch
