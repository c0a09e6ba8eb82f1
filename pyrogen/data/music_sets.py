"""Music of the field, in the folder PYROGEN_DATA names: the chorales of Bach."""

from __future__ import annotations

import zipfile

import numpy as np
import torch

from pyrogen.data import store
from pyrogen.data.music import source_of
from pyrogen.data.source import SPLITS, Source
from pyrogen.pitches import BAR
from pyrogen.registry import choice


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
    try:
        # opened here, for NumPy leaves what is damaged open
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            joined = {s: torch.from_numpy(file[s].astype(np.int64)) for s in SPLITS}
            lengths = {s: file[f"{s}_lengths"].tolist() for s in SPLITS}
        pieces = {s: [part.T for part in joined[s].split(lengths[s])] for s in SPLITS}
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        why = " ".join(str(error).split())
        raise ValueError(f"{path} is damaged ({why}); replace it by its public original.") from error
    reference = (
        "Allan & Williams 2005, Harmonising chorales by probabilistic inference; splits of Boulanger-Lewandowski 2012"
    )
    return source_of("jsb-chorales", reference, pieces, bars * BAR)
