"""Metrics of translations between two domains: whether each datum finds its hidden partner, and whether it comes back."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.base import HasTranslation, Model
from pyrogen.data import Data
from pyrogen.inference.latents.measured import mean, ratio, share
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import choice

PARTNER, ANOTHER, OWN = range(3)


@choice("metric", "partners-found")
def partners_found(model: Model, data: Data, seed: int, limit: int = 500) -> WithError:
    """The share of test data whose translation is nearer to their hidden partner than to any other datum of either domain.

    1/2N Σₙ 1[yₙ = argmin_d ‖G(xₙ) − d‖] + 1[xₙ = argmin_d ‖F(yₙ) − d‖], d all test data of both domains. Where nothing is
    changed, xₙ itself is the nearest and the share is 0; of a draw from the right domain it is 1/N.
    """
    hits = nearest(model, data, limit) == PARTNER
    # both ways of a pair succeed and fail together; where all agree, they tell no spread
    pairs = mean(torch.stack(hits.chunk(2)).double().mean(0))
    return WithError(pairs.value, max(pairs.error, share(hits).error))


def nearest(model: Model, data: Data, limit: int = 500) -> Tensor:
    """What of all test data of either domain is nearest to each translation, ``(2 N,)``, first those of x, then those of y.

    :data:`PARTNER`, the datum's own; :data:`ANOTHER` of the other domain; or one of its :data:`OWN` domain, as where nothing
    was changed.
    """
    x, y, as_y, as_x = _translated(model, data, limit)
    everything = torch.cat([x, y]).flatten(1)
    n, first = len(x), torch.arange(len(x), device=x.device)
    found = []
    for made, partner, own in ((as_y, first + n, 0), (as_x, first, n)):
        it = torch.cdist(made.flatten(1), everything).argmin(1)
        unmoved = (own <= it) & (it < own + n)
        found.append(torch.where(it == partner, PARTNER, torch.where(unmoved, OWN, ANOTHER)))
    return torch.cat(found)


@choice("metric", "pair-error")
def pair_error(model: Model, data: Data, seed: int, limit: int = 500) -> WithError:
    """How far translations are from the hidden partners, over how far these are from the data: E ‖G(x) − y‖₁ / E ‖x − y‖₁.

    Both ways together; where nothing is changed it is 1.
    """
    x, y, as_y, as_x = _translated(model, data, limit)
    return WithError.of(ratio(_apart(as_y, y) + _apart(as_x, x), 2 * _apart(x, y)))


@choice("metric", "cycle-error")
def cycle_error(model: Model, data: Data, seed: int, limit: int = 500, noise: float = 0.0) -> WithError:
    """How far test data are from what comes back of them, over how far from each other: E ‖x − F(G(x))‖₁ / E ‖x − x′‖₁.

    Of both domains together; x′ is the next datum. ``noise`` is the standard deviation of what is added to translations
    before they go back: what was hidden in them, too faint to be seen, does not survive it.
    """
    x, y, as_y, as_x = _translated(model, data, limit)
    assert isinstance(model, HasTranslation)
    generator = torch.Generator(x.device).manual_seed(seed)

    def disturbed(made: Tensor) -> Tensor:
        return made + noise * torch.randn(made.shape, generator=generator, device=made.device) if noise else made

    with evaluating(model):
        back = (model.to_x(disturbed(as_y)), model.to_y(disturbed(as_x)))
    apart = _apart(x, back[0]) + _apart(y, back[1])
    return WithError.of(ratio(apart, _apart(x, x.roll(1, 0)) + _apart(y, y.roll(1, 0))))


def _translated(model: Model, data: Data, limit: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Test data of both domains, and what a model makes of them: x, y, G(x) and F(y)."""
    if not isinstance(model, HasTranslation):
        raise ValueError(f"{type(model).__name__} does not translate between two domains, as 'cyclegan' does.")
    part = data.test.take(limit).to(model.device)
    if part.y is None:
        raise ValueError(f"translations are judged by hidden partners, and {data.name!r} has no y.")
    x, y = part.x, part.y.to(part.x)
    with evaluating(model):
        return x, y, model.to_y(x), model.to_x(y)


def _apart(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().flatten(1).sum(1)
