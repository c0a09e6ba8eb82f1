"""What pieces of music and their codes have in common: notes that are the same, and the direction of note density."""

from __future__ import annotations

from dataclasses import replace

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
    """The direction along which the notes that begin at a step grow by one a step.

    v = (mean z₊ − mean z₋) / (mean d₊ − mean d₋), of the pieces whose density d is above the median, and of the others. Of a
    regression of d on z the step would be shorter, and lead where no piece has its code.
    Reference: Roberts et al. 2018, arXiv:1803.05428, section 5.4, of whom the quartiles are compared.

    Args:
        model: what encodes.
        part: pieces whose densities are counted.
        pitches: what their tokens sound like.
        draws: of pieces, with replacement.
        seed: of these.

    Raises:
        ValueError: no piece has more notes than the median.
    """
    with torch.no_grad():
        codes = model.code(part.x, part.y).cpu()
    each = density(pitches.sound(part.x.cpu()))
    many = each > each.median()
    found = attribute_vector(codes, many, "means", draws=draws, seed=seed)
    return replace(found, draws=found.draws / (each[many].mean() - each[~many].mean()))
