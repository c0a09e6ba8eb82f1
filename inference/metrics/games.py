"""Metrics of games: what a judge recognizes of samples and midway between them, and how steep a critic's layers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pyrogen.base import HasCritic, HasGenerator, Model
from pyrogen.data import Data
from pyrogen.inference.latents.judging import Judge, judge_of
from pyrogen.inference.latents.measured import paired_shares
from pyrogen.inference.latents.paths import path_named
from pyrogen.inference.latents.walks import draw_latents
from pyrogen.inference.metrics.generators import given
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.nets.spectral import largest_singular_values
from pyrogen.registry import choice
from pyrogen.seeds import derived


@choice("metric", "classes-recognized")
def classes_recognized(
    model: Model, data: Data, seed: int, n: int = 2000, judge: Judge | Mapping[str, Any] | str | None = None
) -> float:
    """How many classes a judge of real data is confident to see among n samples, at least one sample of each."""
    _classes(data)
    trained = judge_of(data, judge)
    y = given(model, data, n)
    with evaluating(model), seeded(seed, model.device):
        x = model.sample_mean(n, y).cpu()
    return float(len(trained.names(x)[trained.recognizes(x)].unique()))


@choice("metric", "midpoint-gain")
def midpoint_gain(
    model: Model,
    data: Data,
    seed: int,
    n: int = 2000,
    path: str = "lerp",
    judge: Judge | Mapping[str, Any] | str | None = None,
) -> WithError:
    """By how much more often a judge recognizes what is generated midway between two latents than the mean of the two data.

    Share of {g(m(z, z′))} − share of {(g(z) + g(z′))/2}, m the middle of the path, z and z′ from the prior. Pairs count whose
    ends are recognized as different classes; the difference is paired by them, and so is its error.
    """
    if not isinstance(model, HasGenerator):
        raise ValueError(f"{type(model).__name__} generates nothing from latents, between which one could look.")
    _classes(data)
    trained = judge_of(data, judge)
    y = given(model, data, n)
    with evaluating(model), torch.no_grad():
        a, b = (draw_latents(model, n, y, s) for s in derived(seed, count=2))
        half = torch.full((n,), 0.5, device=a.device)
        middle = path_named(path)(a.flatten(1), b.flatten(1), half).unflatten(-1, a.shape[1:])
        ends = [model.generate(z, y).cpu() for z in (a, b)]
        made = model.generate(middle, y).cpu()
    apart = (
        trained.recognizes(ends[0]) & trained.recognizes(ends[1]) & (trained.names(ends[0]) != trained.names(ends[1]))
    )
    if not apart.any():
        raise ValueError(f"no two of {n} samples are recognized as different classes, between which one could look.")
    mean = (ends[0] + ends[1]) / 2
    gain = paired_shares(trained.recognizes(made[apart]), trained.recognizes(mean[apart]))
    return WithError.of(gain)


@choice("metric", "steepest-layer")
def steepest_layer(model: Model, data: Data, seed: int) -> float:
    """The largest singular value of any weight of a critic's, max_l σ(W_l): 1 under the spectral norm, up to its error.

    A convolution's weight is the matrix ``(out, in · k · k)``.
    """
    if not isinstance(model, HasCritic):
        raise ValueError(f"{type(model).__name__} has no critic of its own, whose layers could be steep.")
    return max(v for module in model.critic_modules() for v in largest_singular_values(module).values())


def _classes(data: Data) -> None:
    if data.classes is None:
        raise ValueError(f"a judge recognizes classes, and {data.name!r} has none; take labelled data.")
