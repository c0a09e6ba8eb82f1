"""Samples at a temperature: the prior drawn nearer to its centres, or further out; places of x drawn likelier ones."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import (
    Cauchy,
    Independent,
    Laplace,
    LowRankMultivariateNormal,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    StudentT,
)
from torch import Tensor
from torch.distributions import Distribution, TransformedDistribution

from pyrogen.base import HasConditionals, HasLatents, HasPosterior, Model
from pyrogen.capabilities import HasSource
from pyrogen.distributions.pushed import Pushed
from pyrogen.distributions.shaped import Shaped, in_shape
from pyrogen.distributions.tempered import HasTemperature, check
from pyrogen.inference.latents.walks import decoded, latent_prior
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import verb

CENTRED = Normal, Laplace, StudentT, Cauchy, MultivariateNormal, LowRankMultivariateNormal


@verb
def sample_at(model: Model, n: int, temperature: float, y: Tensor | None = None, seed: int = 0) -> Tensor:
    """Means of p(x|z) at ``n`` latents of the prior with its spread scaled by T, or x itself so drawn: ``(n, *x_shape)``.

    z = m + T (z′ − m) with z′ ~ p(z) about its centre m: each component of a mixture about its own, and a flow's base before
    the flow. At T = 1 it is the model's own ``sample_mean``; at T = 0 the centres; for N(0, I) it is p(z)^(1/T²), normalized.
    What is drawn place by place, codes on a grid or x itself, is so from p(·_d | ·_<d)^(1/T), normalized, in each order of
    an ensemble; where p(x|z) is, as of sentences, z is drawn from the prior as it is, and x at the temperature. x of a flow
    has the spread of the flow's base scaled.

    Reference: Kingma & Dhariwal 2018, Glow, arXiv:1807.03039, section 6, for flows.

    Args:
        model: whatever has latents with a prior, draws x place by place, or by a flow.
        n: how many.
        temperature: T, at least 0.
        y: their conditions, where the model asks for them.
        seed: of the draws.

    Raises:
        ValueError: no number of draws, a negative temperature, a model that has neither, or a prior that has no centres:
            independent bits and classes, and those on spheres and simplices.
    """
    check(temperature)
    model.check_draws(n, y)
    if isinstance(model, HasConditionals):
        with evaluating(model), seeded(seed, model.device):
            return model.complete(torch.zeros(n, *model.x_shape, device=model.device), 0, y, temperature)
    if isinstance(model, HasSource):
        with evaluating(model), seeded(seed, model.device):
            return model.made_of(_drawn(model.source(), torch.Size([n]), temperature))
    if not isinstance(model, HasLatents):
        raise ValueError(
            f"a temperature is of a prior of latents, or of models that draw x place by place or by a flow, and "
            f"{type(model).__name__} is none of these; leave the temperature out."
        )
    with evaluating(model), seeded(seed, model.device):
        if draws_in_steps(model, y):
            x: Tensor = decodings(model, n, y).at(temperature).sample()
            return x
        prior = latent_prior(model, y)
        z = _drawn(prior, torch.Size() if prior.batch_shape else torch.Size([n]), temperature)
        return decoded(model, z, y)


def draws_in_steps(model: Model, y: Tensor | None = None) -> bool:
    """Whether x is drawn place by place, so that it is these that a temperature, or a beam search, is of."""
    if isinstance(model, HasConditionals):
        return True
    if not isinstance(model, HasPosterior):
        return False
    with evaluating(model), seeded(0, model.device):
        p = decodings(model, 1, None if y is None else y[:1])
    return isinstance(p, HasTemperature) and p.stepwise


def decodings(model: Model, n: int, y: Tensor | None = None) -> Any:
    """p(x|z) at ``n`` latents of the prior, batch shape ``(n,)``."""
    assert isinstance(model, HasPosterior)
    prior = latent_prior(model, y)
    with torch.no_grad():
        return model.decode(prior.sample(torch.Size() if prior.batch_shape else torch.Size([n])), y)


def likeliest(model: Model, n: int, beams: int, y: Tensor | None = None, seed: int = 0) -> Tensor:
    """What a beam search finds to be the most probable x, ``(n, *x_shape)``.

    Without latents and y the ``n`` most probable that it finds, the first the best; otherwise the most probable one of each
    p(x|z) at ``n`` latents of the prior, or of each p(x|y).

    Args:
        model: that draws x place by place, one of finitely many values each, as texts are.
        n: how many.
        beams: beginnings that are kept; without latents and y at least ``n`` are.
        y: their conditions, where the model asks for them.
        seed: of the latents.

    Raises:
        ValueError: fewer beams than one, or another model.
    """
    if not draws_in_steps(model, y):
        raise ValueError(
            f"a beam search goes from word to word, and {type(model).__name__} does not draw x so; take 'lstm-lm' or "
            "'vae-text', or leave the beams out."
        )
    with evaluating(model), seeded(seed, model.device):
        p = model.distribution(y) if isinstance(model, HasConditionals) else decodings(model, n, y)
        if p.batch_shape:
            return p.likeliest(beams)[0][0]
        best: Tensor = p.likeliest(max(beams, n) if beams >= 1 else beams)[0]
        return best[:n]


def _drawn(p: Distribution, shape: torch.Size, temperature: float) -> Tensor:
    """Draws of p with its spread scaled, by as many random numbers as draws of p itself take, in the same order."""
    if isinstance(p, Independent):
        return _drawn(p.base_dist, shape, temperature)
    if isinstance(p, Shaped):
        return in_shape(_drawn(p.base_dist, shape, temperature), p.event_shape)
    if isinstance(p, HasTemperature):
        drawn: Tensor = p.at(temperature).sample(shape)
        return drawn
    if isinstance(p, Pushed):
        return p.drawn(shape, temperature)
    if isinstance(p, CENTRED):
        return p.loc + temperature * (p.sample(shape) - p.loc)
    if isinstance(p, MixtureSameFamily):
        chosen = p.mixture_distribution.sample(shape)
        parts = _drawn(p.component_distribution, shape, temperature)
        events = parts.dim() - chosen.dim() - 1
        index = chosen.reshape(*chosen.shape, *[1] * (events + 1)).expand(
            *chosen.shape, 1, *parts.shape[parts.dim() - events :]
        )
        return parts.gather(chosen.dim(), index).squeeze(chosen.dim())
    if isinstance(p, TransformedDistribution):
        z = _drawn(p.base_dist, shape, temperature)
        for transform in p.transforms:
            z = transform(z)
        return z
    raise ValueError(
        f"a temperature scales the spread of a prior about its centres, and {type(p).__name__} has none; take a prior "
        "such as StandardNormal, MixtureOfGaussians, FlowPrior or PixelCNNPrior."
    )
