"""Paths between latents: lines, arcs, circles and grids, as pure functions of tensors."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pyrogen.registry import unknown

Path = Callable[[Tensor, Tensor, Tensor], Tensor]


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The straight line, (1 − t) a + t b.

    Shapes: latents ``(..., L)`` and t broadcast against ``(...)``. Between independent draws of N(0, I) its middle is
    N(0, I/2): √2 nearer to the origin than draws are, see :func:`pyrogen.inference.latents.shell.shell`.
    """
    return torch.lerp(a, b, t.unsqueeze(-1))


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The arc: the direction turns evenly by the angle ω between a and b, and the length grows evenly.

    r(t) [sin((1 − t) ω) a/‖a‖ + sin(t ω) b/‖b‖] / sin ω with r(t) = (1 − t) ‖a‖ + t ‖b‖. Between latents of one length it is
    White's formula, which between others may lengthen beyond both: of draws in the plane its middle has no mean length.

    Shapes: as of :func:`lerp`. Reference: Shoemake 1985; White 2016, Sampling generative networks, arXiv:1609.04468.

    Raises:
        ValueError: two latents point in opposite directions, between which there is no one arc.
    """
    kind, (a, b, t) = (
        a.dtype,
        (v.double() for v in (a, b, t)),
    )  # opposite but for a hair, in single precision none is left
    lengths = a.norm(dim=-1), b.norm(dim=-1)
    u, v = (
        z / length.clamp_min(torch.finfo(z.dtype).tiny).unsqueeze(-1) for z, length in zip((a, b), lengths, strict=True)
    )
    # from the chord, which is exact where the cosine is not
    least = _least_angle(a)
    angle = 2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1))
    both = (lengths[0] > 0) & (lengths[1] > 0)
    if (both & (math.pi - angle < least)).any():
        raise ValueError(
            "slerp turns from one latent to the other, and two of these point in opposite directions, between which "
            "no arc is the shortest; walk along path='lerp', or choose another latent."
        )
    bent, angle = both & (angle > least), angle.clamp(least, math.pi - least)
    length = torch.lerp(*lengths, t) / angle.sin()
    weights = (length * ((1 - t) * angle).sin()).unsqueeze(-1), (length * (t * angle).sin()).unsqueeze(-1)
    return torch.where(bent.unsqueeze(-1), weights[0] * u + weights[1] * v, lerp(a, b, t)).to(kind)


def great_circle(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The whole circle around the origin that begins at a and turns towards b: ‖a‖ (cos 2πt u + sin 2πt v).

    u is the direction of a, and v that of b less its part along u.

    Shapes: as of :func:`lerp`.

    Raises:
        ValueError: two latents lie on one line with the origin, so that they span no circle.
    """
    radius = a.norm(dim=-1, keepdim=True)
    u = a / radius
    rest = b - (b * u).sum(-1, keepdim=True) * u
    if not (rest.norm(dim=-1) > _least_angle(a) * b.norm(dim=-1)).all():
        raise ValueError(
            "a great circle is spanned by two directions, and two of these latents have one; choose another."
        )
    v, turn = rest / rest.norm(dim=-1, keepdim=True), 2 * math.pi * t.unsqueeze(-1)
    return radius * (turn.cos() * u + turn.sin() * v)


def grid(corners: Tensor, side: int, path: str = "lerp") -> Tensor:
    """A square between four latents ``(4, L)``, the upper left, upper right, lower left and lower right: ``(side, side, L)``.

    Its edges are paths between neighbouring corners, and its columns paths between the upper and the lower edge.

    Raises:
        ValueError: not four corners, or an unknown path.
    """
    if len(corners) != 4:
        raise ValueError(f"a grid has 4 corners, and these are {len(corners)} latents; pass one for each corner.")
    t, along = torch.linspace(0, 1, side, dtype=corners.dtype, device=corners.device), path_named(path)
    upper, lower = (along(corners[i], corners[i + 1], t) for i in (0, 2))
    return along(upper, lower, t.unsqueeze(1))


def _least_angle(z: Tensor) -> float:
    """Below it, and as near to π, an angle is lost in rounding."""
    return math.sqrt(torch.finfo(z.dtype).eps)


PATHS: dict[str, Path] = {"lerp": lerp, "slerp": slerp, "circle": great_circle}


def path_named(name: str) -> Path:
    """The path of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in PATHS:
        raise unknown("path", name, PATHS)
    return PATHS[name]
