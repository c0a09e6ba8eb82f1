"""An encoder of clips: where a thing is in each frame, and what it is, seen as if it stood still."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pyrogen.nets.clips import Frames
from pyrogen.nets.conv import ConvEncoder
from pyrogen.nets.layered import VELOCITY, Bent, shares

LEAST = 1e-3  # difference from the mean colour, which a pixel without any has


class Following(nn.Module):
    """Follows a thing, takes its motion out of the clip, and reads both: ``(N, T, C, H, W)`` to ``(N, outputs)``.

    Convolutions look at the frames x_t(· + s_t) upon one another, in which the thing stands still at the middle; beside them
    its way is read, s₁ and the steps s_t − s_{t−1} by the shorter way round. Where dense layers must learn of every shape
    what it looks like at every place, these are told apart from the start. References: Finn et al. 2016, Deep spatial
    autoencoders for visuomotor learning, arXiv:1509.06113; Jaderberg et al. 2015, Spatial transformer networks,
    arXiv:1506.02025.

    Args:
        x_shape: (T, C, H, W).
        outputs: numbers.
        width: channels of the first layer that looks at the thing.
        hidden: width of the hidden layer that reads the way.
    """

    def __init__(self, x_shape: Sequence[int], outputs: int, width: int = 32, hidden: int = 64) -> None:
        super().__init__()
        frames, channels, *self.sides = x_shape
        self.places = Places(self.sides)
        self.looks = Frames(ConvEncoder((frames * channels, *self.sides), outputs, width))
        self.reads = Bent(2 * frames, hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """What is said of the clips."""
        at = self.places(x)
        rows, columns = (
            shares(-at[..., axis], side, side, wraps=True, finer=1).unsqueeze(2) for axis, side in enumerate(self.sides)
        )
        way = torch.cat([at[:, :1], _steps(at) / VELOCITY], 1).flatten(1)
        said: Tensor = self.looks(rows @ x @ columns.mT) + self.reads(way)
        return said

    def way(self, x: Tensor) -> Tensor:
        """Where the thing is, from where it is first on, beyond the sides too: ``(N, T, C, H, W)`` to ``(N, T, 2)``."""
        at = self.places(x)
        return torch.cat([at[:, :1], _steps(at)], 1).cumsum(1)


def _steps(at: Tensor) -> Tensor:
    return torch.remainder(at.diff(dim=1) + 0.5, 1) - 0.5


class Places(nn.Module):
    """Where a thing is in each frame, from the middle and of the side: ``(N, T, C, H, W)`` to ``(N, T, 2)``, down and right.

    s = arg(Σ_p w_p exp 2πi p) / 2π along either side, w_p = ‖x_p − x̄‖ with the mean colour x̄ of the clip: the middle, on a
    torus, of what differs from the rest. Nothing of it is learned. Before a background of one colour it is exact to a tenth
    of a pixel; before another it is where most stands out, and what reads it has to make the best of that.

    Args:
        sides: H and W.
    """

    def __init__(self, sides: Sequence[int]) -> None:
        super().__init__()
        for name, side in zip(("down", "right"), sides, strict=True):
            angle = 2 * math.pi / side * (torch.arange(side) + (1 - side) / 2)
            self.register_buffer(name, torch.stack([angle.sin(), angle.cos()], 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The places."""
        weight = (x - x.mean((1, 3, 4), keepdim=True)).square().sum(2).add(LEAST**2).sqrt()
        weight = weight / weight.sum((2, 3), keepdim=True)
        found = [weight.sum(3) @ self.get_buffer("down"), weight.sum(2) @ self.get_buffer("right")]
        # a clip of one colour is nowhere, which has no direction: it is put in the middle
        sine, cosine = torch.stack(found, 2).unbind(-1)
        return torch.atan2(sine, cosine + LEAST) / (2 * math.pi)
