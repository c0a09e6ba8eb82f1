"""A codebook: vectors of which the nearest stands for what an encoder says."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pyrogen.together import of_first, summed

DEAD, RIDGE = 0.1, 1e-6


class Codebook(nn.Module):
    """K vectors; e is read as the nearest of them, z = e_k with k = argmin ‖e − v_k‖, as a one-hot vector.

    With ``ema`` a vector is the running mean of what it stands for, and no parameter; else it is one, for a loss to move. A
    code that stands for less than a tenth of its share is dead, and is put where something of the batch lies.

    Reference: van den Oord et al. 2017, VQ-VAE, arXiv:1711.00937, appendix A.1 on running means; revival: Dhariwal et al.
    2020, Jukebox, arXiv:2005.00341, section 3.

    Args:
        codes: K.
        size: of a vector.
        ema: whether vectors are running means.
        decay: of the running means.
        revive: the fraction of an even share below which a code is dead; 0: none ever is.

    Raises:
        ValueError: one code, which says nothing, or settings that mean nothing.
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor
    seen: Tensor
    seen_sums: Tensor
    rows: Tensor

    def __init__(self, codes: int, size: int, ema: bool = True, decay: float = 0.99, revive: float = DEAD) -> None:
        super().__init__()
        if codes < 2:
            raise ValueError(f"codes={codes}: a codebook of one vector says nothing of x; use codes >= 2.")
        if size < 1 or not 0 <= decay < 1 or not 0 <= revive < math.inf:
            raise ValueError(
                f"a codebook of size={size}, decay={decay}, revive={revive}: needs size >= 1, 0 <= decay < 1, revive >= 0."
            )
        self.ema, self.decay, self.revive = ema, decay, revive
        vectors = torch.randn(codes, size) / size**0.5
        if ema:
            self.register_buffer("vectors", vectors)
        else:
            self.vectors = nn.Parameter(vectors)
        for name, shape in (
            ("counts", (codes,)),
            ("sums", (codes, size)),
            ("seen", (codes,)),
            ("seen_sums", (codes, size)),
            ("rows", (codes, size)),
        ):
            self.register_buffer(name, torch.zeros(shape))

    @property
    def codes(self) -> int:
        """K."""
        return len(self.vectors)

    def nearest(self, e: Tensor) -> Tensor:
        """The code of each vector ``(..., size)`` as a one-hot vector ``(..., K)``."""
        with torch.no_grad():
            far = self.vectors.square().sum(1) - 2 * e @ self.vectors.T
            chosen = far.argmin(-1, keepdim=True) == torch.arange(self.codes, device=e.device)
            return chosen.to(e.dtype)

    def passing(self, e: Tensor, hot: Tensor) -> Tensor:
        """The one-hot vectors as they are, with a gradient such that that of ``hot @ vectors`` reaches e unchanged.

        z = hot + (e − sg e) (VᵀV)⁻¹Vᵀ, so that z V = hot V + (e − sg e): the straight-through estimator, inside any program.
        """
        if not e.requires_grad:
            return hot
        v = self.vectors.detach()
        square = v.T @ v
        ridge = RIDGE * square.diagonal().mean() * torch.eye(len(square), device=v.device, dtype=v.dtype)
        return hot + (e - e.detach()) @ torch.linalg.solve(square + ridge, v.T)

    @torch.no_grad()
    def observe(self, e: Tensor, hot: Tensor) -> None:
        """Remember what the codes stood for in a batch, and a vector of it for each code that may be dead."""
        e, hot = e.detach().reshape(-1, e.shape[-1]), hot.reshape(-1, self.codes)
        self.seen.copy_(hot.sum(0))
        self.seen_sums.copy_(hot.T @ e)
        self.rows.copy_(e[torch.randint(len(e), (self.codes,), device=e.device)])

    @torch.no_grad()
    def update(self) -> None:
        """Move running means towards what all processes observed, and dead codes to where something lies."""
        seen = summed(torch.cat([self.seen.unsqueeze(1), self.seen_sums], 1))
        self.counts.lerp_(seen[:, 0], 1 - self.decay)
        self.sums.lerp_(seen[:, 1:], 1 - self.decay)
        rows = of_first(self.rows)
        self.seen.zero_()  # of a batch of which a process gets nothing it observes nothing
        self.seen_sums.zero_()
        share = self.counts.mean()
        # no number is asked of the device, so that training does not wait for it
        dead = (self.counts < self.revive * share).unsqueeze(1)
        mean = self.sums / self.counts.clamp(min=1e-12).unsqueeze(1)
        kept = torch.where(self.counts.unsqueeze(1) > 0, mean, self.vectors) if self.ema else self.vectors
        self.vectors.copy_(torch.where(dead, rows, kept))
        self.sums.copy_(torch.where(dead, rows * share, self.sums))
        self.counts.copy_(torch.where(dead.squeeze(1), share, self.counts))


def perplexity(counts: Tensor) -> Tensor:
    """exp(−Σ p log p), p = counts / Σ counts: how many codes are in use, K if all alike."""
    p = counts / counts.sum()
    return torch.special.entr(p).sum().exp()
