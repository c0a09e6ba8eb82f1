"""What a model is conditioned on, and how a network reads it.

To every network y comes as one vector that holds all of it; what it makes of that is the network's business: it may take it
as a vector, or, by :meth:`Condition.as_picture` and :meth:`Condition.as_words`, as what it was.

============  =====================  ============  ============================
y             shape                  a vector of   and as
============  =====================  ============  ============================
a label       ``()``, K classes      K             words, one of K
labels        ``(A,)``, K classes    A K           words, A of K
tokens        ``(L,)``, V classes    L V           words, L of V
a layout      ``(H, W)``, K classes  H W K         a picture, ``(K, H, W)``
an image      ``(C, H, W)``          C H W         a picture, ``(C, H, W)``
grey          ``(H, W)``             H W           a picture, ``(1, H, W)``
numbers       ``(D,)``               D             a vector alone
============  =====================  ============  ============================
"""

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
        missing: whether NaN among real numbers stands for what is not there.

    Raises:
        ValueError: nothing to be conditioned on, or one class only.
    """

    shape: Sequence[int] = ()
    classes: int | None = None
    optional: bool = False
    missing: bool = False

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

    @property
    def one_of(self) -> int | None:
        """Of how many classes y is one, a label a datum; None where it is anything else."""
        return None if self.shape else self.classes

    @property
    def picture(self) -> torch.Size | None:
        """As a picture of what shape y may be read: of an image its own, of a layout a channel for each class."""
        if self.classes is not None:
            return torch.Size((self.classes, *self.shape)) if len(self.shape) == 2 else None
        return torch.Size((*[1] * (len(self.shape) == 2), *self.shape)) if len(self.shape) in (2, 3) else None

    @property
    def words(self) -> torch.Size | None:
        """As how many words of how many y may be read, ``(L, V)``."""
        if self.classes is None or len(self.shape) > 1:
            return None
        return torch.Size((*(self.shape or (1,)), self.classes))

    def as_picture(self, told: Tensor) -> Tensor:
        """What a network was told, ``(..., size)``, as the picture that it is, ``(..., C, H, W)``.

        Raises:
            ValueError: it is none.
        """
        shape = self.need_picture("a network")
        if self.classes is None:
            return told.unflatten(-1, tuple(shape))
        return told.unflatten(-1, (*shape[1:], shape[0])).movedim(-1, -3)

    def as_words(self, told: Tensor) -> Tensor:
        """What a network was told, ``(..., size)``, as one-hot words, ``(..., L, V)``: times E ``(V, D)``, an embedding.

        Raises:
            ValueError: it is none.
        """
        if self.words is None:
            raise ValueError(f"a network that reads y as words takes (L,) of V classes; this model takes {self}.")
        return told.unflatten(-1, tuple(self.words))

    def need_picture(self, who: str) -> torch.Size:
        """The shape of the picture that y is.

        Raises:
            ValueError: it is none; ``who`` reads it as one.
        """
        if self.picture is None:
            raise ValueError(
                f"{who} reads y as a picture, an image (C, H, W) or a layout (H, W) of classes; this model takes {self}, "
                "which other networks read as a vector."
            )
        return self.picture

    def need(self, y: Tensor | None) -> None:
        """Refuse that there is no y, where it is not inferred.

        Raises:
            ValueError: there is none.
        """
        if y is None and not self.optional:
            raise ValueError(f"the model is conditional, and got no y: pass {self} for each datum.")

    def check(self, y: Tensor | None, n: int) -> None:
        """Refuse what is no y of ``n`` data.

        Raises:
            ValueError: there is none, or its shape or its values are not those expected.
        """
        if y is None:
            self.need(y)
            return
        if not isinstance(y, Tensor):
            raise ValueError(
                f"the model takes {self}, y as a tensor of shape {(n, *self.shape)}; got {type(y).__name__}."
            )
        if y.shape != (n, *self.shape):
            raise ValueError(f"the model takes {self}, y of shape {(n, *self.shape)}; got {tuple(y.shape)}.")
        if not y.numel():
            return
        if self.classes is None:
            bad = y.isinf() if self.missing else ~y.isfinite()
            if not y.is_floating_point() or bad.any():
                raise ValueError(f"the model takes {self}; y holds {_held(y)}.")
            return
        lowest, whole = UNKNOWN if self.optional else 0, not y.is_floating_point()
        if whole and not self.shape and lowest == 0 and int(y.min()) == UNKNOWN:
            raise ValueError(
                f"the model has to be told {self}, and {int((y == UNKNOWN).sum())} of {n} labels are {UNKNOWN}, unknown; "
                "leave these data out, or take a model that infers what is unknown, as vae-semi-supervised does."
            )
        if not whole or int(y.min()) < lowest or int(y.max()) >= self.classes:
            unknown = f", or {UNKNOWN} where it is unknown" if self.optional else ""
            raise ValueError(f"the model takes {self}, numbered 0 to {self.classes - 1}{unknown}; y holds {_held(y)}.")

    def __str__(self) -> str:
        if self.picture is not None:
            sides = " × ".join(map(str, self.shape))
            return f"a layout of {sides} of {self.classes} classes" if self.classes else f"an image of {sides}"
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
    scaled: Tensor

    def __init__(self, condition: Condition) -> None:
        super().__init__()
        self.condition = condition
        if condition.classes is None:
            self.register_buffer("mean", torch.zeros(tuple(condition.shape)))
            self.register_buffer("sd", torch.ones(tuple(condition.shape)))
            self.register_buffer("scaled", torch.zeros((), dtype=torch.bool))

    @property
    def needs_training_data(self) -> bool:
        """Whether y is real numbers."""
        return self.condition.classes is None

    def before_training(self, x: Tensor, y: Tensor | None) -> None:
        """Take the scale of the training data, once: what has been trained on is read as it was."""
        if y is None or self.condition.classes is not None or self.scaled:
            return
        self.scaled.fill_(True)
        if float(y.abs().max()) <= NEAR:
            return
        wide = y.double()
        sd = wide.std(0, correction=0)
        self.mean.copy_(wide.mean(0))
        self.sd.copy_(torch.where(sd > 0, sd, torch.ones_like(sd)))

    def forward(self, y: Tensor | None) -> Tensor:
        """``(..., *shape)`` to ``(..., size)``.

        Raises:
            ValueError: there is no y.
        """
        self.condition.need(y)
        assert y is not None
        return self.condition.read((y - self.mean) / self.sd if self.condition.classes is None else y)


def _held(y: Tensor) -> str:
    return f"{str(y.dtype).removeprefix('torch.')} from {y.min().item():g} to {y.max().item():g}"
