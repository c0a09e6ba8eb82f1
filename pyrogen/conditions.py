"""What a model is conditioned on, and how a network reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

NEAR = 10.0
UNKNOWN = -1
"""The label of a datum whose class nobody knows."""


@dataclass(frozen=True)
class Condition:
    """y as a model expects it: classes, numbered from 0, or real numbers.

    Args:
        shape: of one y; ``()`` for one label a datum.
        classes: how many there are; None for real numbers.
        optional: whether a label may be missing, or be ``UNKNOWN``: the model then takes it for a latent.

    Raises:
        ValueError: nothing to be conditioned on, or one class only.
    """

    shape: Sequence[int] = ()
    classes: int | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if self.classes is None and not self.shape:
            raise ValueError(
                "a conditional model needs classes (how many, as data.classes says), or y_shape for real numbers, and got "
                "neither: these data may have no labels."
            )
        if self.classes is not None and self.classes < 2:
            raise ValueError(f"classes={self.classes}: a condition of fewer than 2 classes says nothing.")
        if any(side < 1 for side in self.shape):
            raise ValueError(f"y_shape={tuple(self.shape)} must be positive.")

    @property
    def size(self) -> int:
        """As how many numbers a network reads y."""
        return torch.Size(self.shape).numel() * (self.classes or 1)

    def read(self, y: Tensor) -> Tensor:
        """y for a network, ``(..., *shape)`` to ``(..., size)``: classes as one-hot vectors; ``UNKNOWN`` as zeros."""
        lead = y.shape[: y.dim() - len(self.shape)]
        if self.classes is None:
            return y.reshape(*lead, self.size)
        # torch's one_hot looks at the values, for which a device must stop and a recording cannot
        hot = y.unsqueeze(-1) == torch.arange(self.classes, device=y.device)
        return hot.reshape(*lead, self.size).to(torch.get_default_dtype())

    def check(self, y: Tensor | None, n: int) -> None:
        """Refuse what is no y of ``n`` data.

        Raises:
            ValueError: there is none, or its shape or its values are not those expected.
        """
        if y is None:
            if self.optional:
                return
            raise ValueError(f"the model is conditional, and got no y: pass {self} for each datum.")
        if y.shape != (n, *self.shape):
            raise ValueError(f"the model takes {self}, y of shape {(n, *self.shape)}; got {tuple(y.shape)}.")
        if self.classes is None:
            if not y.is_floating_point() or not torch.isfinite(y).all():
                raise ValueError(f"the model takes {self}; y holds {_held(y)}.")
            return
        lowest, whole = UNKNOWN if self.optional else 0, not y.is_floating_point()
        if not whole or int(y.min()) < lowest or int(y.max()) >= self.classes:
            unknown = f", or {UNKNOWN} where it is unknown" if self.optional else ""
            raise ValueError(f"the model takes {self}, numbered 0 to {self.classes - 1}{unknown}; y holds {_held(y)}.")

    def __str__(self) -> str:
        many = f"{torch.Size(self.shape).numel()} " if self.shape else "one "
        return f"{many}of {self.classes} classes" if self.classes else f"{many}real numbers"


class Reader(nn.Module):
    """y for a network, real numbers at a scale of order one: (y − mean) / sd of the training data, where those are far off.

    Numbers that stay within −10 and 10 while a model is trained are read as they are, and classes as one-hot vectors.

    Args:
        condition: what y is.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, condition: Condition) -> None:
        super().__init__()
        self.condition = condition
        if condition.classes is None:
            self.register_buffer("mean", torch.zeros(tuple(condition.shape)))
            self.register_buffer("sd", torch.ones(tuple(condition.shape)))

    @property
    def needs_training_data(self) -> bool:
        """Whether y is real numbers."""
        return self.condition.classes is None

    def before_training(self, y: Tensor | None) -> None:
        """Take the scale of the training data."""
        if y is None or self.condition.classes is not None or float(y.abs().max()) <= NEAR:
            return
        wide = y.double()
        sd = wide.std(0, correction=0)
        self.mean.copy_(wide.mean(0))
        self.sd.copy_(torch.where(sd > 0, sd, torch.ones_like(sd)))

    def forward(self, y: Tensor) -> Tensor:
        """``(..., *shape)`` to ``(..., size)``."""
        return self.condition.read((y - self.mean) / self.sd if self.condition.classes is None else y)


def _held(y: Tensor) -> str:
    return f"{str(y.dtype).removeprefix('torch.')} from {y.min().item():g} to {y.max().item():g}"
