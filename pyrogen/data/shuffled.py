"""Labels that say nothing: what a model makes of them is what it makes by chance."""

from __future__ import annotations

from dataclasses import replace

import torch

from pyrogen.data.named import source_named
from pyrogen.data.source import Source
from pyrogen.registry import choice


@choice("data", "shuffled-labels")
def shuffled_labels(of: str = "digits", seed: int = 0) -> Source:
    """Other data whose y of train and valid are dealt out at random, each split's among its own; those of test stay true.

    Reference: Zhang et al. 2017, Understanding deep learning requires rethinking generalization, arXiv:1611.03530.

    Args:
        of: the data, as ``load`` names them, "digits" or "sprites(y='label')".
        seed: of the dealing.

    Raises:
        ValueError: there are no such data, or they have no y.
    """
    source, splits = source_named(of), {}
    generator = torch.Generator().manual_seed(seed)
    for split, (x, y) in source.splits.items():
        if y is None:
            raise ValueError(f"shuffled-labels(of={of!r}): {source.name!r} has no y that could be shuffled.")
        splits[split] = (x, y if split == "test" else y[torch.randperm(len(y), generator=generator)])
    return replace(source, name="shuffled-labels", reference=f"{source.reference}; y shuffled", splits=splits)
