"""The evidence of pairs with discrete latents, by summing over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pyrogen.base import Model, Pair
from pyrogen.inference.evidence.estimator import Estimates, Estimator
from pyrogen.inference.evidence.request import instead
from pyrogen.inference.evidence.weights import total_log_prob
from pyrogen.inference.programs.checks import check_programs, need_support
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.enumeration import JointStates, joint_states
from pyrogen.inference.programs.particles import run
from pyrogen.inference.programs.plain import without_guide
from pyrogen.registry import choice

# data that share the decoding of a chunk of states
DATA_AT_ONCE = 50


@choice("estimator")
@dataclass(frozen=True)
class Enumerate(Estimator):
    """The exact evidence of a model whose latents are all discrete, log p(x) = log Σ_z p(x, z), over every joint state.

    It asks the model alone: the guide is neither run nor needed. Memory does not grow with the number of states, time does.

    Should not be confused with :class:`Exact`, which asks models that have a log_prob of their own.
    """

    bound: ClassVar[str | None] = "exact"

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """log Σ_z p(x, z), without Monte-Carlo error.

        Raises:
            ValueError: a model without latents, with continuous ones, or with too many states.
        """
        if not isinstance(model, Pair):
            raise ValueError(f"{type(model).__name__} has no latents, which Enumerate() sums over; {instead(model)}.")
        with evaluating(model), seeded(seed, x.device):
            states, plate = self._states(model, x, y)
            blocks = []
            for start in range(0, len(x), DATA_AT_ONCE):
                rows = slice(start, start + DATA_AT_ONCE)
                part, condition = x[rows], None if y is None else y[rows]
                blocks.append(_log_sum(model, part, condition, states, plate, chunk_size))
        value = torch.cat(blocks).cpu().numpy()
        return {"log_evidence": (("datum",), value), "mc_se": (("datum",), np.zeros_like(value))}

    def _states(self, model: Pair, x: Tensor, y: Tensor | None) -> tuple[JointStates, str]:
        plate = check_programs(without_guide(model), x[:2], None if y is None else y[:2]).plate
        states = joint_states(model.model, model, x, y, None if model.vectorized else plate)
        if states.others:
            raise ValueError(
                f"Enumerate() sums over discrete latents, and the model's {states.others[0]!r} is continuous; use "
                "estimator=IWAE(5000) or AIS()."
            )
        return states, plate


def _log_sum(pair: Pair, x: Tensor, y: Tensor | None, states: JointStates, plate: str, chunk_size: int) -> Tensor:
    """log Σ_z p(x, z), ``(B,)`` in float64."""
    total = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    for start in range(0, states.count, chunk_size):
        stop = min(start + chunk_size, states.count)
        values = states.values(start, stop) if pair.vectorized else states.along_batch(start, stop, len(x))
        sites = run(pair.model, pair, x, y, stop - start, values)
        if start == 0:
            need_support(sites)
        joint = total_log_prob(sites, pair, stop - start, len(x), plate)
        total = torch.logaddexp(total, joint.logsumexp(0))
    return total
