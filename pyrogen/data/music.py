"""Pieces of music as data: MIDI files of the user's own, and what any pieces become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pyrogen import midi
from pyrogen.data.source import SPLITS, Source, tenths
from pyrogen.files import below
from pyrogen.pitches import BAR, HIGHEST, SILENT, Pitches, bars_in

LENGTH = 4 * BAR
FEWEST = 3  # pieces that can be dealt to three splits

Pieces = Mapping[str, Sequence[Tensor]]


def holds_music(folder: Path) -> bool:
    """Whether there are MIDI files below a folder."""
    return any(below(folder, midi.SUFFIXES))


def read(path: Path, length: int | None = None) -> Source:
    """A MIDI file, or all below a folder, in windows of whole bars, see :func:`source_of`.

    Train, valid and test are 80, 10 and 10 % of the files in the order of their paths, by a fixed permutation; of one or two
    files the first 80 % of the bars of each, and what follows.

    Args:
        path: of a file, or of a folder.
        length: steps of a window, sixteenth notes; None: 64, four bars.

    Raises:
        ValueError: a file is none that :func:`pyrogen.midi.read` reads, they are too short, or ``length`` is no whole number
            of bars.
    """
    bars_in(LENGTH if length is None else length)
    paths = sorted(below(path, midi.SUFFIXES)) if path.is_dir() else [path]
    pieces = [midi.read(p) for p in paths]
    voices = max(map(len, pieces))
    pieces = [torch.nn.functional.pad(piece, (0, 0, 0, voices - len(piece)), value=SILENT) for piece in pieces]
    if len(pieces) < FEWEST:
        dealt: dict[str, list[Tensor]] = {split: [] for split in SPLITS}
        for piece in pieces:
            bars = piece.shape[1] // BAR
            ends = [0, bars * 8 // 10 * BAR, bars * 9 // 10 * BAR, bars * BAR]
            for k, split in enumerate(SPLITS):
                dealt[split].append(piece[:, ends[k] : ends[k + 1]])
    else:
        dealt = {split: [pieces[k] for k in rows.tolist()] for split, rows in tenths(len(pieces)).items()}
    kind = "folder" if path.is_dir() else "file"
    return source_of(path.resolve().stem, f"{kind} {path}", dealt, LENGTH if length is None else length)


def source_of(name: str, reference: str, pieces: Pieces, length: int = LENGTH) -> Source:
    """Raw data of the pieces of each split: windows ``(voices, length)`` of tokens, those of :class:`Pitches`.

    Those of training begin at every bar, those of valid and test where the one before ends; what is left at the end of a
    piece is dropped. The pitches are all from the lowest to the highest of all splits.

    Args:
        name: of the data set.
        reference: where the pieces come from.
        pieces: by split, of MIDI pitches ``(voices, steps)``, silence being −1.
        length: steps of a window.

    Raises:
        ValueError: ``length`` is no whole number of bars, pieces have other numbers of voices, or other values than pitches,
            or those of a split are too short.
    """
    bars_in(length)
    every = [piece for split in SPLITS for piece in pieces[split]]
    shapes = [tuple(piece.shape) for piece in every]
    ragged = next((s for s in shapes if len(s) != 2 or s[0] != shapes[0][0]), None)
    if ragged is not None:
        raise ValueError(
            f"{name}: a piece has shape {ragged} and the first one {shapes[0]}; expected (voices, steps) of as many voices, "
            f"filled up with {SILENT}, silence."
        )
    lowest, highest = SILENT, SILENT
    for piece in every:
        sounding = piece[piece != SILENT]
        wrong = sounding[(sounding < 0) | (sounding > HIGHEST)]
        if len(wrong):
            raise ValueError(
                f"{name} holds {float(wrong[0]):g}, no MIDI pitch; expected 0 to {HIGHEST}, or {SILENT}, silence."
            )
        if len(sounding):
            lowest = min(lowest if lowest != SILENT else HIGHEST, int(sounding.min()))
            highest = max(highest, int(sounding.max()))
    if highest == SILENT:
        raise ValueError(f"{name} holds no notes; expected pieces.")
    vocabulary = Pitches.between(lowest, highest)
    splits: dict[str, tuple[Tensor, None]] = {}
    for split in SPLITS:
        hop = BAR if split == "train" else length
        windows = [p[:, k : k + length] for p in pieces[split] for k in range(0, p.shape[1] - length + 1, hop)]
        if not windows:
            longest = max((p.shape[1] for p in pieces[split]), default=0)
            raise ValueError(
                f"{name}: the pieces of {split} have {longest} steps at most, fewer than a window of {length}; take a "
                "shorter length, a multiple of 16, or more music."
            )
        splits[split] = vocabulary.notes(torch.stack(windows)), None
    return Source(name=name, reference=reference, kinds=("tokens",), levels=None, splits=splits, vocabulary=vocabulary)
