"""What a VAE of clips pays for saying that a thing is elsewhere than where it is seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyrogen.base import Batch, Objective, Player
from pyrogen.capabilities import HasWay
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class Way(Objective):
    """The way of a thing, told from its code, kept to what is seen of it, to be charged as ELBO() + Way(): in nats a clip.

    −E_q Σ_t log N(s_t(x); s_t(z), σ²) + const = E_q Σ_t ‖s_t(x) − s_t(z)‖² / 2σ², with s(x) what the encoder follows and s(z)
    where the generator draws the thing: as if the places were observed too, with an error of σ. Under the ELBO alone a thing
    that is not yet drawn where it is soon is drawn nowhere.

    Reference: Jaderberg et al. 2015, Spatial transformer networks, arXiv:1506.02025, for places as numbers that learn.

    Args:
        sd: σ, of the side of a frame.
    """

    alone = False

    sd: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if not 0 < self.sd < math.inf:
            raise ValueError(f"Way(sd={self.sd}): the error of a place must be positive and finite.")

    def players(self, model: Any) -> Sequence[Player]:
        """The one who pays, who owns what says the way.

        Raises:
            ValueError: the model says no way of a thing.
        """
        if not isinstance(model, HasWay) or not model.way_modules():
            raise ValueError(
                f"{type(model).__name__} says nowhere where a thing is, which Way() is about; take the entry 'vae-video' "
                "with generator='Layered', or leave it out."
            )

        def charge(batch: Batch) -> Mapping[str, Any]:
            apart = model.way_told(batch.x) - model.way_seen(batch.x)
            return {"loss": apart.square().sum((1, 2)).mean() / (2 * self.sd**2)}

        return [Player("way", charge, model.way_modules())]
