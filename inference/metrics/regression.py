"""Metrics of models of x given y: whether their intervals hold what they promise, and how far they are from known laws."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data, Split
from pyrogen.data.regression import LAWS, Arm, Heteroscedastic, InverseSine, Regression
from pyrogen.inference.latents import measured
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice

BLOCK = 100_000  # draws at once


@choice("metric", "interval-error")
def interval_error(model: Model, data: Data, seed: int, level: float = 0.9, draws: int = 199) -> float:
    """How far central intervals of p(x|y) are from holding the fraction of test data that they promise, where it is worst.

    max |n⁻¹ Σ 1[a(yₙ) < xₙ ≤ b(yₙ)] − level| over the lower, the middle and the upper third of each number of y, and the
    numbers of x. The ends a and b are order statistics of ``draws`` x ~ p(x|yₙ), between which the next draw falls with
    probability ``level`` exactly. References: Gneiting, Balabdaoui & Raftery 2007; Romano et al. 2020, arXiv:1905.03222, ask
    for coverage in each group.
    """
    y = _numbers(data, "interval-error")
    outside = (1 - level) / 2 * (draws + 1)
    if not 0 < level < 1 or outside < 1 or abs(outside - round(outside)) > 1e-6:
        raise ValueError(
            f"level={level}, draws={draws}: (1 − level) (draws + 1) / 2 must be a whole number from 1, as of 0.9 and 199."
        )
    below = ranks(model, data.test, draws, seed)
    held = ((below >= round(outside)) & (below <= draws - round(outside))).double()
    groups = [rows for column in y.flatten(1).unbind(1) for rows in thirds(column)]
    return float(torch.stack([(held[rows].mean(0) - level).abs().max() for rows in groups]).max())


@choice("metric", "scale-error")
def scale_error(model: Model, data: Data, seed: int, places: int = 200, draws: int = 2000) -> float:
    """Relative error of the standard deviation of p(x|y) where the law's is known, √ mean (σ̂(y)/σ(y) − 1)² over an even grid.

    σ̂ is that of ``draws`` x ~ p(x|y), which alone makes an error of √(1 / 2 draws). Reference: Nix & Weigend 1994.
    """
    law = _law(data, "scale-error", Heteroscedastic)
    y = ((torch.arange(places) + 0.5) / places * 2 - 1).unsqueeze(1)
    found = _drawn(model, y, draws, seed).double().std(1)
    return float((found / law.scale(y.double()) - 1).square().mean().sqrt())


@choice("metric", "forward-error")
def forward_error(model: Model, data: Data, seed: int, against: Model | None = None, draws: int = 10) -> WithError:
    """How far solutions x ~ p(x|y) of an inverse problem miss the y that they should explain, or relative to another model.

    E ‖f(x) − y‖ over the test y, f the known way forward; divided by that of the other model.
    Reference: Bishop 1994, Mixture density networks, section 6, shows it as a picture.
    """
    law, y = _law(data, "forward-error", (InverseSine, Arm)), _numbers(data, "forward-error")
    errors = [
        (law.forward(_drawn(m, y, draws, seed).double()) - y.unsqueeze(1)).norm(dim=-1).mean(1)
        for m in ([model] if against is None else [model, against])
    ]
    return WithError.of(measured.mean(errors[0]) if against is None else measured.ratio(*errors))


@choice("metric", "solutions-found")
def solutions_found(
    model: Model,
    data: Data,
    seed: int,
    tolerance: float = 0.2,
    share: float = 0.25,
    draws: int = 100,
    num_data: int = 1000,
) -> WithError:
    """The fraction of the arm's test points for which draws x ~ p(x|y) contain both elbows.

    They do if at least the fraction ``share`` of them, of the law's own one half, lies within ``tolerance`` radians of each.
    """
    law, y = _law(data, "solutions-found", Arm), _numbers(data, "solutions-found")[:num_data]
    away = _drawn(model, y, draws, seed).double().unsqueeze(2) - law.inverse(y.double()).unsqueeze(1)
    near = (away.norm(dim=-1) <= tolerance).double().mean(1)
    return WithError.of(measured.share(near.min(-1).values >= share))


def ranks(model: Model, split: Split, draws: int, seed: int) -> Tensor:
    """How many of so many x ~ p(x|yₙ) lie below xₙ, ``(N, numbers of x)``: evenly spread from 0 to ``draws`` if p is true."""
    assert split.y is not None
    return (_drawn(model, split.y, draws, seed) < split.x.flatten(1).unsqueeze(1).cpu()).sum(1)


def thirds(values: Tensor) -> tuple[Tensor, ...]:
    """The rows of the lowest, of the middle and of the highest third of ``(N,)`` values."""
    return values.argsort().chunk(3)


def _drawn(model: Model, y: Tensor, draws: int, seed: int) -> Tensor:
    """So many x for each y, ``(len(y), draws, numbers of x)``."""
    parts = y.split(max(1, BLOCK // draws))
    with evaluating(model), seeded(seed, model.device):
        found = []
        for part in parts:
            repeated = part.repeat_interleave(draws, 0).to(model.device)
            found.append(model.sample(len(repeated), model.condition_for(repeated)).reshape(len(part), draws, -1).cpu())
    return torch.cat(found)


def _numbers(data: Data, metric: str) -> Tensor:
    y = data.test.y
    if y is None or not y.is_floating_point():
        raise ValueError(f"{metric} takes data whose y is real numbers, and that of {data.name!r} is not.")
    return y


def _law(data: Data, metric: str, wanted: type | tuple[type, ...] = Regression) -> Any:
    if not isinstance(data.law, wanted):
        known = [name for name, law in LAWS.items() if isinstance(law(), wanted)]
        raise ValueError(f"{metric} knows the laws of {', '.join(map(repr, known))}; got the data {data.name!r}.")
    if data.standardize:
        raise ValueError(f"{metric} compares with a law of x as it is; load {data.name!r} with standardize=False.")
    return data.law
