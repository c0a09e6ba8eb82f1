"""Objectives made of importance weights log w = log p(x, z) − log q(z|x): how they are drawn, and where gradients go.

The gradient of every objective of this family is a sum over draws of three kinds of terms,

    Σᵢ aᵢ ∂θ log p(x, zᵢ)  +  bᵢ (∂ log wᵢ/∂zᵢ) (∂zᵢ/∂φ)  +  cᵢ ∂φ log q(zᵢ|x),

and objectives differ in a, b and c alone. :func:`draw_through` has b = a and c = −a, as the derivative of a function of the
weights; :func:`draw_fixed` has b = 0, for latents of any kind; :func:`draw_apart` has c = 0, and b = a times a factor.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor

from pyrogen.base import Batch, Objective, Pair, Player
from pyrogen.inference.programs.contexts import standing_still
from pyrogen.inference.programs.particles import over_batch, per_datum, run
from pyrogen.inference.programs.record import Site, has_density, latent_sites, latents, log_prob


class PairObjective(Objective):
    """An objective of (model, guide) pairs: one player, who owns the whole pair and minimizes ``terms``."""

    @abstractmethod
    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss in nats per datum, scalars; ``"loss"`` is minimized."""

    def final_terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """What validation measures: the objective itself, any schedule at its end."""
        return self.terms(pair, batch)

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole pair."""
        name = type(self).__name__
        if not isinstance(model, Pair):
            raise ValueError(
                f"{type(model).__name__} is no (model, guide) pair, which {name} needs; leave objective=None."
            )

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            return self.terms(model, batch)

        def validation(batch: Batch) -> Mapping[str, Tensor]:
            return self.final_terms(model, batch)

        return [Player(name.lower(), loss, [model], validation=validation)]


@dataclass(frozen=True)
class Draws:
    """Densities at ``k`` draws of the latents of every datum, each ``(k, B)`` in nats."""

    log_p: Tensor
    log_q: Tensor

    @property
    def log_w(self) -> Tensor:
        """log p(x, z) − log q(z|x)."""
        return self.log_p - self.log_q


def draw_through(pair: Pair, batch: Batch, k: int, name: str) -> Draws:
    """Draws through which gradients flow into the guide.

    Raises:
        ValueError: latents that are not reparameterized, whose gradient would be silently wrong, or a point mass.
    """
    drawn = run(pair.guide, pair, batch.x, batch.y, k, guarded=False)
    _need_reparameterized(drawn, name)
    scored = run(pair.model, pair, batch.x, batch.y, k, latents(drawn), guarded=False)
    return Draws(_joint(scored, pair, k, batch), _joint(drawn, pair, k, batch))


def draw_fixed(pair: Pair, batch: Batch, k: int, name: str) -> Draws:
    """Draws of any kind, discrete ones too, that stand still: gradients reach densities, never the draws.

    Raises:
        ValueError: a guide with a point mass.
    """
    drawn = run(pair.guide, pair, batch.x, batch.y, k, fixed=True, guarded=False)
    _need_density(drawn, name)
    scored = run(pair.model, pair, batch.x, batch.y, k, latents(drawn), guarded=False)
    return Draws(_joint(scored, pair, k, batch), _joint(drawn, pair, k, batch))


def draw_apart(pair: Pair, batch: Batch, k: int, name: str, factor: Callable[[Tensor], Tensor] | None = None) -> Draws:
    """Draws through which gradients flow into the guide, while log q(z|x) is differentiated in z alone.

    The guide is scored a second time at its own draws with its parameters standing still, which also holds for latents that
    depend on one another. ``factor(log_w)``, ``(k, B)``, multiplies the gradient that each draw passes on.

    Raises:
        ValueError: as in :func:`draw_through`, or a guide that is random apart from its latents, as dropout makes it: its
            second score would be that of another distribution.
    """
    weights: list[Tensor] = []

    def copy(site: Site) -> Tensor:
        value: Tensor = site["value"]
        if factor is None or not value.requires_grad:
            return value
        same = value.view_as(value)
        same.register_hook(lambda g: g * over_batch(weights[0], site, pair))
        return same

    drawn = run(pair.guide, pair, batch.x, batch.y, k, guarded=False)
    _need_reparameterized(drawn, name)
    values = {latent: copy(site) for latent, site in latent_sites(drawn).items()}
    with standing_still(pair.parameters(), pair.modules()):
        again = run(pair.guide, pair, batch.x, batch.y, k, values, guarded=False)
    scored = run(pair.model, pair, batch.x, batch.y, k, values, guarded=False)
    draws = Draws(_joint(scored, pair, k, batch), _joint(again, pair, k, batch))
    _need_steady(pair, _joint(drawn, pair, k, batch), draws.log_q, name)
    if factor is not None:
        weights.append(factor(draws.log_w.detach()))
    return draws


def log_mean_exp(log_w: Tensor) -> Tensor:
    """log 1/k Σ w over the first dimension."""
    return torch.logsumexp(log_w, 0) - math.log(log_w.shape[0])


def report(value: Tensor, surrogate: Tensor) -> Tensor:
    """The number ``value`` with the gradient of ``surrogate``."""
    return surrogate + (value - surrogate).detach()


def at_least_one(objective: Objective, **settings: float) -> None:
    """Refuse settings that mean nothing.

    Raises:
        ValueError: naming objective and setting.
    """
    for name, value in settings.items():
        if value < 1:
            raise ValueError(f"{type(objective).__name__}({name}={value}): needs {name} >= 1.")


def _need_reparameterized(drawn: Mapping[str, Site], name: str) -> None:
    _need_density(drawn, name)
    for latent, site in drawn.items():
        if not site["fn"].has_rsample:
            raise ValueError(
                f"{name} differentiates through its draws, and the guide's {latent!r} is not reparameterized, so its "
                "gradient would be wrong; train it by VIMCO, ReweightedWakeSleep, Thermodynamic or ELBO."
            )


def _need_density(drawn: Mapping[str, Site], name: str) -> None:
    if not has_density(drawn):
        raise ValueError(
            f"{name} weighs draws by their density, and this guide is a point mass, or known by its draws alone; train it by "
            "ELBO(), or by AVB()."
        )


_steady: WeakSet[Pair] = WeakSet()


def _need_steady(pair: Pair, once: Tensor, again: Tensor, name: str) -> None:
    # at the first step of training only: to look at a number is to wait for the device, and dropout rests while one measures
    if pair in _steady or not pair.training:
        return
    if not torch.allclose(once, again, rtol=1e-3, atol=1e-2, equal_nan=True):
        raise ValueError(
            f"{name} scores the guide twice at the same latents, and got another density: the guide is random apart from its "
            "latents, as dropout makes it. Take the dropout out of the encoder, or train by IWAE."
        )
    _steady.add(pair)


def _joint(sites: Mapping[str, Site], pair: Pair, k: int, batch: Batch) -> Tensor:
    """The sum of all sites' log densities, ``(k, B)``; zeros where there is no site."""
    total = batch.x.new_zeros(k, len(batch.x))
    for site in sites.values():
        total = total + per_datum(log_prob(site), site, pair, k)
    return total
