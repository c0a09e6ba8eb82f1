"""Whether two samples are of one distribution."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyrogen.seeds import numpy_generator

BLOCK = 100  # permutations that are tried at once
STILL = 1e-12  # of the largest number of a coordinate, a standard deviation that is none


def energy_test(first: Tensor, second: Tensor, permutations: int = 999, seed: int = 0) -> tuple[float, float]:
    """The energy distance between two samples of one size, ``(N, D)``, and the p-value of none, by permutations.

    E = 2 E‖a − b‖ − E‖a − a′‖ − E‖b − b′‖ ≥ 0, and 0 for equal distributions alone; coordinates are divided by the standard
    deviations of both samples together, which no permutation changes; those that do not vary tell nothing. p = (1 +
    #{permutations with E as large}) / (1 + permutations), exact for any N.

    Reference: Székely & Rizzo 2013, Energy statistics.

    Raises:
        ValueError: the samples are not of one size.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"the energy test compares samples of one size, and got {tuple(first.shape)}, {tuple(second.shape)}."
        )
    a, b = first.double().flatten(1), second.double().flatten(1)
    both = torch.cat([a, b])
    # a constant has a standard deviation of rounding, and divided by it would drown all others
    sd = both.std(0)
    still = sd <= STILL * both.abs().amax(0)
    both = ((both - both.mean(0)) / sd)[:, ~still]
    distances = torch.cdist(both, both, compute_mode="donot_use_mm_for_euclid_dist")
    n = len(a)
    signs = torch.cat([both.new_ones(n), -both.new_ones(n)])
    generator = numpy_generator(seed)
    found = float(_energy(distances, signs.unsqueeze(0), n))
    as_large = 0
    for start in range(0, permutations, BLOCK):
        rows = min(BLOCK, permutations - start)
        order = torch.from_numpy(generator.permuted(np.tile(np.arange(2 * n), (rows, 1)), axis=1)).to(both.device)
        as_large += int((_energy(distances, signs[order], n) >= found - 1e-12).sum())
    return found, (1 + as_large) / (1 + permutations)


def _energy(distances: Tensor, signs: Tensor, n: int) -> Tensor:
    """E of halves that are told by signs ``(rows, 2n)``: −s′ D s / n²."""
    return -((signs @ distances) * signs).sum(1) / n**2
