"""MIDI files, read and written by mido: pieces as pitches ``(voices, steps)``, a step being a sixteenth note."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from pyrogen.pitches import SILENT, beginnings

SUFFIXES = (".mid", ".midi")
QUARTER, STEP = 480, 120  # ticks of what is written
TEMPO, VELOCITY = 100, 80  # quarters a minute; how hard notes are struck
DRUMS = 9  # the channel whose pitches are instruments
MOST_VOICES = 8
MOST_STEPS = 2**20  # of a piece, of which a damaged file may claim any number


def read(path: Path) -> Tensor:
    """A piece as MIDI pitches ``(voices, steps)``, silence being −1.

    A note sounds from the sixteenth that is nearest to where it begins to that nearest to where it ends, for one at least.
    What sounds at a step, of all tracks and without drums, is dealt to the voices from the highest pitch down; there are as
    many as the piece ever needs. Notes of one voice that repeat become one long one. Bars are of four quarters, whatever the
    file says.

    Raises:
        ValueError: it is no MIDI file, has no notes, is endless, or more than 8 sound at once; or mido is not installed.
    """
    mido = library()
    try:
        file = mido.MidiFile(path)
        notes = _notes(file)
    except (OSError, EOFError, ValueError, LookupError, mido.KeySignatureError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read as MIDI ({why}); expected a Standard MIDI File.") from error
    if not notes:
        raise ValueError(f"{path} holds no notes, drums left out; expected a piece.")
    last = max(end for _, end, _ in notes)
    if last > MOST_STEPS:
        raise ValueError(
            f"{path} is {last:,} sixteenth notes long, more than {MOST_STEPS:,}; cut it, or mend its times."
        )
    steps: list[set[int]] = [set() for _ in range(last)]
    for start, end, pitch in notes:
        for step in steps[start:end]:
            step.add(pitch)
    most = max(map(len, steps))
    if most > MOST_VOICES:
        raise ValueError(
            f"{path}: {most} notes sound at once in step {[len(s) for s in steps].index(most) + 1}, and the voices are at "
            f"most {MOST_VOICES}; leave tracks out."
        )
    return torch.tensor([sorted(s, reverse=True) + [SILENT] * (most - len(s)) for s in steps]).T.contiguous()


def written(pitches: Tensor) -> bytes:
    """A piece ``(voices, steps)`` of MIDI pitches as a MIDI file: a track a voice, 100 quarters a minute.

    Raises:
        ValueError: mido is not installed.
    """
    mido = library()
    file = mido.MidiFile(ticks_per_beat=QUARTER)
    for voice, starts in zip(pitches.tolist(), beginnings(pitches).tolist(), strict=True):
        track = mido.MidiTrack()
        if not file.tracks:
            track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(TEMPO)))
        sounding, waited = SILENT, 0
        for pitch, begins in zip([*voice, SILENT], [*starts, False], strict=True):
            if sounding != SILENT and pitch != sounding:
                track.append(mido.Message("note_off", note=sounding, velocity=0, time=waited))
                waited = 0
            if begins:
                track.append(mido.Message("note_on", note=pitch, velocity=VELOCITY, time=waited))
                waited = 0
            sounding, waited = pitch, waited + STEP
        file.tracks.append(track)
    content = io.BytesIO()
    file.save(file=content)
    return content.getvalue()


def library() -> ModuleType:
    """mido.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import mido
    except ImportError as error:
        raise ValueError(
            "MIDI files are read and written by mido, which is not installed here; pip install 'pyrogen[music]'."
        ) from error
    return mido


def _notes(file: object) -> list[tuple[int, int, int]]:
    """Where notes begin and end, in steps, and their pitches."""
    step = file.ticks_per_beat / 4  # type: ignore[attr-defined]
    if step <= 0:
        raise ValueError("its time is told in frames of film, not in quarters")
    found = []
    for track in file.tracks:  # type: ignore[attr-defined]
        now, open_notes = 0, dict[tuple[int, int], int]()
        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off") or message.channel == DRUMS:
                continue
            key = (message.channel, message.note)
            if key in open_notes:
                start = round(open_notes.pop(key) / step)
                found.append((start, max(start + 1, round(now / step)), message.note))
            if message.type == "note_on" and message.velocity > 0:
                open_notes[key] = now
    return found
