"""Pictures of music: piano rolls."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pyrogen.figures.figure_style import FAINT, LINE, MUTED, PALETTE, Array, as_array, blank
from pyrogen.pitches import BAR, SILENT, name_of

HEIGHT, WIDEST = 0.85, 7.2  # inches of a roll, and of a figure


def rolls(pieces: Sequence[tuple[str, Array]], columns: int = 2, bar: int = BAR) -> Figure:
    """Pieces of MIDI pitches ``(voices, steps)``, each with a title, row by row: pitch upwards, a colour a voice.

    All have the range of pitches of all; lines stand at bars and at octaves.

    Args:
        pieces: titles and pitches, silence being −1.
        columns: rolls beside one another.
        bar: steps of a bar.
    """
    values = [(title, as_array(piece).astype(int)) for title, piece in pieces]
    sounding = np.concatenate([piece[piece != SILENT] for _, piece in values])
    low, high = (int(sounding.min()), int(sounding.max())) if sounding.size else (60, 72)
    rows = math.ceil(len(values) / columns)
    figure = blank(min(WIDEST, 3.6 * columns), HEIGHT * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat
    for panel, (title, piece) in zip(panels, values, strict=False):
        _roll(panel, piece, low, high, bar)
        panel.set_title(title, loc="left", fontsize=8, color=MUTED, pad=2)
    for panel in list(figure.axes)[len(values) :]:
        panel.set_axis_off()
    return figure


def _roll(axes: Axes, piece: np.ndarray, low: int, high: int, bar: int) -> None:
    steps = piece.shape[1]
    axes.set(xlim=(0, steps), ylim=(low - 1, high + 1))
    for start in range(0, steps + 1, bar):
        axes.axvline(start, color=LINE, linewidth=0.8, zorder=0)
    octaves = [p for p in range(low, high + 1) if p % 12 == 0]
    for octave in octaves:
        axes.axhline(octave, color=LINE, linewidth=0.5, zorder=0)
    axes.set_yticks(octaves, [name_of(p) for p in octaves])
    axes.set_xticks([])
    axes.tick_params(colors=MUTED, labelsize=7, length=0)
    axes.spines[:].set_color(FAINT)
    axes.spines[:].set_linewidth(0.5)
    for voice, color in zip(piece, PALETTE, strict=False):
        notes = [Rectangle((a, voice[a] - 0.45), b - a, 0.9) for a, b in _held(voice) if voice[a] != SILENT]
        axes.add_collection(PatchCollection(notes, facecolor=color, linewidth=0, alpha=0.85))


def _held(voice: np.ndarray) -> list[tuple[int, int]]:
    """From where to where a pitch stays."""
    changes = [0, *(np.flatnonzero(np.diff(voice)) + 1).tolist(), len(voice)]
    return list(itertools.pairwise(changes))
