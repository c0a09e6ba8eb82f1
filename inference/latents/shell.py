"""The shell of radius √d in which draws of N(0, I) lie, and how far inside of it the middles of straight lines are."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.stats import chi


class Shell(NamedTuple):
    """Lengths of latents z ~ N(0, I) of d numbers, all in closed form.

    Attributes:
        radius: E‖z‖ = √2 Γ((d + 1)/2) / Γ(d/2), which comes near to √d.
        width: the standard deviation of ‖z‖, √(d − radius²), which comes near to 1/√2.
        lerp: E‖(a + b)/2‖ = radius / √2 of the middle of a line between two draws.
        slerp: of the middle of an arc, whose length is (‖a‖ + ‖b‖)/2: the radius.
        depth: by how many widths the line's middle lies inside the shell, (radius − lerp) / width.
        inside: P(‖z‖ ≤ lerp), how often a draw is as near to the origin.
    """

    radius: float
    width: float
    lerp: float
    slerp: float
    depth: float
    inside: float


def shell(d: int) -> Shell:
    """The shell of N(0, I) in d dimensions.

    Raises:
        ValueError: d is below 1.
    """
    if d < 1:
        raise ValueError(f"latents have at least 1 dimension, and d={d}; pass 1 or more.")
    radius = math.sqrt(2) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))
    width, middle = math.sqrt(d - radius**2), radius / math.sqrt(2)
    return Shell(radius, width, middle, radius, (radius - middle) / width, float(chi.cdf(middle, d)))
