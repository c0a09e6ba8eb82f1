"""Four data, of which everything is known."""

from __future__ import annotations

import torch

from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice

SIZES = (1000, 100, 20)


@choice("data", "one-hot")
def one_hot() -> Source:
    """Images of 2 × 2 pixels of which one is white, each of the four equally often: no model is above log p(x) = −log 4."""
    four = torch.eye(4, dtype=torch.uint8).reshape(4, 1, 2, 2)
    which = [torch.arange(n) % 4 for n in SIZES]
    return Source(
        name="one-hot",
        reference="Mescheder et al. 2017, Adversarial variational Bayes, arXiv:1701.04722, section 5.1 (after its figure 4)",
        kinds=("binary",),
        levels=2,
        splits={s: (four[rows], rows) for s, rows in zip(SPLITS, which, strict=True)},
    )
