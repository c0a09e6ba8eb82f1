"""Metrics of encoders in games: how well they invert the generator, and whether all codes together are the prior."""

from __future__ import annotations

import torch

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.latents.measured import ratio
from pyrogen.inference.latents.two_sample import energy_test
from pyrogen.inference.latents.walks import draw_latents
from pyrogen.inference.metrics.codes import encoder_of
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice


@choice("metric", "reconstruction-ratio")
def reconstruction_ratio(model: Model, data: Data, seed: int) -> WithError:
    """How far test data are from their reconstructions, over how far from those of others: E ‖x − r(x)‖² / E ‖x − r(x′)‖².

    x′ is another datum, the next in a random order. Of an encoder that says nothing of its datum it is 1; the distances are
    in the data's own units, so that it is 0 only of perfect reconstructions.
    """
    x = data.test.x.to(model.device)
    with evaluating(model), seeded(seed):
        y = model.condition_for(data.test.y)
        made = encoder_of(model, "reconstruction-ratio").reconstruct(x, None if y is None else y.to(model.device))
        order = torch.randperm(len(x))
    other = torch.empty_like(order)
    other[order] = order.roll(1)  # nobody keeps his own
    own, others = ((x - r).double().flatten(1).square().sum(1) for r in (made, made[other.to(model.device)]))
    return WithError.of(ratio(own, others))


@choice("metric", "aggregate-p-value")
def aggregate_p_value(model: Model, data: Data, seed: int, n: int = 500, permutations: int = 999) -> float:
    """The p-value with which the codes of test data, a draw of q(z|x) of each, are draws of the prior p(z).

    The energy test of ``n`` codes, or as many as there are data, against as many draws, by permutations. Reference: Székely &
    Rizzo 2013, Energy statistics; that the two should be one is the aim of Makhzani et al. 2016, arXiv:1511.05644.
    """
    part = data.test.take(min(n, len(data.test))).to(model.device)
    with evaluating(model), seeded(seed, model.device):
        codes = encoder_of(model, "aggregate-p-value").encode(part.x, model.condition_for(part.y)).sample()
    drawn = draw_latents(model, len(codes), model.condition_for(part.y), seed + 1)
    return energy_test(codes, drawn, permutations, seed)[1]
