"""What pieces of music and their codes have in common: notes that are the same, and the direction of note density."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.base import HasPosterior
from pyrogen.data import Split
from pyrogen.inference.latents.attributes import AttributeVector, attribute_vector
from pyrogen.pitches import HasPitches, beginnings, density


def notes_right(true: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """How many notes of pieces are right at all steps at which they sound, and how many notes there are, both ``(N,)``.

    Args:
        true: MIDI pitches ``(N, voices, T)``, silence being −1; a pitch that is held is one note.
        made: those that are compared.
    """
    starts = beginnings(true)
    number = starts.long().cumsum(-1)
    # what is silent belongs to none, 0
    note = torch.where(true >= 0, number, torch.zeros_like(number))
    wrong = torch.zeros(*true.shape[:-1], true.shape[-1] + 1).scatter_add(-1, note, (true != made).float())
    there = starts.flatten(1).sum(1)
    return there - (wrong[..., 1:] > 0).flatten(1).sum(1), there


def density_vector(
    model: HasPosterior, part: Split, pitches: HasPitches, draws: int = 1, seed: int = 0
) -> AttributeVector:
    """The direction along which the notes that begin at a step grow by one a step, by a regression on codes.

    Args:
        model: what encodes.
        part: pieces whose densities are counted.
        pitches: what their tokens sound like.
        draws: of pieces, with replacement.
        seed: of these.

    Raises:
        ValueError: all pieces have the same density.
    """
    with torch.no_grad():
        codes = model.code(part.x, part.y).cpu()
    return attribute_vector(codes, density(pitches.sound(part.x.cpu())), "linear", draws=draws, seed=seed)
