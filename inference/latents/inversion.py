"""Inversion: the latents from which a trained generator comes nearest to given data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.distributions import Transform, biject_to

from pyrogen.base import HasGenerator, HasPosterior, Model, told
from pyrogen.data import Split
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.latents.walks import draw_latents
from pyrogen.inference.programs.contexts import evaluating, seeded, standing_still
from pyrogen.inference.programs.door import verb
from pyrogen.nets import mlp
from pyrogen.seeds import derived

Method = Literal["optimize", "encoder", "both"]
METHODS: tuple[str, ...] = get_args(Method)
BLOCK = 50  # data that are inverted together, whatever is asked for: another number would be another stream of draws
CLOSE = 1.1  # times the least error of a datum: as good


@dataclass(frozen=True)
class Inversion:
    """What was found for each of N data.

    Attributes:
        z: the latents, ``(N, *latent_shape)``.
        reconstruction: g(z), ``(N, *x_shape)``.
        error: ‖x − g(z)‖², ``(N,)`` in float64.
        tried: the same where each start ended, ``(N, starts)``; the chosen one has the least loss.
    """

    z: Tensor
    reconstruction: Tensor
    error: Tensor
    tried: Tensor

    @property
    def agreed(self) -> Tensor:
        """The share of starts that ended within a tenth of the datum's least error, ``(N,)``: 1 where it matters not."""
        return (self.tried <= CLOSE * self.tried.amin(1, keepdim=True)).double().mean(1)


@verb
def invert(
    model: Model,
    x: Tensor | Split,
    y: Tensor | None = None,
    method: Method = "optimize",
    steps: int = 300,
    restarts: int = 4,
    lr: float = 0.1,
    sigma: float | None = None,
    encoder: nn.Module | None = None,
    seed: int = 0,
) -> Inversion:
    """The latents from which a generator comes nearest to each datum, z = argmin ‖x − g(z)‖².

    "optimize": Adam from several draws of the prior, its rate falling to 0. "encoder": one look of an encoder, the model's
    own, or else one that learns from the generator's own samples, see :func:`learn_encoder`. "both": Adam from what the
    encoder says as well as from these draws, so that it is as good as either. A path that ends worse than it began counts
    where it began.

    With ``sigma`` the loss is that of the posterior under noise, ‖x − g(z)‖² / 2σ² − log p(z), and z stays where the prior
    has mass; without, it may leave, and says only what g can make.

    References: Zhu et al. 2016, Generative visual manipulation on the natural image manifold, arXiv:1609.03552, for both;
    Creswell & Bharath 2016, Inverting the generator of a generative adversarial network, arXiv:1611.05644.

    Args:
        model: whatever makes data from latents that are real numbers.
        x: data; a split brings its own y.
        y: conditions, where the model asks for them.
        method: "optimize", "encoder" or "both".
        steps: of Adam.
        restarts: draws of the prior to start from.
        lr: its first rate, in unconstrained coordinates of z.
        sigma: of the noise, or None.
        encoder: what looks, ``(N, *x_shape)`` to unconstrained coordinates, of :func:`learn_encoder`.
        seed: of all draws; data are inverted in blocks of 50, each from seeds of its own.

    Raises:
        ValueError: nothing is generated, latents are discrete, or settings that mean nothing.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}: choose {', '.join(map(repr, METHODS))}.")
    if min(steps, restarts) < 1 or not lr > 0 or not (sigma is None or sigma > 0):
        raise ValueError(
            f"steps={steps}, restarts={restarts}, lr={lr}, sigma={sigma}: an inversion takes a step from a start, at a "
            "positive rate, and noise is positive."
        )
    if encoder is not None and method == "optimize":
        raise ValueError("encoder= is asked by method='encoder' or 'both' alone; name one of them.")
    x, y = told(model, x, y)
    x, y = model.read(x), model.condition_for(y)
    model.check(x, y)
    way = unconstrained(model, y)
    if method != "optimize" and encoder is None and not isinstance(model, HasPosterior):
        encoder = learn_encoder(model, y, seed=seed)
    parts = []
    with (
        evaluating(model),
        standing_still(model.parameters()),
        track(len(x), "inverting") as advance,
    ):
        for number, begin in enumerate(range(0, len(x), BLOCK)):
            rows = slice(begin, begin + BLOCK)
            some, labels = x[rows], None if y is None else y[rows]
            starts = [] if method == "optimize" else [_looked(model, some, labels, encoder, way)]
            if method != "encoder":
                (drawing,) = derived(seed, number, count=1)
                starts += _drawn(model, len(some), labels, restarts, way, drawing)
            parts.append(
                _descended(
                    model, some, labels, torch.stack(starts), way, sigma, 0 if method == "encoder" else steps, lr
                )
            )
            advance(len(some))
    return Inversion(*(torch.cat(pieces) for pieces in zip(*parts, strict=True)))


def learn_encoder(
    model: Model,
    y: Tensor | None = None,
    steps: int = 2000,
    hidden: Sequence[int] = (256, 256),
    batch: int = 128,
    lr: float = 1e-3,
    seed: int = 0,
) -> nn.Module:
    """A perceptron that looks at generated data and says from where they are made again, E ‖g(e(g(z))) − g(z)‖² least.

    It has never seen a datum: what it says of real ones is what it learned of the generator's own.

    Args:
        model: the generator, which stands still.
        y: conditions to generate under, where it asks for them, drawn with replacement.
        steps: of Adam, each of ``batch`` new samples, its rate falling to 0.
        hidden: widths of the hidden layers.
        batch: samples a step.
        lr: the first rate.
        seed: of weights and samples.

    Returns:
        ``(N, *x_shape)`` to unconstrained coordinates of z, ``(N, *latent_shape)``.
    """
    way, device = unconstrained(model, y), model.device
    assert isinstance(model, HasGenerator)
    with (
        evaluating(model),
        standing_still(model.parameters()),
        seeded(seed, device),
        torch.enable_grad(),
        track(steps, "learning an encoder") as advance,
    ):
        some = draw_latents(model, 1, None if y is None else y[:1], seed)
        encoder = mlp(model.x_shape, hidden, way.inverse_shape(some.shape)[1:]).to(device)
        adam = torch.optim.Adam(encoder.parameters(), lr)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        for _ in range(steps):
            told_y = None if y is None else y[torch.randint(len(y), (batch,), device=y.device)]
            prior = model.latent_prior(told_y)
            with torch.no_grad():
                made = model.generate(prior.sample(() if prior.batch_shape else (batch,)), told_y)
            again = model.generate(way(encoder(made)), told_y)
            adam.zero_grad()
            (again - made).square().flatten(1).sum(1).mean().backward()
            adam.step()
            falling.step()
            advance(1)
    return encoder.requires_grad_(False)


def unconstrained(model: Model, y: Tensor | None = None) -> Transform:
    """The smooth map of real vectors onto where a generator's latents lie.

    Raises:
        ValueError: there is no generator, or no such map, as onto discrete latents.
    """
    if not isinstance(model, HasGenerator):
        raise ValueError(
            f"{type(model).__name__} makes no data from latents x = g(z), which is what is inverted; take a model with a "
            "generator, as a GAN or a VAE."
        )
    support = model.latent_prior(None if y is None else y[:1]).support
    try:
        if support.is_discrete:
            raise NotImplementedError
        return biject_to(support)
    except NotImplementedError as error:
        raise ValueError(
            f"latents of this {type(model).__name__} lie in {support}, onto which there is no smooth map of all real "
            "vectors, and inversion moves along gradients; take a generator of a continuous prior such as StandardNormal."
        ) from error


def _looked(model: Model, x: Tensor, y: Tensor | None, encoder: nn.Module | None, way: Transform) -> Tensor:
    """Where an encoder says that data come from, in unconstrained coordinates."""
    if encoder is not None:
        u: Tensor = encoder(x)
        return u
    assert isinstance(model, HasPosterior)
    return way.inv(model.code(x, y))


def _drawn(model: Model, n: int, y: Tensor | None, restarts: int, way: Transform, seed: int) -> list[Tensor]:
    """Draws of the prior, in unconstrained coordinates."""
    return [way.inv(draw_latents(model, n, y, s)) for s in derived(seed, count=restarts)]


def _descended(
    model: Model,
    x: Tensor,
    y: Tensor | None,
    starts: Tensor,
    way: Transform,
    sigma: float | None,
    steps: int,
    lr: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best end of the paths from ``(starts, B, ...)``: its z, g(z), and error, and the errors of all, ``(B, starts)``."""
    assert isinstance(model, HasGenerator)

    def looked_at(u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        z = way(u)
        made = model.generate(z, y)
        error = (x - made).square().flatten(2).sum(2)
        if sigma is None:
            return error, error, z, made
        return error / (2 * sigma**2) - model.latent_prior(y).log_prob(z), error, z, made

    u = starts.detach().clone()
    if steps:
        with torch.enable_grad():
            u.requires_grad_()
            adam = torch.optim.Adam([u], lr)
            for step in range(steps):
                adam.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2
                adam.zero_grad()
                looked_at(u)[0].sum().backward()
                adam.step()
        u = u.detach()
    ends, begins = looked_at(u), looked_at(starts)
    # a path that ended worse counts where it began
    better = ends[0] <= begins[0]
    loss, error, z, made = (
        torch.where(better.reshape(*better.shape, *[1] * (a.dim() - 2)), a, b)
        for a, b in zip(ends, begins, strict=True)
    )
    best, among = loss.argmin(0), torch.arange(len(x), device=x.device)
    tried = error.double().T
    return z[best, among], made[best, among], tried[among, best], tried
