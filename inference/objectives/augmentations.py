"""What may be done to data without changing what they show: the views that a contrastive objective takes for the same."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from pyrogen.kinds import is_picture
from pyrogen.nets import Noisy
from pyrogen.nets.noisy import Corruption
from pyrogen.registry import choice


class Augmentation(ABC):
    """A random change of data, of each datum its own, in tensors alone, so that a step of training can be recorded.

    Those of ``torchvision.transforms.v2`` draw one change for the whole batch, on the host: they are for loaders of single
    images. A class under ``@choice("augmentation")`` is all that a new one needs.
    """

    axes: ClassVar[tuple[str, ...]] = ("augmentation",)

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Fresh views of data, ``(B, *x_shape)`` to the same.

        Raises:
            ValueError: data that cannot be changed so.
        """


@choice("augmentation")
@dataclass(frozen=True)
class Affine(Augmentation):
    """Images turned, sheared, scaled and moved, each by numbers of its own from even distributions; 0 beyond their edges.

    x(A u + t), A = R(θ) [[1, s], [0, 1]] / c, between pixels by linear interpolation.
    Reference: Simard, Steinkraus & Platt 2003, Best practices for convolutional neural networks.

    Args:
        turn: the largest |θ|, in degrees.
        shear: the largest |s|.
        scale: the largest |c − 1|, below 1.
        move: the largest |t|, as a share of the image's side.
        noise: standard deviation of normal noise that is added.
    """

    turn: float = 20.0
    shear: float = 0.2
    scale: float = 0.2
    move: float = 0.1
    noise: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if min(self.turn, self.shear, self.scale, self.move, self.noise) < 0 or self.scale >= 1:
            raise ValueError(f"{self}: none of these is negative, and scale is below 1.")

    def __call__(self, x: Tensor) -> Tensor:
        """Fresh views."""
        if not is_picture(x.shape[1:]):
            raise ValueError(
                f"Affine moves images, and these data have the shape {tuple(x.shape[1:])}; use augmentation='Corrupted'."
            )
        angle, shear, scale, right, down = (2 * torch.rand(len(x), 5, device=x.device, dtype=x.dtype) - 1).unbind(1)
        angle, shear, scale = angle * math.radians(self.turn), shear * self.shear, 1 + scale * self.scale
        cos, sin = angle.cos() / scale, angle.sin() / scale
        # both sides are 2 long in the grid's own units, however many pixels they have
        high = x.shape[-2] / x.shape[-1]
        across, along = (cos * shear - sin) * high, sin / high
        rows = torch.stack([cos, across, 2 * self.move * right, along, sin * shear + cos, 2 * self.move * down], 1)
        grid = affine_grid(rows.reshape(-1, 2, 3), list(x.shape), align_corners=False)
        moved = grid_sample(x, grid, align_corners=False)
        return moved + self.noise * torch.randn_like(moved)


@choice("augmentation")
@dataclass(frozen=True)
class Corrupted(Augmentation):
    """Data with noise on them, as :class:`pyrogen.nets.Noisy` puts it there: for what is no image.

    Args:
        amount: of the noise: its standard deviation, or the probability that an element is corrupted.
        corruption: "normal", "mask" (elements become 0) or "salt" (0 or 1).
    """

    amount: float = 0.3
    corruption: Corruption = "mask"

    def __post_init__(self) -> None:
        """Refuse what means nothing, as the network does."""
        self._network()

    def __call__(self, x: Tensor) -> Tensor:
        """Fresh views."""
        return self._network().corrupt(x)

    def _network(self) -> Noisy:
        return Noisy(torch.nn.Identity(), self.amount, self.corruption)
