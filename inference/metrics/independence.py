"""The metric of linear models of independent sources."""

from __future__ import annotations

import torch

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.data.mixed_sources import MixedSources
from pyrogen.inference.metrics.codes import encoder_of
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.representations.independence import amari_distance
from pyrogen.registry import choice


@choice("metric", "amari-distance")
def amari_distance_of(model: Model, data: Data, seed: int) -> float:
    """How far a linear decoder is from what mixed the sources, but for their order and scales; 0 where it is that.

    The Amari distance of P = Â⁻¹ A, Â the decoder's means at unit codes less that at 0.
    Reference: Amari, Cichocki & Yang 1996.
    """
    if not isinstance(data.law, MixedSources):
        raise ValueError(f"amari-distance knows what mixed the data 'mixed-sources' only; got {data.name!r}.")
    encoder, size = encoder_of(model, "amari-distance"), len(data.law.mixing)
    if encoder.latent_size != size:
        raise ValueError(
            f"amari-distance compares {size} sources, and latent_size={encoder.latent_size}; make them equal."
        )
    with evaluating(model):
        z = torch.cat([torch.zeros(1, size), torch.eye(size)]).to(model.device)
        means = encoder.decode(z).mean.double().cpu().flatten(1)
    found = (means[1:] - means[0]).T
    return amari_distance(torch.linalg.pinv(found) @ data.law.mixing.double())
