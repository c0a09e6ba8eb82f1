"""Real digits that come with scikit-learn: no download, seconds to train on."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from pyrogen.data.source import SPLITS, Source, cut
from pyrogen.kinds import IMAGE_KINDS
from pyrogen.registry import choice


@choice("data", "digits")
def digits() -> Source:
    """1,797 handwritten digits of 8 × 8 pixels with 17 grey levels, bundled with scikit-learn."""
    bunch = load_digits()
    x = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
    y = torch.from_numpy(bunch.target).long()
    return Source(
        name="digits",
        reference="Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), test part",
        kinds=IMAGE_KINDS,
        levels=17,
        splits={s: (x[rows], y[rows]) for s, rows in zip(SPLITS, cut(len(x), 1257, 180, 360), strict=True)},
    )
