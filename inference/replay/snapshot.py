"""What a step changes, kept aside: to run it twice from the same state, and to compare what it left."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pyrogen.inference.programs import contexts

Place = tuple[dict[str, Any], str]  # where a module keeps a tensor


class State:
    """What a step changes besides gradients: the model's tensors, what an optimizer keeps, and the random numbers to come."""

    def __init__(self, places: Sequence[Place], device: torch.device, kept: Sequence[Place] = ()) -> None:
        self.places, self.device = [*places, *kept], device
        self.bound: list[Tensor] = [home[name] for home, name in self.places]
        self.values = [t.detach().clone() for t in self.bound]
        self.generators = contexts.generators(self.device)
        last = len(places)
        self.moved = {
            i for i, t in enumerate(self.bound) if i >= last or isinstance(t, nn.Parameter)
        }  # by an optimizer

    def put_back(self) -> None:
        """Let everything be as it was."""
        with torch.no_grad():
            for (home, name), tensor, value in zip(self.places, self.bound, self.values, strict=True):
                home[name] = tensor
                if not torch.equal(tensor, value):
                    tensor.copy_(value)
        contexts.restore_generators(self.generators, self.device)


class Outcome(State):
    """What a step left: its terms and gradients, and the state after it."""

    def __init__(
        self,
        places: Sequence[Place],
        device: torch.device,
        parameters: Sequence[Tensor],
        terms: Mapping[str, Tensor],
        kept: Sequence[Place] = (),
    ) -> None:
        super().__init__(places, device, kept)
        self.terms = {name: t.detach().clone() for name, t in terms.items()}
        self.parameters, self.gradients = parameters, [p.grad for p in parameters]

    def put_back(self) -> None:
        """Let everything be as it was, gradients too."""
        super().put_back()
        for p, gradient in zip(self.parameters, self.gradients, strict=True):
            p.grad = gradient

    def furthest(self, other: Outcome, before: State) -> tuple[str, float]:
        """In which part another outcome differs most, and by how much of that part's size."""
        changed = [
            i
            for i, value in enumerate(before.values)
            if not (_same(value, self.values[i]) and _same(value, other.values[i]))
        ]
        parts: dict[str, tuple[list[Tensor | None], list[Tensor | None]]] = {
            "loss": (list(self.terms.values()), list(other.terms.values())),
            "gradient": (list(self.gradients), list(other.gradients)),
        }
        for i in changed:
            mine, theirs = parts.setdefault(self._part(i), ([], []))
            for found, outcome in ((mine, self), (theirs, other)):
                value = outcome.values[i]
                # a step is small beside what it moves
                found.append(_exact(value) - _exact(before.values[i]) if i in self.moved else value)
        distances = {name: distance(mine, theirs) for name, (mine, theirs) in parts.items()}
        drawn = all(torch.equal(state, other.generators[name]) for name, state in self.generators.items())
        distances["random numbers"] = 0.0 if drawn else math.inf
        return max(distances.items(), key=lambda item: item[1])

    def _part(self, i: int) -> str:
        if i not in self.moved:
            return "running statistics"
        return "parameters" if isinstance(self.bound[i], nn.Parameter) else f"optimizer's {self.places[i][1]}"


def distance(a: Sequence[Tensor | None], b: Sequence[Tensor | None]) -> float:
    """‖a − b‖ / ‖a‖ over all tensors together; what is not finite agrees with the same."""
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    if [x is None for x in a] != [y is None for y in b] or any(x.shape != y.shape for x, y in pairs):
        return math.inf
    if all(torch.equal(x, y) for x, y in pairs):
        return 0.0
    wide = [(_exact(x), _exact(y)) for x, y in pairs]
    by, size = _norm([x - y for x, y in wide]), _norm([x for x, _ in wide])
    if not (math.isfinite(by) and math.isfinite(size)):
        by = _norm([torch.where((x == y) | (x.isnan() & y.isnan()), 0, x - y) for x, y in wide])
        size = _norm([torch.where(x.isfinite(), x, 0) for x, _ in wide])
    if by == 0:
        return 0.0
    return by / size if size and math.isfinite(by) else math.inf


def _exact(t: Tensor) -> Tensor:
    """In a type in which differences of numbers that are near each other are exact."""
    return (
        t if t.dtype in (torch.float32, torch.float64) else t.to(torch.complex128 if t.is_complex() else torch.float64)
    )


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.hypot(
        *(float(torch.linalg.vector_norm(t, dtype=torch.promote_types(t.dtype, torch.float64))) for t in tensors)
    )


def amount(what: str, by: float) -> str:
    """A difference in words."""
    return f"{what} (by {by:.1g} of its size)" if math.isfinite(by) else what


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)


def foreign() -> tuple[object, bytes]:
    """The states of the generators that a recording cannot draw from."""
    return random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002  (the one that everybody shares)
