"""How far independent sources are told apart that were mixed."""

from __future__ import annotations

import torch
from torch import Tensor


def amari_distance(mixed: Tensor) -> float:
    """How far P = W A, ``(n, n)``, is from a permutation of rows with any scales: 0 for one, 1 where all entries are alike.

    1/(2n(n − 1)) [Σᵢ (Σⱼ |pᵢⱼ| / maxₖ |pᵢₖ| − 1) + Σⱼ (Σᵢ |pᵢⱼ| / maxₖ |pₖⱼ| − 1)], A what mixed the sources, and W what is
    said to unmix them. Reference: Amari, Cichocki & Yang 1996, A new learning algorithm for blind signal separation.

    Raises:
        ValueError: P is not square with two sources or more, or a row or a column of it is 0.
    """
    size = mixed.double().abs()
    n = len(size)
    if size.dim() != 2 or size.shape[1] != n or n < 2:
        raise ValueError(f"the Amari distance is of square matrices of 2 sources or more; got {tuple(mixed.shape)}.")
    rows, columns = size.amax(1), size.amax(0)
    if float(torch.minimum(rows, columns).min()) == 0:
        raise ValueError("a source is lost: a row or a column of W A is 0, and the Amari distance has no scale for it.")
    across, down = (size / rows[:, None]).sum() - n, (size / columns).sum() - n
    return float((across + down) / (2 * n * (n - 1)))
