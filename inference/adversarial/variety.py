"""The variety loss: of several answers to one y, the nearest to the truth is brought nearer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Batch, HasCritic, HasGenerator, Model, Objective, Player
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class Variety(Objective):
    """E min_k ‖x − g(z_k, y)‖² / D over k draws of z, a term beside a game, as Adversarial() + λ * Variety(20).

    D counts the numbers of x that are not missing. Only the nearest answer is moved, so that the others may be other answers:
    it asks for one that is right, where the mean of squares would ask for the mean of all. It does not ask how probable that
    one is; that is the game's affair. With k = 1 it is least squares, and z is ignored.

    Should not be confused with IWAE(k), which weighs k draws by a likelihood; this is its limit at a small scale.

    Reference: Gupta et al. 2018, Social GAN, arXiv:1803.10892, equation 3; Fan et al. 2017, arXiv:1612.00603.

    Args:
        k: draws that compete for a datum.
    """

    alone = False
    implicit = True

    k: int = 20

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.k < 1:
            raise ValueError(f"Variety(k={self.k}): one draw or more competes for a datum.")

    def players(self, model: Any) -> Sequence[Player]:
        """The one who pays, who owns the generator.

        Raises:
            ValueError: the model is none in a game that generates x from a y.
        """
        if not (isinstance(model, Model) and isinstance(model, HasCritic) and isinstance(model, HasGenerator)):
            raise ValueError(
                f"Variety(k={self.k}) asks for the nearest of several answers of a generator in a game, and "
                f"{type(model).__name__} is none; take IWAE(k), which does so of a model with a likelihood."
            )
        if model.condition is None:
            raise ValueError(
                f"Variety(k={self.k}) compares x with answers to its y, and this {type(model).__name__} is told none; leave "
                "it out."
            )

        def charge(batch: Batch) -> Mapping[str, Tensor]:
            z = model.latent_prior(batch.y).sample((self.k, len(batch.x)))
            return {"loss": misfits(model.generate(z, batch.y), batch.x).amin(0).mean()}

        return [Player("variety", charge, model.generator_modules())]


def misfits(made: Tensor, x: Tensor) -> Tensor:
    """‖x − made‖² / D of each, ``(k, B, *x_shape)`` and ``(B, *x_shape)`` to ``(k, B)``, over what is not missing in x."""
    seen = ~x.isnan()
    # a missing number must not reach the square, whose gradient would be NaN
    apart = torch.where(seen, made, 0.0) - torch.where(seen, x, 0.0)
    return apart.square().flatten(2).sum(-1) / seen.flatten(1).sum(-1).clamp(min=1)
