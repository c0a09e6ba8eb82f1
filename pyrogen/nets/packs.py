"""Critics that read several data at once, so that they see whether these vary."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Packed(nn.Module):
    """A critic's network that scores packs: m data joined along their first dimension, as channels of one.

    A network of samples of p^m sees what mode dropping does to pairs, which it hides from one datum at a time. Of N data
    datum n is in pack n mod P with P = ⌊N/m⌋; what fills no pack is left out, and fewer data than a pack are repeated.

    Shapes: ``(N, *x_shape)``, and a condition ``(N, condition)`` packed likewise, to ``(P, 1)``. Reference: Lin et al. 2018,
    PacGAN, arXiv:1712.04086.

    Args:
        net: a network of ``(P, m x_shape[0], *x_shape[1:])``, and of ``(P, m condition)``.
        size: m.
    """

    def __init__(self, net: nn.Module, size: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"pack={size}: a critic reads 1 datum or more at a time.")
        self.net, self.size = net, size

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The scores of the packs."""
        given = (x,) if condition is None else (x, condition)
        scores: Tensor = self.net(*[self._joined(t) for t in given])
        return scores

    def _joined(self, t: Tensor) -> Tensor:
        if len(t) < self.size:
            t = t[torch.arange(self.size, device=t.device) % len(t)]
        packs = len(t) // self.size
        return t[: packs * self.size].unflatten(0, (self.size, packs)).transpose(0, 1).flatten(1, 2)
