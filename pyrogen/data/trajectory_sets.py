"""Paths of people who were filmed, in the folder PYROGEN_DATA names: the five scenes of ETH and UCY."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from pyrogen.data import store
from pyrogen.data.source import Source
from pyrogen.data.trajectories import Window, source_of, windows
from pyrogen.registry import choice

Scene = Literal["eth", "hotel", "univ", "zara1", "zara2"]

UCY = ("crowds_zara01", "crowds_zara02", "crowds_zara03", "students001", "students003", "uni_examples")
FILMED = ("biwi_eth", "biwi_hotel", *UCY)
OF_SCENE = {
    "eth": ("biwi_eth",),
    "hotel": ("biwi_hotel",),
    "univ": ("students001", "students003"),
    "zara1": ("crowds_zara01",),
    "zara2": ("crowds_zara02",),
}
WHERE = "github.com/abduallahmohamed/Social-STGCNN, folder datasets"


@choice("data", "eth-ucy")
def eth_ucy(scene: Scene = "eth") -> Source:
    """People on five squares and streets, a step every .4 s: what they do in 4.8 s given 3.2 s, one scene left for testing.

    Windows and splits are those of Gupta et al.: two people or more who are there all the time, windows a step apart.

    Args:
        scene: what is left out of the training: "eth", "hotel", "univ", "zara1" or "zara2".
    """
    if scene not in OF_SCENE:
        raise ValueError(f"scene={scene!r}: eth-ucy leaves out one of {', '.join(OF_SCENE)}.")
    others = [name for name in FILMED if name not in OF_SCENE[scene]]
    files = {
        "train": [f"train/{name}_train.txt" for name in others],
        "valid": [f"val/{name}_val.txt" for name in others],
        "test": [f"test/{name}.txt" for name in OF_SCENE[scene]],
    }
    found = {split: [w for file in names for w in _windows(f"{scene}/{file}")] for split, names in files.items()}
    reference = "Pellegrini et al. 2009; Lerner et al. 2007; splits of Gupta et al. 2018, arXiv:1803.10892"
    return source_of("eth-ucy", reference, found)


def _windows(file: str) -> Iterator[Window]:
    path = store.find("eth-ucy", f"trajectories/eth_ucy/{file}", WHERE, "the folders of its scenes")
    try:
        table = np.loadtxt(path, ndmin=2)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}); replace it.") from error
    yield from windows(table[:, 0], table[:, 1], table[:, 2:4].astype(np.float32), least=2)
