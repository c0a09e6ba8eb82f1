"""MIDI files, read and written by mido: pieces as pitches ``(voices, steps)``, a step being a sixteenth note."""

from __future__ import annotations

import io
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from pyrogen.pitches import SILENT, beginnings

SUFFIXES = (".mid", ".midi")
QUARTER, STEP = 480, 120  # ticks of what is written
TEMPO, VELOCITY = 100, 80  # quarters a minute; how hard notes are struck
DRUMS = 9  # the channel whose pitches are instruments
CHANNELS = [channel for channel in range(16) if channel != DRUMS]
ALL_OFF = (120, 123)  # the controls by which all notes of a channel end
MOST_VOICES = 8
MOST_STEPS = 2**20  # of a piece, of which a damaged file may claim any number


def read(path: Path) -> Tensor:
    """A piece as MIDI pitches ``(voices, steps)``, silence being −1.

    A note sounds from the sixteenth that is nearest to where it begins to that nearest to where it ends, for one at least.
    Of overlapping notes of one pitch an end is that of the first; where not all are ended, each sounds up to where its pitch
    is struck or ended next, or the track ends.
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
    """A piece ``(voices, steps)`` of MIDI pitches as a MIDI file: a track and a channel a voice, 100 quarters a minute.

    Raises:
        ValueError: mido is not installed.
    """
    mido = library()
    file = mido.MidiFile(ticks_per_beat=QUARTER)
    for number, (voice, starts) in enumerate(zip(pitches.tolist(), beginnings(pitches).tolist(), strict=True)):
        # on a channel of its own, where no other voice ends what it has in common with it
        track, channel = mido.MidiTrack(), CHANNELS[number % len(CHANNELS)]
        if not file.tracks:
            track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(TEMPO)))
        sounding, waited = SILENT, 0
        for pitch, begins in zip([*voice, SILENT], [*starts, False], strict=True):
            if sounding != SILENT and pitch != sounding:
                track.append(mido.Message("note_off", channel=channel, note=sounding, velocity=0, time=waited))
                waited = 0
            if begins:
                strike = mido.Message("note_on", channel=channel, note=pitch, velocity=VELOCITY, time=waited)
                track.append(strike)
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
        for start, end, pitch in _of_track(track):
            first = round(start / step)
            found.append((first, max(first + 1, round(end / step)), pitch))
    return found


def _of_track(track: Iterable[Any]) -> Iterator[tuple[int, int, int]]:
    """The same of a track, in ticks."""
    now = 0
    told: dict[tuple[int, int], list[tuple[int, bool]]] = defaultdict(list)
    for message in track:
        now += message.time
        if message.type in ("note_on", "note_off") and message.channel != DRUMS:
            struck = message.type == "note_on" and message.velocity > 0
            told[message.channel, message.note].append((now, struck))
        elif message.type == "control_change" and message.control in ALL_OFF:
            for events in (events for (channel, _), events in told.items() if channel == message.channel):
                events += [(now, False)] * _open(events)
    for (_, pitch), events in told.items():
        yield from ((start, end, pitch) for start, end in _spans(events, now))


def _open(events: Iterable[tuple[int, bool]]) -> int:
    """How many notes of one pitch sound behind what was told of it: an end of none is no end."""
    many = 0
    for _, struck in events:
        many = max(0, many + (1 if struck else -1))
    return many


def _spans(events: Sequence[tuple[int, bool]], last: int) -> list[tuple[int, int]]:
    """Where the notes of one pitch begin and end, which may overlap: an end is that of what was struck first."""
    sounding, spans = deque[int](), []
    for now, struck in events:
        if struck:
            sounding.append(now)
        elif sounding:
            spans.append((sounding.popleft(), now))
    if sounding:  # not all are ended, and nobody knows which: each ends where the pitch is told of next
        return [(now, end) for (now, struck), (end, _) in pairwise([*events, (last, False)]) if struck]
    return spans
