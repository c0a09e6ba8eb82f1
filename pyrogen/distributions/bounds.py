"""Numbers of networks, kept where their exponentials are finite."""

from __future__ import annotations

from torch import Tensor


def soft_clamp(t: Tensor, low: float, high: float, room: float = 10.0) -> Tensor:
    """t itself between ``low`` and ``high``, and beyond them never further than ``room``: h + r u / (r + |u|), u = t − h.

    Its derivative is continuous and nowhere 0, so that what has run away finds back; of a float32, exp overflows at 89.
    """
    held = t.clamp(low, high)
    beyond = t - held
    return held + room * beyond / (room + beyond.abs())


def scale_of(log_variance: Tensor) -> Tensor:
    """σ = exp(s / 2) of s = log σ², exact for σ between 3 × 10⁻⁷ and 150, and between 2 × 10⁻⁹ and 22,000 for any s."""
    return (0.5 * soft_clamp(log_variance, -30.0, 10.0)).exp()
