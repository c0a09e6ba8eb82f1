"""Metrics of models of music: per step, per note, and of the form of pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.data.tunes import HasForm
from pyrogen.inference.latents.measured import paired, ratio, share
from pyrogen.inference.latents.music import density_vector, notes_right
from pyrogen.inference.latents.walks import decoded
from pyrogen.inference.metrics.evidence import evidence
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.pitches import HasPitches, density
from pyrogen.registry import choice


@choice("metric", "nats-per-step")
def nats_per_step(model: Model, data: Data, seed: int, estimator: Mapping[str, Any] | str | None = None) -> WithError:
    """−log p(x) / T of test sequences ``(C, T)`` in nats, all voices, or keys, of a step together.

    Of a model with latents by an estimator, which makes it an upper bound.
    """
    if len(data.x_shape) != 2:
        raise ValueError(
            f"nats-per-step is of sequences, x_shape=(C, T), and {data.name!r} has x_shape={tuple(data.x_shape)}; load "
            "'tunes', or 'jsb-roll'."
        )
    nats, steps = evidence(model, data, seed, estimator), data.x_shape[-1]
    return WithError(-float(nats) / steps, nats.error / steps)


@choice("metric", "notes-kept")
def notes_kept(model: Model, data: Data, seed: int, num: int = 500) -> WithError:
    """The share of notes of test pieces that come back from their codes, the most probable ones, written step after step.

    Σₙ kₙ / Σₙ mₙ, mₙ the notes of piece n, of all voices, and kₙ those that are right at all steps at which they sound: what
    counts for a note is one, however long it is held.
    """
    return WithError.of(ratio(*_kept("notes-kept", model, data, seed, num)))


@choice("metric", "notes-gained")
def notes_gained(model: Model, data: Data, seed: int, against: Model, num: int = 500) -> WithError:
    """The share of notes of test pieces that come back from a model's codes, less that of another model.

    Σₙ (kₙ − k′ₙ) / Σₙ mₙ, as of "notes-kept": paired by pieces, so that the spread of these cancels, in the error too.
    """
    kept, there = _kept("notes-gained", model, data, seed, num)
    theirs, _ = _kept("notes-gained", against, data, seed, num)
    return WithError.of(ratio(kept - theirs, there))


@choice("metric", "form-kept")
def form_kept(
    model: Model, data: Data, seed: int, between: Literal["codes", "notes"] | None = "codes", num: int = 500
) -> WithError:
    """The share of pieces that have the form of the data, as A A' B A has its parts, see :class:`pyrogen.data.tunes.HasForm`.

    Args:
        model: what composes.
        data: of a law that knows the form.
        seed: of what is drawn.
        between: "codes": the most probable pieces half-way between the codes of two test pieces; "notes": instead of
            a model's pieces, mixtures of two test pieces that have at each step the notes of either by chance; None: samples.
        num: how many pieces.
    """
    if not isinstance(data.law, HasForm):
        raise ValueError(
            f"form-kept asks the law of the data for their form, and {data.name!r} has none; take 'tunes'."
        )
    if between == "codes":
        _refuse_without_codes(model, "form-kept")
    with evaluating(model), seeded(seed, model.device), torch.no_grad():
        if between is None:
            made = model.sample(num)
        else:
            part = data.test.take(2 * num)
            half = len(part) // 2
            first, second = part.x[:half], part.x[half : 2 * half]
            if between == "notes":
                made = torch.where(torch.rand_like(first[:, :1]) < 0.5, first, second)
            else:
                assert isinstance(model, HasPosterior)
                codes = model.code(part)
                made = decoded(model, (codes[:half] + codes[half : 2 * half]) / 2)
    return WithError.of(share(data.law.keeps_form(made)))


@choice("metric", "density-moved")
def density_moved(
    model: Model, data: Data, seed: int, by: float = 0.125, by_chance: bool = False, num: int = 500
) -> WithError:
    """How far a step along the direction of note density moves the density of what is decoded, of the way that was asked.

    1/N Σₙ (d(x(zₙ + s v)) − d(x(zₙ))) / s, zₙ the codes of test pieces, x(z) the most probable piece there, d the notes that
    begin at a step, and v of training pieces, see :func:`~pyrogen.inference.latents.music.density_vector`.

    Args:
        model: what encodes and decodes.
        data: of pitches.
        seed: of the direction.
        by: s, the notes a step that are asked for, the half of the pieces that have most being moved by −s.
        by_chance: whether random directions of the same length stand in the place of v, one a piece.
        num: how many pieces.

    Reference: Roberts et al. 2018, arXiv:1803.05428, section 5.4.
    """
    pitches = _pitches(data, "density-moved")
    _refuse_without_codes(model, "density-moved")
    assert isinstance(model, HasPosterior)
    learned, part = data.train.take(4 * num), data.test.take(num)
    with evaluating(model), torch.no_grad():
        v = density_vector(model, learned, pitches, seed=seed).draws[0]
        codes = model.code(part)
        steps = v.expand(len(codes), -1)
        if by_chance:
            with seeded(seed):
                other = torch.randn(steps.shape, dtype=steps.dtype)
            steps = other * steps.norm(dim=1, keepdim=True) / other.norm(dim=1, keepdim=True)
        before = decoded(model, codes)
        # who has many notes is asked for fewer: there is no room above
        own = density(pitches.sound(part.x.cpu()))
        sign = torch.where(own > own.median(), -1.0, 1.0).double()
        after = decoded(model, codes + (by * sign[:, None] * steps).to(codes))
    was, became = (sign * density(pitches.sound(x.cpu())) for x in (before, after))
    moved = paired(became, was)
    return WithError(moved.value / by, moved.error / by)


def _kept(metric: str, model: Model, data: Data, seed: int, num: int) -> tuple[Tensor, Tensor]:
    """The notes of each test piece that come back from its code, and all of them."""
    pitches = _pitches(data, metric)
    _refuse_without_codes(model, metric)
    assert isinstance(model, HasPosterior)
    part = data.test.take(num)
    with evaluating(model), seeded(seed, model.device):
        again = model.reconstruct(part).cpu()
    return notes_right(pitches.sound(part.x.cpu()), pitches.sound(again))


def _pitches(data: Data, metric: str) -> HasPitches:
    if not isinstance(data.vocabulary, HasPitches):
        raise ValueError(f"{metric} is of music, and {data.name!r} has no pitches; load 'tunes', or a .mid file.")
    return data.vocabulary


def _refuse_without_codes(model: Model, metric: str) -> None:
    if not isinstance(model, HasPosterior):
        raise ValueError(f"{metric} takes codes, and {type(model).__name__} has none; take a 'vae-music'.")
